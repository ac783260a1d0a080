//! The texts of a route's `match` and `rewrite`, parsed into the model's patterns. A pattern that no request could ever fit is a
//! mistake here, not a silence later. Which of two routes wins is not decided here.

use super::key_path::KeyPath;
use super::model::{HostPattern, Matcher, PathPattern};
use super::problem::Report;
use super::raw;

/// Everything in one order, so that two routes for the same requests are equal.
pub(super) fn matcher(raw: raw::Match, at: &KeyPath, report: &mut Report<'_>) -> Matcher {
    let mut matcher = Matcher::default();
    for (index, text) in raw.hosts.iter().flatten().enumerate() {
        match host(text) {
            Ok(pattern) => matcher.hosts.push(pattern),
            Err(message) => report.add(&at.key("hosts").index(index), message),
        }
    }
    matcher.hosts.sort();
    matcher.hosts.dedup();
    match raw.path.as_deref().map_or(Ok(PathPattern::Any), path) {
        Ok(pattern) => matcher.path = pattern,
        Err(message) => report.add(&at.key("path"), message),
    }
    for (index, text) in raw.methods.into_iter().flatten().enumerate() {
        match method(&text) {
            Ok(()) => matcher.methods.push(text),
            Err(message) => report.add(&at.key("methods").index(index), message),
        }
    }
    matcher.methods.sort();
    matcher.methods.dedup();
    for (name, value) in raw.headers {
        let here = at.key("headers").key(&name);
        let name = name.to_ascii_lowercase();
        if !is_token(&name) {
            report.add(&here, format!("{name:?} is not the name of a header field"));
        } else if value.trim() != value || value.chars().any(char::is_control) {
            report.add(&here, "no header field has this value: control characters, or space around it");
        } else if matcher.headers.insert(name.clone(), value).is_some() {
            report.add(&here, format!("{name:?} stands twice; upper and lower case are the same"));
        }
    }
    matcher
}

fn host(text: &str) -> Result<HostPattern, String> {
    let host = text.to_ascii_lowercase();
    if host == "*" {
        return Err("leave `hosts` away to fit every host".to_owned());
    }
    let (wildcard, name) = host.strip_prefix("*.").map_or((false, host.as_str()), |name| (true, name));
    let is_ipv6 = || {
        name.strip_prefix('[')
            .and_then(|name| name.strip_suffix(']'))
            .is_some_and(|ip| ip.parse::<std::net::Ipv6Addr>().is_ok())
    };
    if !is_ipv6() || wildcard {
        if name.contains(':') {
            return Err(format!("{text:?} is no host name; it stands without scheme and port"));
        }
        if !name.is_ascii() {
            return Err(format!("{text:?} must be written as clients send it, in ASCII (xn--...)"));
        }
        let label = |label: &str| {
            !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        if !name.split('.').all(label) {
            return Err(format!("{text:?} is no host name, and no wildcard like \"*.example.com\""));
        }
    }
    Ok(if wildcard { HostPattern::Suffix(format!(".{name}")) } else { HostPattern::Exact(name.to_owned()) })
}

fn path(text: &str) -> Result<PathPattern, String> {
    let (path, below) = text.strip_suffix("/*").map_or((text, false), |path| (path, true));
    match (path, below) {
        ("", true) => return Ok(PathPattern::Any),
        _ if path.contains('*') => {
            return Err(format!("in {text:?}, \"*\" may only stand at the end, as \"/*\""));
        }
        _ => plain_path(path, text)?,
    }
    Ok(if below { PathPattern::Prefix(path.to_owned()) } else { PathPattern::Exact(path.to_owned()) })
}

/// Refuses what does not survive into the normal form of a request's path.
fn plain_path(path: &str, text: &str) -> Result<(), String> {
    if !path.starts_with('/') {
        return Err(format!("{text:?} must begin with \"/\""));
    }
    if path.contains(['?', '#']) {
        return Err(format!("{text:?} must be a path only, without \"?\" and \"#\""));
    }
    if !path.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!("{text:?} must be written as clients send it, with %-escapes"));
    }
    let is_dots = |segment: &str| matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..");
    if path.split('/').any(is_dots) {
        return Err(format!("{text:?} can fit no request: \".\" and \"..\" are resolved before"));
    }
    Ok(())
}

fn method(text: &str) -> Result<(), String> {
    const USUAL: &[&str] = &["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
    let upper = text.to_ascii_uppercase();
    if !is_token(text) {
        Err(format!("{text:?} is no method"))
    } else if upper != text && USUAL.contains(&upper.as_str()) {
        Err(format!("methods keep their case; did you mean {upper:?}?"))
    } else {
        Ok(())
    }
}

/// A name as RFC 9110 allows it for methods and fields.
pub(super) fn is_token(text: &str) -> bool {
    let is_tchar = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_tchar)
}

