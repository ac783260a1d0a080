//! Endpoints that are told who the client is in front of each connection: PROXY protocol, version 2.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::harness::raw::head;
use crate::harness::{Configuration, Gateway, within};

#[tokio::test]
async fn each_connection_begins_with_the_clients_address_and_carries_one_request() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (told, mut heads) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut first = [0; 28];
            stream.read_exact(&mut first).await.unwrap();
            let request = head(&mut stream).await;
            told.send((first, String::from_utf8(request).unwrap())).unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nwell").await.unwrap();
            // A second request on it would be left unanswered.
            tokio::spawn(async move { head(&mut stream).await });
        }
    });
    let configuration = Configuration::at(&[("a", address)]).upstream("send-proxy-protocol = \"v2\"").workers(1);
    let configuration = configuration.listener(1, "trusted-proxies = [\"127.0.0.0/8\"]");
    let gateway = Gateway::start(&configuration).await;

    let mut client = crate::harness::client::connect(gateway.plain).await;
    let mut expected = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    expected.extend([127, 0, 0, 1, 127, 0, 0, 1]);
    let here = client.local_addr().unwrap();
    let ports = |client: u16| [client.to_be_bytes(), gateway.plain.port().to_be_bytes()].concat();
    for path in ["/first", "/second"] {
        let request = format!("GET {path} HTTP/1.1\r\nhost: app.test\r\n\r\n");
        client.write_all(request.as_bytes()).await.unwrap();
        let (first, request) = within("a connection", heads.recv()).await.unwrap();
        assert_eq!(first[..], [&*expected, &*ports(here.port())].concat());
        assert!(request.starts_with(&format!("GET {path} HTTP/1.1\r\n")), "{request:?}");
        let mut answer = vec![0; 4096];
        let mut heard = String::new();
        while !heard.ends_with("well") {
            let count = within("the answer", client.read(&mut answer)).await.unwrap();
            heard += std::str::from_utf8(&answer[..count]).unwrap();
        }
    }

    // Whom a trusted proxy names; the port is not known then.
    client.write_all(b"GET / HTTP/1.1\r\nhost: app.test\r\nx-forwarded-for: 192.0.2.7\r\n\r\n").await.unwrap();
    let (first, _) = within("a connection", heads.recv()).await.unwrap();
    assert_eq!(first[16..20], [192, 0, 2, 7]);
    assert_eq!(first[24..], ports(0));
}
