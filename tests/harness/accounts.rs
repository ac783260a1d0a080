//! Every request by its number, in the books of both sides: clients that want exactly one answer to each, with that number in
//! it, and what origins have written down.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::process::{Books, NUMBER, ROUTED};
use super::{Answer, Ask, Client, certificates, within};

/// One request of so many is a POST.
const POST: u64 = 4;
/// So many failures are enough.
const ENOUGH: u64 = 20;
/// How often a client takes another connection for a request that it could not send.
const TRIES: u64 = 10;

/// How a client connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// HTTP/1.1, one request after the other.
    Kept,
    /// HTTP/1.1, a connection for each request.
    Fresh,
    /// HTTP/2, several requests at a time over one connection.
    H2,
}

const WAYS: [Way; 3] = [Way::Kept, Way::Fresh, Way::H2];
/// So many clients share a connection of HTTP/2.
const SHARE: usize = 4;

/// A connection, between two requests or, over HTTP/2, beside them.
type Line = Arc<Mutex<Option<Client>>>;

/// What became of requests.
#[derive(Debug, Default)]
pub struct Tally {
    /// Numbers of those with the right answer.
    answered: Vec<u64>,
    /// POSTs that were answered with 502 where an origin was killed: whether they had come to it could not be known.
    unknown: Vec<u64>,
    pub connections: u64,
    /// Requests that went over another connection, since theirs had ended before they were sent, or its GOAWAY said that nobody
    /// had begun with them (RFC 9113 §6.8).
    pub moved: u64,
    /// Everything else.
    pub failures: Vec<String>,
}

impl Tally {
    pub fn answered(&self) -> usize {
        self.answered.len()
    }

    pub fn posts(&self) -> usize {
        self.answered.iter().filter(|number| is_post(**number)).count()
    }

    pub fn unknown(&self) -> usize {
        self.unknown.len()
    }

    fn add(&mut self, other: Self) {
        self.answered.extend(other.answered);
        self.unknown.extend(other.unknown);
        self.connections += other.connections;
        self.moved += other.moved;
        self.failures.extend(other.failures);
    }
}

/// A GOAWAY that was no fault of anybody's has left it out.
fn is_left_out(error: &hyper::Error) -> bool {
    let said = error.source().and_then(|source| source.downcast_ref::<h2::Error>());
    said.is_some_and(|said| said.is_go_away() && said.is_remote() && said.reason() == Some(h2::Reason::NO_ERROR))
}

fn is_post(number: u64) -> bool {
    number.is_multiple_of(POST)
}

/// Clients at work.
pub struct Clients {
    shared: Arc<Shared>,
    senders: JoinSet<Tally>,
    began: Instant,
}

struct Shared {
    address: SocketAddr,
    next: AtomicU64,
    answered: AtomicU64,
    failures: AtomicU64,
    stop: AtomicBool,
    /// Origins are killed now and then.
    kills: bool,
    /// How clients connect. They resume sessions where they can.
    http1: Arc<ClientConfig>,
    h2: Arc<ClientConfig>,
}

impl Clients {
    /// So many of each way, each with one request at a time.
    pub fn start(address: SocketAddr, each: usize, kills: bool) -> Self {
        let [http1, h2] = ["http/1.1", "h2"].map(|protocol| Arc::new(certificates::client(&[protocol])));
        let [next, answered, failures] = Default::default();
        let shared = Shared { address, next, answered, failures, stop: AtomicBool::default(), kills, http1, h2 };
        let (shared, mut senders) = (Arc::new(shared), JoinSet::new());
        for way in WAYS {
            let shares = if way == Way::H2 { SHARE } else { 1 };
            let lines: Vec<Line> = (0..each.div_ceil(shares)).map(|_| Line::default()).collect();
            for number in 0..each {
                senders.spawn(send(shared.clone(), way, lines[number / shares].clone()));
            }
        }
        Self { shared, senders, began: Instant::now() }
    }

    pub fn answered(&self) -> u64 {
        self.shared.answered.load(Ordering::SeqCst)
    }

