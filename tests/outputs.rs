//! A log that cannot be written harms nobody: a full disk, a reader that has gone, outputs that are closed.

use std::fs::OpenOptions;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use crate::harness::guests::target;
use crate::harness::{Configuration, Origin, Raw};

const CLIENTS: usize = 20;

/// A gateway that cannot say where it listens: it gets its socket from here, and an admin address that nobody else has.
async fn serves(origin: &Origin, close: &str, error: Stdio, number: u8) -> String {
    let folder = tempfile::tempdir().unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let [high, low, ..] = std::process::id().to_le_bytes();
    let admin = SocketAddr::from(([127, high, low.max(2), number], 9901));
    let more = format!("[[listener]]\naddress = \"{address}\"\n[admin]\naddress = \"{admin}\"\n");
    Configuration::of(&[origin]).tables(&more).write(folder.path());
    let script = format!(r#"exec 3<&0 </dev/null {close}; export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@""#);
    let mut command = Command::new("sh");
    command.args(["-c", &script, "sh", env!("CARGO_BIN_EXE_sluice"), "run", "--config"]);
    command.arg(folder.path().join("sluice.toml")).arg("--state-dir").arg(target().join("sluice-state"));
    command.stdin(Stdio::from(OwnedFd::from(socket))).stdout(Stdio::null()).stderr(error).env_remove("SLUICE_LOG");
    let mut child = command.spawn().unwrap();
    for _ in 0..CLIENTS {
        let mut client = Raw::to(address).await;
        client.say("GET / HTTP/1.1\r\nhost: app.test\r\nconnection: close\r\n\r\n").await;
        assert!(client.hear_all().await.starts_with("HTTP/1.1 200"));
    }
    let mut scraper = Raw::to(admin).await;
    scraper.say("GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    let page = scraper.hear_all().await;
    assert_eq!(child.try_wait().unwrap(), None);
    child.kill().unwrap();
    child.wait().unwrap();
    let lost = page.lines().find_map(|line| line.strip_prefix("sluice_log_lines_lost_total "));
    lost.expect("the figure").to_owned()
}

/// G8.
#[tokio::test]
async fn a_log_that_cannot_be_written_is_counted_and_harms_nobody() {
    let origin = Origin::start("a").await;
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let (_, nobody) = std::io::pipe().unwrap();
    for (error, number) in [(Stdio::from(full), 1), (Stdio::from(nobody), 2)] {
        let lost = serves(&origin, "", error, number).await.parse::<usize>().unwrap();
        assert!(lost >= CLIENTS, "only {lost} lines are counted as lost");
    }
    // What is closed is nowhere, and nothing else comes in its place.
    assert_eq!(serves(&origin, "1>&- 2>&-", Stdio::null(), 3).await, "0");
}
