//! The dashboard, as far as it needs no browser: what operators' browsers get, and what they are told to keep to. What it does
//! there is a suite of its own, `tests/suites/dashboard.py`.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::harness::{Ask, Client, Configuration, Gateway, Origin, component};

const ADMIN: &str = "[admin]\naddress = \"127.0.0.1:0\"\n";

impl Gateway {
    async fn page(&self, path: &str, more: &str) -> (String, String) {
        self.ask_admin(&format!("GET {path} HTTP/1.1\r\nhost: localhost{more}")).await
    }
}

async fn with(origin: &Origin, lines: &str) -> Gateway {
    let configuration = Configuration::of(&[origin]).file("admin.token", "correct-horse-battery\n");
    Gateway::start(&configuration.tables(&format!("{ADMIN}{lines}"))).await
}

/// What a document names in `src`, `href` or `from`, and in the styles that it has.
fn named(text: &str) -> BTreeSet<String> {
    let marks = ["src=\"", "href=\"", "from \"", "url("];
    let found = marks.iter().flat_map(|mark| text.split(mark).skip(1));
    let found = found.map(|rest| rest.split(['"', ')']).next().unwrap().to_owned());
    found.filter(|name| !name.starts_with('#')).collect()
}

fn field<'h>(head: &'h str, name: &str) -> &'h str {
    let line = head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    line.unwrap_or_else(|| panic!("no {name}: {head}"))
}

#[tokio::test]
async fn the_page_and_all_that_it_names_come_from_the_gateway_itself() {
    let origin = Origin::start("a").await;
    let gateway = with(&origin, "").await;
    let (head, page) = gateway.page("/", "").await;
    assert!(head.starts_with("HTTP/1.1 200 ") && field(&head, "content-type") == "text/html; charset=utf-8", "{head}");
    let mut known = BTreeSet::new();
    let mut wanted: Vec<String> = named(&page).into_iter().collect();
    assert!(wanted.len() > 10, "{wanted:?}");
    while let Some(name) = wanted.pop() {
        // Modules name each other relatively to where they are.
        let path = name.strip_prefix("./").map_or_else(|| name.clone(), |module| format!("dashboard/{module}"));
        assert!(path.starts_with("dashboard/") && !path.contains(".."), "{name}");
        if !known.insert(path.clone()) {
            continue;
        }
        let (head, text) = gateway.page(&format!("/{path}"), "").await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{path}: {head}");
        let types = [("js", "text/javascript"), ("css", "text/css"), ("svg", "image/svg+xml")];
        let (_, expected) = types.into_iter().find(|(end, _)| path.ends_with(end)).unwrap();
        assert!(field(&head, "content-type").starts_with(expected), "{path}: {head}");
        assert!(!text.is_empty());
        wanted.extend(named(&text));
    }
    assert!(known.contains("dashboard/main.js") && known.len() > 15, "{known:?}");
}

#[tokio::test]
async fn browsers_are_told_to_run_nothing_else_and_to_show_it_in_no_frame() {
    let origin = Origin::start("a").await;
    let gateway = with(&origin, "").await;
    for path in ["/", "/dashboard/main.js", "/dashboard/style.css", "/dashboard/icon.svg"] {
        let (head, _) = gateway.page(path, "").await;
        let policy: BTreeSet<&str> = field(&head, "content-security-policy").split("; ").collect();
        for rule in ["default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"] {
            assert!(policy.contains(rule), "{path}: {policy:?}");
        }
        let loose = ["unsafe", "http", "data:", "*"];
        assert!(policy.iter().all(|rule| loose.iter().all(|word| !rule.contains(word))), "{policy:?}");
        assert_eq!(field(&head, "x-content-type-options"), "nosniff");
        assert_eq!(field(&head, "referrer-policy"), "no-referrer");
    }
    // What the policy forbids, it has no need of.
    let (_, page) = gateway.page("/", "").await;
    assert!(!page.contains("<style") && !page.contains(" style=") && !page.contains(" onclick"), "{page}");
    assert_eq!(page.matches("<script").count(), 1);
}

