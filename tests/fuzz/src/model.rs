//! What an intermediary owes to header fields, written down slowly: lists of names and values, one pass for each rule, from RFC 9110
//! §7.6, RFC 7239 and RFC 9113 §8.2. No table, no map, nothing shared with the gateway.

use std::net::{IpAddr, SocketAddr};

/// Fields in the order in which they came, names in lower case.
pub type Fields = Vec<(String, Vec<u8>)>;

/// What is known besides the fields.
pub struct Known<'a> {
    pub options: bool,
    pub tls: bool,
    pub peer: IpAddr,
    pub trusts: &'a dyn Fn(IpAddr) -> bool,
    /// `drop`, `refuse`, `keep`.
    pub underscores: &'a str,
    pub reserved: &'a [&'a str],
    /// Set by the gateway.
    pub client: &'a [(&'a str, &'a str)],
    /// `1.0`, `1.1` or `2.0`.
    pub version: &'a str,
    pub host: &'a str,
    /// The endpoint speaks HTTP/2.
    pub to_h2: bool,
    /// Fields, each cookie and each range for one.
    pub most: usize,
}

/// What is of one hop, and nobody's to set for the next.
pub const HOP_BY_HOP: &[&str] = &[
    "connection",
    "http2-settings",
    "keep-alive",
    "proxy",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
];
/// What `Connection` does not take away, though named there.
const NOT_NOMINATED: &[&str] = &[
    "authorization",
    "cache-control",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "date",
    "expect",
    "host",
    "location",
    "max-forwards",
    "set-cookie",
    "trailer",
    "via",
    "www-authenticate",
    "close",
];
/// Fields that only the gateway writes, besides those.
const OURS: &[&str] = &["content-length", "expect", "host", "max-forwards", "trailer", "via"];

fn forwards(name: &str) -> bool {
    name == "forwarded" || name == "x-real-ip" || name.starts_with("x-forwarded-")
}

fn values<'a>(fields: &'a Fields, name: &str) -> Vec<&'a [u8]> {
    fields.iter().filter(|(found, _)| found == name).map(|(_, value)| &**value).collect()
}

/// The members of a list in all fields of that name, without blanks around them.
fn members<'a>(fields: &'a Fields, name: &str) -> Vec<&'a [u8]> {
    values(fields, name).iter().flat_map(|value| value.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii).collect()
}

fn is(text: &[u8], word: &str) -> bool {
    text.eq_ignore_ascii_case(word.as_bytes())
}

/// What an endpoint gets of these fields, by name; none if the request is refused.
pub fn onward(mut fields: Fields, known: &Known<'_>) -> Option<Fields> {
    check(&fields, known)?;
    if known.options {
        hop_down(&mut fields)?;
    }
    let trailers = members(&fields, "te").iter().any(|word| is(word, "trailers"));
    let upgrade = if known.version == "1.1" { upgrade(&fields) } else { None };
    let claim = claim(&fields, known);
    strip(&mut fields, claim.is_some(), known);
    join_cookies(&mut fields);
    for (name, value) in known.client {
        fields.retain(|(found, _)| found != name);
        fields.push(((*name).to_owned(), value.as_bytes().to_vec()));
    }
    tell_origin(&mut fields, claim, known);
    if !known.to_h2 {
        fields.push(("host".into(), known.host.into()));
        if let Some(protocol) = upgrade {
            fields.push(("upgrade".into(), protocol));
            fields.push(("connection".into(), b"upgrade".to_vec()));
        } else if trailers {
            fields.push(("te".into(), b"trailers".to_vec()));
            fields.push(("connection".into(), b"te".to_vec()));
        }
    } else if trailers {
        fields.push(("te".into(), b"trailers".to_vec()));
    }
    fields.sort_by(|(one, _), (other, _)| one.cmp(other));
    Some(fields)
}

