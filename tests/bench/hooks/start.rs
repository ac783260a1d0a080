//! From nothing to the first answer: the program itself, started with a usual configuration, asked as soon as it says where it
//! listens, and known to be there when an origin's answer has come through it.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use criterion::{Criterion, SamplingMode};

pub fn measure(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("start to first answer");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("sluice.toml"), configuration(origin())).unwrap();
    let state = folder.path().join("state");
    // Once beforehand, so that there is what is to be found.
    group.bench_function("plugins compiled before", |bencher| {
        start(folder.path(), &state);
        bencher.iter_custom(|times| (0..times).map(|_| start(folder.path(), &state)).sum());
    });
    group.bench_function("plugins compiled now", |bencher| {
        bencher.iter_custom(|times| {
            let cold = |_| start(folder.path(), tempfile::tempdir().unwrap().path());
            (0..times).map(cold).sum()
        });
    });
    group.finish();
}

/// An origin that answers each connection once; it ends with the bench.
fn origin() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = BufReader::new(client.unwrap());
            let mut line = String::new();
            while client.read_line(&mut line).unwrap() > 2 {
                line.clear();
            }
            client.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok").unwrap();
        }
    });
    address
}

/// With four of the plugins that the gateway brings.
fn configuration(origin: SocketAddr) -> String {
    format!(
        r#"
workers = 2
[[listener]]
address = "127.0.0.1:0"
[[route]]
name = "all"
routing = [{{ plugin = "traffic-split", config = {{ shares = {{ app = 1 }} }} }}]
upstream = "app"
response = [{{ plugin = "headers", config = {{ preset = "secure" }} }}]
[[upstream]]
name = "app"
selection = ["sticky-session", "least-connections"]
endpoints = [{{ address = "{origin}" }}]
"#
    )
}

/// How long it took until the first answer was there.
fn start(folder: &Path, state: &Path) -> Duration {
    let mut program = Command::new(env!("CARGO_BIN_EXE_sluice"));
    program.args(["run", "--config"]).arg(folder.join("sluice.toml")).arg("--state-dir").arg(state);
    program.env_remove("SLUICE_LOG").stdin(Stdio::null()).stderr(Stdio::piped());
    let began = Instant::now();
    let mut child = program.spawn().unwrap();
    let log = BufReader::new(child.stderr.take().unwrap());
    let address = log.lines().find_map(|line| listens_at(&line.unwrap())).expect("the gateway listens");
    let mut client = TcpStream::connect(address).unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nhost: app.test\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    let took = began.elapsed();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    took
}

/// From a line of the log that says where clients come in.
fn listens_at(line: &str) -> Option<SocketAddr> {
    let event: serde_json::Value = serde_json::from_str(line).ok()?;
    event["address"].as_str()?.parse().ok()
}
