//! Guests that want more memory, tables or instances than they may have get none, or are not taken.

use super::{House, fails, misbehave, traps};
use crate::harness::text::{Text, beside};

const PASSED: &str = "(call $drop_request (local.get $request)) (return (call $decide (i32.const 1) (i32.const 0)))";

/// A guest that chooses the endpoint if this gives -1.
fn denied(operation: &str) -> Text {
    let check = format!("(if (i32.ne {operation} (i32.const -1)) (then (unreachable))) {PASSED}");
    Text::that("select", &check)
}

/// F2
#[tokio::test]
async fn f2_what_wants_to_grow_too_far_gets_nothing_and_may_go_on() {
    let house = House::new().await;
    for (name, text) in [
        ("memory to 4 GiB", denied("(memory.grow (i32.const 65532))")),
        ("memory by 4 GiB", denied("(memory.grow (i32.const 65535))")),
        ("memory by more than there can be", denied("(memory.grow (i32.const -1))")),
        ("memory just beyond its share", denied("(memory.grow (i32.const 1021))")),
        ("a table to 2^32", denied("(table.grow $t (ref.null func) (i32.const -1))").items("(table $t 1 funcref)")),
        (
            "a table to 2^31",
            denied("(table.grow $t (ref.null func) (i32.const 0x7fffffff))").items("(table $t 1 funcref)"),
        ),
        (
            "a table beyond 10,000",
            denied("(table.grow $t (ref.null func) (i32.const 10000))").items("(table $t 1 funcref)"),
        ),
    ] {
        house.swap(&text.component()).await;
        let answer = house.trouble("pass", "trouble").await;
        assert_eq!(answer.status, 200, "{name}");
        let events = house.gateway.log.filter("exchange", |event| event.text("path") == "/pass/trouble");
        assert_eq!(events.last().unwrap().text("chosen_by"), "pass/selection/guest", "{name}");
    }
    assert_eq!(house.gateway.log.filter("plugin failed", |_| true), []);
}

/// F2: what was denied in one call is no reason for the failure of a later one.
#[tokio::test]
async fn f2_a_trap_is_called_a_trap_whatever_was_denied_before() {
    let house = House::new().await;
    let once = "(if (global.get $armed) (then (unreachable))) (global.set $armed (i32.const 1))
                (drop (memory.grow (i32.const 65000)))";
    house.swap(&Text::that("select", once).component()).await;
    for _ in 0..2 {
        assert_eq!(house.trouble("pass", "trouble").await.status, 200);
    }
    let failed = house.gateway.failure("pass/selection/guest", "selection").await;
    assert!(failed.text("reason").contains("`unreachable`"), "{failed:?}");
}

/// F2
#[tokio::test]
async fn f2_what_cannot_live_with_its_share_fails_for_memory() {
    let grow = "(loop $l (br_if $l (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) (unreachable)";
    let touch = "(loop $l (memory.fill (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 65536)) (i32.const 1) (i32.const 65536))
                 (br_if $l (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) (unreachable)";
    let reason = "memory: more than 67108864 bytes";
    let cases = [
        fails("memory", "grows until it may not", "routing", Text::that("route", grow), reason),
        fails("memory", "grows until it may not", "selection", Text::that("select", grow), reason),
        fails("memory", "grows until it may not", "response", Text::that("respond", grow), reason),
        fails("memory", "and uses it all", "selection", Text::that("select", touch), reason),
        traps(
            "reads beyond its memory",
            "selection",
            Text::that("select", "(drop (i64.load offset=4294967295 (i32.const -1)))"),
            "out of bounds memory access",
        ),
        traps(
            "fills beyond its memory",
            "selection",
            Text::that("select", "(memory.fill (i32.const 1024) (i32.const 1) (i32.const -1))"),
            "out of bounds memory access",
        ),
        traps(
            "calls beyond its table",
            "selection",
            Text::that("select", "(call_indirect (i32.const 1))").items("(table 1 funcref)"),
            "undefined element: out of bounds table access",
        ),
        traps(
            "calls an empty place",
            "selection",
            Text::that("select", "(call_indirect (i32.const 0))").items("(table 1 funcref)"),
            "uninitialized element",
        ),
        traps(
            "calls something else",
            "selection",
            Text::that("select", "(call_indirect (i32.const 0))")
                .items("(table 1 funcref) (elem (i32.const 0) $f) (func $f (param i64))"),
            "indirect call type mismatch",
        ),
        traps(
            "divides by nothing",
            "selection",
            Text::that("select", "(drop (i32.div_u (i32.const 1) (local.get $i)))"),
            "integer divide by zero",
        ),
    ];
    misbehave("limits = { deadline = \"2s\", worker-share = \"100%\" }", &cases).await;
}

/// F2
#[tokio::test]
async fn f2_what_begins_with_too_much_is_not_taken() {
    let house = House::new().await;
    let base = Text::new().component();
    let modules = |module: &str, count: usize| {
        let instances = "(core instance (instantiate $m))".repeat(count);
        beside(&base, &format!("(component (core module $m {module}) {instances})"))
    };
    let nested = |depth: usize| {
        let mut text = String::from("(core module $m) (core instance (instantiate $m))");
        for level in 0..depth {
            text = format!(
                "(component $c{level} {text}) (instance (instantiate $c{level})) (instance (instantiate $c{level}))"
            );
        }
        beside(&base, &format!("(component {text})"))
    };
    let memory = "failed in `start`: memory: more than 67108864 bytes";
    let resources = "failed in `start`: trap: resource limit exceeded";
    let cases: [(&str, Vec<u8>, &str); 18] = [
        ("128 MiB of memory", Text::new().memory("2048").component(), memory),
        ("4 GiB of memory", Text::new().memory("65536").component(), memory),
        ("64 MiB in two memories", modules("(memory 512)", 2), memory),
        ("nine memories", modules("(memory 1) (memory 1) (memory 1) (memory 1) (memory 1)", 2), resources),
        ("a memory of 64 bits", modules("(memory i64 1)", 1), "does not compile"),
        ("a table of 64 bits", modules("(table i64 1 funcref)", 1), "does not compile"),
        ("a table of externs", modules("(table 1 externref)", 1), "does not compile"),
        ("shared memory", modules("(memory 1 2 shared)", 1), "does not compile"),
        ("a table of 10,001", modules("(table 10001 funcref)", 1), "failed in `start`"),
        ("a table of 2^32", modules("(table 0xffffffff funcref)", 1), "failed in `start`"),
        ("a hundred tables", modules(&"(table 10000 funcref)".repeat(33), 2), resources),
        ("10,000 tables", modules(&"(table 1 funcref)".repeat(10_000), 1), "does not compile"),
        ("65 instances", modules("", 65), resources),
        ("10,000 instances", modules("", 10_000), "does not compile"),
        ("4,096 instances, by nesting", nested(12), resources),
        (
            "data beyond its memory",
            Text::new().items("(data (i32.const 262143) \"ab\")").component(),
            "out of bounds memory access",
        ),
        (
            "elements beyond its table",
            modules("(table 1 funcref) (func $f) (elem (i32.const 1) $f)", 1),
            "out of bounds table access",
        ),
        ("a start that traps", Text::that("start", "(unreachable)").component(), "`unreachable`"),
    ];
    for (name, content, reason) in cases {
        house.refuses(name, &content, reason).await;
    }
}
