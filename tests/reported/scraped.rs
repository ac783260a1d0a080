//! Series that endpoints show to Prometheus: what is asked, what is made of it, and what is survived.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::{figure, reporting, reports};
use crate::harness::{Client, Configuration, Gateway, Origin, within};

/// A page of series, which a test may change, and what was asked for it.
struct Shows {
    address: SocketAddr,
    answer: Arc<Mutex<String>>,
    asked: mpsc::UnboundedReceiver<String>,
}

impl Shows {
    async fn start(page: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answer = Arc::new(Mutex::new(ok(page)));
        let (tell, asked) = mpsc::unbounded_channel();
        tokio::spawn({
            let answer = answer.clone();
            async move {
                while let Ok((mut stream, _)) = listener.accept().await {
                    let (answer, tell) = (answer.clone(), tell.clone());
                    tokio::spawn(async move {
                        let mut head = Vec::new();
                        while !head.ends_with(b"\r\n\r\n") {
                            match stream.read_u8().await {
                                Ok(byte) => head.push(byte),
                                Err(_) => return,
                            }
                        }
                        let _ = tell.send(String::from_utf8(head).unwrap());
                        let answer = answer.lock().unwrap().clone();
                        // The gateway may have seen enough.
                        let _ = stream.write_all(answer.as_bytes()).await;
                        let _ = stream.read_u8().await;
                    });
                }
            }
        });
        Self { address, answer, asked }
    }

    fn answer(&self, answer: String) {
        *self.answer.lock().unwrap() = answer;
    }

    fn show(&self, page: &str) {
        self.answer(ok(page));
    }
}

fn ok(page: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{page}", page.len())
}

#[tokio::test]
async fn series_are_asked_for_and_become_figures() {
    let origin = Origin::start("a").await;
    let page = |requests: u64| {
        format!(
            "# TYPE busy gauge\nbusy{{pool=\"a\"}} 0.5\nbusy{{pool=\"b\"}} 9\nused 3\nall 4\nqueue 7\nrequests_total {requests}\n"
        )
    };
    let mut shows = Shows::start(&page(0)).await;
    let port = shows.address.port();
    let series = r#"cpu = 'busy{pool="a"}', memory = "used / all", requests-per-second = "rate(requests_total)", named = { queue = "queue" }"#;
    let scrape = format!(
        r#"scrape = {{ path = "/m?x=1", host = "figures.test", port = {port}, interval = "50ms", series = {{ {series} }} }}"#
    );
    let gateway = Gateway::start(&reporting(Configuration::of(&[&origin]), &scrape)).await;
    let asked = within("a scrape", shows.asked.recv()).await.unwrap();
    let version = env!("CARGO_PKG_VERSION");
    let expected = format!(
        "GET /m?x=1 HTTP/1.1\r\nhost: figures.test\r\nuser-agent: sluice/{version} (scrape)\r\n\
         accept: text/plain;version=0.0.4, application/openmetrics-text;version=1.0.0;q=0.5\r\nconnection: close\r\n\r\n"
    );
    assert_eq!(asked, expected);
    let expected = [(&*figure("a", "cpu"), 0.5), (&figure("a", "memory"), 0.75), (&figure("a", "named.queue"), 7.0)];
    gateway.shows(&expected).await;
    shows.show(&page(1_000_000));
    let scrape = gateway.shows(&[(&reports("a", "refused"), 0.0)]).await;
    assert!(scrape.value(&reports("a", "taken")) >= 1.0);
    let rate = figure("a", "requests-per-second");
    let rises = async || gateway.scrape().await.get(&rate).filter(|rate| *rate > 0.0);
    crate::harness::eventually("a rate", rises).await;
    assert_eq!(origin.requests(), 0, "the port of the requests was asked");
}

#[tokio::test]
async fn what_is_no_page_is_survived_said_once_and_over_when_there_is_one() {
    let shows = Shows::start("busy 0.5\n").await;
    let scrape = r#"scrape = { interval = "20ms", timeout = "500ms", size = "1KiB", series = { cpu = "busy" } }"#;
    let gateway = Gateway::start(&reporting(Configuration::at(&[("a", shows.address)]), scrape)).await;
    gateway.shows(&[(&figure("a", "cpu"), 0.5)]).await;
    let long = format!("busy 0.5\n{}", "# nothing\n".repeat(1000));
    let endless = format!(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{}",
        "400\r\n".to_owned() + &"#".repeat(0x400) + "\r\n400\r\n" + &"#".repeat(0x400)
    );
    let cases = [
        ("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 9\r\n\r\nbusy 0.7\n".to_owned(), "status 503"),
        ("HTTP/1.1 302 Found\r\nlocation: /other\r\ncontent-length: 0\r\n\r\n".to_owned(), "status 302"),
        (ok(&long), "the answer has more than 1024 bytes"),
        (endless, "the answer has more than 1024 bytes"),
        (ok("busy nonsense\n"), "not well-formed"),
        (ok("busy -1\n"), "a value that cannot be"),
        (ok("idle 1\n"), "nothing that is read is in it"),
        ("busy 0.7\n".to_owned(), "invalid HTTP"),
        // Nothing comes: the timeout ends it.
        (String::new(), "no answer within 500ms"),
    ];
    for (number, (answer, reason)) in cases.into_iter().enumerate() {
        shows.answer(answer);
        let told = gateway.log.wait_for_all("load unknown", number + 1, |_| true).await;
        assert_eq!(told.len(), number + 1, "said again while it was so: {told:?}");
        let told = &told[number];
        assert_eq!((told.text("upstream"), told.text("endpoint")), ("app", "a"), "{reason}");
        assert!(told.text("reason").contains(reason), "{told:?} instead of {reason}");
        shows.show("busy 0.5\n");
        gateway.log.wait_for_all("load known", number + 1, |event| event.text("endpoint") == "a").await;
    }
    let scrape = gateway.shows(&[(&figure("a", "cpu"), 0.5)]).await;
    assert!(scrape.value(&reports("a", "failed")) >= 6.0 && scrape.value(&reports("a", "refused")) >= 3.0);
    assert_eq!(Client::h1(&gateway).await.get("/").await.status, 200);
}

#[tokio::test]
async fn who_is_asked_changes_with_the_configuration() {
    let mut shows = Shows::start("busy 0.5\nidle 0.25\n").await;
    let scrape = |series: &str| format!(r#"scrape = {{ interval = "20ms", series = {{ cpu = "{series}" }} }}"#);
    let configuration = |reported: &str| reporting(Configuration::at(&[("a", shows.address)]), reported);
    let (other, header) = (configuration(&scrape("idle")), configuration("header = true"));
    let gateway = Gateway::start(&configuration(&scrape("busy"))).await;
    gateway.shows(&[(&figure("a", "cpu"), 0.5)]).await;
    gateway.reload(&other.text()).await;
    gateway.shows(&[(&figure("a", "cpu"), 0.25)]).await;
    gateway.reload(&header.text()).await;
    // Those that were on their way by then come in, and no more.
    while shows.asked.try_recv().is_ok() {}
    let taken = gateway.scrape().await.value(&reports("a", "taken"));
    let second = tokio::time::timeout(std::time::Duration::from_millis(300), async {
        shows.asked.recv().await;
        shows.asked.recv().await
    });
    assert!(second.await.is_err(), "it is asked still");
    assert!(gateway.scrape().await.value(&reports("a", "taken")) <= taken + 1.0);
}
