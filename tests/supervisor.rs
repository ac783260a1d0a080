//! A service manager opens sockets beforehand and is told how far the gateway is: systemd's protocol, spoken by the test.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;

use crate::harness::supervised::activated;
use crate::harness::{Ask, Client, Configuration, Gateway, Origin, PATIENCE, Raw};

/// The plain listener at that address, beside the usual ones.
fn listening_at(configuration: Configuration, address: SocketAddr) -> Configuration {
    configuration.tables(&format!("[[listener]]\naddress = \"{address}\"\n"))
}

fn socket() -> (TcpListener, SocketAddr) {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

const HEAD: &str = "GET / HTTP/1.1\r\nhost: app.test\r\n\r\n";

#[tokio::test]
async fn a_socket_of_the_supervisor_is_used_with_those_who_wait_in_it() {
    let origin = Origin::start("a").await;
    let (socket, address) = socket();
    // Connected before there is a gateway at all.
    let mut early = Raw::to(address).await;
    early.say(HEAD).await;
    let held = socket.try_clone().unwrap();
    let base = Configuration::of(&[&origin]);
    let configuration = listening_at(base.clone(), address);
    let mut gateway = Gateway::start_by(&configuration, |command| activated(&command, socket)).await;
    assert!(early.hear_until("\r\n\r\n").await.starts_with("HTTP/1.1 200"));

    // It goes and comes with the configuration, while the supervisor holds it.
    gateway.reload(&base.text()).await;
    gateway.reload(&configuration.text()).await;
    let mut later = Raw::to(address).await;
    later.say(HEAD).await;
    assert!(later.hear_until("\r\n\r\n").await.starts_with("HTTP/1.1 200"));

    // Idle connections would keep it from its end for almost as long as a drain may take.
    drop((early, later));
    // One that takes over gets it from the gateway, not from the supervisor, and can let it go and take it up again too.
    let mut next = gateway.successor().await;
    assert!(gateway.ended().await.success());
    next.reload(&base.text()).await;
    next.reload(&configuration.text()).await;
    let mut last = Raw::to(address).await;
    last.say(HEAD).await;
    assert!(last.hear_until("\r\n\r\n").await.starts_with("HTTP/1.1 200"));
    drop(held);
    next.terminate();
    assert!(next.ended().await.success());
}

#[tokio::test]
async fn workers_share_a_socket_of_the_supervisor_evenly() {
    const WORKERS: usize = 3;
    const CLIENTS: usize = 60;
    let origin = Origin::start("a").await;
    let (socket, address) = socket();
    let configuration = listening_at(Configuration::of(&[&origin]).workers(WORKERS), address);
    let gateway = Gateway::start_by(&configuration, |command| activated(&command, socket)).await;
    // All at once, as after a break of the network.
    let connecting: Vec<_> = (0..CLIENTS).map(|_| tokio::spawn(Raw::to(address))).collect();
    let mut clients = Vec::new();
    for client in connecting {
        clients.push(client.await.unwrap());
    }
    for client in &mut clients {
        client.say(HEAD).await;
        assert!(client.hear_until("\r\n\r\n").await.starts_with("HTTP/1.1 200"));
    }
    let mut parts = BTreeMap::<u64, usize>::new();
    for line in gateway.exchanges(CLIENTS).await {
        *parts.entry(line.number("worker")).or_default() += 1;
    }
    let least = parts.values().copied().min().unwrap_or_default();
    assert!(parts.len() == WORKERS && least >= CLIENTS / WORKERS / 3, "connections of each worker: {parts:?}");
}

#[tokio::test]
async fn the_supervisor_is_told_how_far_it_is() {
    let origin = Origin::start("a").await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let ear = UnixDatagram::bind(&path).unwrap();
    ear.set_read_timeout(Some(PATIENCE)).unwrap();
    let hear = || {
        let mut buffer = [0; 1024];
        let count = ear.recv(&mut buffer).expect("a word from the gateway");
        String::from_utf8(buffer[..count].to_vec()).unwrap()
    };
    let telling = |mut command: Command| {
        command.env("NOTIFY_SOCKET", &path);
        command
    };
    let mut gateway = Gateway::start_by(&Configuration::of(&[&origin]), telling).await;
    assert_eq!(hear(), "READY=1\n");
    gateway.hang_up();
    let reloading = hear();
    assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
    assert_eq!(hear(), "READY=1\n");
    // The one that takes over is the main process from then on, and says the rest.
    let mut next = gateway.successor_by(telling).await;
    assert_eq!(hear(), format!("MAINPID={}\n", next.process()));
    assert_eq!(hear(), "READY=1\n");
    assert!(gateway.ended().await.success());
    assert_eq!(Client::h1(&next).await.ask(Ask::get("/")).await.status, 200);
    next.terminate();
    assert_eq!(hear(), "STOPPING=1\n");
    assert!(next.ended().await.success());
    ear.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    assert!(ear.recv(&mut [0; 16]).is_err(), "one word too many");
}
