//! Operators ask for upstreams in JSON and drain endpoints, and no page in a browser does that for them.

use serde_json::Value;

use crate::harness::{Answer, Ask, Client, Configuration, Gateway, Origin, load};

/// Sessions hold, new ones go round.
fn with_sessions(origins: &[&Origin]) -> Configuration {
    let admin = "[admin]\naddress = \"127.0.0.1:0\"";
    Configuration::of(origins).selection(r#"["sticky-session", "round-robin"]"#).tables(admin)
}

impl Gateway {
    /// What the API answers with: the head, and the body as JSON.
    async fn ask_api(&self, request: &str, more: &str) -> (String, Value) {
        let (head, body) = self.ask_admin(&format!("{request} HTTP/1.1\r\nhost: localhost{more}")).await;
        assert!(head.contains("content-type: application/json"), "{head}");
        (head, serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body:?}")))
    }

    /// As an operator orders it.
    async fn order(&self, endpoint: &str, order: &str) -> Value {
        let path = format!("/api/v1/upstreams/app/endpoints/{endpoint}/{order}");
        let (head, told) = self.ask_api(&format!("POST {path}"), "\r\nx-sluice-admin: yes\r\ncontent-length: 0").await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        told
    }

    /// The endpoints of the first upstream.
    async fn endpoints(&self) -> Vec<Value> {
        let (head, told) = self.ask_api("GET /api/v1/upstreams", "").await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        told["upstreams"][0]["endpoints"].as_array().unwrap().clone()
    }
}

fn of(answers: &[Answer], origin: &str) -> usize {
    assert!(answers.iter().all(|answer| answer.status == 200));
    answers.iter().filter(|answer| answer.origin() == origin).count()
}

#[tokio::test]
async fn a_drained_endpoint_keeps_its_sessions_and_gets_no_new_ones_until_it_takes_part_again() {
    let origins: [Origin; 2] = Origin::several().await;
    let gateway = Gateway::start(&with_sessions(&origins.each_ref())).await;
    let mut client = Client::h1(&gateway).await;
    let first = client.get("/").await;
    let (home, cookie) = (first.origin().to_owned(), first.header("set-cookie").split(';').next().unwrap().to_owned());

    let told = gateway.order(&home, "drain").await;
    assert_eq!((told["id"].as_str(), told["health"].as_str()), (Some(&*home), Some("draining")));
    assert_eq!(told["reasons"], serde_json::json!(["drained by an operator"]));
    // Said again it is the same.
    assert_eq!(gateway.order(&home, "drain").await["drained"], true);
    assert_eq!(of(&load(&gateway, 4, 40, |_| Ask::get("/")).await, &home), 0);
    for _ in 0..10 {
        assert_eq!(client.ask(Ask::get("/").header("cookie", &cookie)).await.origin(), home);
    }
    let series = |name: &str| format!(r#"{name}{{upstream="app",endpoint="{home}"}}"#);
    gateway.shows(&[(&series("sluice_endpoint_draining"), 1.0), (&series("sluice_endpoint_healthy"), 1.0)]).await;
    assert_eq!(gateway.log.filter("endpoint drained", |event| event.text("endpoint") == home).len(), 1);

    // A reload forgets nothing of it.
    gateway.reload(&with_sessions(&origins.each_ref()).endpoint(0, "weight = 3").text()).await;
    assert_eq!(of(&load(&gateway, 4, 40, |_| Ask::get("/")).await, &home), 0);

    assert_eq!(gateway.order(&home, "undrain").await["health"], "healthy");
    gateway.log.wait_for("endpoint takes part again", |event| event.text("endpoint") == home).await;
    assert_eq!(of(&load(&gateway, 4, 40, |_| Ask::get("/")).await, &home), 20);
    gateway.shows(&[(&series("sluice_endpoint_draining"), 0.0)]).await;
}

#[tokio::test]
async fn upstreams_are_told_with_what_is_known_of_their_endpoints() {
    let origins: [Origin; 3] = Origin::several().await;
    let configuration = with_sessions(&origins.each_ref())
        .endpoint(0, "weight = 3")
        .endpoint(2, r#"state = "draining""#)
        .upstream(r#"health = { path = "/status/200", interval = "10m", unhealthy-after = 1 }"#)
        .upstream(r#"ejection = { consecutive-errors = 2, for = "10m" }"#);
    let gateway = Gateway::start(&configuration).await;
    let seen = |told: &Value| (told["id"].clone(), told["health"].clone(), told["weight"].clone());
    let told = gateway.endpoints().await;
    let expected = [("a", "healthy", 3), ("b", "healthy", 1), ("c", "draining", 1)];
    let expected = expected.map(|(id, health, weight)| (id.into(), health.into(), weight.into()));
    assert_eq!(told.iter().map(seen).collect::<Vec<_>>(), expected);
    assert_eq!((&told[0]["address"], &told[0]["warm_up"]), (&origins[0].address.to_string().into(), &1.0.into()));
    assert_eq!(told[2]["reasons"], serde_json::json!(["draining by configuration"]));
    assert!(told.iter().all(|endpoint| endpoint["latency_us"].is_null() && endpoint["ejected"].is_null()));

    origins[1].answer(500);
    let mut client = Client::h1(&gateway).await;
    while gateway.log.filter("ejected", |_| true).is_empty() {
        client.get("/").await;
    }
    let told = gateway.endpoints().await;
    let (a, b) = (&told[0], &told[1]);
    assert_eq!((b["health"].as_str(), &b["reasons"]), (Some("unhealthy"), &serde_json::json!(["ejected"])));
    assert_eq!(b["ejected"]["times"], 1);
    let left = b["ejected"]["seconds_left"].as_f64().unwrap();
    assert!(left > 500.0 && left <= 600.0, "{left}");
    assert!(a["latency_us"].as_u64().is_some() && a["attempts"].as_u64() > Some(0), "{a}");
    gateway.shows(&[(r#"sluice_health_checks_total{upstream="app",endpoint="a",outcome="good"}"#, 1.0)]).await;
    let checks = &gateway.endpoints().await[0]["checks"];
    assert_eq!(*checks, serde_json::json!({ "verdict": "good", "good": 1, "bad": 0 }));
}

#[tokio::test]
async fn an_order_that_a_page_in_a_browser_could_send_is_refused_as_is_one_that_makes_no_sense() {
    let origins: [Origin; 2] = Origin::several().await;
    let gateway = Gateway::start(&with_sessions(&origins.each_ref())).await;
    let order = |endpoint: &str| format!("POST /api/v1/upstreams/app/endpoints/{endpoint}/drain");
    let guard = "\r\nx-sluice-admin: yes\r\ncontent-length: 0";
    let form = "\r\norigin: https://evil.example\r\ncontent-type: text/plain\r\ncontent-length: 0";
    let cases = [
        (order("a"), form, "403", "what changes something needs the header x-sluice-admin, with any value"),
        (order("x"), guard, "404", "no endpoint is called \"x\"; there are: a, b"),
        (order("a").replace("app", "x"), guard, "404", "no upstream is called \"x\"; there are: app"),
        (order("a").replace("POST", "GET"), guard, "405", "POST"),
        (order("a").replace("POST", "OPTIONS"), form, "405", "POST"),
        ("POST /api/v1/upstreams".to_owned(), guard, "405", "GET, HEAD"),
    ];
    for (request, more, status, error) in cases {
        let (head, told) = gateway.ask_api(&request, more).await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {head}");
        assert_eq!(told["error"], error, "{request}");
        assert!(!head.contains("access-control"), "{head}");
        assert_eq!(status == "405", head.contains(&format!("allow: {error}")), "{head}");
    }
    for path in ["", "upstream", "upstreams/", "upstreams/app", "upstreams/app/endpoints/a/kill"] {
        let (head, told) = gateway.ask_api(&format!("GET /api/v1/{path}"), "").await;
        assert!(head.starts_with("HTTP/1.1 404 "), "{path}: {head}");
        assert!(told["error"].as_str().unwrap().contains("GET /api/v1/openapi.json"), "{told}");
    }
    let (head, _) = gateway.ask_admin("GET /api/v1/upstreams HTTP/1.1\r\nhost: evil.example").await;
    assert!(head.starts_with("HTTP/1.1 421 "), "{head}");
    let drained = gateway.endpoints().await.iter().filter(|endpoint| endpoint["drained"] == true).count();
    assert_eq!(drained, 0, "something was drained");
}

#[tokio::test]
async fn an_id_may_have_any_characters_that_a_path_can_escape() {
    let origin = Origin::start("a").await;
    let odd = "10.0.0.1:80/x%y";
    let configuration = Configuration::at(&[(odd, origin.address)]).tables("[admin]\naddress = \"127.0.0.1:0\"");
    let gateway = Gateway::start(&configuration).await;
    let told = gateway.order("10.0.0.1:80%2Fx%25y", "drain").await;
    assert_eq!((told["id"].as_str(), told["drained"].as_bool()), (Some(odd), Some(true)));
    // It is the only one, and all of them are used when all are bad.
    assert_eq!(
        (told["health"].as_str(), Client::h1(&gateway).await.get("/").await.status.as_u16()),
        (Some("degraded"), 200)
    );
}
