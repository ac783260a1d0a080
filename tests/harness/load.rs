//! Many requests over several connections at once.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::{Answer, Ask, Client, Gateway};

/// Sends the requests that `ask` makes of the numbers from 0, each connection as fast as answers come; gives the
/// answers by number. Connections take turns at HTTP/1.1 and HTTP/2, all over TLS.
pub async fn load(
    gateway: &Gateway,
    connections: usize,
    requests: usize,
    ask: impl Fn(usize) -> Ask + Send + Sync + 'static,
) -> Vec<Answer> {
    let ask = Arc::new(ask);
    let mut tasks = JoinSet::new();
    for connection in 0..connections {
        let mut client = match connection % 2 {
            0 => Client::h1(gateway).await,
            _ => Client::h2(gateway).await,
        };
        let ask = ask.clone();
        tasks.spawn(async move {
            let mut answers = Vec::new();
            for number in (connection..requests).step_by(connections) {
                answers.push((number, client.ask(ask(number)).await));
            }
            answers
        });
    }
    let mut answers: Vec<(usize, Answer)> = tasks.join_all().await.into_iter().flatten().collect();
    answers.sort_by_key(|(number, _)| *number);
    answers.into_iter().map(|(_, answer)| answer).collect()
}