#[tokio::test]
async fn a_browser_that_comes_back_gets_what_is_new() {
    let origin = Origin::start("a").await;
    let gateway = with(&origin, "").await;
    for path in ["/", "/dashboard/main.js"] {
        let (head, body) = gateway.page(path, "").await;
        assert_eq!(field(&head, "cache-control"), "no-cache");
        let tag = field(&head, "etag").to_owned();
        let (head, nothing) = gateway.page(path, &format!("\r\nif-none-match: {tag}")).await;
        assert!(head.starts_with("HTTP/1.1 304 ") && nothing.is_empty(), "{head}");
        assert_eq!(field(&head, "etag"), tag);
        let (head, again) = gateway.page(path, "\r\nif-none-match: \"another\"").await;
        assert!(head.starts_with("HTTP/1.1 200 ") && again == body, "{head}");
        let (head, nothing) = gateway.ask_admin(&format!("HEAD {path} HTTP/1.1\r\nhost: localhost")).await;
        assert!(head.starts_with("HTTP/1.1 200 ") && nothing.is_empty(), "{head}");
        assert_eq!(field(&head, "content-length"), body.len().to_string());
        let (head, _) =
            gateway.ask_admin(&format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0")).await;
        assert!(head.starts_with("HTTP/1.1 405 ") && field(&head, "allow") == "GET, HEAD", "{head}");
    }
}

#[tokio::test]
async fn it_can_ask_for_the_token_but_tells_nothing_without_it() {
    let origin = Origin::start("a").await;
    let gateway = with(&origin, "token-file = \"admin.token\"\n").await;
    Client::h1(&gateway).await.get("/seen").await;
    // Whoever has a token calls the gateway by any name, so the page comes by any name.
    for host in ["localhost", "gateway.internal"] {
        for path in ["/", "/dashboard/main.js"] {
            let (head, text) = gateway.ask_admin(&format!("GET {path} HTTP/1.1\r\nhost: {host}")).await;
            assert!(head.starts_with("HTTP/1.1 200 "), "{path}: {head}");
            assert!(!text.contains("correct-horse") && !text.contains("/seen") && !text.contains("sluice.toml"));
        }
    }
    for path in ["/api/v1/state", "/api/v1/trend", "/api/v1/events", "/api/v1/exchanges", "/dashboard/none.js"] {
        let (head, _) = gateway.page(path, "").await;
        assert!(head.starts_with("HTTP/1.1 401 "), "{path}: {head}");
    }
    // Without a token it is for this machine, as all else.
    let gateway = with(&origin, "").await;
    let (head, _) = gateway.ask_admin("GET / HTTP/1.1\r\nhost: evil.example").await;
    assert!(head.starts_with("HTTP/1.1 421 "), "{head}");
}

#[tokio::test]
async fn the_last_minutes_are_told_to_whoever_comes_late() {
    let origin = Origin::start("a").await;
    let configuration = Configuration::of(&[&origin]).plugin("guest", component("stamp_v1"));
    let gateway = Gateway::start(&configuration.routing(r#"["guest"]"#).tables(ADMIN)).await;
    let mut client = Client::h1(&gateway).await;
    for _ in 0..32 {
        client.ask(Ask::get("/")).await;
    }
    client.ask(Ask::get("/status/404")).await;
    let last = crate::harness::eventually("a moment with all of them", async || {
        let trend = gateway.told("trend").await;
        let last = trend["moments"].as_array().unwrap().last()?.clone();
        let bounds = trend["bounds"].as_array().unwrap().len();
        assert_eq!(last["durations"].as_array().unwrap().len(), bounds);
        (last["codes"]["2xx"] == 32 && last["codes"]["4xx"] == 1).then_some(last)
    });
    let last = last.await;
    let durations = last["durations"].as_array().unwrap().iter().filter_map(Value::as_u64);
    assert_eq!(durations.sum::<u64>(), 33);
    let guest = &last["uses"]["all/routing/guest"];
    assert_eq!(guest["calls"], 33);
    assert!(guest["timed"].as_u64() >= Some(2) && guest["timed_duration"].as_f64() > Some(0.0), "{guest}");
    let trend = gateway.told("trend").await;
    let moments = trend["moments"].as_array().unwrap();
    assert!(moments.is_sorted_by(|one, other| one["at"].as_f64() < other["at"].as_f64()), "{moments:?}");
    // The first one is of the beginning.
    assert_eq!(moments[0]["codes"]["4xx"], 0);
}
