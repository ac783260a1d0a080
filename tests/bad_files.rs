//! A bad file changes nothing and says why in one line.

use crate::harness::guests::{built_in, digest, retouched};
use crate::harness::{Client, Configuration, Gateway, Origin, component};

fn stamped(origin: &Origin, lines: &str) -> Configuration {
    let configuration = Configuration::of(&[origin]).plugin_with("stamp", component("stamp_v1"), lines);
    configuration.selection(r#"["stamp", "round-robin"]"#)
}

async fn assert_version(gateway: &Gateway, version: &str) {
    assert_eq!(Client::h1(gateway).await.get("/").await.header("x-selected-by"), version);
}

#[tokio::test]
async fn a_bad_file_is_refused_with_its_reason_and_the_old_version_serves() {
    let origin = Origin::start("a").await;
    let gateway = Gateway::start(&stamped(&origin, "")).await;
    let half = component("stamp_v2");
    let cases = [
        (b"<html>404</html>".to_vec(), "not a WebAssembly component"),
        (b"\0asm\x01\0\0\0".to_vec(), "a core WebAssembly module, not a component"),
        (Vec::new(), "not a WebAssembly component"),
        (half[..half.len() / 2].to_vec(), "does not compile"),
        (component("other_world"), "exports no hook of the contract"),
        (component("wants_http"), "imports `wasi:http/outgoing@0.2.0`, which plugins do not get"),
        (component("newer"), "was built for contract `sluice:plugin/"),
        (component("refuses"), "refuses its configuration: /left: expected something else; /right: two\\nlines"),
        (component("spin_in_configure"), "stands in a selection chain but does not export that hook"),
        (component("spin_at_start"), "deadline: more than 500ms of CPU time"),
    ];
    for (content, reason) in cases {
        let said = gateway.refused_swap("stamp", &content).await;
        assert!(said.contains(reason), "{said:?} does not say {reason:?}");
        assert!(!said.contains('\n'), "more than one line: {said:?}");
        assert_version(&gateway, "v1").await;
    }
    assert_eq!(gateway.swaps("app/selection/stamp"), []);
    // And a good file is taken after all of these.
    gateway.swap("stamp", &component("stamp_v2"), &["app/selection/stamp"]).await;
    assert_version(&gateway, "v2").await;
}

#[tokio::test]
async fn a_configure_that_never_ends_is_cut_off() {
    let origin = Origin::start("a").await;
    let configuration = Configuration::of(&[&origin]).plugin("late", component("counts"));
    let configuration = configuration.plugin("edits", component("crlf")).response(r#"["edits"]"#);
    let gateway = Gateway::start(&configuration.selection(r#"["late", "round-robin"]"#)).await;
    let said = gateway.refused_swap("edits", &component("spin_in_configure")).await;
    assert!(said.contains("`configure`: deadline: more than 500ms of CPU time"), "{said}");
    assert_eq!(Client::h1(&gateway).await.get("/").await.status, 200);
}

#[tokio::test]
async fn a_pinned_plugin_takes_no_other_content() {
    let origin = Origin::start("a").await;
    let one = component("stamp_v1");
    let pin = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &one);
    let pin: String = pin.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let gateway = Gateway::start(&stamped(&origin, &format!("sha256 = \"{pin}\""))).await;
    let said = gateway.refused_swap("stamp", &component("stamp_v2")).await;
    assert!(said.contains("its digest is") && said.contains(&digest(&component("stamp_v2"))), "{said}");
    assert_version(&gateway, "v1").await;
}

#[tokio::test]
async fn a_file_that_is_gone_changes_nothing() {
    let origin = Origin::start("a").await;
    let gateway = Gateway::start(&stamped(&origin, "")).await;
    std::fs::remove_file(gateway.file("stamp")).unwrap();
    assert_version(&gateway, "v1").await;
    gateway.swap("stamp", &component("stamp_v2"), &["app/selection/stamp"]).await;
    assert_version(&gateway, "v2").await;
}

#[test]
fn a_bad_file_at_the_start_stops_it_with_one_line() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let origin = runtime.block_on(Origin::start("a"));
    for (content, reason) in [
        (b"nothing".to_vec(), "not a WebAssembly component"),
        (component("refuses"), "app/selection/bad: /left: expected something else"),
        (component("wants_http"), "imports `wasi:http/outgoing@0.2.0`"),
    ] {
        let configuration = Configuration::of(&[&origin]).plugin("bad", content).selection(r#"["bad"]"#);
        let output = Gateway::refuse(&configuration);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(reason) && said.contains("bad"), "{said}");
    }
}

#[tokio::test]
async fn users_components_are_loaded_by_the_same_path_as_the_built_in_ones() {
    let origin = Origin::start("a").await;
    let content = retouched(&built_in("sticky-session"), "mine");
    let gateway = Gateway::start(&Configuration::of(&[&origin]).plugin("mine", content).selection(r#"["mine"]"#)).await;
    assert_ne!(Client::h1(&gateway).await.get("/").await.header("set-cookie"), "");
}
