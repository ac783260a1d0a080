//! Guests that never end are cut off at their deadline, wherever they loop, and a use that keeps on is left out.

use super::{House, fails, misbehave, use_of};
use crate::harness::text::Text;
use crate::harness::{Ask, Client, Event};

const FOR_EVER: &str = "(loop $l (br $l))";
/// What the host brings may come over what it brought before.
const HEAP: &str = "(global.set $heap (i32.const 8192))";

/// Does this again and again, with these functions of the host.
fn again(does: &str, imports: &str) -> Text {
    Text::that("select", &format!("(loop $l {does} (br $l))")).imports(imports)
}

const IN_FLIGHT: &str =
    r#"(import "sluice:plugin/endpoints@0.1.0" "in-flight" (func $in_flight (param i32) (result i32)))"#;
const STORE: &str = r#"(import "sluice:plugin/store@0.1.0" "set" (func $set (param i32 i32 i32 i32 i32 i32)))"#;
const SEAL: &str = r#"(import "sluice:plugin/sealing@0.1.0" "seal" (func $seal (param i32 i32 i32 i32)))"#;
const NOW: &str = r#"(import "wasi:clocks/monotonic-clock@0.2.0" "now" (func $clock (result i64)))"#;
const RANDOM: &str = r#"(import "wasi:random/random@0.2.0" "get-random-bytes" (func $bytes (param i64 i32)))"#;

/// F1
#[tokio::test]
async fn f1_a_loop_is_cut_off_at_the_deadline_in_every_hook() {
    let deadline = |name, hook, text| fails("deadline", name, hook, text, "deadline: more than 5ms of CPU time");
    let selection = |name, text| deadline(name, "selection", text);
    let called = |items: &str| Text::that("select", "(call $f)").items(items);
    let cases = [
        deadline("in routing", "routing", Text::that("route", FOR_EVER)),
        deadline("in selection", "selection", Text::that("select", FOR_EVER)),
        deadline("in response", "response", Text::that("respond", FOR_EVER)),
        selection("by tail calls", called("(func $f (return_call $f))")),
        selection(
            "by tail calls through a table",
            called("(table 1 funcref) (elem (i32.const 0) $f) (func $f (return_call_indirect (i32.const 0)))"),
        ),
        selection("by a table of branches", Text::that("select", "(loop $l (br_table $l $l $l (local.get $i)))")),
        selection(
            "where the host asks it for room",
            Text::that("select", "(global.set $armed (i32.const 1)) (drop (call $is_asked (local.get $request)))")
                .realloc(FOR_EVER),
        ),
    ];
    misbehave("", &cases).await;
}

/// F1: bulk operations and calls of the host run to their end, and the loop around them does not.
#[tokio::test]
async fn f1_a_loop_of_long_operations_is_cut_off_at_the_deadline() {
    let case = |name, text| fails("deadline", name, "selection", text, "deadline: more than 5ms of CPU time");
    let fill = |bytes: u32| format!("(memory.fill (i32.const 65536) (i32.const 7) (i32.const {bytes}))");
    let copy = "(memory.copy (i32.const 65537) (i32.const 65536) (i32.const 4000000))";
    let table = "(table.fill $t (i32.const 0) (ref.null func) (i32.const 10000))";
    let write =
        "(call $set (i32.const 288) (i32.const 11) (i32.const 0) (i32.const 60000) (i32.const 0) (i32.const 64))";
    let seal = format!("{HEAP} (call $seal (i32.const 0) (i32.const 1024) (i32.const 1) (i32.const 64))");
    let cases = [
        case("filling memory", again(&fill(4_000_000), "").memory("64")),
        case("filling all memory", again(&fill(62_000_000), "").memory("960")),
        case("copying memory", again(copy, "").memory("64")),
        case("filling a table", again(table, "").items("(table $t 10000 funcref)")),
        case("asking for figures", again("(drop (call $in_flight (i32.const 0)))", IN_FLIGHT)),
        case("asking for a field", again(&format!("{HEAP} (drop (call $is_asked (local.get $request)))"), "")),
        case("writing to the store", again(write, STORE)),
        case("sealing", again(&seal, SEAL)),
        // F12: what it asks of the machine costs it its own time.
        case("looking at the clock", again("(drop (call $clock))", NOW)),
        case(
            "drawing random numbers",
            again(&format!("{HEAP} (call $bytes (i64.const 65536) (i32.const 64))"), RANDOM),
        ),
    ];
    misbehave("", &cases).await;
}

