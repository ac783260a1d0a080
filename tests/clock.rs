//! The time of day jumps: what waits is measured by a clock that does not.

use std::time::{Duration, SystemTime};

use crate::harness::clock::Clock;
use crate::harness::{Ask, Client, Configuration, Gateway, Origin};

const DAY: i64 = 86_400;

/// G8
#[tokio::test]
async fn g8_a_clock_that_jumps_by_days_cuts_off_nobody_and_swaps_nothing() {
    let Some(clock) = Clock::build() else { return };
    let origin = Origin::start("a").await;
    // A session is sealed with the time of day.
    let sticky = Configuration::of(&[&origin]).selection(r#"["sticky-session", "round-robin"]"#);
    let configuration = sticky.response(r#"["sticky-session"]"#).tables("[admin]\naddress = \"127.0.0.1:0\"");
    let gateway = Gateway::start_by(&configuration, |command| clock.drives(command)).await;
    let mut clients = [Client::h1(&gateway).await, Client::h2(&gateway).await, Client::plain(&gateway).await];
    for client in &mut clients {
        assert_eq!(client.get("/").await.status, 200);
    }
    for ahead in [DAY, -DAY, 400 * DAY, 0] {
        origin.hold();
        let mut client = Client::h1(&gateway).await;
        let held = tokio::spawn(async move { client.get("/held").await });
        origin.holds(1).await;
        clock.jumps(ahead);
        // Whatever looks at a clock has looked: the longest wait between two looks is a second.
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        origin.release();
        assert_eq!(held.await.unwrap().status, 200, "{ahead}");
        for client in &mut clients {
            assert_eq!(client.get("/").await.status, 200, "{ahead}: a connection of before");
        }
        assert_eq!(Client::h2(&gateway).await.get("/").await.status, 200, "{ahead}: a new one");
        gateway.reload(&configuration.clone().tables(&format!("# {ahead}")).text()).await;
    }
    let scrape = gateway.scrape().await;
    assert_eq!(scrape.value("sluice_connections_shed_total"), 0.0);
    assert_eq!(scrape.value(r#"sluice_clients_cut_total{reason="stalled"}"#), 0.0);
}

/// G8: so that the test above tries what it says.
#[tokio::test]
async fn g8_answers_go_by_the_clock_that_jumps() {
    let Some(clock) = Clock::build() else { return };
    clock.jumps(DAY);
    let origin = Origin::start("a").await;
    let gateway = Gateway::start_by(&Configuration::of(&[&origin]), |command| clock.drives(command)).await;
    // The gateway's own answer.
    let answer = Client::h1(&gateway).await.ask(Ask::new("TRACE", "/")).await;
    let date = httpdate::parse_http_date(answer.header("date")).unwrap();
    let ahead = date.duration_since(SystemTime::now()).unwrap();
    assert!(ahead > Duration::from_secs(DAY as u64 - 600), "{ahead:?}");
}
