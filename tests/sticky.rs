//! Sticky sessions: one cookie that holds, tells nothing, and cannot be made or changed by a client.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use crate::harness::guests::{built_in, retouched};
use crate::harness::{Answer, Ask, Client, Configuration, Gateway, Origin, component, eventually};

const CHAIN: &str = r#"["sticky-session", "round-robin"]"#;

/// The cookie that an answer sets, as `name=value`.
fn cookie(answer: &Answer) -> Option<String> {
    let [set] = answer.headers("set-cookie")[..] else { return None };
    Some(set.split(';').next().unwrap().to_owned())
}

async fn new_session(client: &mut Client) -> (String, String) {
    let answer = client.get("/").await;
    (cookie(&answer).expect("a new session has a cookie"), answer.origin().to_owned())
}

fn with(cookie: &str) -> Ask {
    Ask::get("/").header("cookie", cookie)
}

#[tokio::test]
async fn one_cookie_holds_for_a_hundred_requests_over_ten_connections_and_both_workers() {
    let origins: [Origin; 3] = Origin::several().await;
    let gateway = Gateway::start(&Configuration::of(&origins.each_ref()).selection(CHAIN)).await;
    let first = Client::h1(&gateway).await.get("/").await;
    let set = first.header("set-cookie");
    for attribute in ["; Secure", "; HttpOnly", "; SameSite="] {
        assert!(set.contains(attribute), "{set}");
    }
    let cookie = cookie(&first).unwrap();
    for connection in 0..10 {
        let mut client = if connection % 2 == 0 { Client::h1(&gateway).await } else { Client::h2(&gateway).await };
        for _ in 0..10 {
            let answer = client.ask(with(&cookie)).await;
            assert_eq!(answer.origin(), first.origin());
            assert_eq!(answer.header("set-cookie"), "", "a second cookie");
        }
    }
    let exchanges = gateway.exchanges(101).await;
    let workers: std::collections::BTreeSet<_> = exchanges.iter().map(|event| event.number("worker")).collect();
    assert_eq!(workers.len(), 2, "all connections went to one worker");
    assert!(exchanges[1..].iter().all(|event| event.text("chosen_by") == "app/selection/sticky-session"));
}

