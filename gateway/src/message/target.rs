//! The one normal form of a request target: routes match, plugins see and endpoints get the same text, so that no path can
//! be read in two ways. Knows paths and queries only; the host belongs to `proxy::headers`, query parameters to `query`.
//!
//! The normal form of a path (RFC 3986 §6.2.2):
//! - dot segments are removed, also as `%2e` in any mixture; `/..` at the root is the root;
//! - escapes of unreserved characters are decoded (`%61` is `a`), all others are kept, in upper case (`%2f` is `%2F`);
//! - what may not stand in a path unescaped (`\`, `"`, `{`, `|`, bytes above ASCII, and so on) is escaped;
//! - `//` is kept, and so are parameters: `..;x` is an ordinary segment;
//! - `\` and `%5C` are ordinary characters of a segment, never a separator.
//!
//! Refused: `%00`, a percent sign without two hexadecimal digits, control bytes, spaces and fragments. The query is kept
//! as it was sent.

use http::uri::PathAndQuery;

/// Longest target that can be represented, in bytes.
const LONGEST: usize = u16::MAX as usize - 1;

/// Why a target has no normal form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// `a/b`, `*`, an empty text.
    #[error("the path does not begin with a slash")]
    NoSlash,
    /// `%`, `%2`, `%zz`.
    #[error("the path has a percent sign without two hexadecimal digits")]
    Escape,
    /// `%00`.
    #[error("the path has an escaped NUL")]
    Nul,
    /// `/a#b`.
    #[error("the target has a fragment")]
    Fragment,
    /// A control byte, a space, `<`, `>`, a backtick.
    #[error("the target has a byte that no target may hold")]
    Byte,
    /// Over 65,534 bytes, perhaps by escaping.
    #[error("the target is too long")]
    TooLong,
}

/// The normal form. Shares the bytes of `raw` if it is normal already, as nearly all are.
pub fn normal(raw: &PathAndQuery) -> Result<PathAndQuery, TargetError> {
    let path = raw.path();
    if !is_normal(path.as_bytes()) {
        return rewrite(path, raw.query());
    }
    match raw.as_str() {
        // An absolute form without a path, `http://host`, is held as an empty text that only looks like this one.
        "/" => Ok(PathAndQuery::from_static("/")),
        text if text.starts_with('/') => Ok(raw.clone()),
        // `http://host?query`.
        _ => rewrite(path, raw.query()),
    }
}

/// The normal form of a path and query written by a plugin or in a configuration.
pub fn parse(text: &str) -> Result<PathAndQuery, TargetError> {
    if !text.starts_with('/') {
        return Err(TargetError::NoSlash);
    }
    // `http` would cut a fragment off without a word.
    if text.contains('#') {
        return Err(TargetError::Fragment);
    }
    if text.len() > LONGEST {
        return Err(TargetError::TooLong);
    }
    normal(&PathAndQuery::try_from(text).map_err(|_| TargetError::Byte)?)
}

/// The target without `prefix`, which is in normal form and ends without a slash: `/api` cut from `/api/x?y` gives
/// `/x?y`, from `/api?y` gives `/?y`, and `/apix` stays as it is.
pub fn strip_prefix(target: &PathAndQuery, prefix: &str) -> PathAndQuery {
    let Some(rest) = target.as_str().strip_prefix(prefix) else {
        return target.clone();
    };
    let stripped = match rest.as_bytes().first() {
        None => Ok(PathAndQuery::from_static("/")),
        Some(b'/') => PathAndQuery::try_from(rest),
        Some(b'?') => PathAndQuery::try_from(format!("/{rest}")),
        Some(_) => return target.clone(),
    };
    stripped.unwrap_or_else(|_| target.clone())
}

/// One pass without allocation; false also for what has no normal form.
fn is_normal(path: &[u8]) -> bool {
    let mut rest = path;
    let mut segment_begins = false;
    while let Some((&byte, after)) = rest.split_first() {
        match byte {
            b'.' if segment_begins && is_dot_segment(rest) => return false,
            b'%' => {
                let Some((value, after)) = escape(after) else {
                    return false;
                };
                let lower = rest.iter().take(3).any(u8::is_ascii_lowercase);
                if lower || value == 0 || is_unreserved(value) {
                    return false;
                }
                segment_begins = false;
                rest = after;
                continue;
            }
            b'/' => {}
            _ if is_path_byte(byte) => {}
            _ => return false,
        }
        segment_begins = byte == b'/';
        rest = after;
    }
    path.first() == Some(&b'/')
}

