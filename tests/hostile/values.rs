//! What crosses the border between guest and host: lengths, pointers, texts and cases that cannot be, and room that the guest
//! gives where it has none.

use super::{Case, House, fails, misbehave, traps};
use crate::harness::text::Text;

const FUEL: &str = "too much data is being copied between the host and the guest";

fn selects(name: &'static str, does: &str, imports: &str, reason: &'static str) -> Case {
    traps(name, "selection", Text::that("select", does).imports(imports), reason)
}

const SET: &str =
    r#"(import "sluice:plugin/types@0.1.0" "[method]request.set-header" (func $set (param i32 i32 i32 i32 i32 i32)))"#;
const APPEND: &str = r#"(import "sluice:plugin/types@0.1.0" "[method]response-head.append-header" (func $append (param i32 i32 i32 i32 i32 i32)))"#;
const BODY: &str =
    r#"(import "sluice:plugin/types@0.1.0" "[method]request.set-reply-body" (func $body (param i32 i32 i32 i32)))"#;
const STORE: &str = r#"(import "sluice:plugin/store@0.1.0" "set" (func $store (param i32 i32 i32 i32 i32 i32)))"#;
const SEAL: &str = r#"(import "sluice:plugin/sealing@0.1.0" "seal" (func $seal (param i32 i32 i32 i32)))"#;
const OPEN: &str = r#"(import "sluice:plugin/cells@0.1.0" "open" (func $open (param i32 i32 i64) (result i32)))"#;
const LOAD: &str = r#"(import "sluice:plugin/cells@0.1.0" "load" (func $load (param i32) (result i64)))"#;
const COUNTER: &str =
    r#"(import "sluice:plugin/metrics@0.1.0" "counter" (func $counter (param i32 i32 i32 i32) (result i32)))"#;
const IN_FLIGHT: &str =
    r#"(import "sluice:plugin/endpoints@0.1.0" "in-flight" (func $in_flight (param i32) (result i32)))"#;
const ALL: &str = r#"(import "sluice:plugin/endpoints@0.1.0" "in-flight-all" (func $all (param i32)))"#;
const HEALTHY: &str = r#"(import "sluice:plugin/upstreams@0.1.0" "healthy" (func $healthy (param i32) (result i32)))"#;
const PREPARE: &str = r#"(import "sluice:plugin/setup@0.1.0" "prepare" (func $prepare (param i32 i32) (result i32)))"#;
const PARAM: &str =
    r#"(import "sluice:plugin/types@0.1.0" "[method]request.query-param" (func $param (param i32 i32 i32 i32)))"#;
const KEY: &str =
    r#"(import "sluice:plugin/types@0.1.0" "[method]request.key" (func $hash (param i32 i32 i32 i32 i32)))"#;

/// F4
#[tokio::test]
async fn f4_what_is_too_long_is_not_copied() {
    let log = |length: i64| format!("(call $log (i32.const 2) (i32.const 0) (i32.const {length}))");
    let big = |name, hook, function: &str, does: &str, imports: &str, reason| {
        traps(name, hook, Text::that(function, does).imports(imports).memory("960"), reason)
    };
    let key = |length: u32| {
        format!("(call $hash (local.get $request) (i32.const 4) (i32.const 0) (i32.const {length}) (i32.const 64))")
    };
    let cases = [
        selects("a line of 1 GiB", &log(1 << 30), "", "string pointer/length out of bounds of memory"),
        big("a line of 60 MiB", "selection", "select", &log(60_000_000), "", FUEL),
        big("a line just too long", "selection", "select", &log((1 << 20) + 1), "", FUEL),
        big(
            "a field of 10 MB",
            "routing",
            "route",
            "(call $set (local.get $request) (i32.const 288) (i32.const 11) (i32.const 0) (i32.const 10000000) (i32.const 64))",
            SET,
            FUEL,
        ),
        big(
            "a field's name of 10 MB",
            "routing",
            "route",
            "(call $set (local.get $request) (i32.const 0) (i32.const 10000000) (i32.const 0) (i32.const 0) (i32.const 64))",
            SET,
            FUEL,
        ),
        big(
            "a body of 60 MB",
            "routing",
            "route",
            "(call $body (local.get $request) (i32.const 0) (i32.const 60000000) (i32.const 64))",
            BODY,
            FUEL,
        ),
        big(
            "a value of 2 MB for the store",
            "selection",
            "select",
            "(call $store (i32.const 288) (i32.const 11) (i32.const 0) (i32.const 2000000) (i32.const 0) (i32.const 64))",
            STORE,
            FUEL,
        ),
        big("a source of 50 MB", "selection", "select", &key(50_000_000), KEY, FUEL),
        selects(
            "a token of 2 KiB",
            "(call $seal (i32.const 0) (i32.const 2048) (i32.const 0) (i32.const 64))",
            SEAL,
            "2048 bytes to seal, 1024 at most",
        ),
    ];
    misbehave("limits = { deadline = \"2s\", worker-share = \"100%\" }", &cases).await;
}

