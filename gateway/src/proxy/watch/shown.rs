//! Heads as records show them, with or without their secrets.

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use http::Version;
use http::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderName, PROXY_AUTHORIZATION, SET_COOKIE};

use crate::message::RequestHead;
use crate::observe::recorded::{Edit, MASK, Request};

/// The request as it was taken in.
pub(in crate::proxy) fn request(head: &RequestHead, peer: IpAddr, masks: bool) -> Request {
    Request {
        method: head.method.to_string(),
        version: match head.version {
            Version::HTTP_10 => "1.0",
            Version::HTTP_2 => "2",
            _ => "1.1",
        }
        .to_owned(),
        scheme: head.scheme.as_str().to_owned(),
        authority: head.authority.to_string(),
        target: head.target.to_string(),
        headers: pairs(&head.headers, masks),
        client: head.client,
        peer,
        server_name: head.server_name.as_deref().map(str::to_owned),
        body: STANDARD_NO_PAD.encode(&head.prefix.bytes),
        body_complete: head.prefix.complete,
    }
}

/// Names and values.
pub(in crate::proxy) fn pairs(headers: &HeaderMap, masks: bool) -> Vec<(String, String)> {
    headers.iter().map(|(name, value)| (name.to_string(), shown(name, value.as_bytes(), masks))).collect()
}

/// What differs.
pub(super) fn edits(before: &HeaderMap, after: &HeaderMap, masks: bool) -> Vec<Edit> {
    let names = before.keys().chain(after.keys().filter(|name| !before.contains_key(*name)));
    let differs = |name: &&HeaderName| before.get_all(*name).iter().ne(after.get_all(*name));
    let values = |headers: &HeaderMap, name: &HeaderName| {
        headers.get_all(name).iter().map(|value| shown(name, value.as_bytes(), masks)).collect()
    };
    let edit =
        |name: &HeaderName| Edit { name: name.to_string(), before: values(before, name), after: values(after, name) };
    names.filter(differs).map(edit).collect()
}

/// A value as text, each byte a character; without its secret.
fn shown(name: &HeaderName, value: &[u8], masks: bool) -> String {
    let text: String = value.iter().map(|&byte| char::from(byte)).collect();
    match name {
        _ if !masks => text,
        &COOKIE => text.split(';').map(|pair| masked(pair, "")).collect::<Vec<_>>().join(";"),
        &SET_COOKIE => {
            let (pair, attributes) = text.split_once(';').unwrap_or((&text, ""));
            masked(pair, if attributes.is_empty() { "" } else { ";" }) + attributes
        }
        &AUTHORIZATION | &PROXY_AUTHORIZATION => MASK.to_owned(),
        _ => text,
    }
}

/// A cookie without its value.
fn masked(pair: &str, end: &str) -> String {
    match pair.split_once('=') {
        Some((name, _)) => format!("{name}={MASK}{end}"),
        None => format!("{MASK}{end}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_and_nothing_else() {
        let cases: [(&'static str, &str, &str); 6] = [
            ("cookie", "a=1; b=2=3; c", "a=**masked**; b=**masked**;**masked**"),
            ("set-cookie", "a=1; Path=/; Secure", "a=**masked**; Path=/; Secure"),
            ("set-cookie", "a=1", "a=**masked**"),
            ("authorization", "Bearer x", "**masked**"),
            ("proxy-authorization", "Basic x", "**masked**"),
            ("x-user", "bob", "bob"),
        ];
        for (name, value, expected) in cases {
            let name = HeaderName::from_static(name);
            assert_eq!(shown(&name, value.as_bytes(), true), expected);
            assert_eq!(shown(&name, value.as_bytes(), false), value);
        }
    }
}
