//! Fields that belong to one connection, and how they are taken out of a head, in both directions (RFC 9110 §7.6.1).

use http::header::{CONNECTION, HeaderMap, HeaderName};

use crate::message::fields;

/// The words of all fields of that name, in order.
pub(super) fn words<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    let fields = headers.get_all(name).iter();
    fields.flat_map(|field| field.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii)
}

/// Whether one of the words of these fields is `word`, in any case.
pub(super) fn has_word(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    words(headers, name).any(|found| found.eq_ignore_ascii_case(word.as_bytes()))
}

/// Takes out the fields of this connection: those of the list, those that `Connection` names, and those that `also` names.
pub(super) fn strip(headers: &mut HeaderMap, also: impl Fn(&HeaderName) -> bool) {
    // Allocates only if there is something to take out besides `Connection` itself.
    let mut doomed: Vec<HeaderName> = words(headers, &CONNECTION)
        .filter(|word| !word.eq_ignore_ascii_case(b"keep-alive") && !word.eq_ignore_ascii_case(b"close"))
        .filter_map(|word| HeaderName::from_bytes(word).ok())
        .filter(|name| fields::may_be_nominated(name) && headers.contains_key(name))
        .collect();
    doomed.extend(
        headers
            .keys()
            .filter(|name| **name != CONNECTION)
            .filter(|name| fields::is_hop_by_hop(name) || also(name))
            .cloned(),
    );
    headers.remove(CONNECTION);
    for name in doomed {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use http::header::HeaderValue;

    use super::*;

    #[test]
    fn what_belongs_to_the_connection_stays_there() {
        // fields before, names after
        type Case<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);
        let cases: &[Case<'_>] = &[
            (&[("accept", "a"), ("x-a", "b")], &["accept", "x-a"]),
            (&[("connection", "close"), ("x-a", "b")], &["x-a"]),
            (&[("connection", "keep-alive, X-A"), ("x-a", "b"), ("x-b", "c")], &["x-b"]),
            (&[("connection", "x-a"), ("connection", "x-b"), ("x-a", "1"), ("x-a", "2"), ("x-b", "3")], &[]),
            (&[("connection", "x-a,,é, x b"), ("x-a", "b")], &[]),
            (
                &[
                    ("connection", "host, content-length, cookie, x-forwarded-for, forwarded"),
                    ("cookie", "a"),
                    ("content-length", "1"),
                    ("x-forwarded-for", "b"),
                ],
                &["content-length", "cookie", "x-forwarded-for"],
            ),
            (&[("connection", "upgrade"), ("upgrade", "websocket"), ("keep-alive", "1"), ("te", "trailers")], &[]),
            (
                &[
                    ("proxy-connection", "a"),
                    ("transfer-encoding", "chunked"),
                    ("proxy-authorization", "b"),
                    ("http2-settings", "c"),
                    ("proxy", "d"),
                    ("trailer", "e"),
                ],
                &["trailer"],
            ),
            (&[("x_a", "b"), ("x-a", "c")], &["x-a"]),
        ];
        for (before, after) in cases {
            let mut headers = HeaderMap::new();
            for (name, value) in *before {
                headers
                    .append(HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).expect("a value"));
            }
            strip(&mut headers, |name| name.as_str().contains('_'));
            let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
            names.sort_unstable();
            assert_eq!(names, *after, "{before:?}");
        }
    }
}