/// F4: before it serves. Where entries lie in memory, they are empty texts; so many are 16 MB.
#[tokio::test]
async fn f4_lists_and_texts_before_it_serves_are_bounded() {
    let house = House::new().await;
    let text = |at: u32, length: i64| {
        format!(
            "(memory.fill (i32.const 128) (i32.const 0) (i32.const 32)) (i32.store (i32.const {at}) (i32.const {length})) (return (i32.const 128))"
        )
    };
    let issues = |count: u32| {
        format!(
            "(i32.store8 (i32.const 160) (i32.const 1)) (i32.store (i32.const 164) (i32.const 65536))
             (i32.store (i32.const 168) (i32.const {count})) (return (i32.const 160))"
        )
    };
    // Each of them is the same 60 kB.
    let quadratic =
        "(loop $l (i32.store (i32.add (i32.const 65548) (i32.mul (local.get $i) (i32.const 16))) (i32.const 60000))
        (local.set $i (i32.add (local.get $i) (i32.const 1))) (br_if $l (i32.lt_u (local.get $i) (i32.const 10000))))";
    let key = |count: u32| format!("(call $want_key (i32.const 65536) (i32.const {count}))");
    let prepare = |count: u32| format!("(drop (call $prepare (i32.const 65536) (i32.const {count})))");
    // Sixty-four times a legal field of nearly a mebibyte.
    let hoard = "(memory.fill (i32.const 200000) (i32.const 97) (i32.const 1000000))
        (i32.store (i32.const 65540) (i32.const 288)) (i32.store (i32.const 65544) (i32.const 11))
        (i32.store (i32.const 65548) (i32.const 200000)) (i32.store (i32.const 65552) (i32.const 1000000))
        (loop $l (drop (call $prepare (i32.const 65536) (i32.const 1))) (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br_if $l (i32.lt_u (local.get $i) (i32.const 64))))";
    let beyond = "pointer/length out of bounds of memory";
    let before = house.gateway.resident();
    for (name, hook, does, reason) in [
        ("a name of 1 GiB", "describe", text(132, 1 << 30), beyond),
        ("a name of 60 MB", "describe", text(132, 60_000_000), FUEL),
        ("a schema of 2 MB", "describe", text(156, 2_000_000), FUEL),
        ("a million issues", "configure", issues(1_000_000), FUEL),
        ("2^32 issues", "configure", issues(u32::MAX), beyond),
        ("10,000 times the same issue", "configure", format!("{quadratic} {}", issues(10_000)), FUEL),
        ("a million sources", "configure", key(1_000_000), FUEL),
        ("17 sources", "configure", key(17), "17 sources of a key, 16 at most"),
        ("a million edits", "configure", prepare(1_000_000), FUEL),
        ("65 edits", "configure", prepare(65), "65 prepared edits in one set, 64 at most"),
        ("64 MiB of prepared edits", "configure", hoard.into(), "prepared edits of 1000011 bytes, 16384 at most"),
    ] {
        let guest = Text::that(hook, &does).imports(PREPARE).memory("1000").component();
        house.refuses(name, &guest, reason).await;
    }
    if let (Some(before), Some(after)) = (before, house.gateway.resident()) {
        assert!(after < before + (32 << 20), "grew from {before} to {after} bytes");
    }
}

/// F5
#[tokio::test]
async fn f5_a_hundred_thousand_fields_are_sixty_four() {
    let house = House::with("limits = { deadline = \"5s\", worker-share = \"100%\" }").await;
    let append = "(loop $l (call $append (local.get $head) (i32.const 288) (i32.const 11) (i32.const 288) (i32.const 11) (i32.const 64))
        (local.set $i (i32.add (local.get $i) (i32.const 1))) (br_if $l (i32.lt_u (local.get $i) (i32.const 100000))))";
    house.swap(&Text::that("respond", append).imports(APPEND).component()).await;
    let answer = house.trouble("fail", "trouble").await;
    assert_eq!(answer.status, 200);
    // Of each of the three places that its use stands in.
    assert_eq!(answer.headers("x-misbehave").len(), 64);
    let long = "(memory.fill (i32.const 65536) (i32.const 97) (i32.const 100000))
        (call $append (local.get $head) (i32.const 288) (i32.const 11) (i32.const 65536) (i32.const 100000) (i32.const 64))";
    house.swap(&Text::that("respond", long).imports(APPEND).component()).await;
    let answer = house.trouble("fail", "trouble").await;
    assert_eq!((answer.status.as_u16(), answer.headers("x-misbehave").len()), (200, 0));
    assert_eq!(house.gateway.log.filter("plugin failed", |_| true), []);
}

