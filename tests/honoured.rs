//! What a plugin asks for in `setup` it gets, and every import is real: a guest asks for all of it and reports.

use serde_json::{Value, json};

use crate::harness::guests::retouched;
use crate::harness::{Answer, Ask, Client, Configuration, Gateway, Origin, Raw, component, eventually};

const USE: &str = r#"{ plugin = "guest", config = { greeting = "hello" } }"#;

/// The guest at an upstream with two endpoints of which the second drains, on one worker.
fn selecting(origins: &[Origin; 2]) -> Configuration {
    let configuration = Configuration::of(&origins.each_ref()).workers(1).plugin("guest", component("everything"));
    let configuration =
        configuration.top("zone = \"z\"\nhash-seed = 7").selection(&format!("[{USE}, \"round-robin\"]"));
    let configuration = configuration.endpoint(0, r#"weight = 3, zone = "y", priority = 2, labels = { gpu = "h200" }"#);
    configuration.endpoint(1, r#"state = "draining""#)
}

/// The last report: uses further out append theirs behind.
fn report(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200);
    serde_json::from_str(answer.headers("x-report").last().expect("a report")).unwrap()
}

#[tokio::test]
async fn setup_tells_a_selecting_use_where_it_stands() {
    let origins = Origin::several().await;
    let gateway = Gateway::start(&selecting(&origins)).await;
    let report = report(&Client::h1(&gateway).await.get("/").await);
    let said = json!({
        "use": "app/selection/guest", "upstream": "app", "upstreams": [], "worker": 0, "workers": 1, "seed": 7, "trial": false,
    });
    assert_eq!(report["said"], said);
    let members = json!({
        "count": 2, "ids": ["a", "b"], "addresses": [origins[0].address.to_string(), origins[1].address.to_string()],
        "weights": [3, 1], "warm_up": [1000, 1000], "priorities": [2, 0], "zones": ["y", ""], "local_zone": "z",
        "labels": ["h200", null], "conditions": ["Health::Healthy", "Health::Draining"],
    });
    assert_eq!(report["members"], members);
    assert_eq!((&report["endpoint"], &report["attempts"], &report["tag"]), (&json!("a"), &json!(1), &json!(7)));
    gateway.log.wait_for("hello at /", |event| event.text("target") == "guest").await;
}

#[tokio::test]
async fn setup_tells_a_routing_use_what_it_may_choose_and_lets_it_see_the_body_first() {
    let [one, other] = Origin::several().await;
    let next = format!("[[upstream]]\nname = \"next\"\nendpoints = [{{ address = \"{}\" }}]", other.address);
    let configuration = Configuration::of(&[&one]).plugin("guest", component("everything")).tables(&next);
    let configuration = configuration.routing(&format!("[{USE}]")).route(r#"upstreams = ["next"]"#);
    let gateway = Gateway::start(&configuration).await;
    let mut client = Client::h2(&gateway).await;
    let answer = client.ask(Ask::post("/", "0123456789abcdefghij")).await;
    let said = &report(&answer)["said"];
    assert_eq!((&said["upstream"], &said["upstreams"]), (&Value::Null, &json!(["app", "next"])));
    assert_eq!(report(&answer)["prefix"], json!([16, false]));
    assert_eq!(answer.seen()["body_start"], "0123456789abcdefghij", "the body is sent whole");
    assert_eq!(answer.seen_field("x-routed"), "1 healthy");
    assert_eq!(report(&client.ask(Ask::post("/", "short")).await)["prefix"], json!([5, true]));
    assert_eq!(report(&client.get("/").await)["prefix"], json!([0, true]));
}

#[tokio::test]
async fn a_body_that_breaks_off_while_a_plugin_sees_its_beginning_is_not_sent_as_if_it_were_whole() {
    let origin = Origin::start("a").await;
    let configuration = Configuration::of(&[&origin]).plugin("guest", component("everything"));
    let gateway = Gateway::start(&configuration.routing(&format!("[{USE}]"))).await;
    let mut raw = Raw::plain(&gateway).await;
    raw.say("POST / HTTP/1.1\r\nhost: app.test\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nZ\r\n").await;
    let heard = raw.hear_all().await;
    assert!(!heard.contains(" 200 OK"), "{heard}");
    origin.holds(0).await;
}

#[tokio::test]
async fn keys_are_the_same_by_want_key_and_by_getter() {
    let origins = Origin::several().await;
    let gateway = Gateway::start(&selecting(&origins)).await;
    let mut client = Client::h1(&gateway).await;
    let keyed = report(&client.ask(Ask::get("/").header("x-user", "someone")).await);
    assert!(keyed["key"].is_u64() && keyed["key"] == keyed["own_key"], "{keyed}");
    let by_address = report(&client.get("/").await);
    assert!(by_address["key"].is_u64() && by_address["own_key"].is_null(), "{by_address}");
    assert_ne!(by_address["key"], keyed["key"]);
}

#[tokio::test]
async fn prepared_edits_are_made_and_sealing_seals() {
    let origins = Origin::several().await;
    let gateway = Gateway::start(&selecting(&origins)).await;
    let ask = Ask::get("/").header("x-answer-with", "x-origin-extra: one|x-prepared: from the origin");
    let answer = Client::h1(&gateway).await.ask(ask).await;
    assert_eq!(answer.headers("x-prepared"), ["set", "appended"]);
    assert_eq!(answer.headers("x-origin-extra"), [""; 0]);
    assert_eq!(report(&answer)["sealed"], true);
}

#[tokio::test]
async fn cells_and_store_are_shared_by_workers_and_outlive_a_swap() {
    let origins = Origin::several().await;
    let gateway = Gateway::start(&selecting(&origins).workers(2)).await;
    let mut cells = Vec::new();
    for number in 0..40 {
        if number == 20 {
            gateway.swap("guest", &retouched(&component("everything"), "2"), &["app/selection/guest"]).await;
        }
        let report = report(&Client::h1(&gateway).await.get("/counted").await);
        cells.push(report["cell"].as_i64().unwrap());
        assert_eq!(report["store"], number + 1);
    }
    assert_eq!(cells, (100..140).collect::<Vec<_>>(), "the trial works on copies, and both workers on one cell");
}

#[tokio::test]
async fn a_use_that_asked_for_it_may_choose_draining_endpoints() {
    let origins = Origin::several().await;
    let gateway = Gateway::start(&selecting(&origins)).await;
    let mut client = Client::h1(&gateway).await;
    let answer = client.ask(Ask::get("/").header("x-draining", "yes")).await;
    assert_eq!((answer.origin(), &report(&answer)["tag"]), ("b", &json!(8)));
    assert_eq!(client.get("/").await.origin(), "a");
}

#[tokio::test]
async fn feedback_and_ticks_come() {
    let origins = Origin::several().await;
    let gateway = Gateway::start(&selecting(&origins)).await;
    let mut client = Client::h1(&gateway).await;
    eventually("feedback and ticks", async || {
        let report = report(&client.get("/").await);
        let observed = report["observed"].as_u64() >= Some(1) && report["observed_kind"] == "success 200 tag 7";
        (observed && report["ticks"].as_u64() >= Some(2)).then_some(())
    })
    .await;
    // Figures of the host: this request is in flight at one endpoint, whose latency is known by now.
    let report = report(&client.get("/").await);
    assert_eq!(report["in_flight"], json!([1, 0]));
    assert!(report["latency"][0].as_u64() < Some(30_000_000), "{report}");
    assert_eq!(report["latency"][1], u32::MAX, "never sampled");
}

#[tokio::test]
async fn state_is_handed_from_one_version_to_the_next() {
    let origins = Origin::several().await;
    let gateway = Gateway::start(&selecting(&origins)).await;
    let mut client = Client::h1(&gateway).await;
    assert_eq!(report(&client.get("/").await)["restored"], "");
    gateway.swap("guest", &retouched(&component("everything"), "2"), &["app/selection/guest"]).await;
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(report(&client.get("/").await)["restored"], format!("what was learnt from {version}"));
}

#[tokio::test]
async fn hooks_may_answer_themselves() {
    let origin = Origin::start("a").await;
    let configuration = Configuration::of(&[&origin]).plugin("guest", component("replies"));
    let gateway = Gateway::start(&configuration.routing(r#"["guest"]"#).selection(r#"["guest", "round-robin"]"#)).await;
    let mut client = Client::h2(&gateway).await;
    let reply = client.ask(Ask::get("/").header("x-reply", "418")).await;
    assert_eq!((reply.status.as_u16(), reply.text()), (418, "from the guest"));
    assert_eq!(reply.header("content-type"), "text/x-guest");
    for (status, length) in [("204", None), ("205", Some("0")), ("304", None)] {
        let reply = Client::h1(&gateway).await.ask(Ask::get("/").header("x-reply", status)).await;
        let said = (reply.status.as_str(), reply.text(), reply.header("content-type"));
        assert_eq!(said, (status, "", "text/x-guest"), "no content, though the guest brings some");
        assert_eq!(reply.headers("content-length").first().copied(), length);
    }
    assert_eq!(client.ask(Ask::get("/").header("x-reject", "429")).await.status, 429);
    assert_eq!(client.ask(Ask::post("/", "body").header("x-reject", "429")).await.status, 429);
    assert_eq!(origin.requests(), 0);
    assert_eq!(client.get("/").await.status, 200);
}

#[tokio::test]
async fn a_responding_plugin_may_ask_for_another_endpoint() {
    let origins: [Origin; 2] = Origin::several().await;
    origins[0].answer(503);
    let configuration = Configuration::of(&origins.each_ref()).plugin("chooses", component("chooses"));
    let configuration = configuration.plugin("retries", component("retries")).response(r#"["retries"]"#);
    let gateway = Gateway::start(&configuration.selection(r#"["chooses", "round-robin"]"#)).await;
    let mut client = Client::h1(&gateway).await;
    let answer = client.ask(Ask::get("/").header("x-endpoint", "a")).await;
    assert_eq!((answer.status.as_u16(), answer.origin()), (200, "b"));
    assert_eq!(gateway.exchange("/").await.number("attempts"), 2);
    // Not what has a body: it cannot be sent again.
    let posted = client.ask(Ask::post("/posted", "body").header("x-endpoint", "a")).await;
    assert_eq!(posted.status, 503);
    assert_eq!(gateway.exchange("/posted").await.number("attempts"), 1);
}
