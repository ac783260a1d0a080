//! Values that stand in the file as text with a form of its own: the amounts of `units`, and here addresses, digests and names.
//! Each is parsed once, says what it expects, and gives the JSON Schema its `format`, by which `shape` finds the parser.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use ipnet::IpNet;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use super::raw::{CollectorUrl, RetryCause};
use super::series::Series;
use super::statuses::{Factor, StatusRange};
use super::units::{Share, Size, Time};

/// Looks at a text of the given JSON Schema format; formats that are not from here are left alone.
pub(super) fn check(format: &str, text: &str) -> Result<(), String> {
    let found = KINDS.iter().find(|kind| kind.format == format);
    found.map_or(Ok(()), |kind| {
        (kind.check)(text).map_err(|reason| format!("expected {}, found {text:?}: {reason}", kind.expected))
    })
}

/// What a text of the given JSON Schema format is, as in `a duration like "10s"`.
pub(super) fn expected(format: &str) -> Option<&'static str> {
    KINDS.iter().find(|kind| kind.format == format).map(|kind| kind.expected)
}

struct Kind {
    format: &'static str,
    expected: &'static str,
    check: fn(&str) -> Result<(), String>,
}

/// Makes types that are parsed from text (by their `FromStr`) part of the raw shape, and the list of all of them. The pattern
/// is for editors, and lets more pass than the parser. The example stands in for a badly formed text, so that the rest of the file can be looked at; names have none and stay as they are.
macro_rules! kinds {
    ($($type:ident, $format:literal, $pattern:literal, $expected:literal, [$($example:literal)?];)*) => {
        const KINDS: &[Kind] = &[$(Kind {
            format: $format,
            expected: $expected,
            check: |text| text.parse::<$type>().map(drop),
        }),*];

        $(
            impl TryFrom<String> for $type {
                type Error = String;

                fn try_from(text: String) -> Result<Self, String> {
                    text.parse()
                }
            }

            impl JsonSchema for $type {
                fn schema_name() -> Cow<'static, str> {
                    stringify!($type).into()
                }

                fn json_schema(_: &mut SchemaGenerator) -> Schema {
                    json_schema!({ "type": "string", "format": $format, "pattern": $pattern $(, "examples": [$example])? })
                }
            }
        )*
    };
}

kinds! {
    Time, "sluice-duration", "^[0-9]+(us|ms|s|m|h|d)$", "a duration like \"10s\"", ["10s"];
    Size, "sluice-size", "^[0-9]+(B|KiB|MiB|GiB)$", "a size like \"32KiB\"", ["32KiB"];
    Share, "sluice-share", r"^[0-9]+(\.[0-9])?%$", "a share like \"50%\"", ["50%"];
    Factor, "sluice-factor", r"^[0-9]+(\.[0-9]{1,3})?$", "a factor like \"1.9\"", ["1.9"];
    StatusRange, "sluice-status-range", "^[1-5][0-9]{2}(-[1-5][0-9]{2})?$", "a status or a range like \"200-299\"", ["200-299"];
    ListenAddress, "sluice-listen-address", r"^([0-9.]+|\[[0-9A-Fa-f:.%]+\]):[0-9]{1,5}$",
        "an IP address and a port like \"0.0.0.0:8443\" or \"[::]:8443\"", ["0.0.0.0:8443"];
    EndpointAddress, "sluice-endpoint-address", r"^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.%]+\]):[0-9]+$",
        "a host and a port like \"10.0.0.1:8080\"", ["10.0.0.1:8080"];
    Cidr, "sluice-cidr", "^[0-9A-Fa-f.:]+(/[0-9]{1,3})?$", "a network like \"10.0.0.0/8\"", ["10.0.0.0/8"];
    Sha256, "sluice-sha256", "^[0-9A-Fa-f]{64}$", "a SHA-256 digest of 64 hexadecimal digits",
        ["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"];
    RetryCause, "sluice-retry-cause", "^(connect-failure|reset|timeout|[45][0-9]{2})$",
        "\"connect-failure\", \"reset\", \"timeout\" or a status like \"503\"", ["503"];
    CollectorUrl, "sluice-url", "^https?://.+$", "a URL like \"http://127.0.0.1:4318\"", ["http://127.0.0.1:4318"];
    Series, "sluice-series", r#"^\s*(rate\(\s*)?[A-Za-z_:].*$"#, "a series like \"rate(http_requests_total)\"", ["up"];
    Name, "sluice-name", "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", "a name like \"app-2\"", [];
    EndpointId, "sluice-endpoint-id", "^[!-~]{1,128}$", "an endpoint id like \"app-1\"", [];
}