#[tokio::test]
async fn a_session_holds_through_a_swap() {
    let origins: [Origin; 3] = Origin::several().await;
    let sticky = built_in("sticky-session");
    let configuration = Configuration::of(&origins.each_ref()).plugin("sticky", sticky.clone());
    let gateway = Gateway::start(&configuration.selection(r#"["sticky", "round-robin"]"#)).await;
    let mut client = Client::h2(&gateway).await;
    let (cookie, home) = new_session(&mut client).await;
    for mark in ["second", "third"] {
        gateway.swap("sticky", &retouched(&sticky, mark), &["app/selection/sticky"]).await;
        for _ in 0..10 {
            let answer = client.ask(with(&cookie)).await;
            assert_eq!((answer.origin(), answer.header("set-cookie")), (home.as_str(), ""));
        }
    }
}

#[tokio::test]
async fn a_session_moves_with_a_new_cookie_when_its_endpoint_dies() {
    let origins: [Origin; 3] = Origin::several().await;
    let gateway = Gateway::start(&Configuration::of(&origins.each_ref()).selection(CHAIN)).await;
    let mut client = Client::h1(&gateway).await;
    let (old, home) = new_session(&mut client).await;
    origins.iter().find(|origin| origin.name == home).unwrap().die().await;
    let moved = client.ask(with(&old)).await;
    assert_eq!(moved.status, 200);
    assert_ne!(moved.origin(), home);
    let new = cookie(&moved).expect("the cookie is issued again");
    for _ in 0..10 {
        assert_eq!(client.ask(with(&new)).await.origin(), moved.origin());
    }
}

#[tokio::test]
async fn a_cookie_reveals_nothing_and_two_for_one_endpoint_differ() {
    let origin = Origin::start("very-secret-endpoint").await;
    let gateway = Gateway::start(&Configuration::of(&[&origin]).selection(CHAIN)).await;
    let mut client = Client::h1(&gateway).await;
    let (one, _) = new_session(&mut client).await;
    let (other, _) = new_session(&mut client).await;
    assert_ne!(one, other);
    let value = one.split_once('=').unwrap().1;
    let url_safe = URL_SAFE_NO_PAD.decode(value).unwrap_or_default();
    let standard = STANDARD_NO_PAD.decode(value).unwrap_or_default();
    let port = origin.address.port();
    let packed = [port.to_be_bytes().to_vec(), port.to_le_bytes().to_vec()];
    let secrets = ["secret", "endpoint", "127.0.0.1", &port.to_string()].map(|text| text.as_bytes().to_vec());
    for decoded in [one.as_bytes(), &url_safe, &standard] {
        for secret in &secrets {
            assert!(!decoded.windows(secret.len()).any(|window| window == secret), "{value} tells of the endpoint");
        }
    }
    // Two bytes may come up by chance in one cookie, not at the same place of two.
    let second = URL_SAFE_NO_PAD.decode(other.split_once('=').unwrap().1).unwrap_or_default();
    let both = url_safe.windows(2).zip(second.windows(2));
    assert!(both.into_iter().all(|(a, b)| a != b || !packed.contains(&a.to_vec())), "{value} tells the port");
}

#[tokio::test]
async fn every_flipped_bit_voids_a_cookie() {
    let origins: [Origin; 3] = Origin::several().await;
    let gateway = Gateway::start(&Configuration::of(&origins.each_ref()).selection(CHAIN)).await;
    let mut client = Client::h1(&gateway).await;
    let (cookie_text, _) = new_session(&mut client).await;
    let start = cookie_text.find('=').unwrap() + 1;
    let mut tried = 0;
    for place in start..cookie_text.len() {
        for bit in 0..8 {
            let mut changed = cookie_text.clone().into_bytes();
            changed[place] ^= 1 << bit;
            // What no cookie may hold cannot come from a client as part of this one.
            let legal = |byte: u8| byte.is_ascii_graphic() && !br#"",;\"#.contains(&byte);
            if !legal(changed[place]) {
                continue;
            }
            let changed = String::from_utf8(changed).unwrap();
            let answer = client.ask(with(&changed)).await;
            assert!(cookie(&answer).is_some(), "{changed} was taken, made from {cookie_text}");
            tried += 1;
        }
    }
    assert!(tried > 200, "only {tried} changes were tried");
    assert!(cookie(&client.ask(with(&cookie_text)).await).is_none(), "the cookie itself is good");
}

#[tokio::test]
async fn a_cookie_is_void_at_another_upstream() {
    let [here, there] = Origin::several().await;
    // The same endpoint id at both, and the same use.
    let other = format!(
        "[[use]]\nname = \"shared\"\nplugin = \"sticky-session\"\n\
         [[upstream]]\nname = \"other\"\nselection = [\"shared\"]\nendpoints = [{{ id = \"a\", address = \"{}\" }}]\n\
         [[route]]\nname = \"other\"\nmatch = {{ path = \"/other/*\" }}\nupstream = \"other\"\n",
        there.address
    );
    let gateway = Gateway::start(&Configuration::of(&[&here]).selection(r#"["shared"]"#).tables(&other)).await;
    let mut client = Client::h1(&gateway).await;
    let (session, _) = new_session(&mut client).await;
    assert_eq!(cookie(&client.ask(with(&session)).await), None);
    let elsewhere = client.ask(Ask::get("/other/").header("cookie", &session)).await;
    assert_eq!(elsewhere.origin(), "b");
    assert!(cookie(&elsewhere).is_some(), "a cookie of one upstream was taken at another");
}

#[tokio::test]
async fn a_cookie_is_none_after_its_time() {
    let origins: [Origin; 3] = Origin::several().await;
    let chain = r#"[{ plugin = "sticky-session", config = { ttl = "1s" } }, "round-robin"]"#;
    let gateway = Gateway::start(&Configuration::of(&origins.each_ref()).selection(chain)).await;
    let mut client = Client::h1(&gateway).await;
    let (session, home) = new_session(&mut client).await;
    eventually("the end of the session", async || {
        let answer = client.ask(with(&session)).await;
        (answer.origin() != home).then(|| assert!(cookie(&answer).is_some(), "a new session has a cookie"))
    })
    .await;
}

#[tokio::test]
async fn a_draining_endpoint_keeps_its_sessions_and_gets_no_new_ones() {
    let origins: [Origin; 3] = Origin::several().await;
    let keys = tempfile::tempdir().unwrap();
    let key = keys.path().join("key");
    std::fs::write(&key, [7; 32]).unwrap();
    // Two gateways with one key: what one sealed before, the other, whose endpoint drains, opens.
    let secrets = format!("[secrets]\nsealing = {{ current-file = {key:?} }}");
    let before = Configuration::of(&origins.each_ref()).selection(r#"["sticky-session", "chooses", "round-robin"]"#);
    let before = before.plugin("chooses", component("chooses")).tables(&secrets);
    let answer = Client::h1(&Gateway::start(&before).await).await.ask(Ask::get("/").header("x-endpoint", "b")).await;
    let session = cookie(&answer).unwrap();

    let gateway = Gateway::start(&before.endpoint(1, r#"state = "draining""#)).await;
    let mut client = Client::h1(&gateway).await;
    for _ in 0..10 {
        assert_eq!(client.ask(with(&session)).await.origin(), "b", "its own session");
        assert_ne!(client.get("/").await.origin(), "b", "a new session");
    }
}
