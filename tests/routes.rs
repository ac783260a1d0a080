//! Which route takes a request, in which order, and what path the origin gets.

use crate::harness::{Ask, Client, Configuration, Gateway, Origin};

/// Routes by name and rule, each with a rule of its own, all to one upstream; `all` takes the rest.
async fn gateway(origin: &Origin, routes: &[(&str, &str)]) -> Gateway {
    let table = |(name, lines): &(&str, &str)| format!("[[route]]\nname = \"{name}\"\nupstream = \"app\"\n{lines}\n");
    let tables: String = routes.iter().map(table).collect();
    Gateway::start(&Configuration::of(&[origin]).tables(&tables)).await
}

/// The route that took the request.
async fn route(gateway: &Gateway, client: &mut Client, ask: Ask) -> String {
    let before = gateway.log.filter("exchange", |_| true).len();
    client.ask(ask).await;
    gateway.exchanges(before + 1).await[before].text("route").to_owned()
}

#[tokio::test]
async fn the_more_exact_rule_wins_and_then_the_order_of_the_file() {
    let origin = Origin::start("a").await;
    let routes = [
        ("wide-host", r#"match = { hosts = ["*.example.com"] }"#),
        ("host", r#"match = { hosts = ["www.example.com"] }"#),
        ("long-wide-host", r#"match = { hosts = ["*.eu.example.com"] }"#),
        ("prefix", r#"match = { path = "/api/*" }"#),
        ("long-prefix", r#"match = { path = "/api/v2/*" }"#),
        ("exact", r#"match = { path = "/api/v2/users" }"#),
        ("method", r#"match = { path = "/api/*", methods = ["DELETE"] }"#),
        ("field", r#"match = { path = "/api/*", methods = ["DELETE"], headers = { x-tier = "gold" } }"#),
        ("first", r#"match = { path = "/same/*", headers = { x-one = "1" } }"#),
        ("second", r#"match = { path = "/same/*", headers = { x-two = "2" } }"#),
    ];
    let gateway = gateway(&origin, &routes).await;
    let mut client = Client::h2(&gateway).await;
    let cases = [
        (Ask::get("/api/v2/users").host("www.example.com"), "host"),
        (Ask::get("/").host("WWW.Example.com:8443"), "host"),
        (Ask::get("/").host("a.example.com"), "wide-host"),
        (Ask::get("/").host("a.b.example.com"), "wide-host"),
        (Ask::get("/").host("a.eu.example.com"), "long-wide-host"),
        (Ask::get("/").host("example.com"), "all"),
        (Ask::get("/api"), "prefix"),
        (Ask::get("/api/x"), "prefix"),
        (Ask::get("/apix"), "all"),
        (Ask::get("/api/v2/x"), "long-prefix"),
        (Ask::get("/api/v2/users"), "exact"),
        (Ask::get("/api/v2/users/"), "long-prefix"),
        (Ask::new("DELETE", "/api/x"), "method"),
        (Ask::new("DELETE", "/api/x").header("x-tier", "gold"), "field"),
        (Ask::new("DELETE", "/api/x").header("x-tier", "Gold"), "method"),
        (Ask::get("/same/x").header("x-two", "2").header("x-one", "1"), "first"),
        (Ask::get("/same/x").header("x-two", "2"), "second"),
        (Ask::get("/"), "all"),
    ];
    for (ask, expected) in cases {
        let what = format!("{ask:?}");
        assert_eq!(route(&gateway, &mut client, ask).await, expected, "{what}");
    }
}

#[tokio::test]
async fn one_normal_form_is_matched_and_sent() {
    let origin = Origin::start("a").await;
    let gateway = gateway(&origin, &[("api", r#"match = { path = "/api/*" }"#)]).await;
    let mut client = Client::h1(&gateway).await;
    let cases = [
        ("/a/../api/x", "api", "/api/x"),
        ("/api/../secret", "all", "/secret"),
        ("/api/%2e%2e/secret", "all", "/secret"),
        ("/./api/./x?y=/../z", "api", "/api/x?y=/../z"),
        ("/api%2fx", "all", "/api%2Fx"),
        ("//api/x", "all", "//api/x"),
        ("/api//x", "api", "/api//x"),
    ];
    for (path, expected, sent) in cases {
        let before = gateway.log.filter("exchange", |_| true).len();
        let target = client.get(path).await.seen()["target"].as_str().unwrap().to_owned();
        let line = gateway.exchanges(before + 1).await.remove(before);
        assert_eq!((line.text("route"), &*target), (expected, sent), "{path}");
    }
}

#[tokio::test]
async fn a_prefix_is_stripped() {
    let origin = Origin::start("a").await;
    let api = r#"match = { path = "/api/*" }
        rewrite = { strip-prefix = "/api" }"#;
    let gateway = gateway(&origin, &[("api", api)]).await;
    let mut client = Client::h1(&gateway).await;
    for (path, sent) in [("/api/x?y", "/x?y"), ("/api/", "/"), ("/api", "/"), ("/apix", "/apix")] {
        assert_eq!(client.get(path).await.seen()["target"], sent, "{path}");
    }
}