/// The prefix without its last `/`, if it can be cut from some path that the route fits.
pub(super) fn strip_prefix(text: &str, path: &PathPattern) -> Result<String, String> {
    if text.contains('*') {
        return Err(format!("{text:?} is cut as it stands; leave \"*\" away"));
    }
    plain_path(text, text)?;
    let prefix = text.trim_end_matches('/');
    if prefix.is_empty() {
        return Err(format!("{text:?} cuts nothing"));
    }
    let begins =
        |long: &str, short: &str| long.strip_prefix(short).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let cuts = match path {
        PathPattern::Any => true,
        PathPattern::Exact(path) => begins(path, prefix),
        PathPattern::Prefix(path) => begins(path, prefix) || begins(prefix, path),
    };
    if cuts { Ok(prefix.to_owned()) } else { Err(format!("no path of this route begins with {prefix:?}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        let exact = |name: &str| Ok(HostPattern::Exact(name.to_owned()));
        let cases = [
            ("App.Example.com", exact("app.example.com")),
            ("localhost", exact("localhost")),
            ("10.0.0.1", exact("10.0.0.1")),
            ("[::1]", exact("[::1]")),
            ("*.Example.com", Ok(HostPattern::Suffix(".example.com".to_owned()))),
            ("*", Err("leave `hosts` away to fit every host")),
            ("a.com:80", Err("\"a.com:80\" is no host name; it stands without scheme and port")),
            ("bücher.de", Err("\"bücher.de\" must be written as clients send it, in ASCII (xn--...)")),
            ("a.*.com", Err("\"a.*.com\" is no host name, and no wildcard like \"*.example.com\"")),
            ("a.com.", Err("\"a.com.\" is no host name, and no wildcard like \"*.example.com\"")),
            ("", Err("\"\" is no host name, and no wildcard like \"*.example.com\"")),
        ];
        for (text, expected) in cases {
            assert_eq!(host(text), expected.map_err(str::to_owned), "{text}");
        }
    }

    #[test]
    fn paths() {
        let cases = [
            ("/", Ok(PathPattern::Exact("/".to_owned()))),
            ("/a/b", Ok(PathPattern::Exact("/a/b".to_owned()))),
            ("/api/*", Ok(PathPattern::Prefix("/api".to_owned()))),
            ("/*", Ok(PathPattern::Any)),
            ("api", Err("\"api\" must begin with \"/\"")),
            ("", Err("\"\" must begin with \"/\"")),
            ("/api*", Err("in \"/api*\", \"*\" may only stand at the end, as \"/*\"")),
            ("/a/*/b", Err("in \"/a/*/b\", \"*\" may only stand at the end, as \"/*\"")),
            ("/a?b=1", Err("\"/a?b=1\" must be a path only, without \"?\" and \"#\"")),
            ("/a b", Err("\"/a b\" must be written as clients send it, with %-escapes")),
            ("/a/%2E./b", Err("\"/a/%2E./b\" can fit no request: \".\" and \"..\" are resolved before")),
        ];
        for (text, expected) in cases {
            assert_eq!(path(text), expected.map_err(str::to_owned), "{text}");
        }
    }

    #[test]
    fn methods() {
        for text in ["GET", "PROPFIND", "purge"] {
            assert_eq!(method(text), Ok(()));
        }
        assert_eq!(method("get"), Err("methods keep their case; did you mean \"GET\"?".to_owned()));
        assert_eq!(method("G E T"), Err("\"G E T\" is no method".to_owned()));
    }

    #[test]
    fn prefixes_to_strip() {
        let below = |path: &str| PathPattern::Prefix(path.to_owned());
        let cases = [
            ("/api", below("/api"), Ok("/api")),
            ("/api/", below("/api/v1"), Ok("/api")),
            ("/api/v1", below("/api"), Ok("/api/v1")),
            ("/api", PathPattern::Any, Ok("/api")),
            ("/api", PathPattern::Exact("/api/users".to_owned()), Ok("/api")),
            ("/ap", below("/api"), Err("no path of this route begins with \"/ap\"")),
            ("/api", PathPattern::Exact("/other".to_owned()), Err("no path of this route begins with \"/api\"")),
            ("/", below("/api"), Err("\"/\" cuts nothing")),
            ("api", below("/api"), Err("\"api\" must begin with \"/\"")),
            ("/api/*", below("/api"), Err("\"/api/*\" is cut as it stands; leave \"*\" away")),
        ];
        for (text, path, expected) in cases {
            assert_eq!(strip_prefix(text, &path), expected.map(str::to_owned).map_err(str::to_owned), "{text}");
        }
    }
}
