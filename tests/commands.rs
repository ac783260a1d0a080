//! The program's outside: its commands, its exit codes, and what it says of a configuration that is wrong.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use crate::harness::certificates;
use crate::harness::client::try_tls;
use crate::harness::log::Log;
use crate::harness::{Ask, Client, Configuration, Gateway, Origin, Raw};

fn sluice(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_sluice")).args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn version_and_help_are_said_on_standard_output() {
    let (code, out, _) = sluice(&["--version"]);
    assert_eq!((code, out.trim()), (Some(0), concat!("sluice ", env!("CARGO_PKG_VERSION"))));
    let (code, out, _) = sluice(&["--help"]);
    assert_eq!(code, Some(0));
    for command in ["demo", "run", "check", "schema", "plugin", "simulate", "dev", "completions", "--version", "--help"]
    {
        assert!(out.contains(command), "{out}");
    }
    assert!(!out.contains("__compile"), "an inner command is shown: {out}");
}

#[test]
fn completions_know_every_command_and_no_inner_one() {
    for shell in ["bash", "zsh", "fish"] {
        let (code, out, _) = sluice(&["completions", shell]);
        assert_eq!(code, Some(0));
        for word in ["demo", "run", "check", "take-over", "state-dir"] {
            assert!(out.contains(word), "{shell}: no {word}");
        }
    }
    let (code, out, _) = sluice(&["completions", "bash"]);
    assert!(code == Some(0) && !out.contains("__compile"), "an inner command is completed");
    // What a shell makes of it, where there is that shell.
    let typed = r#"COMP_WORDS=(sluice ru); COMP_CWORD=1; _sluice sluice ru sluice; echo "${COMPREPLY[@]}""#;
    if let Ok(bash) = Command::new("bash").args(["-c", &format!("{out}\n{typed}")]).output() {
        assert_eq!(String::from_utf8_lossy(&bash.stdout).trim(), "run", "{}", String::from_utf8_lossy(&bash.stderr));
    }
}

#[test]
fn wrong_usage_ends_with_2_and_what_failed_with_1() {
    for arguments in [&["fly"][..], &[], &["run"], &["check"], &["schema", "x"], &["run", "--colour", "red"]] {
        let (code, _, err) = sluice(arguments);
        assert_eq!(code, Some(2), "{arguments:?}");
        assert!(err.contains("sluice"), "{err}");
    }
    let (code, _, err) = sluice(&["run", "--config", "/nowhere/sluice.toml"]);
    assert_eq!(code, Some(1));
    assert!(err.contains("/nowhere/sluice.toml") && err.trim().lines().count() == 1, "{err}");
}

#[tokio::test]
async fn all_mistakes_of_a_configuration_are_told_at_once_with_their_places() {
    let origin = Origin::start("a").await;
    let configuration = Configuration::of(&[&origin]).top("zonee = \"a\"").upstream("health-check = { path = \"/\" }");
    let output =
        Gateway::refuse(&configuration.route(r#"rewrite = { strip-prefix = "api" }"#).routing(r#"["nobody"]"#));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in ["zonee", "\"zone\"", "health-check", "strip-prefix", "nobody", "sluice.toml"] {
        assert!(said.contains(part), "{part:?} is not in: {said}");
    }
}

#[tokio::test]
async fn a_key_that_is_not_built_yet_says_so() {
    let origin = Origin::start("a").await;
    let output = Gateway::refuse(&Configuration::of(&[&origin]).tables("[state]\nredis = \"redis://cache.test\""));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("state") && said.contains("yet"), "{said}");
}

#[tokio::test]
async fn a_taken_port_stops_the_start_and_is_named() {
    let origin = Origin::start("a").await;
    let address = origin.address;
    let lines = format!("[[listener]]\naddress = \"{address}\"");
    let output = Gateway::refuse(&Configuration::of(&[&origin]).tables(&lines));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&address.to_string()), "{said}");
}

/// Killed when the test ends, however it ends.
struct Demo(Child);

impl Drop for Demo {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn the_demo_needs_nothing_and_does_what_it_prints() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
    command.arg("demo").current_dir(folder.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut demo = Demo(command.spawn().unwrap());
    let log = Log::read(demo.0.stderr.take().unwrap());
    // It prints once it serves, so waiting for that is enough.
    log.wait_for("ready", |_| true).await;
    let mut guide = String::new();
    for line in BufReader::new(demo.0.stdout.take().unwrap()).lines().map_while(Result::ok) {
        guide += &format!("{line}\n");
        if line.contains("Ctrl-C") {
            break;
        }
    }
    let port: String =
        guide.split("https://localhost:").nth(1).unwrap().chars().take_while(char::is_ascii_digit).collect();
    assert!(guide.contains("curl -") && guide.contains("k "), "{guide}");

    let address = format!("127.0.0.1:{port}").parse().unwrap();
    let config = Arc::new(certificates::curious_client(&["http/1.1"]));
    let mut client = Client::over(try_tls(address, "localhost", config).await.unwrap()).await;
    let answer = client.ask(Ask::get("/").host("localhost")).await;
    assert_eq!(answer.status, 200);
    assert!(answer.header("set-cookie").contains("HttpOnly"), "{answer:?}");

    let dashboard =
        guide.split("http://localhost:").nth(1).and_then(|rest| rest.split('/').next()).expect("an address");
    let mut operator = Raw::to(format!("127.0.0.1:{dashboard}").parse().unwrap()).await;
    operator.say(format!("GET / HTTP/1.1\r\nhost: localhost:{dashboard}\r\n\r\n")).await;
    let heard = operator.hear_all().await;
    assert!(heard.starts_with("HTTP/1.1 200 ") && heard.contains("<title>Sluice</title>"), "{heard}");

    let swap = guide.lines().find_map(|line| line.find("cp ").map(|start| &line[start..])).expect("one `cp`");
    let copied = Command::new("sh").args(["-c", swap]).current_dir(folder.path()).status().unwrap();
    assert!(copied.success(), "{swap}");
    log.wait_for("swap", |event| event.text("plugin") == "policy").await;
    assert_eq!(client.ask(Ask::get("/").host("localhost")).await.status, 200);
}