/// What no request may have.
fn check(fields: &Fields, known: &Known<'_>) -> Option<()> {
    let inner =
        |name: &str, separator: u8| values(fields, name).concat().iter().filter(|byte| **byte == separator).count();
    // `host` counts too, where it is a field.
    let count = fields.len() + inner("cookie", b';') + inner("range", b',');
    let lengths = values(fields, "content-length");
    let is_length = |length: &[u8]| (1..=19).contains(&length.len()) && length.iter().all(u8::is_ascii_digit);
    let through = members(fields, "via").into_iter().filter(|entry| {
        let words: Vec<_> =
            entry.split(|byte| *byte == b' ' || *byte == b'\t').filter(|word| !word.is_empty()).collect();
        words.len() > 1 && is(words[1], "sluice")
    });
    let fits = count <= known.most
        && lengths.len() <= 1
        && lengths.iter().all(|length| is_length(length))
        && !(known.underscores == "refuse" && fields.iter().any(|(name, _)| name.contains('_')))
        && through.count() < 8
        && values(fields, "expect").iter().all(|expect| is(expect, "100-continue"));
    fits.then_some(())
}

/// RFC 9110 §7.6.2: one less, and none from nothing. What is no number is somebody else's.
fn hop_down(fields: &mut Fields) -> Option<()> {
    let first = values(fields, "max-forwards").first().map(|value| value.to_vec());
    let digits = first.filter(|first| !first.is_empty() && first.iter().all(u8::is_ascii_digit));
    let Some(digits) = digits else { return Some(()) };
    let left = digits.iter().fold(0_u64, |left, digit| (left * 10 + u64::from(digit - b'0')).min(u32::MAX.into()));
    let left = left.checked_sub(1)?;
    fields.retain(|(name, _)| name != "max-forwards");
    fields.push(("max-forwards".into(), left.to_string().into()));
    Some(())
}

/// RFC 9110 §7.8: one protocol, named in `Connection`, that is not this one.
fn upgrade(fields: &Fields) -> Option<Vec<u8>> {
    let protocols = values(fields, "upgrade");
    let [protocol] = protocols[..] else { return None };
    let name = protocol.split(|byte| *byte == b'/').next()?.trim_ascii();
    let is_other = !name.is_empty() && !["h2", "h2c", "http", "tls"].iter().any(|own| is(name, own));
    let is_named = members(fields, "connection").iter().any(|word| is(word, "upgrade"));
    (is_other && is_named && !protocol.contains(&b',')).then(|| protocol.to_vec())
}

/// The client and its scheme, as far as they are believed.
fn claim(fields: &Fields, known: &Known<'_>) -> Option<(IpAddr, Option<&'static str>)> {
    if !(known.trusts)(known.peer) {
        return None;
    }
    let walk = |addresses: Vec<Option<IpAddr>>| {
        let mut client = known.peer;
        for address in addresses.into_iter().rev() {
            match address {
                Some(address) if (known.trusts)(client) => client = address,
                _ => break,
            }
        }
        client
    };
    let list = values(fields, "x-forwarded-for");
    let list = (!list.is_empty()).then(|| walk(members(fields, "x-forwarded-for").into_iter().map(address).collect()));
    let elements: Vec<Element> = values(fields, "forwarded").into_iter().flat_map(elements).collect();
    let structured = (!elements.is_empty()).then(|| walk(elements.iter().map(|element| element.0).collect()));
    let client = match (list, structured) {
        (Some(one), Some(other)) if one != other => return None,
        (one, other) => one.or(other).unwrap_or(known.peer),
    };
    let scheme = match members(fields, "x-forwarded-proto").last() {
        Some(word) => scheme(word),
        None => elements.last().and_then(|element| element.1),
    };
    Some((client, scheme))
}

/// Address and scheme.
type Element = (Option<IpAddr>, Option<&'static str>);

/// RFC 7239 §4, one byte after the other.
fn elements(value: &[u8]) -> Vec<Element> {
    let (mut all, mut pairs, mut pair) = (Vec::new(), Vec::new(), Vec::new());
    let (mut quoted, mut escaped) = (false, false);
    for byte in value {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b';' | b',' if !quoted => {
                pairs.push(std::mem::take(&mut pair));
                if *byte == b',' {
                    all.push(std::mem::take(&mut pairs));
                }
                continue;
            }
            _ => {}
        }
        pair.push(*byte);
    }
    pairs.push(pair);
    all.push(pairs);
    all.iter().map(|pairs| element(pairs)).collect()
}

