//! From the text of a head to what hyper makes of it. Seeds can be read, and what cannot come from hyper is not tried.

use http::header::{HOST, HeaderMap, HeaderName, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, Uri, Version, request, response};
use sluice_gateway::message::{self, BodyPrefix, RequestHead};

/// As many fields as a listener takes by default, and some more.
const FIELDS: usize = 128;

/// A request's head as hyper hands it over. Over HTTP/2 the first `host` becomes the authority; it stays a field beside that if
/// `keep_host`.
pub fn request(text: &[u8], h2: bool, keep_host: bool) -> Option<request::Parts> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut read = httparse::Request::new(&mut fields);
    read.parse(text).ok().filter(httparse::Status::is_complete)?;
    let mut parts = http::Request::new(()).into_parts().0;
    parts.method = Method::from_bytes(read.method?.as_bytes()).ok()?;
    parts.version = if read.version? == 0 { Version::HTTP_10 } else { Version::HTTP_11 };
    parts.uri = Uri::try_from(read.path?).ok()?;
    parts.headers = headers(read.headers)?;
    if h2 {
        parts.version = Version::HTTP_2;
        if parts.uri.scheme().is_none() {
            let host = parts.headers.get(HOST)?.clone();
            parts.uri = absolute(host.as_bytes(), parts.uri.path_and_query()?)?;
        }
        if !keep_host {
            parts.headers.remove(HOST);
        }
    }
    Some(parts)
}

/// A request with these fields as plugins see it.
pub fn for_plugins(headers: HeaderMap) -> RequestHead {
    RequestHead {
        method: Method::GET,
        version: Version::HTTP_11,
        scheme: message::Scheme::Https,
        authority: "shop.example.com".parse().expect("an authority"),
        target: "/a?b".parse().expect("a target"),
        headers,
        client: [192, 0, 2, 1].into(),
        server_name: None,
        prefix: BodyPrefix::default(),
    }
}

/// An answer's head as hyper hands it over.
pub fn response(text: &[u8]) -> Option<response::Parts> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut read = httparse::Response::new(&mut fields);
    read.parse(text).ok().filter(httparse::Status::is_complete)?;
    let mut parts = http::Response::new(()).into_parts().0;
    parts.status = http::StatusCode::from_u16(read.code?).ok()?;
    parts.version = if read.version? == 0 { Version::HTTP_10 } else { Version::HTTP_11 };
    parts.headers = headers(read.headers)?;
    Some(parts)
}

fn absolute(host: &[u8], target: &PathAndQuery) -> Option<Uri> {
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(Scheme::HTTPS);
    parts.authority = Some(Authority::try_from(host).ok()?);
    parts.path_and_query = Some(target.clone());
    Uri::from_parts(parts).ok()
}

fn headers(fields: &[httparse::Header<'_>]) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for field in fields {
        headers.append(HeaderName::from_bytes(field.name.as_bytes()).ok()?, HeaderValue::from_bytes(field.value).ok()?);
    }
    Some(headers)
}

/// Every field, its name in lower case, by name and in the order of the lines of a name.
pub fn lines(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    let mut lines: Vec<_> =
        headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect();
    lines.sort_by(|(one, _), (other, _)| one.cmp(other));
    lines
}

/// The values of that name.
pub fn values<'a>(lines: &'a [(String, Vec<u8>)], name: &str) -> Vec<&'a [u8]> {
    lines.iter().filter(|(found, _)| found == name).map(|(_, value)| &**value).collect()
}
