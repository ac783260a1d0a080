//! An exchange that a gateway has recorded gets the same decisions again from `sluice explain`, unless something in it is changed.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::harness::guests::target;
use crate::harness::{Ask, Client, Configuration, Gateway, Origin, eventually, load};

/// Three upstreams with a policy each, and a split between two of them.
fn policies(origins: &[&Origin], admin: &str) -> Configuration {
    let endpoints = |more: &str| {
        let endpoint =
            |origin: &&Origin| format!("{{ id = \"{0}{more}\", address = \"{1}\" }}", origin.name, origin.address);
        format!("[{}]", origins.iter().map(endpoint).collect::<Vec<_>>().join(", "))
    };
    let tables = format!(
        r#"
[admin]
address = "127.0.0.1:0"
{admin}
[[upstream]]
name = "next"
selection = [{{ plugin = "consistent-hash", config = {{ key = [{{ header = "x-user" }}, "client-ip"] }} }}]
endpoints = {}
[[upstream]]
name = "turns"
selection = ["round-robin"]
endpoints = {}
[[route]]
name = "turns"
match = {{ path = "/turns/*" }}
upstream = "turns"
retry = {{ extra-attempts = 1, on = ["503"], budget = "100%" }}
[[route]]
name = "split"
match = {{ path = "/split/*" }}
upstream = "app"
upstreams = ["next"]
routing = [{{ plugin = "traffic-split", config = {{ shares = {{ app = 50, next = 50 }}, key = [{{ header = "x-user" }}], header = "x-side" }} }}]
rewrite = {{ strip-prefix = "/split" }}
"#,
        endpoints("-next"),
        endpoints("-turn"),
    );
    Configuration::of(origins)
        .selection(r#"["sticky-session", "least-connections"]"#)
        .response(r#"[{ plugin = "headers", config = { preset = "secure" } }]"#)
        .tables(&tables)
}

pub fn explain(folder: &Path, arguments: &[&str]) -> Output {
    let mut sluice = Command::new(env!("CARGO_BIN_EXE_sluice"));
    sluice.arg("explain").arg("--config").arg(folder.join("sluice.toml"));
    sluice.arg("--state-dir").arg(target().join("sluice-state")).args(arguments).output().unwrap()
}

pub fn explained(folder: &Path, arguments: &[&str]) -> Vec<Value> {
    let output = explain(folder, &[arguments, &["--json"]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

impl Gateway {
    /// All exchanges that it keeps, once there are so many, as the file of that answer.
    async fn recorded(&self, count: usize) -> Value {
        eventually("the exchanges", async || {
            let told = self.told("exchanges").await;
            (told["exchanges"].as_array().unwrap().len() == count).then_some(told)
        })
        .await
    }
}

/// What the gateway said of one exchange, explained by its configuration.
fn again(gateway: &Gateway, exchange: &Value) -> Value {
    let file = gateway.folder().join("exchange.json");
    fs::write(&file, exchange.to_string()).unwrap();
    explained(gateway.folder(), &["--exchange", file.to_str().unwrap()]).remove(0)
}

#[tokio::test]
async fn a_thousand_recorded_exchanges_of_every_policy_are_explained_alike() {
    let origins: [Origin; 3] = Origin::several().await;
    let gateway = Gateway::start(&policies(&origins.each_ref(), "exchanges = 4000\nrecord = \"masked\"")).await;
    let first = Client::h1(&gateway).await.get("/").await;
    let session = first.header("set-cookie").split(';').next().unwrap().to_owned();
    origins[2].answer(503);
    load(&gateway, 8, 999, move |number| {
        let user = (number % 37).to_string();
        let ask = match number % 3 {
            0 => Ask::get(&format!("/{number}")),
            1 => Ask::get(&format!("/turns/{number}")),
            _ => Ask::get(&format!("/split/{number}")).header("x-user", &user),
        };
        if number % 2 == 0 { ask.header("cookie", &session).header("authorization", "Bearer secret") } else { ask }
    })
    .await;
    let told = gateway.recorded(1_000).await;
    let session = first.header("set-cookie").split([';', '=']).nth(1).unwrap();
    let said = told.to_string();
    assert!(!said.contains(session) && !said.contains("Bearer secret"), "secrets are masked");
    let file = gateway.folder().join("exchanges.json");
    fs::write(&file, said).unwrap();
    let explained = explained(gateway.folder(), &["--exchange", file.to_str().unwrap()]);
    assert_eq!(explained.len(), 1_000);
    let others: Vec<_> = explained.iter().filter(|one| one["same"] != true).collect();
    assert!(others.is_empty(), "{} of 1000 are not the same, the first: {:#}", others.len(), others[0]);
    assert!(explained.iter().all(|one| one["lacks"] == json!([])), "{:#}", explained[0]);
    // All of them were tried.
    for name in ["sticky-session", "least-connections", "round-robin", "consistent-hash", "traffic-split", "headers"] {
        let used = explained.iter().filter(|one| one["calls"].to_string().contains(name)).count();
        assert!(used > 100, "{name} was asked in {used}");
    }
    let is_retried = |one: &&Value| {
        one["why"].to_string().contains("503")
            || one["calls"].as_array().unwrap().iter().filter(|call| call["hook"] == "selection").count() > 1
    };
    assert!(explained.iter().filter(is_retried).count() > 50);
}

#[tokio::test]
async fn what_is_changed_in_a_record_changes_what_hangs_on_it() {
    let origins: [Origin; 3] = Origin::several().await;
    let gateway = Gateway::start(&policies(&origins.each_ref(), "record = \"masked\"")).await;
    let mut client = Client::h1(&gateway).await;
    client.ask(Ask::get("/split/1").header("x-user", "bob").header("x-side", "next")).await;
    client.get("/turns/1").await;
    client.get("/least").await;
    let told = gateway.recorded(3).await;
    let [least, turn, split] = [0, 1, 2].map(|number| told["exchanges"][number].clone());
    for exchange in [&least, &turn, &split] {
        assert_eq!(again(&gateway, exchange)["same"], true);
    }
    let set = |record: &mut Value, name: &str, value: &str| {
        let headers = record["record"]["request"]["headers"].as_array_mut().unwrap();
        headers.iter_mut().find(|field| field[0] == name).unwrap()[1] = value.into();
    };

    // Another side of the split, by the field that forces it.
    let mut forced = split.clone();
    set(&mut forced, "x-side", "app");
    let found = again(&gateway, &forced);
    assert_eq!((&found["upstream"], &found["same"]), (&json!("app"), &json!(false)), "{found:#}");
    assert!(found["differs"][0].as_str().unwrap().contains("chose next then"), "{found:#}");
    // Another key goes elsewhere, for some key.
    let users = (0..50).map(|number| {
        let mut other = split.clone();
        set(&mut other, "x-user", &format!("user-{number}"));
        other["record"].clone()
    });
    let users: Vec<Value> = users.map(|record| json!({ "record": record })).collect();
    let file = gateway.folder().join("users.json");
    fs::write(&file, json!({ "exchanges": users }).to_string()).unwrap();
    let found = explained(gateway.folder(), &["--exchange", file.to_str().unwrap()]);
    let moved = found.iter().filter(|one| one["same"] == false).count();
    assert!((15..=48).contains(&moved), "{moved} of 50 keys are another endpoint's");

    // The cursor of a rotation.
    let mut later = turn.clone();
    let cell = &mut later["record"]["rounds"][0]["calls"][0]["seen"]["cells"]["cursor"][0];
    *cell = (cell.as_i64().unwrap() + 1).into();
    let found = again(&gateway, &later);
    assert_eq!(found["same"], false, "{found:#}");

    // Who is busy.
    let mut busy = least.clone();
    let chosen = least["endpoint"].as_str().unwrap();
    let calls = busy["record"]["rounds"][0]["calls"].as_array_mut().unwrap();
    let call = calls.iter_mut().find(|call| call["use"] == "app/selection/least-connections").unwrap();
    call["seen"]["in_flight"][chosen][0] = 1_000.into();
    let found = again(&gateway, &busy);
    assert!(found["endpoint"] != chosen && found["same"] == false, "{found:#}");
    // And who may not be chosen.
    let mut out = turn.clone();
    let chosen = turn["endpoint"].as_str().unwrap();
    let members = out["record"]["rounds"][0]["members"].as_array_mut().unwrap();
    members.iter_mut().find(|member| member["id"] == chosen).unwrap()["health"] = "unhealthy".into();
    assert_ne!(again(&gateway, &out)["endpoint"], chosen);
}

#[tokio::test]
async fn a_trusted_client_has_its_exchange_recorded_and_secrets_are_kept_only_where_that_is_wanted() {
    let origin = Origin::start("a").await;
    let asked = policies(&[&origin], "explain-to = [\"127.0.0.0/8\"]");
    let gateway = Gateway::start(&asked).await;
    let mut client = Client::h1(&gateway).await;
    client.get("/silent").await;
    let answer = client.ask(Ask::get("/asked").header("x-sluice-explain", "record").header("cookie", "user=bob")).await;
    assert!(answer.header("x-sluice-explain").starts_with("route=all; "), "{answer:?}");
    let told = gateway.recorded(2).await;
    let find = |told: &Value, path: &str| {
        let all = told["exchanges"].as_array().unwrap();
        all.iter().find(|exchange| exchange["path"] == path).unwrap().clone()
    };
    assert_eq!(find(&told, "/silent")["record"], Value::Null);
    let recorded = find(&told, "/asked");
    assert!(recorded["record"]["request"].to_string().contains("user=**masked**"), "{recorded:#}");
    assert_eq!(again(&gateway, &recorded)["same"], true);

    let with_secrets = asked.text().replace("explain-to", "record = \"secrets\"\nexplain-to");
    gateway.reload(&with_secrets).await;
    client.ask(Ask::get("/secret").header("cookie", "user=bob")).await;
    let told = gateway.recorded(3).await;
    let recorded = find(&told, "/secret");
    assert!(recorded["record"]["request"].to_string().contains("user=bob"), "{recorded:#}");
    assert_eq!(again(&gateway, &recorded)["same"], true);
}

#[tokio::test]
async fn a_plugin_that_reads_what_is_masked_is_said_to_lack_it() {
    let origin = Origin::start("a").await;
    let configuration = Configuration::of(&[&origin])
        .routing(r#"[{ plugin = "traffic-split", config = { shares = { app = 1 }, cookie = "side" } }]"#)
        .tables("[admin]\naddress = \"127.0.0.1:0\"\nrecord = \"masked\"");
    let gateway = Gateway::start(&configuration).await;
    Client::h1(&gateway).await.ask(Ask::get("/").header("cookie", "side=app")).await;
    let told = gateway.recorded(1).await;
    let found = again(&gateway, &told["exchanges"][0]);
    assert_eq!(found["lacks"], json!(["all/routing/traffic-split: the value of cookie"]), "{found:#}");
}
