//! Query parameters, read where they stand: nothing is parsed before somebody asks. Only reads; the query itself is sent on
//! as it came.

use std::borrow::Cow;

use super::target::escape;

/// The value of the first parameter of that name, decoded: `%xx` is a byte, `+` a space, invalid UTF-8 is replaced. A
/// parameter without `=` has an empty value; a percent sign without two hexadecimal digits stands for itself. Allocates
/// only where something has to be decoded.
pub fn parameter<'a>(query: &'a str, name: &str) -> Option<Cow<'a, str>> {
    query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .find(|(raw, _)| is(raw, name))
        .map(|(_, value)| decode(value))
}

fn is(raw: &str, name: &str) -> bool {
    Decoded(raw.as_bytes()).eq(name.bytes())
}

fn decode(raw: &str) -> Cow<'_, str> {
    if !raw.contains(['%', '+']) {
        return Cow::Borrowed(raw);
    }
    let bytes: Vec<u8> = Decoded(raw.as_bytes()).collect();
    Cow::Owned(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

/// The bytes that an encoded text stands for.
struct Decoded<'a>(&'a [u8]);

impl Iterator for Decoded<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let (&byte, rest) = self.0.split_first()?;
        self.0 = rest;
        match byte {
            b'+' => Some(b' '),
            b'%' => match escape(rest) {
                Some((value, rest)) => {
                    self.0 = rest;
                    Some(value)
                }
                None => Some(b'%'),
            },
            _ => Some(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_parameter_of_a_name_is_found_and_decoded() {
        let cases = [
            ("a=1", "a", Some("1")),
            ("a=1&a=2", "a", Some("1")),
            ("b=1&a=2", "a", Some("2")),
            ("a", "a", Some("")),
            ("a=", "a", Some("")),
            ("a=b=c", "a", Some("b=c")),
            ("aa=1", "a", None),
            ("", "a", None),
            ("", "", Some("")),
            ("A=1", "a", None),
            ("%61=1", "a", Some("1")),
            ("a+b=1", "a b", Some("1")),
            ("a=x+y%20z%2B", "a", Some("x y z+")),
            ("a=%C3%A9", "a", Some("é")),
            ("a=%ff", "a", Some("\u{fffd}")),
            ("a=100%", "a", Some("100%")),
            ("a=%zz%2", "a", Some("%zz%2")),
            ("&&a=1", "a", Some("1")),
            ("a=é", "a", Some("é")),
            ("é=1", "é", Some("1")),
        ];
        for (query, name, expected) in cases {
            assert_eq!(parameter(query, name).as_deref(), expected, "{query} {name}");
        }
        assert!(matches!(parameter("a=plain", "a"), Some(Cow::Borrowed("plain"))));
    }
}