fn element(pairs: &[Vec<u8>]) -> Element {
    let mut found: Element = (None, None);
    for pair in pairs {
        let Some(at) = pair.iter().position(|byte| *byte == b'=') else { continue };
        let (name, value) = (pair[..at].trim_ascii(), pair[at + 1..].trim_ascii());
        let bare = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
        match () {
            () if is(name, "for") => found.0 = address(bare),
            () if is(name, "proto") => found.1 = scheme(bare),
            () => {}
        }
    }
    found
}

fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let in_brackets = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let address: Option<IpAddr> = in_brackets.unwrap_or(text).parse().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    Some(address.or_else(with_port)?.to_canonical())
}

fn scheme(text: &[u8]) -> Option<&'static str> {
    let https = is(text, "https") || is(text, "wss");
    let http = is(text, "http") || is(text, "ws");
    if https { Some("https") } else { http.then_some("http") }
}

/// RFC 9110 §7.6.1, and what is nobody's to say.
fn strip(fields: &mut Fields, believed: bool, known: &Known<'_>) {
    let nominated: Vec<String> = members(fields, "connection")
        .iter()
        .filter_map(|word| std::str::from_utf8(word).ok())
        .map(str::to_ascii_lowercase)
        .filter(|word| !NOT_NOMINATED.contains(&word.as_str()) && !forwards(word))
        .collect();
    fields.retain(|(name, _)| {
        let dashed = name.replace('_', "-");
        let is_ours = HOP_BY_HOP.contains(&&*dashed) || OURS.contains(&&*dashed) || forwards(&dashed);
        let like_ours = is_ours || known.reserved.contains(&&*dashed);
        let doubtful = name.contains('_') && (known.underscores == "drop" || like_ours);
        !HOP_BY_HOP.contains(&&**name)
            && !nominated.contains(name)
            && !doubtful
            && name != "expect"
            && name != "host"
            && (believed || !forwards(name))
            && !known.reserved.contains(&&**name)
    });
}

/// RFC 9113 §8.2.3.
fn join_cookies(fields: &mut Fields) {
    let cookies = values(fields, "cookie");
    if cookies.len() > 1 {
        let some: Vec<_> = cookies.into_iter().filter(|cookie| !cookie.is_empty()).collect();
        let joined = some.join(&b"; "[..]);
        fields.retain(|(name, _)| name != "cookie");
        fields.push(("cookie".into(), joined));
    }
}

/// One line for each, with what this hop adds.
fn tell_origin(fields: &mut Fields, claim: Option<(IpAddr, Option<&'static str>)>, known: &Known<'_>) {
    let spoken = if known.tls { "https" } else { "http" };
    let scheme = claim.and_then(|claim| claim.1).unwrap_or(spoken);
    let client = claim.map_or(known.peer, |claim| claim.0);
    let node = |address: IpAddr| if address.is_ipv6() { format!("\"[{address}]\"") } else { address.to_string() };
    let host = if known.host.contains([':', '[']) { format!("\"{}\"", known.host) } else { known.host.to_owned() };
    let element = format!("for={};host={host};proto={scheme}", node(known.peer));
    let before = (client != known.peer).then_some(client);
    append(fields, "x-forwarded-for", before.map(|client| client.to_string()), known.peer.to_string());
    append(fields, "forwarded", before.map(|client| format!("for={}", node(client))), element);
    append(fields, "via", None, format!("{} sluice", known.version));
    fields.retain(|(name, _)| name != "x-forwarded-proto");
    fields.push(("x-forwarded-proto".into(), scheme.into()));
    if values(fields, "x-forwarded-host").is_empty() {
        fields.push(("x-forwarded-host".into(), known.host.into()));
    }
}

fn append(fields: &mut Fields, name: &str, seed: Option<String>, own: String) {
    let mut parts: Vec<Vec<u8>> = values(fields, name).into_iter().map(<[u8]>::to_vec).collect();
    if parts.is_empty() {
        parts.extend(seed.map(String::into_bytes));
    }
    parts.retain(|part| !part.trim_ascii().is_empty());
    parts.push(own.into_bytes());
    fields.retain(|(found, _)| found != name);
    fields.push((name.to_owned(), parts.join(&b", "[..])));
}
