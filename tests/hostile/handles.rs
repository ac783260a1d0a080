//! What a guest is lent it gives back, and uses as what it is; and WASI, as far as there is any, has nothing to give.

use super::{Case, House, misbehave, traps};
use crate::harness::text::Text;

const STDOUT: &str = r#"(import "wasi:cli/stdout@0.2.0" "get-stdout" (func $stdout (result i32)))"#;
const EXIT: &str = r#"(import "wasi:cli/exit@0.2.0" "exit" (func $exit (param i32)))"#;
const RANDOM: &str = r#"(import "wasi:random/random@0.2.0" "get-random-bytes" (func $bytes (param i64 i32)))"#;
const TIMER: &str =
    r#"(import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $subscribe (param i64) (result i32)))"#;
const POLL: &str = r#"(import "wasi:io/poll@0.2.0" "poll" (func $poll (param i32 i32 i32)))"#;
const WRITE: &str =
    r#"(import "wasi:io/streams@0.2.0" "[method]output-stream.write" (func $write (param i32 i32 i32 i32)))"#;
const NETWORK: &str =
    r#"(import "wasi:sockets/instance-network@0.2.0" "instance-network" (func $network (result i32)))"#;
const RESOLVE: &str =
    r#"(import "wasi:sockets/ip-name-lookup@0.2.0" "resolve-addresses" (func $resolve (param i32 i32 i32 i32)))"#;
const SOCKET: &str =
    r#"(import "wasi:sockets/tcp-create-socket@0.2.0" "create-tcp-socket" (func $socket (param i32 i32)))"#;
const FOLDERS: &str = r#"(import "wasi:filesystem/preopens@0.2.0" "get-directories" (func $folders (param i32)))"#;
const OPEN: &str = r#"(import "wasi:filesystem/types@0.2.0" "[method]descriptor.open-at" (func $open (param i32 i32 i32 i32 i32 i32)))"#;
const STATUS: &str =
    r#"(import "sluice:plugin/types@0.1.0" "[method]response-head.status" (func $status (param i32) (result i32)))"#;

fn selects(name: &'static str, does: &str, imports: &str, reason: &'static str) -> Case {
    traps(name, "selection", Text::that("select", does).imports(imports), reason)
}

fn responds(name: &'static str, does: &str, imports: &str, reason: &'static str) -> Case {
    traps(name, "response", Text::that("respond", does).imports(imports), reason)
}

/// F12
#[tokio::test]
async fn f12_handles_are_what_they_are_and_no_more() {
    let drop = "(call $drop_request (local.get $request))";
    let read = "(drop (call $is_asked (local.get $request)))";
    let unknown = "unknown handle index";
    let cases = [
        selects("given back twice", &format!("{drop} {drop}"), "", unknown),
        selects("used after it was given back", &format!("{drop} {read}"), "", unknown),
        selects("never given back", "(return (call $pass))", "", "borrow handles still remain at the end of the call"),
        responds(
            "never given back",
            "(return (i32.const 0))",
            "",
            "borrow handles still remain at the end of the call",
        ),
        responds("one for the other", "(drop (call $is_asked (local.get $head)))", "", "handle index"),
        responds("the other for one", "(drop (call $status (local.get $request)))", STATUS, "handle index"),
        responds("given back as the other", "(call $drop_head (local.get $request))", "", "handle index"),
        selects("handle 0", "(drop (call $is_asked (i32.const 0)))", "", unknown),
        selects("handle 2^31", "(drop (call $is_asked (i32.const 0x80000000)))", "", unknown),
        selects("handle -1", "(drop (call $is_asked (i32.const -1)))", "", unknown),
        traps(
            "kept from one call to the next",
            "routing",
            Text::that("route", &format!("{drop} (drop (call $is_asked (i32.const 2)))")),
            unknown,
        ),
        selects("a million of them", "(loop $l (drop (call $stdout)) (br $l))", STDOUT, "store handle limit exceeded"),
        selects(
            "a million timers",
            "(loop $l (drop (call $subscribe (i64.const 1))) (br $l))",
            TIMER,
            "store handle limit exceeded",
        ),
        selects(
            "a list of handles that are none",
            "(call $poll (i32.const 8192) (i32.const 1000) (i32.const 64))",
            POLL,
            unknown,
        ),
    ];
    misbehave("", &cases).await;
}

