//! A gateway that begins takes the place of one that runs: its sockets with those who wait in them, and what its plugins keep.
//! The old one finishes what it has and ends; if the new one does not come up, nothing has happened.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustix::process::{Pid, Signal, kill_process};
use tokio::task::JoinSet;

use crate::harness::certificates;
use crate::harness::echo::SWITCH;
use crate::harness::{Ask, Client, Configuration, Echo, Gateway, Origin, Raw, component, eventually, within};

/// A request whose answer begins that session of the backend's own.
fn login(id: &str) -> Ask {
    Ask::get("/login").header("x-answer-with", &format!("set-cookie: JSESSIONID={id}; Path=/"))
}

fn of(id: &str) -> Ask {
    Ask::get("/").header("cookie", &format!("JSESSIONID={id}"))
}

#[tokio::test]
async fn a_successor_gets_the_sockets_and_the_old_one_ends_by_itself() {
    let origin = Origin::start("a").await;
    let configuration = Configuration::of(&[&origin]).tables("[admin]\naddress = \"127.0.0.1:0\"");
    let mut old = Gateway::start(&configuration).await;
    let mut kept = Client::h1(&old).await;
    assert_eq!(kept.get("/").await.status, 200);
    let new = old.successor().await;
    assert_eq!((new.secure, new.plain, new.admin().await), (old.secure, old.plain, old.admin().await));
    let event = new.log.wait_for("taken over", |_| true).await;
    assert_eq!(event.number("process"), u64::from(old.process()));
    let event = old.log.wait_for("handed over", |_| true).await;
    assert_eq!(event.number("process"), u64::from(new.process()));
    // A connection that idles is not closed under a request: it ends with its next answer.
    assert_eq!(kept.get("/").await.header("connection"), "close");
    assert_eq!(Client::h2(&new).await.get("/new").await.status, 200);
    new.exchange("/new").await;
    assert!(old.ended().await.success());
    new.log.wait_for("the one before has ended", |_| true).await;
    new.scrape().await;
    // It looks after its files, and can be taken over itself.
    let mut new = new;
    new.reload(&configuration.clone().route("timeouts = { connect = \"1s\" }").text()).await;
    let newest = new.successor().await;
    assert!(new.ended().await.success());
    assert_eq!(Client::h1(&newest).await.get("/").await.status, 200);
}

