//! Replicas agree without a word between them: two gateways with the same seed and keys decide alike, however their files are
//! ordered.

use crate::harness::{Answer, Ask, Client, Configuration, Gateway, Origin, load};

/// Two gateways before the same origins, the second with all of them in another order and each with the same weight.
fn two<const N: usize>(origins: &[Origin; N], change: impl Fn(Configuration) -> Configuration) -> [Configuration; 2] {
    let in_order = |origins: Vec<&Origin>| {
        let weighted =
            origins.iter().enumerate().fold(Configuration::of(&origins), |configuration, (place, origin)| {
                configuration.endpoint(place, &format!("weight = {}", 1 + origin.name.as_bytes()[0] % 3))
            });
        change(weighted)
    };
    let shuffled = (0..N).map(|place| &origins[(place * 3 + 2) % N]).collect();
    [in_order(origins.iter().collect()), in_order(shuffled)]
}

/// Who answers which key.
async fn places(gateway: &Gateway) -> Vec<String> {
    let answers = load(gateway, 6, 500, |key| Ask::get("/").header("x-user", &format!("user-{key}"))).await;
    answers.iter().map(|answer| answer.origin().to_owned()).collect()
}

const BY_USER: &str = r#"key = [{ header = "x-user" }]"#;

#[tokio::test]
async fn a_key_has_the_same_endpoint_on_every_replica_whatever_the_order_of_the_endpoints() {
    let origins: [Origin; 5] = Origin::several().await;
    let selection = format!("[{{ plugin = \"consistent-hash\", config = {{ {BY_USER} }} }}]");
    let by_key = |configuration: Configuration| configuration.selection(&selection);
    let [one, other] = two(&origins, |configuration| by_key(configuration).top("hash-seed = 7"));
    let places_of_one = places(&Gateway::start(&one).await).await;
    assert_eq!(places_of_one, places(&Gateway::start(&other.workers(1)).await).await);
    // It is the seed that makes them agree.
    let [_, strange] = two(&origins, |configuration| by_key(configuration).top("hash-seed = 8"));
    assert_ne!(places_of_one, places(&Gateway::start(&strange).await).await);
}

#[tokio::test]
async fn a_client_is_in_the_same_share_on_every_replica_whatever_the_order_of_the_upstreams() {
    let origins: [Origin; 3] = Origin::several().await;
    let upstream = |name: &str, origin: &Origin| {
        format!("[[upstream]]\nname = \"{name}\"\nendpoints = [{{ address = \"{}\" }}]\n", origin.address)
    };
    let (next, old) = (upstream("next", &origins[1]), upstream("old", &origins[2]));
    let split =
        |shares: &str| format!("[{{ plugin = \"traffic-split\", config = {{ shares = {{ {shares} }}, {BY_USER} }} }}]");
    let base = || Configuration::of(&[&origins[0]]).top("hash-seed = 7");
    let one = base().tables(&(next.clone() + &old)).route(r#"upstreams = ["next", "old"]"#);
    let other = base().tables(&(old + &next)).route(r#"upstreams = ["old", "next"]"#);
    let one = places(&Gateway::start(&one.routing(&split("app = 60, next = 30, old = 10"))).await).await;
    let other = places(&Gateway::start(&other.routing(&split("old = 10, next = 30, app = 60"))).await).await;
    assert_eq!(one, other);
    for (name, due) in [("a", 300), ("b", 150), ("c", 50)] {
        let found = one.iter().filter(|place| *place == name).count();
        assert!(found.abs_diff(due) < 60, "{found} of 500 at {name}");
    }
}

/// The session that an answer begins.
fn cookie(answer: &Answer) -> Option<String> {
    let [set] = answer.headers("set-cookie")[..] else { return None };
    Some(set.split(';').next().unwrap().to_owned())
}

/// New sessions of a gateway: each cookie with the endpoint that it stands for.
async fn sessions(gateway: &Gateway) -> Vec<(String, String)> {
    let mut client = Client::h1(gateway).await;
    let mut sessions = Vec::new();
    for _ in 0..5 {
        let answer = client.get("/").await;
        sessions.push((cookie(&answer).expect("a new session"), answer.origin().to_owned()));
    }
    sessions
}

/// Whether a gateway keeps these sessions where they are.
async fn honours(gateway: &Gateway, sessions: &[(String, String)]) -> bool {
    let mut client = Client::h2(gateway).await;
    let mut kept = 0;
    for (cookie, home) in sessions {
        let answer = client.ask(Ask::get("/").header("cookie", cookie)).await;
        kept += usize::from(answer.origin() == home && answer.header("set-cookie").is_empty());
    }
    // One that is not kept may come to the same endpoint by chance, but gets a new cookie then.
    assert!(kept == 0 || kept == sessions.len(), "{kept} of {} sessions are kept", sessions.len());
    kept > 0
}

#[tokio::test]
async fn a_session_of_one_replica_holds_on_another_that_shares_the_key_in_each_step_of_its_rotation() {
    let origins: [Origin; 5] = Origin::several().await;
    let [old, new] = ["1", "2"].map(|digit| digit.repeat(32));
    let files = |current: &str, previous: &str| {
        let secrets = "[secrets]\nsealing = { current-file = \"current\", previous-file = \"previous\" }";
        let (current, previous) = (current.to_owned(), previous.to_owned());
        two(&origins, move |configuration| {
            let configuration = configuration.selection(r#"["sticky-session", "round-robin"]"#).tables(secrets);
            configuration.file("current", &current).file("previous", &previous)
        })
    };
    // By step: how it begins, the new key opens, it seals, the old one is gone.
    let [first, _] = files(&old, &old);
    let [_, opens] = files(&old, &new);
    let [seals, _] = files(&new, &old);
    let [_, gone] = files(&new, &new);
    let mut gateways = Vec::new();
    for configuration in [&first, &opens, &seals, &gone] {
        gateways.push(Gateway::start(configuration).await);
    }
    let mut found = Vec::new();
    for gateway in &gateways {
        let sessions = sessions(gateway).await;
        let mut row = Vec::new();
        for other in &gateways {
            row.push(honours(other, &sessions).await);
        }
        found.push(row);
    }
    // Who has sealed, by who is asked: whoever is one step away agrees, both ways.
    let expected =
        [[true, true, true, false], [true, true, true, false], [false, true, true, true], [false, true, true, true]];
    assert_eq!(found, expected);
}
