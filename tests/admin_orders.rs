//! Operators give orders: reload, swap, roll back, take a plugin out. They hear what comes of it, and whoever follows the events
//! sees it happen.

use serde_json::{Value, json};

use crate::harness::guests::digest;
use crate::harness::{Ask, Client, Configuration, Gateway, Origin, Raw, component, eventually};

const ADMIN: &str = "[admin]\naddress = \"127.0.0.1:0\"";

fn stamped(origin: &Origin) -> Configuration {
    Configuration::of(&[origin]).plugin("guest", component("stamp_v1")).routing(r#"["guest"]"#).tables(ADMIN)
}

impl Gateway {
    /// What an order is answered with: status and body.
    async fn orders(&self, path: &str) -> (String, Value) {
        let lines =
            format!("POST /api/v1/{path} HTTP/1.1\r\nhost: localhost\r\nx-sluice-admin: 1\r\ncontent-length: 0");
        let (head, body) = self.ask_admin(&lines).await;
        (head[9..12].to_owned(), serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}")))
    }

    /// What is told there.
    pub async fn told(&self, path: &str) -> Value {
        let (head, body) = self.ask_admin(&format!("GET /api/v1/{path} HTTP/1.1\r\nhost: localhost")).await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"))
    }

    /// The plugin of the tests here.
    async fn guest(&self) -> Value {
        let plugins = self.told("plugins").await["plugins"].as_array().unwrap().clone();
        plugins.into_iter().find(|plugin| plugin["name"] == "guest").unwrap()
    }
}

fn done() -> (String, Value) {
    ("200".to_owned(), json!({ "outcome": "done", "problems": [] }))
}

#[tokio::test]
async fn a_reload_by_order_tells_what_is_wrong_and_where() {
    let origin = Origin::start("a").await;
    let configuration = stamped(&origin);
    let gateway = Gateway::start(&configuration).await;
    assert_eq!(gateway.orders("reload").await, done());

    gateway.put("sluice.toml", configuration.text().replace("upstream = \"app\"", "upstream = \"nowhere\""));
    let (status, told) = gateway.orders("reload").await;
    assert_eq!((status.as_str(), &told["outcome"]), ("409", &json!("refused")));
    assert_eq!(told["problems"][0]["key"], "route[0].upstream");
    assert!(told["problems"][0]["line"].as_u64() > Some(0), "{told}");
    let reload = gateway.told("reload").await;
    assert_eq!(reload["problems"], told["problems"], "whoever comes later sees it too");
    assert!(reload["refused_at"].as_f64() > reload["served_at"].as_f64(), "{reload}");

    gateway.put("sluice.toml", configuration.text());
    assert_eq!(gateway.orders("reload").await, done());
    let reload = gateway.told("reload").await;
    assert_eq!((&reload["problems"], &reload["refused_at"]), (&json!([]), &Value::Null));
}

#[tokio::test]
async fn a_swap_by_order_can_be_rolled_back_by_order_once() {
    let origin = Origin::start("a").await;
    let gateway = Gateway::start(&stamped(&origin)).await;
    let mut client = Client::h1(&gateway).await;
    assert_eq!(gateway.guest().await["before"], Value::Null);
    let (status, told) = gateway.orders("plugins/guest/roll-back").await;
    assert_eq!((status.as_str(), &told["outcome"]), ("409", &json!("refused")));
    assert_eq!(gateway.orders("plugins/guest/swap").await.1["outcome"], "unchanged");

    let (old, new) = (component("stamp_v1"), component("stamp_v2"));
    gateway.save("guest", &new);
    // Whichever comes first, the order or the watch: it serves when the answer is here.
    let (status, told) = gateway.orders("plugins/guest/swap").await;
    assert_eq!((status.as_str(), told["outcome"] == "refused"), ("200", false), "{told}");
    let guest = gateway.guest().await;
    assert_eq!((&guest["live"]["digest"], &guest["before"]["digest"]), (&json!(digest(&new)), &json!(digest(&old))));
    assert_eq!(client.get("/").await.seen_field("x-routed-by"), "v2");

    assert_eq!(gateway.orders("plugins/guest/roll-back").await, done());
    let guest = gateway.guest().await;
    assert_eq!((&guest["live"]["digest"], &guest["before"]), (&json!(digest(&old)), &Value::Null));
    assert_eq!((&guest["swaps"], &guest["rollbacks"]), (&json!(1), &json!(1)));
    assert_eq!(client.get("/").await.seen_field("x-routed-by"), "v1");
    // It is not tried again by itself, nor by order, until its file changes.
    let (status, told) = gateway.orders("plugins/guest/swap").await;
    assert_eq!(status, "409");
    assert!(told["problems"][0]["message"].as_str().unwrap().contains("taken back"), "{told}");
}

#[tokio::test]
async fn a_disabled_plugin_is_left_out_over_reloads_until_it_is_enabled() {
    let origin = Origin::start("a").await;
    let configuration = stamped(&origin);
    let gateway = Gateway::start(&configuration).await;
    let mut client = Client::h1(&gateway).await;
    assert_eq!(client.get("/").await.seen_field("x-routed-by"), "v1");
    assert_eq!(gateway.orders("plugins/guest/disable").await, done());
    assert_eq!(gateway.orders("plugins/guest/disable").await.1["outcome"], "unchanged");
    let plain = client.get("/disabled").await;
    assert_eq!((plain.status.as_u16(), plain.seen_field("x-routed-by")), (200, String::new()));
    assert_eq!(gateway.guest().await["disabled"], true);
    gateway.reload(&configuration.clone().endpoint(0, "weight = 3").text()).await;
    assert_eq!(client.get("/").await.seen_field("x-routed-by"), "", "after a reload");
    gateway.shows(&[(r#"sluice_plugin_disabled{use="all/routing/guest",plugin="guest"}"#, 1.0)]).await;
    let line = gateway.exchange("/disabled").await;
    assert!(line.text("why").contains("disabled by an operator"), "{line:?}");
    assert_eq!(gateway.orders("plugins/guest/enable").await, done());
    assert_eq!(client.get("/").await.seen_field("x-routed-by"), "v1");
}

#[tokio::test]
async fn what_must_not_be_left_out_is_not_left_out_by_order_either() {
    let origin = Origin::start("a").await;
    let guard = r#"[{ plugin = "guest", on-error = "fail" }]"#;
    let gateway = Gateway::start(&stamped(&origin).routing(guard)).await;
    assert_eq!(gateway.orders("plugins/guest/disable").await, done());
    assert_eq!(Client::h1(&gateway).await.get("/").await.status, 503);
    assert_eq!(origin.requests(), 0);
}

#[tokio::test]
async fn an_order_about_nobody_is_told_who_there_is() {
    let origin = Origin::start("a").await;
    let gateway = Gateway::start(&stamped(&origin)).await;
    for order in ["swap", "roll-back", "disable", "enable"] {
        let (status, told) = gateway.orders(&format!("plugins/nobody/{order}")).await;
        assert_eq!(status, "404");
        assert_eq!(told["error"], "no plugin is called \"nobody\"; there are: guest, round-robin");
    }
}

#[tokio::test]
async fn followers_see_events_and_figures_and_what_they_have_missed() {
    let origin = Origin::start("a").await;
    let gateway = Gateway::start(&stamped(&origin)).await;
    let follow = |more: &str| format!("GET /api/v1/events HTTP/1.1\r\nhost: localhost\r\n{more}\r\n");
    let mut follower = Raw::to(gateway.admin().await).await;
    follower.say(follow("")).await;
    let heard = follower.hear_until("event: figures").await;
    assert!(heard.contains("content-type: text/event-stream"), "{heard}");
    gateway.swap("guest", &component("stamp_v2"), &["all/routing/guest"]).await;
    let heard = follower.hear_until(r#""message":"swap""#).await;
    assert!(heard.contains("event: event"), "{heard}");
    // What goes by is in the figures a second later at the latest.
    Client::h1(&gateway).await.get("/").await;
    follower.hear_until(r#""2xx":1"#).await;
    drop(follower);

    let history = gateway.told("history").await["events"].as_array().unwrap().clone();
    let swap = history.iter().find(|event| event["message"] == "swap").unwrap();
    assert_eq!((&swap["fields"]["plugin"], &swap["level"]), (&json!("guest"), &json!("info")));
    let mut late = Raw::to(gateway.admin().await).await;
    late.say(follow(&format!("last-event-id: {}\r\n", swap["id"].as_u64().unwrap() - 1))).await;
    let heard = late.hear_until("event: figures").await;
    assert!(heard.contains(&format!("id: {}\n", swap["id"])) && heard.contains(r#""message":"swap""#), "{heard}");
}

#[tokio::test]
async fn who_asks_whether_it_serves_hears_so_and_that_it_drains() {
    let origin = Origin::start("a").await;
    let mut gateway = Gateway::start(&stamped(&origin)).await;
    for path in ["healthz", "readyz"] {
        let (head, _) = gateway.ask_admin(&format!("GET /{path} HTTP/1.1\r\nhost: anything")).await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{path}: {head}");
    }
    // An exchange keeps it from ending meanwhile.
    origin.hold();
    let mut client = Client::h1(&gateway).await;
    let waiting = tokio::spawn(async move { client.ask(Ask::get("/")).await });
    origin.holds(1).await;
    gateway.terminate();
    gateway.log.wait_for("draining", |_| true).await;
    let ready = eventually("a word that it drains", async || {
        let (head, _) = gateway.ask_admin("GET /readyz HTTP/1.1\r\nhost: x").await;
        head.starts_with("HTTP/1.1 503 ").then_some(head)
    });
    ready.await;
    let (head, _) = gateway.ask_admin("GET /healthz HTTP/1.1\r\nhost: x").await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    origin.release();
    assert_eq!(waiting.await.unwrap().status, 200);
    assert!(gateway.ended().await.success());
}