#[tokio::test]
async fn cells_and_store_come_along() {
    let origins: [Origin; 3] = Origin::several().await;
    let configuration = Configuration::of(&origins.each_ref()).selection(r#"["session-table", "round-robin"]"#);
    let mut old = Gateway::start(&configuration).await;
    let mut client = Client::h2(&old).await;
    let mut homes = Vec::new();
    for number in 0..10 {
        homes.push(client.ask(login(&format!("s{number}"))).await.origin().to_owned());
    }
    let new = old.successor().await;
    let event = new.log.wait_for("taken over", |_| true).await;
    assert!(event.number("uses") == 2 && event.number("entries") >= 10, "{event:?}");
    let mut client = Client::h2(&new).await;
    for (number, home) in homes.iter().enumerate() {
        assert_eq!(client.ask(of(&format!("s{number}"))).await.origin(), home);
    }
    // The cursor of rotation goes on where it was: ten requests were one more than three rounds.
    assert_eq!(client.get("/").await.origin(), homes[1]);
    assert!(old.ended().await.success());
}

#[tokio::test]
async fn what_the_old_one_still_learns_follows() {
    let origins: [Origin; 3] = Origin::several().await;
    let configuration = Configuration::of(&origins.each_ref()).selection(r#"["session-table", "round-robin"]"#);
    let mut old = Gateway::start(&configuration).await;
    for origin in &origins {
        origin.hold();
    }
    let mut client = Client::h1(&old).await;
    let learning = tokio::spawn(async move { client.ask(login("late")).await.origin().to_owned() });
    eventually("the request at an origin", async || origins.iter().any(|one| one.in_hand() > 0).then_some(())).await;
    let new = old.successor().await;
    for origin in &origins {
        origin.release();
    }
    let home = learning.await.unwrap();
    assert!(old.ended().await.success());
    new.log.wait_for("the one before has ended", |_| true).await;
    let mut client = Client::h1(&new).await;
    for _ in 0..6 {
        assert_eq!(client.ask(of("late")).await.origin(), home);
    }
}

#[tokio::test]
async fn one_that_does_not_come_up_changes_nothing() {
    let origin = Origin::start("a").await;
    let base = Configuration::of(&[&origin]);
    let mut old = Gateway::start(&base).await;
    let mut client = Client::h1(&old).await;
    assert_eq!(client.get("/").await.status, 200);
    // What is bad only for who begins: the one that runs has refused it, and serves what it had.
    old.refused_reload(&base.clone().selection(r#"["nobody"]"#).text()).await;
    let said = old.refused_successor();
    assert_eq!(said.status.code(), Some(1), "{said:?}");
    assert_eq!(client.get("/").await.status, 200);
    assert_eq!(Client::h2(&old).await.get("/").await.status, 200);
    assert_eq!((old.log.filter("handed over", |_| true), old.log.filter("draining", |_| true)), (vec![], vec![]));

    old.reload(&base.clone().route("timeouts = { connect = \"1s\" }").text()).await;
    let new = old.successor().await;
    assert!(client.get("/").await.header("connection") == "close" && old.ended().await.success());
    assert_eq!(Client::h1(&new).await.get("/").await.status, 200);
}

#[tokio::test]
async fn without_anybody_to_take_over_from_it_just_starts() {
    let origin = Origin::start("a").await;
    let take_over = |mut command: std::process::Command| {
        command.arg("--take-over");
        command
    };
    let gateway = Gateway::start_by(&Configuration::of(&[&origin]), take_over).await;
    gateway.log.wait_for("nobody to take over from", |_| true).await;
    assert_eq!(Client::h1(&gateway).await.get("/").await.status, 200);
}

/// It may take as long as its longest stream.
#[tokio::test]
async fn one_that_is_told_to_end_is_nobody_to_take_over_from() {
    let echo = Echo::answers(SWITCH).await;
    let configuration = Configuration::at(&[("echo", echo.address)]);
    let mut old = Gateway::start(&configuration).await;
    let upgrade = "GET / HTTP/1.1\r\nhost: app.test\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    let mut held = Raw::tls(&old).await;
    held.say(upgrade).await;
    held.hear_until("\r\n\r\n").await;
    let take_over = |mut command: std::process::Command| {
        command.arg("--take-over");
        command
    };
    let mut new = old.restarted_by(take_over).await;
    new.log.wait_for("nobody to take over from", |_| true).await;
    let mut raw = Raw::tls(&new).await;
    raw.say(upgrade).await;
    assert!(raw.hear_until("\r\n\r\n").await.starts_with("HTTP/1.1 101"));
    held.say("still there").await;
    assert_eq!(held.hear(11).await, b"still there");
    held.end().await;
    assert!(old.ended().await.success());
    // Its end has closed nobody else's door.
    drop(new.successor().await);
}

#[tokio::test]
async fn what_streams_goes_on_in_the_old_one() {
    let origin = Origin::start("a").await;
    let mut old = Gateway::start(&Configuration::of(&[&origin])).await;
    origin.hold();
    let mut streams = JoinSet::new();
    for number in 0..10 {
        let mut client = if number % 2 == 0 { Client::h1(&old).await } else { Client::h2(&old).await };
        streams.spawn(async move { client.get("/halves").await });
    }
    origin.holds(10).await;
    let new = old.successor().await;
    assert_eq!(Client::h1(&new).await.send(Ask::get("/halves")).await.unwrap().status(), 200);
    // Files are the new one's business.
    new.reload(&Configuration::of(&[&origin]).route("timeouts = { connect = \"1s\" }").text()).await;
    assert_eq!(old.log.filter("reload", |_| true), []);
    origin.release();
    for answer in streams.join_all().await {
        assert_eq!((answer.status.as_u16(), answer.text()), (200, "first half, second half"));
    }
    assert!(old.ended().await.success());
}

/// G6. Each process has another number of workers: those that have too few sockets share them, those that have too many have several.
#[tokio::test]
async fn workers_may_become_more_or_fewer_under_load_and_nobody_is_refused() {
    let origins: [Origin; 2] = Origin::several().await;
    let configuration = |workers| Configuration::of(&origins.each_ref()).workers(workers);
    let mut gateway = Gateway::start(&configuration(4)).await;
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut senders = JoinSet::new();
    for number in 0..6 {
        let (address, stop, answered) = (gateway.secure, stop.clone(), answered.clone());
        senders.spawn(async move {
            let protocol = if number % 2 == 0 { "h2" } else { "http/1.1" };
            let settings = Arc::new(certificates::client(&[protocol]));
            while !stop.load(Ordering::SeqCst) {
                let mut client = Client::try_over_tls(address, settings.clone()).await.unwrap();
                assert_eq!(client.get("/").await.status, 200);
                answered.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
    for workers in [2, 1, 3, 4] {
        gateway.put("sluice.toml", configuration(workers).text());
        let next = gateway.successor().await;
        let before = answered.load(Ordering::SeqCst);
        assert!(gateway.ended().await.success());
        eventually("load", async || (answered.load(Ordering::SeqCst) > before + 50).then_some(())).await;
        gateway = next;
    }
    stop.store(true, Ordering::SeqCst);
    within("the load's end", async { while senders.join_next().await.transpose().unwrap().is_some() {} }).await;
}

#[tokio::test]
async fn sigusr2_starts_a_successor() {
    let origin = Origin::start("a").await;
    let mut gateway = Gateway::start(&Configuration::of(&[&origin])).await;
    gateway.signal(Signal::USR2);
    let started = gateway.log.wait_for("successor started", |_| true).await.number("process");
    // It speaks through the same log.
    let event = gateway.log.wait_for("taken over", |_| true).await;
    assert_eq!(event.number("process"), u64::from(gateway.process()));
    gateway.may_end();
    assert!(gateway.ended().await.success());
    assert_eq!(Client::h1(&gateway).await.get("/").await.status, 200);
    let successor = Pid::from_raw(started as i32).unwrap();
    kill_process(successor, Signal::TERM).unwrap();
    gateway.log.wait_for_all("stopped", 2, |_| true).await;
}

/// G6: a second signal does not wait.
#[tokio::test]
async fn a_second_sigterm_ends_it_at_once() {
    let origin = Origin::start("a").await;
    let mut gateway = Gateway::start(&Configuration::of(&[&origin])).await;
    origin.hold();
    let mut client = Client::h1(&gateway).await;
    let held = tokio::spawn(async move { client.try_ask(Ask::get("/")).await });
    origin.holds(1).await;
    gateway.terminate();
    gateway.log.wait_for("draining", |_| true).await;
    gateway.terminate();
    assert_eq!(gateway.ended().await.code(), Some(1));
    assert!(held.await.unwrap().is_err());
}

#[tokio::test]
async fn plugins_find_what_was_kept_when_they_are_made() {
    let origin = Origin::start("a").await;
    let kept = Configuration::of(&[&origin]).plugin("kept", component("remembers")).response(r#"["kept"]"#);
    let mut old = Gateway::start(&kept).await;
    let made_before = async |gateway: &Gateway| -> u64 {
        Client::h1(gateway).await.get("/").await.header("x-before").parse().unwrap()
    };
    let mut latest = 0;
    for _ in 0..10 {
        latest = made_before(&old).await.max(latest);
    }
    let new = old.successor().await;
    for _ in 0..10 {
        assert!(made_before(&new).await > latest, "an instance that found nothing, or not all of it");
    }
    assert!(old.ended().await.success());
}
