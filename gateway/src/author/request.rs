//! Requests that nobody has sent, in the form that plugins see.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use bytes::Bytes;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version, header};

use crate::message::{BodyPrefix, RequestHead, Scheme};

/// What is said of a request; the rest is as plain as can be.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Its method.
    pub method: Method,
    /// The host that it is for.
    pub authority: Authority,
    /// Path and query.
    pub target: PathAndQuery,
    /// Its fields.
    pub headers: HeaderMap,
    /// Who sent it.
    pub client: IpAddr,
    /// Its body.
    pub body: Bytes,
}

impl Default for Asked {
    /// `GET / HTTP/1.1` of `192.0.2.1` for `example.com`, without a field.
    fn default() -> Self {
        Self {
            method: Method::GET,
            authority: Authority::from_static("example.com"),
            target: PathAndQuery::from_static("/"),
            headers: HeaderMap::new(),
            client: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
            body: Bytes::new(),
        }
    }
}

impl Asked {
    /// With one field more.
    pub fn field(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    /// From that client.
    pub fn of(mut self, client: IpAddr) -> Self {
        self.client = client;
        self
    }

    /// As hooks are shown it.
    pub fn head(self) -> Arc<RequestHead> {
        let Self { method, authority, target, headers, client, body } = self;
        Arc::new(RequestHead {
            method,
            version: Version::HTTP_11,
            scheme: Scheme::Https,
            authority,
            target,
            headers,
            client,
            server_name: None,
            prefix: BodyPrefix { bytes: body, complete: true },
        })
    }
}

/// The request of a client with that number, which stands wherever a policy may look for a key: in the address, the fields
/// `x-user` and `cookie` (`user`), the path and the query parameter `user`. There are 65,536 of them.
pub(super) fn numbered(number: u32) -> Arc<RequestHead> {
    let [_, _, high, low] = number.to_be_bytes();
    let value = |text: String| HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("none"));
    let mut asked = Asked::default().of([10, 0, high, low].into());
    asked.target = format!("/{number}?user={number}").parse().unwrap_or(asked.target);
    asked
        .field(HeaderName::from_static("x-user"), value(number.to_string()))
        .field(header::USER_AGENT, HeaderValue::from_static("sluice"))
        .field(header::COOKIE, value(format!("user={number}")))
        .head()
}
