//! What hooks are asked about: a browser's request, an answer, and the moments of one exchange after the other.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use criterion::BatchSize;
use http::header::SET_COOKIE;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};
use sluice_gateway::endpoint::Endpoint;
use sluice_gateway::message::{BodyPrefix, RequestHead, Scheme};
use sluice_gateway::plugin::{Ended, Moment, ResponseHead};

/// Answers that are made ready for measured calls at a time: few enough to stay in the nearest cache.
pub const BATCH: BatchSize = BatchSize::NumIterations(32);

/// The request of a browser, with a cookie of the site's own and those that are given.
pub fn request(cookies: &str) -> Arc<RequestHead> {
    let cookie = format!("theme=dark; {cookies}");
    let fields = [
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
        ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
        ("accept-language", "en-GB,en;q=0.5"),
        ("accept-encoding", "gzip, deflate, br, zstd"),
        ("referer", "https://shop.example.com/"),
        ("cookie", &cookie),
        ("x-user", "u-20417"),
    ];
    Arc::new(RequestHead {
        method: Method::GET,
        version: Version::HTTP_11,
        scheme: Scheme::Https,
        authority: Authority::from_static("shop.example.com"),
        target: PathAndQuery::from_static("/articles/4711?from=search"),
        headers: headers(&fields),
        client: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 17)),
        server_name: None,
        prefix: BodyPrefix::default(),
    })
}

/// What that endpoint answers, with more fields.
pub fn answer(endpoint: Arc<Endpoint>, more: &[(&'static str, &str)]) -> ResponseHead {
    let mut headers = headers(&[
        ("content-type", "text/html; charset=utf-8"),
        ("content-length", "128"),
        ("cache-control", "private, max-age=0"),
        ("date", "Sat, 21 Nov 2026 12:00:00 GMT"),
        ("etag", "\"5f1c-4711\""),
    ]);
    headers.extend(self::headers(more));
    ResponseHead { status: StatusCode::OK, headers, endpoint: Some(endpoint) }
}

/// The cookie that an answer sets, as a client sends it.
pub fn cookie_of(answer: &ResponseHead) -> String {
    let field = answer.headers[SET_COOKIE].to_str().unwrap();
    field.split(';').next().unwrap_or_default().to_owned()
}

fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
    let field =
        |(name, value): &(&'static str, &str)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    fields.iter().map(field).collect()
}

/// How the exchange ended.
pub fn ended(tag: u64) -> Ended {
    Ended { tag, attempts: 1, upstream: Duration::from_millis(1) }
}

/// Moments of exchanges, one after the other.
pub struct Moments {
    random: fastrand::Rng,
    now_us: u64,
}

impl Moments {
    pub fn begin() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Self { random: fastrand::Rng::with_seed(7), now_us: now.as_micros() as u64 }
    }

    /// A millisecond after the one before: no call takes nearly as long, so no use is left out for having had its share.
    pub fn next(&mut self) -> Moment<'static> {
        self.now_us += 1_000;
        Moment::new(self.random.u64(..), self.now_us)
    }
}
