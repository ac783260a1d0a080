//! `sluice explain`: where a request would go, and why, without a gateway; and an exchange that a gateway has recorded gets the
//! same decisions again, unless something in it is changed.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::harness::guests::{target, workspace};
use crate::harness::{Ask, Client, Configuration, Gateway, Origin, component, eventually, load};

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

fn explain(folder: &Path, arguments: &[&str]) -> Output {
    let mut sluice = Command::new(env!("CARGO_BIN_EXE_sluice"));
    sluice.arg("explain").arg("--config").arg(folder.join("sluice.toml"));
    sluice.arg("--state-dir").arg(target().join("sluice-state")).args(arguments).output().unwrap()
}

fn explained(folder: &Path, arguments: &[&str]) -> Vec<Value> {
    let output = explain(folder, &[arguments, &["--json"]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
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

#[test]
fn a_request_is_explained_without_a_gateway() {
    let folder = tempfile::tempdir().unwrap();
    let address = "127.0.0.1:9".parse().unwrap();
    let configuration = Configuration::at(&[("a", address), ("b", address)])
        .plugin("chooses", component("chooses"))
        .plugin("trap", component("trap"))
        .routing(r#"["trap"]"#)
        .selection(r#"["chooses", "round-robin"]"#)
        .response(r#"[{ plugin = "headers", config = { preset = "secure" } }]"#)
        .tables("[[route]]\nname = \"api\"\nmatch = { path = \"/api/*\" }\nupstream = \"app\"\nrewrite = { strip-prefix = \"/api\" }\n[[listener]]\naddress = \"127.0.0.1:8099\"\nredirect-to-https = {}");
    configuration.write(folder.path());
    let one = |arguments: &[&str]| explained(folder.path(), arguments).remove(0);

    let found = one(&["https://app.test/x?y=1", "-H", "x-endpoint: b", "--client", "192.0.2.7"]);
    assert_eq!(
        (&found["route"], &found["endpoint"], &found["chosen_by"]),
        (&json!("all"), &json!("b"), &json!("app/selection/chooses"))
    );
    assert_eq!(found["onward"], "GET /x?y=1 HTTP/1.1");
    assert!(
        found["onward_headers"].as_array().unwrap().contains(&json!(["x-forwarded-for", "192.0.2.7"])),
        "{found:#}"
    );
    assert!(found["headers"].to_string().contains("x-content-type-options"), "{found:#}");
    let edits =
        found["calls"].as_array().unwrap().iter().find(|call| call["hook"] == "response").unwrap()["edits"].clone();
    assert!(edits.to_string().contains("x-content-type-options"), "{edits}");
    assert_eq!(found["same"], Value::Null);

    let found = one(&["POST https://app.test/api/x", "--body", "hello"]);
    assert_eq!((&found["route"], &found["onward"]), (&json!("api"), &json!("POST /x HTTP/1.1")));
    let found = one(&["DELETE", "http://app.test/", "-H", "x-misbehave: routing"]);
    assert!(found["why"][0].as_str().unwrap().contains("trap"), "{found:#}");
    assert_eq!((&found["calls"][0]["said"], &found["calls"][0]["what"]), (&json!("failed"), &json!("trap")));
    // What the gateway would answer itself: nonsense, and a redirect.
    assert_eq!(one(&["http://app.test/%00"])["status"], 400);
    let redirected = one(&["http://app.test:8099/x"]);
    assert_eq!((&redirected["status"], &redirected["endpoint"]), (&json!(308), &json!("")));

    // For people.
    let output = explain(folder.path(), &["https://app.test/api/x", "--status", "503", "--answer-header", "x-a: b"]);
    let said = text(&output);
    for line in [
        "GET https://app.test/api/x from 127.0.0.1",
        "route      api",
        "endpoint   a, chosen by app/selection/round-robin",
        "gets       GET /x HTTP/1.1",
        "answer     503",
        "           x-a: b",
    ] {
        assert!(said.lines().any(|found| found == line), "{line:?} is not in\n{said}");
    }
}

#[test]
fn what_cannot_be_explained_is_said_with_the_exit_codes_of_check() {
    let folder = tempfile::tempdir().unwrap();
    let address = "127.0.0.1:9".parse().unwrap();
    Configuration::at(&[("a", address)]).write(folder.path());
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (nothing, nonsense, other) = (
        file("nothing.json", "{ \"exchanges\": [] }"),
        file("nonsense.json", "{"),
        file("other.json", "{ \"record\": { \"a\": 1 } }"),
    );
    let cases: [(&[&str], i32, &str); 9] = [
        (&[], 2, "required arguments"),
        (&["https://a/", "--exchange", &nothing], 2, "cannot be used with"),
        (&["a/b"], 1, "it begins with http:// or https://"),
        (&["G T https://a/"], 1, "expected [METHOD] URL"),
        (&["https://a/", "-H", "nonsense"], 1, "is no `name: value`"),
        (&["--exchange", &nothing], 1, "no exchange in it was recorded whole; set `record"),
        (&["--exchange", &nonsense], 1, "nonsense.json: EOF"),
        (&["--exchange", &other], 1, "no exchange of GET /api/v1/exchanges: unknown field"),
        (&["--exchange", "/nowhere"], 1, "/nowhere: No such file"),
    ];
    for (arguments, code, expected) in cases {
        let output = explain(folder.path(), arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(expected), "{expected:?} is not in {said}");
    }
    let config = folder.path().join("sluice.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("upstream = \"app\"", "upstream = \"ap\"")).unwrap();
    let output = explain(folder.path(), &["https://a/"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.code() == Some(1) && said.contains("no upstream is called \"ap\"; did you mean \"app\"?"),
        "{said}"
    );
}

#[test]
fn example_configurations_are_explained() {
    let example = workspace().join("README.md");
    let readme = fs::read_to_string(example).unwrap();
    let block = readme.split("```toml\n").find(|block| block.starts_with("[[listener]]")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let site = crate::harness::certificates::site(&["shop.example.com"]);
    fs::write(folder.path().join("site.pem"), site.certificate).unwrap();
    fs::write(folder.path().join("site.key"), site.key).unwrap();
    fs::write(folder.path().join("quicker_of_two.wasm"), component("passes")).unwrap();
    fs::write(folder.path().join("sluice.toml"), block.split("```").next().unwrap()).unwrap();
    let found = explained(folder.path(), &["https://shop.example.com/cart"]).remove(0);
    assert_eq!(
        (&found["route"], &found["upstream"], &found["chosen_by"]),
        (&json!("shop"), &json!("shop"), &json!("fallback"))
    );
    assert!(found["headers"].to_string().contains("sluice="), "a session begins: {found:#}");
    let found = explained(folder.path(), &["https://other.example.com/"]).remove(0);
    assert!(found["why"].to_string().contains("no route fits") || found["status"] == 421, "{found:#}");
}