/// Where a socket listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct ListenAddress(pub(super) SocketAddr);

impl FromStr for ListenAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(ListenAddress).map_err(|_| {
            let (host, port) = text.rsplit_once(':').unwrap_or((text, ""));
            match (host, port.parse::<u16>()) {
                (_, Err(_)) => "it must end in a colon and a port".to_owned(),
                ("", Ok(_)) => "before the port stands the address of an interface, 0.0.0.0 for all".to_owned(),
                (_, Ok(_)) => {
                    format!("{host:?} is not an IP address (names are not looked up here)")
                }
            }
        })
    }
}

/// Where an endpoint is reached, as written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct EndpointAddress(pub(super) String);

impl FromStr for EndpointAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (host, port) = text.rsplit_once(':').ok_or("it must end in a colon and a port")?;
        match port.parse::<u16>() {
            Ok(1..) if port.bytes().all(|byte| byte.is_ascii_digit()) => {}
            _ => return Err(format!("{port:?} is not a port, 1 to 65535")),
        }
        let label = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let is_name = !host.is_empty() && host.chars().all(label);
        if is_name || text.parse::<SocketAddr>().is_ok() {
            Ok(EndpointAddress(text.to_owned()))
        } else {
            Err(format!("{host:?} is neither a host name nor an IP address (IPv6 stands in brackets)"))
        }
    }
}

/// A network, or one address as a network of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Cidr(pub(super) IpNet);

impl FromStr for Cidr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        network.map(Cidr).map_err(|_| "it is neither an IP address nor one with a prefix length".to_owned())
    }
}

/// The digest of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Sha256(pub(super) [u8; 32]);

impl FromStr for Sha256 {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(format!("it has {}", text.bytes().filter(u8::is_ascii_hexdigit).count()));
        }
        let mut digest = [0; 32];
        for (byte, digits) in digest.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let digit = |at: usize| digits.get(at).and_then(|&digit| char::from(digit).to_digit(16)).unwrap_or(0);
            *byte = (digit(0) << 4 | digit(1)) as u8;
        }
        Ok(Sha256(digest))
    }
}

/// What something is called: letters, digits, `-`, `_` and `.`, beginning with a letter or digit, at most 64.
/// Deserialising does not look at that, so that names hold together even in a file where one is badly formed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Name(pub String);

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            Err("it must begin with a letter or digit".to_owned())
        } else if let Some(other) = text.chars().find(|c| !known(*c)) {
            Err(format!("{other:?} is not among letters, digits, \"-\", \"_\" and \".\""))
        } else if text.len() > 64 {
            Err("at most 64 characters".to_owned())
        } else {
            Ok(Name(text.to_owned()))
        }
    }
}

/// The stable identity of an endpoint: 1 to 128 visible ASCII characters, so that an address can be one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct EndpointId(pub String);

