//! Sessions of the backends themselves: learned from what they answer, and kept without a cookie of the gateway's.

use crate::harness::guests::{built_in, retouched};
use crate::harness::{Answer, Ask, Client, Configuration, Gateway, Origin};

const CHAIN: &str = r#"["session-table", "round-robin"]"#;

/// A request whose answer begins that session.
fn login(id: &str) -> Ask {
    Ask::get("/login").header("x-answer-with", &format!("set-cookie: JSESSIONID={id}; Path=/; HttpOnly"))
}

fn of(id: &str) -> Ask {
    Ask::get("/").header("cookie", &format!("other=1; JSESSIONID={id}"))
}

/// Ten requests of that session over connections of both workers, all answered by one; gives its name.
async fn home(gateway: &Gateway, id: &str) -> String {
    let mut names = std::collections::BTreeSet::new();
    for connection in 0..10 {
        let mut client = if connection % 2 == 0 { Client::h1(gateway).await } else { Client::h2(gateway).await };
        let answer = client.ask(of(id)).await;
        assert_eq!((answer.status.as_u16(), answer.header("set-cookie")), (200, ""));
        names.insert(answer.origin().to_owned());
    }
    assert_eq!(names.len(), 1, "session {id} was served by {names:?}");
    names.pop_first().unwrap()
}

/// Six sessions, two of each endpoint, as rotation has it.
async fn six_sessions(gateway: &Gateway) -> Vec<(String, Answer)> {
    let mut client = Client::h2(gateway).await;
    let mut sessions = Vec::new();
    for number in 0..6 {
        let id = format!("session-{number}");
        let answer = client.ask(login(&id)).await;
        assert_eq!(answer.headers("set-cookie"), [format!("JSESSIONID={id}; Path=/; HttpOnly")], "nothing is added");
        sessions.push((id, answer));
    }
    sessions
}

#[tokio::test]
async fn sessions_are_learned_from_jsessionid_and_kept_through_swaps_by_both_workers() {
    let origins: [Origin; 3] = Origin::several().await;
    let table = built_in("session-table");
    let configuration = Configuration::of(&origins.each_ref()).plugin("table", table.clone());
    let gateway = Gateway::start(&configuration.selection(r#"["table", "round-robin"]"#)).await;
    let sessions = six_sessions(&gateway).await;
    for mark in ["second", "third", ""] {
        for (id, login) in &sessions {
            assert_eq!(home(&gateway, id).await, login.origin());
        }
        if !mark.is_empty() {
            gateway.swap("table", &retouched(&table, mark), &["app/selection/table"]).await;
        }
    }
    let exchanges = gateway.exchanges(6 + 3 * 60).await;
    let workers: std::collections::BTreeSet<_> = exchanges.iter().map(|event| event.number("worker")).collect();
    assert_eq!(workers.len(), 2, "all connections went to one worker");
    assert!(exchanges[6..].iter().all(|event| event.text("chosen_by") == "app/selection/table"));
}

#[tokio::test]
async fn a_session_that_no_backend_has_named_is_balanced() {
    let origins: [Origin; 3] = Origin::several().await;
    let gateway = Gateway::start(&Configuration::of(&origins.each_ref()).selection(CHAIN)).await;
    let mut client = Client::h1(&gateway).await;
    for due in ["a", "b", "c", "a", "b", "c"] {
        assert_eq!(client.ask(of("forged")).await.origin(), due);
    }
    assert!(gateway.exchanges(6).await.iter().all(|event| event.text("chosen_by") == "app/selection/round-robin"));
}

#[tokio::test]
async fn a_session_of_a_dead_endpoint_goes_to_another_and_stays_there() {
    let origins: [Origin; 3] = Origin::several().await;
    let gateway = Gateway::start(&Configuration::of(&origins.each_ref()).selection(CHAIN)).await;
    let sessions = six_sessions(&gateway).await;
    let (id, login) = &sessions[0];
    origins.iter().find(|origin| origin.name == login.origin()).unwrap().die().await;
    let new_home = home(&gateway, id).await;
    assert_ne!(new_home, login.origin());
    let (id, login) = &sessions[1];
    assert_eq!(home(&gateway, id).await, login.origin(), "others stay");
}

#[tokio::test]
async fn a_session_may_be_carried_by_a_header() {
    let origins: [Origin; 3] = Origin::several().await;
    let chain =
        r#"[{ plugin = "session-table", config = { session = { header = "mcp-session-id" } } }, "round-robin"]"#;
    let gateway = Gateway::start(&Configuration::of(&origins.each_ref()).selection(chain)).await;
    let mut client = Client::h1(&gateway).await;
    let begun = client.ask(Ask::post("/mcp", "{}").header("x-answer-with", "mcp-session-id: one")).await;
    for _ in 0..10 {
        assert_eq!(client.ask(Ask::get("/mcp").header("mcp-session-id", "one")).await.origin(), begun.origin());
    }
}
