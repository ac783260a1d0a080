//! Why a request went where it went: operators see the last exchanges with what was decided on their way, and clients that may ask
//! get the same in a field of the answer.

use serde_json::{Value, json};

use crate::harness::{Ask, Client, Configuration, Gateway, Origin, component, eventually, load};

/// Routing passes, selection chooses where the client asks for an endpoint.
fn with(origins: &[&Origin], lines: &str) -> Configuration {
    Configuration::of(origins)
        .plugin("guest", component("stamp_v1"))
        .plugin("chooses", component("chooses"))
        .routing(r#"["guest"]"#)
        .selection(r#"["chooses", "round-robin"]"#)
        .tables(&format!("[admin]\naddress = \"127.0.0.1:0\"\n{lines}"))
}

impl Gateway {
    /// The exchanges with that path, once there are so many.
    async fn kept(&self, path: &str, count: usize) -> Vec<Value> {
        eventually("the exchanges", async || {
            let kept = self.told("exchanges").await["exchanges"].as_array().unwrap().clone();
            let kept: Vec<Value> = kept.into_iter().filter(|exchange| exchange["path"] == path).collect();
            (kept.len() == count).then_some(kept)
        })
        .await
    }
}

#[tokio::test]
async fn an_exchange_is_kept_with_what_each_use_said_and_each_attempt() {
    let origins: [Origin; 2] = Origin::several().await;
    // The access line is off: what is kept does not depend on it.
    let configuration = with(&origins.each_ref(), "").tables("[log]\naccess = false\n");
    let configuration = configuration.route(r#"retry = { extra-attempts = 1, on = ["503"] }"#);
    let gateway = Gateway::start(&configuration).await;
    let mut client = Client::h1(&gateway).await;
    client.ask(Ask::get("/chosen").header("x-endpoint", "b")).await;
    let kept = gateway.kept("/chosen", 1).await.remove(0);
    let asked = |name: &str, hook: &str, said: &str| json!({ "step": "asked", "use": name, "hook": hook, "said": said, "status": null, "failure": null });
    let steps = kept["steps"].as_array().unwrap();
    assert_eq!(steps[0], asked("all/routing/guest", "routing", "pass"));
    assert_eq!(steps[1], asked("app/selection/chooses", "selection", "chose"));
    assert_eq!(
        (&steps[2]["step"], &steps[2]["endpoint"], &steps[2]["status"]),
        (&json!("tried"), &json!("b"), &json!(200))
    );
    assert!(steps[2]["took_us"].as_u64() > Some(0), "{}", steps[2]);
    assert_eq!(
        (&kept["status"], &kept["route"], &kept["chosen_by"]),
        (&json!(200), &json!("all"), &json!("app/selection/chooses"))
    );
    assert_eq!((&kept["method"], &kept["host"], &kept["attempts"]), (&json!("GET"), &json!("app.test"), &json!(1)));

    origins[0].answer(503);
    client.ask(Ask::get("/again").header("x-endpoint", "a")).await;
    let kept = gateway.kept("/again", 1).await.remove(0);
    let tried: Vec<_> = kept["steps"].as_array().unwrap().iter().filter(|step| step["step"] == "tried").collect();
    let tried: Vec<_> = tried.iter().map(|step| (step["endpoint"].clone(), step["status"].clone())).collect();
    assert_eq!(tried, [(json!("a"), json!(503)), (json!("b"), json!(200))]);
    assert_eq!(kept["why"], json!(["a answered 503"]));
}

#[tokio::test]
async fn a_plugin_that_fails_is_seen_to_and_is_not_driven_out_by_the_many_that_do_not() {
    let origin = Origin::start("a").await;
    let configuration = Configuration::of(&[&origin])
        .plugin("trap", component("trap"))
        .routing(r#"["trap"]"#)
        .tables("[admin]\naddress = \"127.0.0.1:0\"\nexchanges = 10");
    let gateway = Gateway::start(&configuration).await;
    Client::h1(&gateway).await.ask(Ask::get("/trapped").header("x-misbehave", "routing")).await;
    load(&gateway, 4, 200, |_| Ask::get("/good")).await;
    let kept = gateway.kept("/trapped", 1).await.remove(0);
    assert_eq!((&kept["steps"][0]["said"], &kept["steps"][0]["failure"]), (&json!("failed"), &json!("trap")));
    assert!(kept["why"][0].as_str().unwrap().contains("trap"), "{kept}");
    let told = gateway.told("exchanges").await;
    let good = told["exchanges"].as_array().unwrap().iter().filter(|exchange| exchange["path"] == "/good").count();
    assert!((5..=10).contains(&good), "{good} of the last ten");
    let times: Vec<f64> = told["exchanges"].as_array().unwrap().iter().map(|one| one["at"].as_f64().unwrap()).collect();
    assert!(times.is_sorted_by(|one, next| one >= next), "the newest first");
}

#[tokio::test]
async fn none_are_kept_where_none_are_wanted_and_a_reload_may_want_them() {
    let origin = Origin::start("a").await;
    let none = with(&[&origin], "exchanges = 0");
    let gateway = Gateway::start(&none).await;
    Client::h1(&gateway).await.get("/before").await;
    gateway.exchange("/before").await;
    assert_eq!(gateway.told("exchanges").await, json!({ "most": 0, "exchanges": [] }));
    gateway.reload(&none.text().replace("exchanges = 0", "exchanges = 4")).await;
    Client::h1(&gateway).await.get("/after").await;
    gateway.kept("/after", 1).await;
}

#[tokio::test]
async fn a_client_that_may_ask_why_is_told_and_another_one_is_not() {
    let origin = Origin::start("a").await;
    let gateway = Gateway::start(&with(&[&origin], "explain-to = [\"127.0.0.0/8\"]")).await;
    let mut client = Client::h2(&gateway).await;
    let answer = client.ask(Ask::get("/").header("x-sluice-explain", "1")).await;
    let said = answer.header("x-sluice-explain");
    assert!(said.starts_with("route=all; upstream=app; endpoint=a; all/routing/guest routing=pass; "), "{said}");
    assert!(said.contains("; tried a=200 in "), "{said}");
    assert_eq!(answer.seen_field("x-sluice-explain"), "", "the endpoint does not see that somebody asked");
    assert_eq!(client.get("/").await.header("x-sluice-explain"), "", "nobody asked");
    // What the gateway answers itself is explained too.
    let answer =
        client.ask(Ask::get("/").host("app.test").header("x-endpoint", "nobody").header("x-sluice-explain", "1")).await;
    assert!(!answer.header("x-sluice-explain").is_empty());

    let foreign = Gateway::start(&with(&[&origin], "explain-to = [\"192.0.2.0/24\"]")).await;
    let ask = Ask::get("/").header("x-sluice-explain", "1").header("x-forwarded-for", "192.0.2.1");
    let answer = Client::h1(&foreign).await.ask(ask).await;
    assert_eq!(answer.header("x-sluice-explain"), "", "whoever connects counts, not whom it names");
    assert_eq!(answer.seen_field("x-sluice-explain"), "1", "the field is the client's own then");
}
