//! Guests that recurse use up a stack of their own, and never the host's.

use super::{House, misbehave, traps};
use crate::harness::text::Text;

const EXHAUSTED: &str = "call stack exhausted";
/// The host waits, so it takes no calls.
const SHUT: &str = "cannot leave component instance";
const DEEPER: &str = "(func $f (call $f) (call $f))";

/// Does this while the host asks it for room.
fn in_realloc(does: &str) -> Text {
    let armed = "(global.set $armed (i32.const 1)) (drop (call $is_asked (local.get $request)))";
    Text::that("select", armed).realloc(does)
}

/// F3
#[tokio::test]
async fn f3_recursion_ends_in_the_guest() {
    let call = |items: &str| Text::that("select", "(call $f)").items(items);
    let locals = "(local i64) ".repeat(1_000);
    let wide = format!(
        "(func $f {locals} (local.set 0 (i64.const 1)) (call $f) (local.set 999 (local.get 0)) (drop (local.get 999)))"
    );
    let export = "(func (export \"sluice:plugin/selection@0.1.0#select\")";
    let itself = "(call $select (i32.const 1) (i64.const 0) (i64.const 0) (i64.const 0) (i32.const 0) (i32.const 0) (i32.const 0))";
    let cases = [
        traps("in routing", "routing", Text::that("route", "(call $f)").items(DEEPER), EXHAUSTED),
        traps("in response", "response", Text::that("respond", "(call $f)").items(DEEPER), EXHAUSTED),
        traps("by two", "selection", call("(func $f (call $g) (nop)) (func $g (call $f) (nop))"), EXHAUSTED),
        traps(
            "through a table",
            "selection",
            call("(table 1 funcref) (elem (i32.const 0) $f) (func $f (call_indirect (i32.const 0)) (nop))"),
            EXHAUSTED,
        ),
        traps("with wide frames", "selection", call(&wide), EXHAUSTED),
        traps(
            "into its own hook",
            "selection",
            Text::that("select", &format!("(drop {itself})")).with(export, &export.replace("(func", "(func $select")),
            EXHAUSTED,
        ),
        traps("where the host asks it for room", "selection", in_realloc("(call $f)").items(DEEPER), EXHAUSTED),
        traps("through the host", "selection", in_realloc("(drop (call $is_asked (i32.const 1)))"), SHUT),
        traps(
            "through the log",
            "selection",
            in_realloc("(call $log (i32.const 2) (i32.const 288) (i32.const 11))"),
            SHUT,
        ),
    ];
    misbehave("", &cases).await;
}

/// F3
#[tokio::test]
async fn f3_recursion_before_it_serves_refuses_the_plugin() {
    let house = House::new().await;
    for hook in ["start", "describe", "configure", "set-endpoints"] {
        let guest = Text::that(hook, "(call $f)").items(DEEPER).component();
        house.refuses(hook, &guest, &format!("failed in `{hook}`: trap: wasm trap: {EXHAUSTED}")).await;
    }
}

/// F3: the call that cleans up after another is a call too.
#[tokio::test]
async fn f3_what_cleans_up_after_a_call_is_watched_as_well() {
    let house = House::new().await;
    for (name, does, reason) in [
        ("traps", "(unreachable)", "wasm `unreachable` instruction executed"),
        ("loops", "(loop $l (br $l))", "deadline: more than 500ms"),
        ("recurses", "(call $f)", EXHAUSTED),
        ("calls the host", "(call $log (i32.const 2) (i32.const 288) (i32.const 11))", SHUT),
    ] {
        let clean_up = r#"(func (export "cabi_post_sluice:plugin/lifecycle@0.1.0#describe") (param i32)"#;
        let guest = Text::new().items(DEEPER).items(&format!("{clean_up} {does})"));
        house.refuses(name, &guest.component(), reason).await;
    }
}