fn is_dot_segment(rest: &[u8]) -> bool {
    matches!(rest, [b'.'] | [b'.', b'/', ..] | [b'.', b'.'] | [b'.', b'.', b'/', ..])
}

fn rewrite(path: &str, query: Option<&str>) -> Result<PathAndQuery, TargetError> {
    let segments = path.strip_prefix('/').ok_or(TargetError::NoSlash)?;
    let mut text = String::with_capacity(path.len() + query.map_or(0, str::len) + 16);
    let mut ends_in_dots = false;
    for segment in segments.split('/') {
        let start = text.len();
        text.push('/');
        push_segment(&mut text, segment)?;
        ends_in_dots = true;
        match text.get(start..) {
            Some("/.") => text.truncate(start),
            Some("/..") => {
                text.truncate(start);
                text.truncate(text.rfind('/').unwrap_or(0));
            }
            _ => ends_in_dots = false,
        }
    }
    if ends_in_dots {
        text.push('/');
    }
    if let Some(query) = query {
        text.push('?');
        text.push_str(query);
    }
    if text.len() > LONGEST {
        return Err(TargetError::TooLong);
    }
    PathAndQuery::try_from(text).map_err(|_| TargetError::Byte)
}

fn push_segment(text: &mut String, segment: &str) -> Result<(), TargetError> {
    let mut rest = segment.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            if is_path_byte(byte) {
                text.push(char::from(byte));
            } else {
                push_escape(text, byte);
            }
            continue;
        }
        let (value, after) = escape(after).ok_or(TargetError::Escape)?;
        rest = after;
        match value {
            0 => return Err(TargetError::Nul),
            _ if is_unreserved(value) => text.push(char::from(value)),
            _ => push_escape(text, value),
        }
    }
    Ok(())
}

fn push_escape(text: &mut String, byte: u8) {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).map_or('0', |digit| digit.to_ascii_uppercase());
    text.push('%');
    text.push(digit(byte >> 4));
    text.push(digit(byte & 0xf));
}

/// The byte that the two digits after a percent sign stand for, and what comes after them.
pub(super) fn escape(after_percent: &[u8]) -> Option<(u8, &[u8])> {
    let (&[high, low], rest) = after_percent.split_first_chunk::<2>()?;
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let value = digit(high)? * 16 + digit(low)?;
    Some((u8::try_from(value).ok()?, rest))
}

