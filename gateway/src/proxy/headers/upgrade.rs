//! Changes of protocol: by `Upgrade` in HTTP/1.1 (RFC 9110 §7.8), and by extended CONNECT in HTTP/2 (RFC 8441), of which an
//! endpoint gets what an HTTP/1.1 client would have sent.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::header::{
    CONNECTION, HeaderMap, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::request::Parts;
use http::{Method, Version};
use hyper::ext::Protocol;

use super::connection::has_word;
use crate::config::model::OF_THIS_HOP;

/// What an answer to a key is made of besides the key (RFC 6455 §1.3).
const WEBSOCKET_GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A change of protocol that a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upgrade {
    /// One protocol, perhaps with a version.
    pub protocol: HeaderValue,
    /// How it was asked for, and what has to be done in the client's place.
    pub asked: AskedBy,
}

/// How a change of protocol was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AskedBy {
    /// By `Upgrade`: the answer to that is 101.
    Upgrade,
    /// By extended CONNECT: the answer to that is 200.
    Connect {
        /// What the endpoint must say to the key that it got, where the protocol wants one.
        accept: Option<String>,
    },
}

impl Upgrade {
    /// What a request asks for. HTTP/2 and TLS are no other protocol for the endpoint but another way to reach this gateway,
    /// and are not passed on. Extended CONNECT becomes the GET that an HTTP/1.1 client would have sent.
    pub(super) fn wanted(parts: &mut Parts) -> Option<Self> {
        match parts.version {
            Version::HTTP_11 => by_upgrade(&parts.headers).map(|protocol| Self { protocol, asked: AskedBy::Upgrade }),
            Version::HTTP_2 if parts.method == Method::CONNECT => by_connect(parts),
            _ => None,
        }
    }

    /// Whether it is one of these protocols, given in lower case.
    pub fn is_among(&self, protocols: &[String]) -> bool {
        let name = name(&self.protocol);
        protocols.iter().any(|protocol| name.eq_ignore_ascii_case(protocol.as_bytes()))
    }

    /// True if it was asked for by extended CONNECT.
    pub fn is_connect(&self) -> bool {
        matches!(self.asked, AskedBy::Connect { .. })
    }

    /// Whether this answer of 101 is one to what was asked.
    pub(super) fn fits(&self, headers: &HeaderMap) -> bool {
        let mut protocols = headers.get_all(UPGRADE).iter();
        let same = protocols.next().is_some_and(|found| name(found).eq_ignore_ascii_case(name(&self.protocol)));
        let accepted = match &self.asked {
            AskedBy::Connect { accept: Some(accept) } => {
                headers.get(SEC_WEBSOCKET_ACCEPT).is_some_and(|found| found.as_bytes() == accept.as_bytes())
            }
            _ => true,
        };
        same && protocols.next().is_none() && accepted
    }
}

/// One protocol, asked for as RFC 9110 §7.8 wants it.
fn by_upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut fields = headers.get_all(UPGRADE).iter();
    let protocol = fields.next()?;
    let is_one = fields.next().is_none() && !protocol.as_bytes().contains(&b',');
    let asked = is_one && has_word(headers, &CONNECTION, "upgrade");
    (asked && may_pass(protocol)).then(|| protocol.clone())
}

fn by_connect(parts: &mut Parts) -> Option<Upgrade> {
    let protocol = parts.extensions.remove::<Protocol>()?;
    let protocol = HeaderValue::from_str(protocol.as_str()).ok().filter(may_pass)?;
    parts.method = Method::GET;
    let accept = protocol.as_bytes().eq_ignore_ascii_case(b"websocket").then(|| {
        let key = BASE64_STANDARD.encode(fastrand::u128(..).to_ne_bytes());
        let accept = accept(&key);
        if let Ok(key) = HeaderValue::try_from(key) {
            parts.headers.insert(SEC_WEBSOCKET_KEY, key);
        }
        parts.headers.entry(SEC_WEBSOCKET_VERSION).or_insert(HeaderValue::from_static("13"));
        accept
    });
    Some(Upgrade { protocol, asked: AskedBy::Connect { accept } })
}

/// RFC 6455 §4.2.2.
fn accept(key: &str) -> String {
    let text = [key, WEBSOCKET_GUID].concat();
    BASE64_STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()))
}

fn may_pass(protocol: &HeaderValue) -> bool {
    let name = name(protocol);
    !name.is_empty() && !OF_THIS_HOP.iter().any(|own| name.eq_ignore_ascii_case(own.as_bytes()))
}

/// Without the version.
fn name(protocol: &HeaderValue) -> &[u8] {
    let name = protocol.as_bytes().split(|byte| *byte == b'/').next().unwrap_or_default();
    name.trim_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_answer() {
        // The example of RFC 6455 §1.3.
        assert_eq!(accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn an_answer_fits_what_was_asked() {
        let connect = AskedBy::Connect { accept: Some("good".into()) };
        // asked by, asked for, fields of the answer, fits
        type Case<'a> = (&'a AskedBy, &'static str, &'a [(&'static str, &'static str)], bool);
        let cases: &[Case<'_>] = &[
            (&AskedBy::Upgrade, "websocket", &[("upgrade", "WebSocket")], true),
            (&AskedBy::Upgrade, "a/1", &[("upgrade", "A/2")], true),
            (&AskedBy::Upgrade, "websocket", &[], false),
            (&AskedBy::Upgrade, "websocket", &[("upgrade", "h2c")], false),
            (&AskedBy::Upgrade, "websocket", &[("upgrade", "websocket"), ("upgrade", "h2c")], false),
            (&connect, "websocket", &[("upgrade", "websocket"), ("sec-websocket-accept", "good")], true),
            (&connect, "websocket", &[("upgrade", "websocket"), ("sec-websocket-accept", "bad")], false),
            (&connect, "websocket", &[("upgrade", "websocket")], false),
            (&AskedBy::Connect { accept: None }, "other", &[("upgrade", "other")], true),
        ];
        for (asked, protocol, fields, fits) in cases {
            let headers: HeaderMap = fields
                .iter()
                .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value)))
                .collect();
            let upgrade = Upgrade { protocol: HeaderValue::from_static(protocol), asked: (*asked).clone() };
            assert_eq!(upgrade.fits(&headers), *fits, "{asked:?} {fields:?}");
        }
    }
}