/// F7
#[tokio::test]
async fn f7_texts_that_are_none_are_traps() {
    let log =
        |address: u32, length: u32| format!("(call $log (i32.const 2) (i32.const {address}) (i32.const {length}))");
    let with = |bytes: &str| Text::new().items(&format!("(data (i32.const 1024) \"{bytes}\")"));
    let utf8 = |name, bytes: &str| traps(name, "selection", with(bytes).and("select", &log(1024, 4)), "utf-8");
    let wide = |name, compact, bytes: &str, address, length, reason| {
        traps(name, "selection", with(bytes).utf16(compact).and("select", &log(address, length)), reason)
    };
    let utf16 = 1 << 31;
    let cases = [
        utf8("bytes that are no text", r"\ff\fe\fd\fc"),
        utf8("a text cut short", r"abc\e2"),
        utf8("a lone surrogate", r"\ed\a0\80a"),
        utf8("a longer spelling", r"\c0\80\c0\80"),
        utf8("beyond the last character", r"\f4\90\80\80"),
        wide("a lone surrogate, in UTF-16", false, r"\00\d8", 1024, 1, "unpaired surrogate"),
        wide("surrogates the wrong way round", false, r"\00\dc\00\d8", 1024, 2, "unpaired surrogate"),
        wide("a lone surrogate, where Latin-1 would do", true, r"\00\d8", 1024, utf16 | 1, "unpaired surrogate"),
        wide("UTF-16 at an odd address", false, "", 1025, 1, "string pointer not aligned to 2"),
        wide("compact text at an odd address", true, "", 1025, utf16 | 1, "string pointer not aligned to 2"),
        wide("UTF-16 beyond memory", false, "", 262_142, 2, "out of bounds of memory"),
        wide("2^31 units of UTF-16", false, "", 1024, utf16, "out of bounds of memory"),
        wide("all the units there can be", true, "", 1024, u32::MAX, "out of bounds of memory"),
    ];
    misbehave("", &cases).await;
}

/// F7
#[tokio::test]
async fn f7_pointers_and_numbers_that_cannot_be_are_traps() {
    let log = |level: i64, address: i64, length: i64| {
        format!("(call $log (i32.const {level}) (i32.const {address}) (i32.const {length}))")
    };
    let key = |case: i64| {
        format!("(call $hash (local.get $request) (i32.const {case}) (i32.const 288) (i32.const 11) (i32.const 64))")
    };
    let to = |at: i64| format!("(call $header (local.get $request) (i32.const 288) (i32.const 11) (i32.const {at}))");
    let beyond = "out of bounds";
    let cases = [
        selects("a level too many", &log(5, 0, 0), "", "unexpected discriminant: 5"),
        selects("level -1", &log(-1, 0, 0), "", "unexpected discriminant"),
        selects("a source too many", &key(6), KEY, "unexpected discriminant: 6"),
        selects("source -1", &key(-1), KEY, "unexpected discriminant"),
        selects("text across the end of memory", &log(2, 262_140, 8), "", beyond),
        selects("text around the end of all", &log(2, -4, 8), "", beyond),
        selects("text of -1 bytes", &log(2, 0, -1), "", beyond),
        selects("an answer across the end of memory", &to(262_140), "", beyond),
        selects("an answer at the end of all", &to(-4), "", beyond),
        selects("an answer at an odd address", &to(65), "", "pointer not aligned"),
        selects("figures of nobody", "(drop (call $in_flight (i32.const -1)))", IN_FLIGHT, "endpoint 4294967295 of 1"),
        traps(
            "the health of nobody",
            "routing",
            Text::that("route", "(drop (call $healthy (i32.const -1)))").imports(HEALTHY),
            "upstream 4294967295 of 1",
        ),
        selects("a cell that was never opened", "(drop (call $load (i32.const 7)))", LOAD, "cell 7 was never opened"),
        selects(
            "a cell with too long a name",
            "(drop (call $open (i32.const 0) (i32.const 257) (i64.const 0)))",
            OPEN,
            "too many cells, or a name over 256 bytes",
        ),
        selects(
            "too many cells",
            "(loop $l (drop (call $open (i32.const 288) (i32.const 11) (i64.const 0))) (br $l))",
            OPEN,
            "more than 4096 cells open",
        ),
        selects(
            "a metric out of time",
            "(drop (call $counter (i32.const 289) (i32.const 1) (i32.const 0) (i32.const 0)))",
            COUNTER,
            "opened outside `configure`",
        ),
        traps(
            "a metric with a name of a million bytes",
            "selection",
            Text::that(
                "select",
                "(drop (call $counter (i32.const 65536) (i32.const 1000000) (i32.const 0) (i32.const 0)))",
            )
            .imports(COUNTER)
            .memory("20"),
            "opened outside `configure`",
        ),
        selects("setup out of time", "(call $see_request)", "", "`setup` called outside `configure`"),
    ];
    misbehave("limits = { deadline = \"2s\", worker-share = \"100%\" }", &cases).await;
}

