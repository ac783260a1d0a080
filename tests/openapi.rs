//! The document that the admin API describes itself by: every path in it answers as it says.

use serde_json::{Value, json};

use crate::harness::{Ask, Client, Configuration, Gateway, Origin, component};

async fn gateway(origin: &Origin) -> Gateway {
    let configuration = Configuration::of(&[origin])
        .plugin("guest", component("stamp_v1"))
        .routing(r#"["guest"]"#)
        .upstream(r#"health = { path = "/status/200", interval = "10m" }"#)
        .tables("[admin]\naddress = \"127.0.0.1:0\"");
    Gateway::start(&configuration).await
}

/// What is wrong with a body, by the description in the document.
fn mistakes(document: &Value, described: &Value, body: &Value) -> Vec<String> {
    let mut schema = described.clone();
    schema["components"] = document["components"].clone();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    validator.iter_errors(body).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[tokio::test]
async fn every_path_of_the_document_answers_as_it_says() {
    let origin = Origin::start("a").await;
    let gateway = gateway(&origin).await;
    // So that there is something to tell.
    Client::h1(&gateway).await.ask(Ask::post("/", "x")).await;
    let document = gateway.told("openapi.json").await;
    assert_eq!(document["openapi"], "3.1.0");
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() > 12, "{:?}", paths.keys().collect::<Vec<_>>());
    let mut asked = 0;
    for (path, methods) in paths {
        for (method, operation) in methods.as_object().unwrap() {
            let at = path.replace("{plugin}", "guest").replace("{upstream}", "app").replace("{endpoint}", "a");
            let line = format!("{} {at} HTTP/1.1\r\nhost: localhost", method.to_uppercase());
            if path == "/api/v1/events" {
                continue;
            }
            let more = if method == "post" { "\r\nx-sluice-admin: 1\r\ncontent-length: 0" } else { "" };
            let (head, body) = gateway.ask_admin(&format!("{line}{more}")).await;
            let status = &head[9..12];
            let body: Value = serde_json::from_str(&body).unwrap_or_else(|error| panic!("{line}: {error}: {body}"));
            let described = &operation["responses"][status]["content"]["application/json"]["schema"];
            assert!(described.is_object(), "{line}: nothing is said of {status}");
            assert_eq!(mistakes(&document, described, &body), Vec::<String>::new(), "{line}");
            asked += 1;
            if method == "post" {
                let (head, body) = gateway.ask_admin(&format!("{line}\r\ncontent-length: 0")).await;
                assert!(head.starts_with("HTTP/1.1 403 "), "{line}: {head}");
                let body: Value = serde_json::from_str(&body).unwrap();
                let described = &operation["responses"]["403"]["content"]["application/json"]["schema"];
                assert_eq!(mistakes(&document, described, &body), Vec::<String>::new(), "{line}");
            }
        }
    }
    assert!(asked > 12, "{asked}");
}

#[tokio::test]
async fn the_document_would_notice_another_answer() {
    let origin = Origin::start("a").await;
    let gateway = gateway(&origin).await;
    let document = gateway.told("openapi.json").await;
    let described = &document["paths"]["/api/v1/upstreams"]["get"]["responses"]["200"]["content"]["application/json"];
    let mut told = gateway.told("upstreams").await;
    assert_eq!(mistakes(&document, &described["schema"], &told), Vec::<String>::new());
    told["upstreams"][0]["endpoints"][0]["weight"] = json!("3");
    assert_eq!(mistakes(&document, &described["schema"], &told).len(), 1);
    told["upstreams"][0].as_object_mut().unwrap().remove("name");
    assert_eq!(mistakes(&document, &described["schema"], &told).len(), 2);
}

#[tokio::test]
async fn the_state_has_all_of_it_at_once() {
    let origin = Origin::start("a").await;
    let gateway = gateway(&origin).await;
    let mut client = Client::h2(&gateway).await;
    for _ in 0..20 {
        client.get("/").await;
    }
    gateway.shows(&[(r#"sluice_requests_total{route="all",code="2xx"}"#, 20.0)]).await;
    let state = gateway.told("state").await;
    assert_eq!((&state["gateway"]["workers"], &state["gateway"]["ready"]), (&json!(2), &json!(true)));
    assert_eq!(state["listeners"][0]["certificates"][0]["names"][0], "app.test");
    assert_eq!(
        (&state["listeners"][0]["handshakes"]["full"], &state["listeners"][0]["spoken"]["h2"]),
        (&json!(1), &json!(1))
    );
    let route = &state["routes"][0];
    assert_eq!((&route["name"], &route["routing"]), (&json!("all"), &json!(["all/routing/guest"])));
    assert_eq!((&route["traffic"]["requests"], &route["traffic"]["in_flight"]), (&json!(20), &json!(0)));
    let endpoint = &state["upstreams"][0]["endpoints"][0];
    assert_eq!((&endpoint["id"], &endpoint["outcomes"]["2xx"]), (&json!("a"), &json!(20)));
    assert_eq!(endpoint["connections"], endpoint["connections_opened"]);
    let of_use = |name: &str| state["uses"].as_array().unwrap().iter().find(|it| it["name"] == name).unwrap().clone();
    let hooks = of_use("all/routing/guest")["hooks"].as_array().unwrap().clone();
    let routing = hooks.iter().find(|hook| hook["hook"] == "routing").unwrap();
    assert_eq!(routing["calls"], 20);
    assert!(routing["timed"].as_u64() >= Some(2) && routing["timed_duration"].as_f64() > Some(0.0), "{routing}");
    assert!(of_use("all/routing/guest")["memory_peak_bytes"].as_u64() > Some(0));
    assert!(state["history"]["events"].as_array().unwrap().iter().any(|event| event["message"] == "ready"));
    assert_eq!(state["reload"]["problems"], json!([]));
}
