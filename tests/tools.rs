//! The tools that people reach for: `curl`, `openssl s_client`, `h2load`. A tool that is not installed is left out, and
//! said.

use std::fs;
use std::process::{Command, Output, Stdio};

use crate::harness::configuration::{HOST, OTHER_HOST};
use crate::harness::{Configuration, Gateway, Origin, certificates};

/// Runs a tool while the origin goes on answering; none if it is not installed.
async fn run(program: &'static str, arguments: Vec<String>) -> Option<Output> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap();
    match output {
        Ok(output) => Some(output),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("{program} is not installed: not tried");
            None
        }
        Err(error) => panic!("{program}: {error}"),
    }
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

async fn gateway(origin: &Origin) -> (Gateway, tempfile::NamedTempFile) {
    let authority = tempfile::NamedTempFile::new().unwrap();
    fs::write(authority.path(), certificates::authority_pem()).unwrap();
    (Gateway::start(&Configuration::of(&[origin])).await, authority)
}

#[tokio::test]
async fn curl_is_served_over_both_protocols() {
    let origin = Origin::start("a").await;
    let (gateway, authority) = gateway(&origin).await;
    let (secure, plain) = (gateway.secure, gateway.plain);
    let there = format!("--resolve {HOST}:{}:127.0.0.1 --cacert {}", secure.port(), authority.path().display());
    for (arguments, version) in [
        (format!("--http1.1 {there} https://{HOST}:{}/", secure.port()), "1.1"),
        (format!("--http2 {there} https://{HOST}:{}/", secure.port()), "2"),
        (format!("--http2 {there} --data some-body https://{HOST}:{}/", secure.port()), "2"),
        (format!("--http1.1 http://{plain}/"), "1.1"),
        (format!("--http2-prior-knowledge http://{plain}/"), "2"),
    ] {
        let all = words(&format!(
            "--silent --show-error --fail --output /dev/null --write-out %{{http_code}}/%{{http_version}} {arguments}"
        ));
        let Some(output) = run("curl", all).await else { return };
        assert_eq!(text(&output), format!("200/{version}"), "{arguments}");
    }
}

#[tokio::test]
async fn curl_does_not_believe_a_name_that_no_certificate_is_for() {
    let origin = Origin::start("a").await;
    let (gateway, authority) = gateway(&origin).await;
    let port = gateway.secure.port();
    let resolve = format!("--resolve unknown.example:{port}:127.0.0.1");
    let line = format!("--silent --cacert {} {resolve} https://unknown.example:{port}/", authority.path().display());
    let Some(output) = run("curl", words(&line)).await else { return };
    assert_eq!(output.status.code(), Some(60), "{}", text(&output));
    let Some(output) =
        run("curl", words(&format!("--silent --insecure {resolve} https://unknown.example:{port}/"))).await
    else {
        return;
    };
    assert!(output.status.success(), "{}", text(&output));
}

#[tokio::test]
async fn openssl_sees_the_certificate_and_the_protocol() {
    let origin = Origin::start("a").await;
    let (gateway, authority) = gateway(&origin).await;
    for (name, protocol, version) in
        [(HOST, "h2", "tls1_3"), (OTHER_HOST, "http/1.1", "tls1_2"), (HOST, "h2", "tls1_2")]
    {
        let line = format!(
            "s_client -connect {} -servername {name} -alpn {protocol} -{version} -CAfile {} -verify_hostname {name} -verify_return_error",
            gateway.secure,
            authority.path().display()
        );
        let Some(output) = run("openssl", words(&line)).await else { return };
        let said = text(&output);
        assert!(said.contains("Verification: OK"), "{said}");
        assert!(said.contains(&format!("ALPN protocol: {protocol}")), "{said}");
    }
}

#[tokio::test]
async fn openssl_is_refused_with_old_tls() {
    let origin = Origin::start("a").await;
    let (gateway, _) = gateway(&origin).await;
    let line = format!("s_client -connect {} -tls1_1 -cipher DEFAULT@SECLEVEL=0", gateway.secure);
    let Some(output) = run("openssl", words(&line)).await else { return };
    assert!(!output.status.success(), "{}", text(&output));
}

#[tokio::test]
async fn h2load_gets_every_answer_over_both_protocols() {
    let origin = Origin::start("a").await;
    let (gateway, _) = gateway(&origin).await;
    let cases = [
        format!("https://{}/", gateway.secure),
        format!("--h1 https://{}/", gateway.secure),
        format!("http://{}/", gateway.plain),
        format!("--h1 http://{}/", gateway.plain),
    ];
    for case in cases {
        let line = format!("--requests 2000 --clients 10 --max-concurrent-streams 10 {case}");
        let Some(output) = run("h2load", words(&line)).await else { return };
        let said = text(&output);
        assert!(said.contains("2000 succeeded, 0 failed, 0 errored"), "{case}: {said}");
        assert!(said.contains("2000 2xx"), "{case}: {said}");
    }
}