/// F7: the guest gives room for what the host brings.
#[tokio::test]
async fn f7_room_that_is_none_is_a_trap() {
    let armed = |asks: &str| Text::that("select", &format!("(global.set $armed (i32.const 1)) {asks}"));
    let field = "(drop (call $is_asked (local.get $request)))";
    let all = "(call $all (i32.const 64))";
    let case = |name, text, gives: &str, reason| traps(name, "selection", Text::realloc(text, gives), reason);
    let give = |address: i64| format!("(return (i32.const {address}))");
    let beyond = "realloc return: beyond end of memory";
    // Of a text that is no Latin-1 nobody knows the length beforehand: the host asks for other room when it does.
    let param = "(call $param (local.get $request) (i32.const 288) (i32.const 11) (i32.const 64))";
    let again = "(if (local.get $old) (then (return (i32.const -2))))";
    let cases = [
        case("beyond memory", armed(field), &give(262_144), beyond),
        case("at the end of all", armed(field), &give(-1), beyond),
        case("at an odd address", armed(all).imports(ALL), &give(8193), "realloc return: result not aligned"),
        case("a trap instead", armed(field), "(unreachable)", "`unreachable`"),
        case("beyond memory, for UTF-16", armed(field).utf16(false), &give(262_144), beyond),
        case("odd, for UTF-16", armed(field).utf16(false), &give(8193), "realloc return: result not aligned"),
        case("beyond memory, when it was too much", armed(param).imports(PARAM).utf16(false), again, beyond),
        case("beyond memory, when it was too little", armed(param).imports(PARAM).utf16(true), again, beyond),
        case("beyond memory, for compact text", armed(field).utf16(true), &give(262_144), beyond),
        fails(
            "memory",
            "more memory than it may have",
            "selection",
            armed(field).realloc("(if (i32.eq (memory.grow (i32.const 2000)) (i32.const -1)) (then (unreachable)))"),
            "memory: more than 67108864 bytes",
        ),
    ];
    misbehave("", &cases).await;
}

/// F7: room that was in use, at zero, or in memory that has just moved is the guest's own affair.
#[tokio::test]
async fn f7_room_in_a_bad_place_harms_the_guest_alone() {
    let house = House::new().await;
    let choose = "(call $drop_request (local.get $request)) (return (call $decide (i32.const 1) (i32.const 0)))";
    let field = format!("(global.set $armed (i32.const 1)) (drop (call $is_asked (local.get $request))) {choose}");
    for (name, gives) in [
        ("at zero", "(return (i32.const 0))"),
        ("over its own answer", "(return (i32.const 64))"),
        ("over its own text", "(return (i32.const 288))"),
        ("in memory that was just made", "(drop (memory.grow (i32.const 100))) (return (i32.const 262144))"),
        ("everywhere", "(memory.fill (i32.const 0) (i32.const 255) (i32.const 262144)) (return (i32.const 0))"),
    ] {
        house.swap(&Text::that("select", &field).realloc(gives).component()).await;
        assert_eq!(house.trouble("fail", "trouble").await.status, 200, "{name}");
        let exchange = house.gateway.log.filter("exchange", |event| event.text("path") == "/fail/trouble");
        assert_eq!(exchange.last().unwrap().text("chosen_by"), "fail/selection/guest", "{name}");
    }
    assert_eq!(house.gateway.log.filter("plugin failed", |_| true), []);
}