    /// For how long they have been at it.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Waits until so many more were answered, or too many were not.
    pub async fn pass(&self, more: u64) {
        let mut seen = self.answered();
        let until = seen + more;
        while seen < until && !self.shared.has_enough() {
            within("one more answer", async {
                while self.answered() == seen && !self.shared.has_enough() {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            })
            .await;
            seen = self.answered();
        }
    }

    /// Lets them finish, and gives what became of all requests, held against the books of the origins.
    pub async fn finish(self, books: &Books) -> Tally {
        self.shared.stop.store(true, Ordering::SeqCst);
        let mut all = Tally::default();
        self.senders.join_all().await.into_iter().for_each(|tally| all.add(tally));
        let counts = books.counts(self.shared.next.load(Ordering::SeqCst));
        let came = |number: u64| counts[usize::try_from(number).unwrap()];
        // A GET may be sent again where an origin has died; nothing else ever is.
        let once = |number: u64| came(number) == 1 || came(number) > 1 && self.shared.kills && !is_post(number);
        let wrong = all.answered.iter().filter(|number| !once(**number));
        let wrong = wrong.chain(all.unknown.iter().filter(|number| came(**number) > 1));
        let wrong = wrong.map(|number| format!("{number} came {} times", came(*number)));
        all.failures.extend(wrong.collect::<Vec<_>>());
        all
    }
}

async fn send(shared: Arc<Shared>, way: Way, line: Line) -> Tally {
    let mut tally = Tally::default();
    while !shared.stop.load(Ordering::SeqCst) && !shared.has_enough() {
        let number = shared.next.fetch_add(1, Ordering::SeqCst);
        let began = Instant::now();
        let outcome = shared.exchange(way, number, &line, &mut tally).await;
        match outcome.and_then(|answer| shared.verdict(number, &answer)) {
            Ok(true) => tally.answered.push(number),
            Ok(false) => tally.unknown.push(number),
            Err(failure) => {
                shared.failures.fetch_add(1, Ordering::SeqCst);
                tally.failures.push(format!("{number}, {way:?}, after {:?}: {failure}", began.elapsed()));
                continue;
            }
        }
        shared.answered.fetch_add(1, Ordering::SeqCst);
    }
    tally
}

impl Shared {
    fn has_enough(&self) -> bool {
        self.failures.load(Ordering::SeqCst) >= ENOUGH
    }

    /// One request and its answer. One that nobody has got goes over another connection, as every client does it; the books
    /// say whether that was true.
    async fn exchange(&self, way: Way, number: u64, line: &Line, tally: &mut Tally) -> Result<Answer, String> {
        for _ in 0..TRIES {
            let mut client = self.connection(way, line, tally).await?;
            let id = number.to_string();
            let path = format!("/{id}");
            let ask = if is_post(number) { Ask::post(&path, id.clone()) } else { Ask::get(&path) };
            match client.try_ask(ask.header(NUMBER, &id)).await {
                Ok(answer) => {
                    if way == Way::Kept {
                        *line.lock().await = Some(client);
                    }
                    return Ok(answer);
                }
                Err(error) if error.is_canceled() || is_left_out(&error) => tally.moved += 1,
                Err(error) => return Err(format!("no answer: {error:?}")),
            }
        }
        Err("all connections end at once".to_owned())
    }

    /// The one of before if it is still open, else a new one.
    async fn connection(&self, way: Way, line: &Line, tally: &mut Tally) -> Result<Client, String> {
        let mut line = line.lock().await;
        let mut kept = line.take();
        if let Some(client) = &mut kept
            && !client.is_open().await
        {
            kept = None;
        }
        let client = match kept {
            Some(client) => client,
            None => {
                tally.connections += 1;
                let settings = if way == Way::H2 { &self.h2 } else { &self.http1 };
                let opened = Client::try_over_tls(self.address, settings.clone()).await;
                opened.map_err(|error| format!("no connection: {error}"))?
            }
        };
        *line = client.again();
        Ok(client)
    }

    /// True if it is the right answer, from one version of the plugins; false if nobody can know it.
    fn verdict(&self, number: u64, answer: &Answer) -> Result<bool, String> {
        if self.kills && is_post(number) && answer.status == 502 {
            return Ok(false);
        }
        let stamps: Vec<&str> =
            [ROUTED, "x-selected-by", "x-answered-by"].into_iter().flat_map(|name| answer.headers(name)).collect();
        let is_of_one_version = stamps.len() >= 3 && stamps.iter().all(|stamp| *stamp == stamps[0]);
        match answer.status == 200 && answer.text() == number.to_string() && is_of_one_version {
            true => Ok(true),
            false => Err(format!("{answer:?}")),
        }
    }
}