/// F12
#[tokio::test]
async fn f12_wasi_gives_nothing_that_it_has_not() {
    let cases = [
        selects("exits", "(call $exit (i32.const 0))", EXIT, "the guest exited"),
        selects("exits with a failure", "(call $exit (i32.const 1))", EXIT, "the guest exited"),
        selects("exits in no way", "(call $exit (i32.const 2))", EXIT, "discriminant"),
        selects(
            "2^63 random bytes",
            "(call $bytes (i64.const 0x8000000000000000) (i32.const 64))",
            RANDOM,
            "random bytes, 65536 at most",
        ),
        selects(
            "a file of nowhere",
            "(call $open (i32.const 1) (i32.const -1) (i32.const 288) (i32.const 11) (i32.const -1) (i32.const 64))",
            OPEN,
            "handle index",
        ),
        selects(
            "a name of nowhere",
            "(call $resolve (i32.const 7) (i32.const 288) (i32.const 11) (i32.const 64))",
            RESOLVE,
            "unknown handle index",
        ),
        selects("a socket of no family", "(call $socket (i32.const 9) (i32.const 64))", SOCKET, "discriminant"),
        selects(
            "prints 50 MB",
            "(call $write (call $stdout) (i32.const 0) (i32.const 50000000) (i32.const 64))",
            &format!("{STDOUT}{WRITE}"),
            "out of bounds of memory",
        ),
    ];
    misbehave("", &cases).await;
}

/// F12: an answer, and no trap: languages ask.
#[tokio::test]
async fn f12_wasi_denies_what_a_guest_opens() {
    let house = House::new().await;
    let choose = "(call $drop_request (local.get $request)) (return (call $decide (i32.const 1) (i32.const 0)))";
    // An error, and which: access denied is the second. Instead of it there could have been a handle.
    let denied = "(if (i32.ne (i32.load8_u (i32.const 64)) (i32.const 1)) (then (unreachable)))
        (if (i32.ne (i32.load8_u (i32.const 68)) (i32.const 1)) (then (unreachable)))";
    let resolve = "(call $resolve (call $network) (i32.const 288) (i32.const 11) (i32.const 64))";
    for (name, does, imports) in [
        ("a socket", format!("(call $socket (i32.const 0) (i32.const 64)) {denied}"), SOCKET.to_owned()),
        ("a name", format!("{resolve} {denied}"), format!("{NETWORK}{RESOLVE}")),
        (
            "a folder",
            "(call $folders (i32.const 64)) (if (i32.load (i32.const 68)) (then (unreachable)))".into(),
            FOLDERS.into(),
        ),
    ] {
        house.swap(&Text::that("select", &format!("{does} {choose}")).imports(&imports).component()).await;
        assert_eq!(house.trouble("fail", "trouble").await.status, 200, "{name}");
        let exchange = house.gateway.log.filter("exchange", |event| event.text("path") == "/fail/trouble");
        assert_eq!(exchange.last().unwrap().text("chosen_by"), "fail/selection/guest", "{name}");
    }
    assert_eq!(house.gateway.log.filter("plugin failed", |_| true), []);
}

/// F12
#[tokio::test]
async fn f12_what_is_not_given_is_refused_by_name() {
    let house = House::new().await;
    let outgoing = r#"(import "wasi:http/outgoing@0.2.0" "handle" (func $handle))"#;
    let guest = Text::that("select", "(call $handle)").imports(outgoing).component();
    house.refuses("HTTP", &guest, "imports `wasi:http/outgoing@0.2.0`, which plugins do not get").await;
}

/// F11
#[tokio::test]
async fn f11_a_flood_of_lines_is_bounded_escaped_and_counted() {
    let house = House::with("limits = { deadline = \"5s\", worker-share = \"100%\" }").await;
    let forged = r#"(data (i32.const 1024) "\1b[2Jred\0a{\22message\22:\22forged\22}\0d\e2\80\a8\00\07end")"#;
    let length = 37;
    let flood = format!(
        "(loop $l (call $log (i32.const 4) (i32.const 1024) (i32.const {length})) (call $log (i32.const 4) (i32.const 4096) (i32.const 100000))
           (local.set $i (i32.add (local.get $i) (i32.const 1))) (br_if $l (i32.lt_u (local.get $i) (i32.const 20000))))"
    );
    house.swap(&Text::that("select", &flood).items(forged).component()).await;
    assert_eq!(house.trouble("fail", "trouble").await.status, 200);
    let said = house.gateway.log.events();
    let said: Vec<_> = said.iter().filter(|event| event.text("target") == "guest").collect();
    let lines: Vec<_> = said.iter().filter(|event| event.message().contains("red")).collect();
    // A hundred a second and slot, of either kind, whatever it takes.
    assert!((1..=1_000).contains(&said.len()), "{} lines", said.len());
    assert!(!lines.is_empty());
    for line in lines {
        assert_eq!(line.message(), "\\u{1b}[2Jred\\n{\"message\":\"forged\"}\\r\\u{2028}\\u{0}\\u{7}end");
    }
    assert!(said.iter().all(|event| event.message().len() <= 8 * 1024), "a line that is longer than it may be");
    assert!(house.gateway.log.filter("forged", |_| true).is_empty());
}
