//! Cookies of a request, read where they stand, and the many `cookie` fields of HTTP/2 made one. Set-Cookie and the meaning
//! of cookies are for plugins.

use bytes::BytesMut;
use http::HeaderMap;
use http::header::{COOKIE, HeaderValue};

/// All cookies of all `cookie` fields in order, name and value as bytes. Read as browsers write them and a little more
/// (RFC 6265 §4.2): blanks around names and values do not count, what has no `=` is passed over, quotes belong to the value.
pub fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    headers.get_all(COOKIE).iter().flat_map(|field| field.as_bytes().split(|byte| *byte == b';')).filter_map(|pair| {
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        let (name, value) = pair.split_at(equals);
        Some((name.trim_ascii(), value.get(1..).unwrap_or_default().trim_ascii()))
    })
}

/// The first cookie of that name, case kept.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    cookies(headers).find(|(found, _)| *found == name.as_bytes()).map(|(_, value)| value)
}

/// One `cookie` field in place of many: HTTP/2 clients may split it so that it compresses better, HTTP/1.1 knows one only
/// (RFC 9113 §8.2.3).
pub fn join(headers: &mut HeaderMap) {
    let fields = headers.get_all(COOKIE).iter();
    let (count, length) = fields.fold((0, 0), |(count, length), field| (count + 1, length + field.len() + 2));
    if count < 2 {
        return;
    }
    let mut joined = BytesMut::with_capacity(length);
    for field in headers.get_all(COOKIE).iter().filter(|field| !field.is_empty()) {
        if !joined.is_empty() {
            joined.extend_from_slice(b"; ");
        }
        joined.extend_from_slice(field.as_bytes());
    }
    // Parts of legal values make a legal value.
    if let Ok(joined) = HeaderValue::from_maybe_shared(joined.freeze()) {
        headers.insert(COOKIE, joined);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[&[u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(COOKIE, HeaderValue::from_bytes(field).expect("a value"));
        }
        headers
    }

    #[test]
    fn the_first_cookie_of_a_name_is_found() {
        type Case<'a> = (&'a [&'a [u8]], &'a str, Option<&'a [u8]>);
        let cases: &[Case<'_>] = &[
            (&[], "a", None),
            (&[b"a=1"], "a", Some(b"1")),
            (&[b"a=1; b=2"], "b", Some(b"2")),
            (&[b"a=1;b=2"], "b", Some(b"2")),
            (&[b" a = 1 ;"], "a", Some(b"1")),
            (&[b"a=1", b"a=2"], "a", Some(b"1")),
            (&[b"b=1", b"a=2"], "a", Some(b"2")),
            (&[b"a=b=c"], "a", Some(b"b=c")),
            (&[b"a=\"x\""], "a", Some(b"\"x\"")),
            (&[b"a; a=2"], "a", Some(b"2")),
            (&[b"a="], "a", Some(b"")),
            (&[b"A=1"], "a", None),
            (&[b";;=;"], "", Some(b"")),
            (&[b"\xff=1; a=\xfe"], "a", Some(b"\xfe")),
        ];
        for (fields, name, expected) in cases {
            assert_eq!(cookie(&headers(fields), name), *expected, "{fields:?} {name}");
        }
    }

    #[test]
    fn crumbs_become_one_field() {
        type Fields<'a> = &'a [&'a [u8]];
        let cases: &[(Fields<'_>, Fields<'_>)] = &[
            (&[], &[]),
            (&[b"a=1"], &[b"a=1"]),
            (&[b"a=1", b"b=2", b"c=3"], &[b"a=1; b=2; c=3"]),
            (&[b"", b"a=\xff"], &[b"a=\xff"]),
            (&[b"a=1", b"", b"b=2", b""], &[b"a=1; b=2"]),
            (&[b"", b""], &[b""]),
        ];
        for (fields, expected) in cases {
            let mut map = headers(fields);
            join(&mut map);
            let found: Vec<&[u8]> = map.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
            assert_eq!(found, *expected);
        }
    }
}
