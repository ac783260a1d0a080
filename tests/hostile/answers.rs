//! Answers that name nobody, or somebody who cannot be chosen, are refused, and the host chooses.

use super::{Case, House, fails, misbehave, traps, use_of};
use crate::harness::text::Text;
use crate::harness::{Ask, Client, Configuration, Event, Gateway, Origin};

/// A guest that decides this: the case of the answer, and its number.
fn decides(hook: &str, case: u8, what: i64) -> Text {
    let answer = format!("(return (call $decide (i32.const {case}) (i32.const {what})))");
    Text::that(hook, &format!("(call $drop_request (local.get $request)) {answer}"))
}

fn invalid(name: &'static str, hook: &'static str, text: Text, reason: &'static str) -> Case {
    fails("invalid_answer", name, hook, text, reason)
}

/// F10
#[tokio::test]
async fn f10_choices_that_name_nobody_are_faults() {
    let cases = [
        invalid("the next", "selection", decides("select", 1, 1), "invalid answer: endpoint 1 of 1"),
        invalid("-1", "selection", decides("select", 1, -1), "invalid answer: endpoint 4294967295 of 1"),
        invalid("2^31", "selection", decides("select", 1, 1 << 31), "invalid answer: endpoint 2147483648 of 1"),
        invalid("-1", "routing", decides("route", 1, -1), "invalid answer: upstream 4294967295 of 1"),
        invalid("2^31", "routing", decides("route", 1, 1 << 31), "invalid answer: upstream 2147483648 of 1"),
        invalid("status 0", "selection", decides("select", 2, 0), "invalid answer: a rejection with status 0"),
        invalid("status 200", "selection", decides("select", 2, 200), "invalid answer: a rejection with status 200"),
        invalid("status 65535", "selection", decides("select", 2, -1), "invalid answer: a rejection with status 65535"),
        invalid("status 101", "routing", decides("route", 2, 101), "invalid answer: a reply with status 101"),
        invalid("status 600", "routing", decides("route", 2, 600), "invalid answer: a reply with status 600"),
    ];
    misbehave("", &cases).await;
}

/// F7: what is no answer at all.
#[tokio::test]
async fn f7_answers_that_are_none_are_traps() {
    let at = |address: i64| {
        let text = format!("(call $drop_request (local.get $request)) (return (i32.const {address}))");
        Text::that("select", &text)
    };
    let action = |number: i64| {
        let drop = "(call $drop_request (local.get $request)) (call $drop_head (local.get $head))";
        Text::that("respond", &format!("{drop} (return (i32.const {number}))"))
    };
    let discriminant = "unexpected discriminant";
    let cases = [
        traps("a case too many", "selection", decides("select", 3, 0), discriminant),
        traps("case 255", "selection", decides("select", 255, 0), discriminant),
        traps("a case too many", "routing", decides("route", 3, 0), discriminant),
        traps("an action too many", "response", action(2), discriminant),
        traps("an action below", "response", action(-1), discriminant),
        traps("at an odd address", "selection", at(17), "pointer not aligned"),
        traps("at the end of memory", "selection", at(262_144), "out of bounds of memory"),
        traps("across the end of memory", "selection", at(262_136), "out of bounds of memory"),
        traps("at the end of all", "selection", at(-8), "out of bounds of memory"),
    ];
    misbehave("", &cases).await;
}

/// F10: the host has the last word.
#[tokio::test]
async fn f10_who_always_chooses_a_dead_endpoint_is_overridden() {
    let alive = Origin::start("alive").await;
    let dead = Origin::start("dead").await;
    let guest = Text::new().with(
        "(call $drop_request (local.get $request)))) (call $pass)",
        "(call $drop_request (local.get $request)))) (call $decide (i32.const 1) (i32.const 1))",
    );
    let configuration = Configuration::of(&[&alive, &dead]).workers(1).plugin("guest", guest.component());
    let configuration = configuration.selection(r#"["guest"]"#).tables("[admin]\naddress = \"127.0.0.1:0\"");
    let configuration = configuration.upstream("ejection = { consecutive-failures = 1, for = \"1h\" }");
    let gateway = Gateway::start(&configuration).await;
    let mut client = Client::plain(&gateway).await;
    assert_eq!(client.get("/").await.origin(), "dead", "as long as it lives");
    dead.die().await;
    for number in 0..20 {
        let answer = client.get(&format!("/{number}")).await;
        assert_eq!((answer.status.as_u16(), answer.origin()), (200, "alive"), "request {number}");
    }
    gateway.log.wait_for("ejected", |event| event.text("endpoint") == "dead").await;
    let overridden = gateway.exchange("/19").await;
    assert!(overridden.text("why").contains("app/selection/guest overridden"), "{overridden:?}");
    let counted =
        gateway.scrape().await.get("sluice_plugin_overridden_total{use=\"app/selection/guest\",plugin=\"guest\"}");
    assert!(counted.is_some_and(|count| count >= 15.0), "{counted:?}");
    assert_eq!(gateway.log.filter("plugin failed", |_| true), [], "a choice that is not accepted is no fault");
}

/// F10: who keeps the number of an endpoint that is gone chooses nobody.
#[tokio::test]
async fn f10_who_chooses_a_removed_endpoint_chooses_nobody() {
    let [first, second] = Origin::several::<2>().await;
    let guest = decides("select", 1, 1).component();
    let with = |origins: &[&Origin]| {
        let configuration = Configuration::of(origins).workers(1).plugin("guest", guest.clone());
        configuration.selection(r#"["guest", "round-robin"]"#)
    };
    let gateway = Gateway::start(&with(&[&first, &second])).await;
    let mut client = Client::plain(&gateway).await;
    let bad = || Ask::get("/bad").header("x-misbehave", "1");
    assert_eq!(client.ask(bad()).await.origin(), "b");
    gateway.reload(&with(&[&first]).text()).await;
    assert_eq!(client.ask(bad()).await.origin(), "a");
    let failed = gateway.failure(&use_of("app", "selection"), "selection").await;
    assert!(failed.text("reason").contains("endpoint 1 of 1"), "{failed:?}");
}

/// G4: it passes its trial, and fails for everybody.
#[tokio::test]
async fn g4_a_version_that_traps_on_its_first_hundred_requests_is_taken_back() {
    let house = House::new().await;
    let is_tried = r#"(import "sluice:plugin/setup@0.1.0" "trial" (func $trial (result i32)))"#;
    let early = "(if (i32.eqz (global.get $tried)) (then (unreachable)))";
    let guest = Text::that("configure", "(global.set $tried (call $trial))").imports(is_tried);
    let guest = guest.items("(global $tried (mut i32) (i32.const 0))");
    let select = "(if (local.get $has) (then (call $drop_request (local.get $request))))";
    let guest = guest.with(select, &format!("{early} {select}"));
    house.swap(&guest.component()).await;
    let mut client = Client::plain(&house.gateway).await;
    for number in 0..100 {
        assert_eq!(client.get(&format!("/pass/{number}")).await.status, 200);
    }
    let place = use_of("pass", "selection");
    house.gateway.log.wait_for("rolled back", |event: &Event| event.text("use") == place).await;
    let before = house.gateway.log.filter("plugin failed", |_| true).len();
    assert_eq!(client.get("/fail/after").await.status, 200);
    assert_eq!(house.gateway.log.filter("plugin failed", |_| true).len(), before);
}
