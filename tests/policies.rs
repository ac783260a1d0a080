//! The built-in plugins that route and that edit the response: `traffic-split` and `headers`.

use crate::harness::{Ask, Client, Configuration, Gateway, Origin, load};

/// A second upstream `app-next`.
fn next(origin: &Origin) -> String {
    format!(
        "[[upstream]]\nname = \"app-next\"\nendpoints = [{{ id = \"{}\", address = \"{}\" }}]",
        origin.name, origin.address
    )
}

#[tokio::test]
async fn traffic_split_keeps_its_shares_within_one_percentage_point_of_ten_thousand_keys() {
    let [app, app_next] = Origin::several().await;
    let split = r#"[{ plugin = "traffic-split", config = { shares = { app = 95, app-next = 5 }, key = [{ header = "x-user" }] } }]"#;
    let configuration = Configuration::of(&[&app]).tables(&next(&app_next)).routing(split);
    let gateway = Gateway::start(&configuration.route(r#"upstreams = ["app-next"]"#)).await;
    let ask = |key: usize| Ask::get("/").header("x-user", &format!("user-{key}"));
    let answers = load(&gateway, 30, 10_000, ask).await;
    let share = answers.iter().filter(|answer| answer.origin() == app_next.name).count();
    assert!((400..=600).contains(&share), "{share} of 10,000 keys instead of 500");
    let again = load(&gateway, 7, 500, ask).await;
    assert!(again.iter().zip(&answers).all(|(again, before)| again.origin() == before.origin()), "a key changed sides");
}

#[tokio::test]
async fn traffic_split_is_forced_by_header_and_cookie() {
    let [app, app_next] = Origin::several().await;
    let config = r#"{ shares = { app = 1, app-next = 0 }, header = "x-canary", cookie = "canary" }"#;
    let split = format!(r#"[{{ plugin = "traffic-split", config = {config} }}]"#);
    let configuration = Configuration::of(&[&app]).tables(&next(&app_next)).routing(&split);
    let gateway = Gateway::start(&configuration.route(r#"upstreams = ["app-next"]"#)).await;
    let mut client = Client::h2(&gateway).await;
    assert_eq!(client.get("/").await.origin(), "a");
    assert_eq!(client.ask(Ask::get("/").header("x-canary", "app-next")).await.origin(), "b");
    assert_eq!(client.ask(Ask::get("/").header("cookie", "canary=app-next")).await.origin(), "b");
    assert_eq!(client.ask(Ask::get("/").header("x-canary", "nowhere")).await.origin(), "a");
    assert_eq!(gateway.exchange("/").await.text("upstream"), "app");
}

#[tokio::test]
async fn headers_sets_appends_and_removes() {
    let origin = Origin::start("a").await;
    let config = r#"{ set = { x-frame-options = "DENY" }, append = { x-list = "last" }, remove = ["x-secret"] }"#;
    let headers = format!(r#"[{{ plugin = "headers", config = {config} }}]"#);
    let gateway = Gateway::start(&Configuration::of(&[&origin]).response(&headers)).await;
    let ask = Ask::get("/").header("x-answer-with", "x-frame-options: ALLOW|x-list: first|x-secret: one|x-secret: two");
    let answer = Client::h1(&gateway).await.ask(ask).await;
    assert_eq!(answer.headers("x-frame-options"), ["DENY"]);
    assert_eq!(answer.headers("x-list"), ["first", "last"]);
    assert_eq!(answer.headers("x-secret"), [""; 0]);
}

#[tokio::test]
async fn headers_apply_to_the_gateways_own_error_answers_too() {
    let origin = Origin::start("a").await;
    origin.die().await;
    let gateway = Gateway::start(
        &Configuration::of(&[&origin]).response(r#"[{ plugin = "headers", config = { preset = "secure" } }]"#),
    )
    .await;
    let answer = Client::h1(&gateway).await.get("/").await;
    assert_eq!(answer.status, 502);
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_ne!(answer.header("strict-transport-security"), "");
}

#[tokio::test]
async fn a_mistake_in_a_plugins_configuration_stops_the_start_and_says_where() {
    let origin = Origin::start("a").await;
    let headers = r#"[{ plugin = "headers", config = { sett = { a = "b" } } }]"#;
    let output = Gateway::refuse(&Configuration::of(&[&origin]).response(headers));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(": route[0].response[0].config.sett: all/response/headers: unknown key `sett`"), "{said}");
}
