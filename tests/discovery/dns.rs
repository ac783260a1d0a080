//! From the DNS.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::found;
use crate::harness::names::{Names, address, service};
use crate::harness::{Ask, Client, Configuration, Gateway, Origin, eventually, load};

const NAME: &str = "_http._tcp.app.internal.";

/// Asks that server, and waits for it at the start.
fn from_dns(names: &Names, more: &str) -> Configuration {
    found(&format!(r#"{{ dns = {{ name = "{NAME}", servers = ["{}"], {more} }} }}"#, names.address))
}

/// What says that these are there, with so much weight each.
fn services(origins: &[(&Origin, u16)]) -> Vec<hickory_resolver::proto::rr::Record> {
    let service =
        |(origin, weight): &(&Origin, u16)| service(NAME, 1, (0, *weight), "one.internal.", origin.address.port());
    let mut records: Vec<_> = origins.iter().map(service).collect();
    records.push(address("one.internal.", 1, Ipv4Addr::LOCALHOST.into()));
    records
}

#[tokio::test]
async fn shares_follow_what_the_dns_says_within_its_ttl_and_no_request_is_lost() {
    let [a, b, c] = Origin::several().await;
    let names = Names::start(services(&[(&a, 10), (&b, 30)])).await;
    let gateway = Arc::new(Gateway::start(&from_dns(&names, "").selection(r#"["weighted-round-robin"]"#)).await);
    let share = async |origin: &Origin| {
        let answers = load(&gateway, 4, 80, |_| Ask::get("/")).await;
        answers.iter().filter(|answer| answer.origin() == origin.name).count()
    };
    assert_eq!((share(&a).await, share(&b).await), (20, 60));

    let stop = Arc::new(AtomicBool::new(false));
    let clients = tokio::spawn({
        let (gateway, stop) = (gateway.clone(), stop.clone());
        async move {
            let mut client = Client::h2(&gateway).await;
            let mut asked = 0;
            while !stop.load(Ordering::Relaxed) {
                assert_eq!(client.get("/").await.status, 200);
                asked += 1;
            }
            asked
        }
    });
    for (one, other) in [(&c, &b), (&a, &c), (&b, &a)] {
        names.knows(services(&[(one, 30), (other, 10)]));
        let changed = Instant::now();
        eventually("the new shares", async || {
            let ports = gateway.upstream().await["endpoints"].to_string();
            let has = |origin: &Origin| ports.contains(&format!("127.0.0.1:{}\"", origin.address.port()));
            (has(one) && has(other)).then_some(())
        })
        .await;
        // Its TTL is a second; a busy machine takes a while longer.
        assert!(changed.elapsed() < Duration::from_secs(6), "{:?}", changed.elapsed());
        eventually("no other share", async || (share(one).await.abs_diff(60) <= 2).then_some(())).await;
    }
    stop.store(true, Ordering::Relaxed);
    assert!(clients.await.unwrap() > 10);
}

#[tokio::test]
async fn traffic_goes_on_while_nobody_answers() {
    let [a, b] = Origin::several().await;
    let names = Names::start(services(&[(&a, 1)])).await;
    let gateway = Gateway::start(&from_dns(&names, "")).await;
    let mut client = Client::h1(&gateway).await;
    assert_eq!(client.get("/").await.origin(), "a");
    names.is_silent(true);
    gateway.log.wait_for("discovery failed", |event| event.text("reason").contains("no answer")).await;
    assert_eq!(client.get("/").await.origin(), "a");
    // A name that is gone is somebody's mistake, more likely than not.
    names.knows(Vec::new());
    names.is_silent(false);
    gateway.log.wait_for("discovery failed", |event| event.text("reason").contains("has no addresses")).await;
    assert_eq!(client.get("/").await.origin(), "a");
    names.knows(services(&[(&b, 1)]));
    gateway.log.wait_for("discovery answers again", |_| true).await;
    gateway.has_endpoints(&[&b.address.to_string()]).await;
    assert_eq!(client.get("/").await.origin(), "b");
}

#[tokio::test]
async fn an_endpoint_that_does_not_answer_is_reason_to_ask_at_once() {
    let [a, b] = Origin::several().await;
    let hour = |origin: &Origin| {
        let mut records = services(&[(origin, 1)]);
        records.iter_mut().for_each(|record| record.ttl = 3_600);
        records
    };
    let names = Names::start(hour(&a)).await;
    let gateway = Gateway::start(&from_dns(&names, r#"least-ttl = "10ms", most-ttl = "1h""#)).await;
    let mut client = Client::h1(&gateway).await;
    assert_eq!(client.get("/").await.origin(), "a");
    let asked = names.asked();
    names.knows(hour(&b));
    assert_eq!(client.get("/").await.origin(), "a");
    assert_eq!(names.asked(), asked, "its TTL is not over");
    a.die().await;
    client.get("/").await;
    gateway.has_endpoints(&[&b.address.to_string()]).await;
    assert_eq!(client.get("/").await.origin(), "b");
}

#[tokio::test]
async fn all_addresses_of_a_name_are_endpoints_at_its_port_however_many_they_are() {
    let a = Origin::start("a").await;
    let mut records: Vec<_> =
        (1..=300_u32).map(|last| address(NAME, 60, IpAddr::from((10 << 24 | last).to_be_bytes()))).collect();
    records.push(address(NAME, 60, Ipv4Addr::LOCALHOST.into()));
    records.push(address(NAME, 60, "::1".parse().unwrap()));
    let names = Names::start(records.clone()).await;
    let port = a.address.port();
    let gateway = Gateway::start(&from_dns(&names, &format!("port = {port}"))).await;
    let ids = eventually("all of them", async || {
        let upstream = gateway.upstream().await;
        let ids: Vec<String> =
            upstream["endpoints"].as_array()?.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect();
        (ids.len() == records.len()).then_some(ids)
    })
    .await;
    assert!(ids.contains(&format!("10.0.0.1:{port}")) && ids.contains(&format!("[::1]:{port}")), "{ids:?}");
    // The same in another order is no change.
    names.knows(records.into_iter().rev().collect());
    let only_four = format!("port = {port}, families = \"ipv4\"");
    gateway.reload(&from_dns(&names, &only_four).text()).await;
    eventually("those of IPv4", async || {
        let upstream = gateway.upstream().await;
        (upstream["endpoints"].as_array()?.len() == 301).then_some(())
    })
    .await;
    let mut told = String::new();
    gateway.log.filter("endpoints found", |_| true).iter().for_each(|event| writeln!(told, "{event:?}").unwrap());
    assert!(told.contains("Number(302)") && told.contains("Number(301)"), "{told}");
}
