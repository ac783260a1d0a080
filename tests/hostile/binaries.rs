//! Bytes that are no component, components of another shape, and those that are made to keep a compiler busy.

use super::House;
use crate::harness::text::{Text, beside, contract};

/// A component with that module inside it, which is made when it is.
fn with_module(module: &str) -> Vec<u8> {
    beside(&Text::new().component(), &format!("(component (core module $m {module}) (core instance (instantiate $m)))"))
}

/// F: cut off anywhere, a component is none.
#[tokio::test]
async fn f_half_a_component_is_none() {
    let house = House::new().await;
    let whole = Text::new().component();
    for length in (1..whole.len()).step_by(whole.len() / 40) {
        let said = house.gateway.refused_swap("guest", &whole[..length]).await;
        let known = ["not a WebAssembly component", "does not compile", "exports no hook of the contract"];
        assert!(known.iter().any(|known| said.contains(known)), "the first {length} bytes: {said}");
    }
    house.neighbour("half a component").await;
}

/// F: bytes after the end, in the middle, and instead.
#[tokio::test]
async fn f_what_is_not_quite_a_component_is_refused() {
    let house = House::new().await;
    let whole = Text::new().component();
    let garbage: Vec<u8> = (0..4096_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let magic = whole[..8].to_vec();
    let module = wat::parse_str(Text::new().module()).unwrap();
    for (name, content, reason) in [
        ("a core module", module, "a core WebAssembly module, not a component"),
        ("nothing behind the magic number", magic.clone(), "exports no hook of the contract"),
        ("garbage", garbage.clone(), "not a WebAssembly component"),
        ("garbage behind the magic number", [magic, garbage.clone()].concat(), "does not compile"),
        ("garbage behind its end", [whole.clone(), garbage].concat(), "does not compile"),
        ("itself behind its end", [whole.clone(), whole.clone()].concat(), "does not compile"),
        ("another version", [&b"\0asm\x0e\0\x01\0"[..], &whole[8..]].concat(), "does not compile"),
    ] {
        house.refuses(name, &content, reason).await;
    }
}

/// F: it names the contract, and means another.
#[tokio::test]
async fn f_what_does_not_fit_the_contract_is_refused() {
    let house = House::new().await;
    for (name, from, to) in [
        ("another result", "reject(u16)", "reject(u32)"),
        ("another parameter", "set-endpoints: func(count: u32)", "set-endpoints: func(count: s32)"),
        ("a case more", "reject(u16)", "reject(u16), or-else"),
        ("a field more", "record choice { endpoint", "record choice { more: u8, endpoint"),
        (
            "a field with another name",
            "record choice { endpoint: endpoint-index",
            "record choice { other: endpoint-index",
        ),
        (
            "another import",
            "write: func(level: level, message: string)",
            "write: func(level: level, message: list<u8>)",
        ),
        ("an import of more", "seed: func() -> u64;", "seed: func() -> u64; more: func() -> u32;"),
    ] {
        let more = r#"(import "sluice:plugin/setup@0.1.0" "more" (func $more (result i32)))"#;
        let text = if name == "an import of more" { Text::new().imports(more) } else { Text::new() };
        let content = text.component_for(&contract(&[(from, to)])).unwrap();
        house.refuses(name, &content, "does not fit the contract").await;
    }
    let nowhere = contract(&[("package sluice:plugin@0.1.0", "package sluice:plugin@0.9.0")]);
    let text = Text::new().with("@0.1.0", "@0.9.0");
    house.refuses("another version", &text.component_for(&nowhere).unwrap(), "was built for contract").await;
    let name = |number: u32| format!("{}a{number}", "long-".repeat(40));
    let many: String = (0..900).map(|number| format!("(export \"{}\" (instance $i))", name(number))).collect();
    let many = wat::parse_str(format!("(component (instance $i) {many})")).unwrap();
    house.refuses("900 exports", &many, "exports no hook of the contract").await;
    let memoryless = r#"(component (core module $m (func (export "f") (result i32) (i32.const 0)))
        (core instance $i (instantiate $m)))"#;
    house.refuses("no hook at all", &wat::parse_str(memoryless).unwrap(), "exports no hook of the contract").await;
}

/// F: what a compiler could choke on is refused, or compiled while traffic flows, and in neither case matters to it.
#[tokio::test]
async fn f_what_is_hard_to_compile_hurts_nobody() {
    let house = House::new().await;
    let function = |locals: &str, body: &str| format!("(func {locals} {body})");
    let refused = [
        ("50,001 locals", function(&"(local i64)".repeat(50_001), ""), "too many locals"),
        (
            "a table of a million branches",
            function("", &format!("(block (br_table {} (i32.const 0)))", "0 ".repeat(1_000_000))),
            "br_table",
        ),
        ("a function of 8 MB", function("", &"(drop (i32.const 0))".repeat(2_600_000)), "size"),
        ("a million functions", "(func)".repeat(1_000_001), "functions count"),
        ("a million types", "(type (func))".repeat(1_000_001), "types count"),
    ];
    for (name, module, reason) in refused {
        let said = house.gateway.refused_swap("guest", &with_module(&module)).await;
        assert!(said.contains("does not compile") && said.contains(reason), "{name}: {said:?}");
        house.neighbour(name).await;
    }
    let nested = format!("{}{}", "(block ".repeat(20_000), ")".repeat(20_000));
    let loops = format!("{}{}", "(loop ".repeat(1_000), ")".repeat(1_000));
    let branches = format!("(block (br_table {} (i32.const 0)))", "0 ".repeat(60_000));
    let data = format!("(memory 600) (data (i32.const 0) \"{}\")", "a".repeat(20 << 20));
    for (name, module) in [
        ("20,000 blocks in each other", function("", &nested)),
        ("1,000 loops in each other", function("", &loops)),
        ("49,000 locals", function(&"(local i64)".repeat(49_000), "")),
        ("a table of 60,000 branches", function("", &branches)),
        ("20,000 functions", "(func)".repeat(20_000)),
        ("20 MiB of data", data),
        ("a section of 20 MiB that says nothing", format!("(@custom \"nothing\" \"{}\")", "a".repeat(20 << 20))),
    ] {
        house.swap(&with_module(&module)).await;
        assert_eq!(house.trouble("fail", "trouble").await.status, 200, "{name}");
        house.neighbour(name).await;
    }
}