/// F1
#[tokio::test]
async fn f1_a_loop_before_it_serves_refuses_the_plugin() {
    let house = House::new().await;
    let cases = [("start", "500ms"), ("describe", "500ms"), ("configure", "500ms"), ("set-endpoints", "50ms")];
    for (hook, deadline) in cases {
        let reason = format!("failed in `{hook}`: deadline: more than {deadline} of CPU time");
        house.refuses(hook, &Text::that(hook, FOR_EVER).component(), &reason).await;
    }
    let fill = "(loop $l (memory.fill (i32.const 65536) (i32.const 7) (i32.const 62000000)) (br $l))";
    let guest = Text::that("start", fill).memory("960").component();
    house.refuses("filling memory", &guest, "failed in `start`: deadline: more than 500ms of CPU time").await;
}

/// F1, G4: nobody waits for what runs beside the requests, and it takes the version back all the same.
#[tokio::test]
async fn f1_a_loop_beside_the_requests_holds_none_up() {
    let house = House::new().await;
    let failures = |hook| house.gateway.log.filter("plugin failed", |event| event.text("hook") == hook);
    house.swap(&Text::that("observe", FOR_EVER).component()).await;
    while failures("feedback").is_empty() {
        assert_eq!(house.trouble("pass", "observe").await.status, 200);
    }
    house.swap(&Text::that("tick", FOR_EVER).component()).await;
    let name = |event: &Event| event.text("use") == use_of("pass", "selection");
    house.gateway.log.wait_for("rolled back", name).await;
    assert_eq!(house.trouble("pass", "tick").await.status, 200);
    for (number, hook) in ["save", "restore"].into_iter().enumerate() {
        // What one gives and another takes when they are swapped.
        house.swap(&Text::that(hook, FOR_EVER).component()).await;
        house.swap(&Text::new().items(&format!("(global i32 (i32.const {number}))")).component()).await;
        assert_eq!(house.trouble("pass", hook).await.status, 200);
    }
    let state = failures("state");
    assert!(!state.is_empty() && state.iter().all(|event| event.text("reason").starts_with("deadline: ")), "{state:?}");
}

/// F1: whatever it did before.
#[tokio::test]
async fn f1_a_worker_is_held_up_for_five_deadlines_at_most() {
    for harmless in [0, 3_000] {
        let house = House::new().await;
        house.swap(&Text::that("select", FOR_EVER).component()).await;
        let mut client = Client::plain(&house.gateway).await;
        for _ in 0..harmless {
            assert_eq!(client.get("/pass/good").await.status, 200);
        }
        for number in 0..20 {
            let bad = Ask::get(&format!("/pass/bad/{number}")).header("x-misbehave", "1");
            assert_eq!(client.ask(bad).await.status, 200);
        }
        let place = use_of("pass", "selection");
        let is_here = |event: &Event| event.text("use") == place;
        house.gateway.log.wait_for("bypassed", is_here).await;
        let events = house.gateway.log.events();
        let until = events.iter().take_while(|event| event.message() != "bypassed" || !is_here(event));
        let failed = until.filter(|event| event.message() == "plugin failed" && is_here(event)).count();
        assert_eq!(failed, 5, "deadlines before it was left out, after {harmless} harmless calls");
        for number in 0..20 {
            let exchange = house.gateway.exchange(&format!("/pass/bad/{number}")).await;
            assert!(exchange.number("duration_us") < 500_000, "held up for too long: {exchange:?}");
        }
    }
}
