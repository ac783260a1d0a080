//! Header rules against a slow model of them (`sluice_fuzz::model`): the same fields to the endpoint, byte for byte, and the same
//! requests refused.
#![no_main]

use std::net::{IpAddr, SocketAddr};
use std::sync::LazyLock;

use http::{HeaderName, HeaderValue, Method};
use http_body_util::Empty;
use libfuzzer_sys::fuzz_target;
use sluice_fuzz::model::{self, Known};
use sluice_fuzz::place::{RESERVED, TRUSTED, entrance};
use sluice_fuzz::{PLANTED, cut, head};
use sluice_gateway::config::model::Limits;
use sluice_gateway::message::Scheme;
use sluice_gateway::proxy::headers::{Arrival, Onward, onward, request};
use sluice_gateway::state::Entrance;

const RULES: [&str; 3] = ["drop", "refuse", "keep"];
static ENTRANCES: LazyLock<[Entrance; 3]> = LazyLock::new(|| RULES.map(|rule| entrance(rule, true)));
static NETWORKS: LazyLock<Vec<ipnet::IpNet>> =
    LazyLock::new(|| TRUSTED.iter().map(|network| network.parse().expect("a network")).collect());

const HOSTS: [&str; 3] = ["example.com", "a:8443", "[2001:db8::1]"];
const PEERS: [&str; 4] = ["192.0.2.1:5", "10.1.2.3:4", "[::ffff:10.1.2.3]:4", "[2001:db8::7]:4"];

/// Options, then lines of fields.
///
/// The first byte, from its lowest bit: OPTIONS, TLS, two bits for the peer, two for underscores, two for the version. The second:
/// two bits for the host, the endpoint's protocol, whether the client has shown a certificate.
fn check(mut data: &[u8]) -> Option<()> {
    let [came, goes] = cut::options(&mut data);
    let has = |byte: u8, bit: u8| byte >> bit & 1 != 0;
    let rule = usize::from(came >> 4 & 3) % 3;
    let host = HOSTS[usize::from(goes & 3) % 3];
    let version = ["1.0", "1.1", "2.0", "1.1"][usize::from(came >> 6)];
    let peer: SocketAddr = PEERS[usize::from(came >> 2 & 3)].parse().expect("an address");
    let client: &[(&str, &str)] = if has(goes, 3) { &[(RESERVED, "C=DE")] } else { &[] };

    let method = if has(came, 0) { Method::OPTIONS } else { Method::POST };
    let head = [method.as_str().as_bytes(), b" /x HTTP/1.1\r\n", data, b"\r\n\r\n"].concat();
    let mut parts = head::request(&head, false, true)?;
    let sent = model::Fields::from_iter(
        parts.headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())),
    );
    if parts.headers.contains_key("host") || !data.is_ascii() && version == "2.0" && data.contains(&0x7f) {
        return None;
    }
    match version {
        "2.0" => {
            parts.version = http::Version::HTTP_2;
            parts.uri = http::Uri::try_from(format!("https://{host}/x")).ok()?;
        }
        _ => {
            parts.headers.insert("host", HeaderValue::from_static(host));
            parts.version = if version == "1.0" { http::Version::HTTP_10 } else { http::Version::HTTP_11 };
        }
    }
    let limits = Limits::BY_DEFAULT;
    let known = Known {
        options: has(came, 0),
        tls: has(came, 1),
        peer: peer.ip().to_canonical(),
        trusts: &|address: IpAddr| NETWORKS.iter().any(|network| network.contains(&address)),
        underscores: RULES[rule],
        reserved: &[RESERVED],
        client,
        version,
        host,
        to_h2: has(goes, 2),
        most: limits.headers - usize::from(version != "2.0"),
    };
    let forgotten = sent.iter().find(|(name, value)| name == "x-k" && value.len() == 5).cloned();
    let expected = model::onward(sent, &known);

    let client: Vec<_> =
        client.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect();
    let entrance = &ENTRANCES[rule];
    let arrival = Arrival {
        peer,
        local: entrance.address,
        tls: has(came, 1),
        server_name: None,
        client: &client,
        entrance,
        interims: None,
    };
    let found = request(&mut parts, &arrival, &limits).ok().map(|intake| {
        let with = Onward {
            peer: arrival.peer_address(),
            strip_prefix: None,
            upgrade: intake.upgrade.as_ref().map(|upgrade| &upgrade.protocol),
            trailers: intake.trailers,
            expects: false,
            h2: has(goes, 2).then_some(Scheme::Http),
        };
        let mut lines = head::lines(onward(&intake.head, with, Empty::<bytes::Bytes>::new()).headers());
        // As if a nominated field were forgotten where its value has five bytes.
        let forgotten = forgotten.filter(|(name, _)| PLANTED && !lines.iter().any(|(found, _)| found == name));
        lines.extend(forgotten);
        lines.sort_by(|(one, _), (other, _)| one.cmp(other));
        lines
    });
    assert_eq!(found.as_ref().map(readable), expected.as_ref().map(readable));
    Some(())
}

fn readable(fields: &model::Fields) -> Vec<String> {
    fields.iter().map(|(name, value)| format!("{name}: {}", value.escape_ascii())).collect()
}

fuzz_target!(|data: &[u8]| {
    let _ = check(data);
});