impl FromStr for EndpointId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fits = (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if fits {
            Ok(EndpointId(text.to_owned()))
        } else {
            Err("1 to 128 visible ASCII characters, no space".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_formed_texts_are_understood() {
        for text in ["10.0.0.1:8080", "[::1]:8080", "backend:8080", "my_db.internal:1"] {
            assert_eq!(text.parse(), Ok(EndpointAddress(text.to_owned())));
        }
        assert_eq!("10.0.0.7".parse::<Cidr>().unwrap().0.to_string(), "10.0.0.7/32");
        assert_eq!("fd00::/8".parse::<Cidr>().unwrap().0.to_string(), "fd00::/8");
        assert_eq!("0F".repeat(32).parse(), Ok(Sha256([15; 32])));
    }

    #[test]
    fn badly_formed_texts_say_why() {
        let time = |reason: &str| format!("expected a duration like \"10s\", found TEXT: {reason}");
        let cases = [
            ("sluice-duration", "10", time("the unit is missing, one of us, ms, s, m, h, d")),
            ("sluice-duration", "10 s", time("the unit \" s\" is none of us, ms, s, m, h, d")),
            ("sluice-duration", "1.5s", time("whole numbers only; take the next smaller unit")),
            ("sluice-duration", "", time("it must begin with a whole number")),
            ("sluice-duration", "-1s", time("it must begin with a whole number")),
            ("sluice-duration", "0s", time("it must be more than 0")),
            ("sluice-duration", "400d", time("at most a year")),
            ("sluice-duration", "99999999999999999999s", time("the number is too large")),
            (
                "sluice-size",
                "32KB",
                "expected a size like \"32KiB\", found TEXT: the unit \"KB\" is none of B, KiB, MiB, GiB".into(),
            ),
            (
                "sluice-size",
                "18446744073709551615GiB",
                "expected a size like \"32KiB\", found TEXT: the number is too large".into(),
            ),
            ("sluice-share", "50", "expected a share like \"50%\", found TEXT: it must end in %".into()),
            ("sluice-share", "101%", "expected a share like \"50%\", found TEXT: at most 100%".into()),
            ("sluice-sha256", "abc", "expected a SHA-256 digest of 64 hexadecimal digits, found TEXT: it has 3".into()),
            (
                "sluice-name",
                "my app",
                "expected a name like \"app-2\", found TEXT: ' ' is not among letters, digits, \"-\", \"_\" and \".\""
                    .into(),
            ),
            (
                "sluice-name",
                "",
                "expected a name like \"app-2\", found TEXT: it must begin with a letter or digit".into(),
            ),
            (
                "sluice-endpoint-id",
                "a b",
                "expected an endpoint id like \"app-1\", found TEXT: 1 to 128 visible ASCII characters, no space"
                    .into(),
            ),
        ];
        for (format, text, expected) in cases {
            assert_eq!(check(format, text), Err(expected.replace("TEXT", &format!("{text:?}"))));
        }
        let reasons = [
            ("sluice-listen-address", ":8443", "before the port stands the address of an interface, 0.0.0.0 for all"),
            (
                "sluice-listen-address",
                "localhost:8443",
                "\"localhost\" is not an IP address (names are not looked up here)",
            ),
            ("sluice-listen-address", "0.0.0.0", "it must end in a colon and a port"),
            ("sluice-endpoint-address", "10.0.0.1", "it must end in a colon and a port"),
            ("sluice-endpoint-address", "10.0.0.1:0", "\"0\" is not a port, 1 to 65535"),
            (
                "sluice-endpoint-address",
                "::1:80",
                "\"::1\" is neither a host name nor an IP address (IPv6 stands in brackets)",
            ),
            (
                "sluice-endpoint-address",
                "http://a:80",
                "\"http://a\" is neither a host name nor an IP address (IPv6 stands in brackets)",
            ),
            ("sluice-cidr", "10.0.0.0/33", "it is neither an IP address nor one with a prefix length"),
        ];
        for (format, text, reason) in reasons {
            let message = check(format, text).unwrap_err();
            assert_eq!(message, format!("expected {}, found {text:?}: {reason}", expected(format).unwrap()));
        }
        assert_eq!(check("uint32", "anything"), Ok(()));
    }
}