/// RFC 3986 §2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// What may stand in a segment unescaped: RFC 3986 §3.3, `pchar`.
fn is_path_byte(byte: u8) -> bool {
    is_unreserved(byte)
        || matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':' | b'@')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_has_one_normal_form() {
        let cases = [
            ("/", "/"),
            ("/a", "/a"),
            ("/a/", "/a/"),
            ("/a?b=/../c", "/a?b=/../c"),
            ("/a?%61#", "fragment"),
            ("/a#b", "fragment"),
            ("/.", "/"),
            ("/..", "/"),
            ("/../../etc", "/etc"),
            ("/a/.", "/a/"),
            ("/a/./b", "/a/b"),
            ("/a/..", "/"),
            ("/a/../", "/"),
            ("/a/b/..", "/a/"),
            ("/a/b/../c?x", "/a/c?x"),
            ("/a/b/../../../c", "/c"),
            ("/a//../b", "/a/b"),
            ("//", "//"),
            ("//x", "//x"),
            ("/a//b", "/a//b"),
            ("/.//x", "//x"),
            ("/%2e", "/"),
            ("/a/%2E%2e/b", "/b"),
            ("/a/.%2e/b", "/b"),
            ("/a/%2e./b", "/b"),
            ("/a/%2e%2e%2fb", "/a/..%2Fb"),
            ("/...", "/..."),
            ("/.a", "/.a"),
            ("/..a/b..", "/..a/b.."),
            ("/a/..;x=1/b", "/a/..;x=1/b"),
            ("/a;x=../b", "/a;x=../b"),
            ("/%61dmin", "/admin"),
            ("/%7euser%2D%5f", "/~user-_"),
            ("/a%2fb", "/a%2Fb"),
            ("/a%2Fb", "/a%2Fb"),
            ("/a%5cb", "/a%5Cb"),
            ("/a\\..\\b", "/a%5C..%5Cb"),
            ("/a%25b", "/a%25b"),
            ("/%252e%252e/b", "/%252e%252e/b"),
            ("/a|b{c}\"[d]^", "/a%7Cb%7Bc%7D%22%5Bd%5D%5E"),
            ("/é?é", "/%C3%A9?é"),
            ("/a%0d%0a", "/a%0D%0A"),
            ("/a:b@c!$&'()*+,;=", "/a:b@c!$&'()*+,;="),
            ("/a%00", "nul"),
            ("/../%00", "nul"),
            ("/a%", "escape"),
            ("/a%2", "escape"),
            ("/a%zz", "escape"),
            ("/a%+1", "escape"),
            ("/a%é", "escape"),
            ("/a b", "byte"),
            ("/a\r\nb", "byte"),
            ("/a\0", "byte"),
            ("/a?b c", "byte"),
            ("", "slash"),
            ("a", "slash"),
            ("*", "slash"),
            ("?a", "slash"),
        ];
        for (raw, expected) in cases {
            let found = match parse(raw) {
                Ok(target) => target.as_str().to_owned(),
                Err(TargetError::NoSlash) => "slash".to_owned(),
                Err(TargetError::Escape) => "escape".to_owned(),
                Err(TargetError::Nul) => "nul".to_owned(),
                Err(TargetError::Fragment) => "fragment".to_owned(),
                Err(TargetError::Byte) => "byte".to_owned(),
                Err(TargetError::TooLong) => "long".to_owned(),
            };
            assert_eq!(found, expected, "{raw:?}");
        }
    }

    #[test]
    fn a_normal_target_is_not_copied() {
        for text in ["/a/b.c?d=e%zz", "/a%20b", "/"] {
            let bytes = bytes::Bytes::copy_from_slice(text.as_bytes());
            let raw = PathAndQuery::from_maybe_shared(bytes).expect("a target");
            let found = normal(&raw).expect("normal");
            assert_eq!(found, raw);
            assert!(text == "/" || std::ptr::eq(found.as_str(), raw.as_str()), "{text}");
        }
    }

    #[test]
    fn a_normal_target_is_its_own_normal_form() {
        let mut random = fastrand::Rng::with_seed(1);
        let pieces = ["/", ".", "..", "%2e", "%2E", "%2f", "%25", "a", "%61", ";", "\\", "é", "//", "?", "%00", "%"];
        for _ in 0..20_000 {
            let mut text = String::from("/");
            for _ in 0..random.usize(0..8) {
                text.push_str(random.choice(pieces).expect("there are pieces"));
            }
            let Ok(once) = parse(&text) else { continue };
            assert_eq!(normal(&once).expect("normal"), once, "{text}");
            assert!(is_normal(once.path().as_bytes()), "{text}");
            assert!(!once.path().split('/').any(|segment| segment == "." || segment == ".."), "{text}");
        }
    }

    #[test]
    fn absolute_forms_without_a_path_get_one() {
        for (uri, expected) in [("http://a", "/"), ("http://a?b", "/?b"), ("http://a/..?b", "/?b")] {
            let uri: http::Uri = uri.parse().expect("a URI");
            let found = normal(uri.path_and_query().expect("has a path")).expect("normal");
            assert_eq!(found.as_str(), expected);
            assert_eq!(found, PathAndQuery::from_static(expected));
        }
    }

    #[test]
    fn escaping_may_make_a_target_too_long() {
        assert_eq!(parse(&format!("/{}", "é".repeat(12_000))), Err(TargetError::TooLong));
        assert_eq!(parse(&format!("/{}", "a".repeat(70_000))), Err(TargetError::TooLong));
    }

    #[test]
    fn a_prefix_is_cut_at_a_slash() {
        let cases = [
            ("/api/x?y", "/api", "/x?y"),
            ("/api/", "/api", "/"),
            ("/api", "/api", "/"),
            ("/api?y", "/api", "/?y"),
            ("/apix", "/api", "/apix"),
            ("/x", "/api", "/x"),
            ("/api//x", "/api", "//x"),
            ("/x", "", "/x"),
            ("*", "/api", "*"),
        ];
        for (target, prefix, expected) in cases {
            let target = PathAndQuery::from_static(target);
            assert_eq!(strip_prefix(&target, prefix), expected, "{target} {prefix}");
        }
    }
}
