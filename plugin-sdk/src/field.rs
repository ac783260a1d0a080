//! What HTTP allows in a field, so that a plugin can refuse a wrong name or value in its configuration with a place.

/// True for a legal field name, and for what shares its grammar, such as the name of a cookie: an RFC 9110 token.
pub fn is_field_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// True for a legal field value in the contract's isomorphic text: no character above U+00FF, no control character but
/// the tab, and no space or tab at either end.
pub fn is_field_value(value: &str) -> bool {
    let legal = |character| matches!(character, '\t' | ' '..='~' | '\u{80}'..='\u{ff}');
    let blank = [' ', '\t'];
    value.chars().all(legal) && !value.starts_with(blank) && !value.ends_with(blank)
}

/// True for a field that belongs to the gateway: framing and hop-by-hop fields, which no plugin may write.
pub fn is_forbidden_field(name: &str) -> bool {
    const FORBIDDEN: [&str; 8] = [
        "connection",
        "content-length",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    name.starts_with(':') || FORBIDDEN.iter().any(|forbidden| forbidden.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_tokens() {
        for name in ["x", "X-User_1", "!#$%&'*+-.^_`|~"] {
            assert!(is_field_name(name), "{name}");
        }
        for name in ["", "a b", "a:", "ä", "a\n"] {
            assert!(!is_field_name(name), "{name:?}");
        }
    }

    #[test]
    fn values_hold_no_controls() {
        for value in ["", "a", "a\tb c", "\u{e9}"] {
            assert!(is_field_value(value), "{value:?}");
        }
        for value in [" a", "a ", "\ta", "a\nb", "a\0", "\u{7f}", "\u{100}"] {
            assert!(!is_field_value(value), "{value:?}");
        }
    }
}
