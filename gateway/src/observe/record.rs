//! The record of one exchange, and the access line that it becomes when it is dropped: whatever happened, there is one line
//! for each exchange, and it is counted once. It holds no header values, so no credential can get into a log.

use std::cell::Cell;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::recent::{self, Recent, Said, Step};
use super::recorded::Recorded;
use super::trace::{Deed, Span, TraceId, Traced, span_id};
use super::{Again, Bound, Busy, Cut, Passed, Traffic, Turn};

/// What is known of one exchange.
#[derive(Debug)]
pub struct Record {
    /// When its head was complete.
    pub started: Instant,
    /// The worker that served it.
    pub worker: usize,
    /// The client, after trusted proxies.
    pub client: Option<IpAddr>,
    /// Its method.
    pub method: http::Method,
    /// The path in normal form, without the query.
    pub path: String,
    /// The host that it asked for.
    pub host: String,
    /// The route's figures, with its name; those of no route if none fits.
    pub traffic: Arc<Traffic>,
    /// Name of the upstream; empty without one.
    pub upstream: Arc<str>,
    /// Id of the last endpoint tried; empty without one.
    pub endpoint: Arc<str>,
    /// The use that chose it, or `fallback`; empty without one.
    pub chosen_by: Arc<str>,
    /// How often a request was sent, or tried to be.
    pub attempts: u32,
    /// Why it was sent once more, how often.
    retries: [u32; Again::ALL.len()],
    /// The bound that it was refused by; none if it was not.
    pub refused: Option<Bound>,
    /// How long it has waited before a full upstream.
    pub queued: Duration,
    /// From the last choice to the response head.
    pub upstream_time: Duration,
    /// What the client got; 0: it went away before.
    pub status: u16,
    /// Body bytes from the client, still counting while it sends; none if it sends none.
    pub received: Option<Rc<Cell<u64>>>,
    /// Body bytes to the client.
    pub bytes_out: u64,
    /// What did not go by the first word, in order: `app/selection/x: trap: …`, `overridden: full`, and so on.
    pub why: Vec<String>,
    /// Whether to write a line at all.
    pub logged: bool,
    /// When it was over, if somebody has looked at the clock then.
    pub ended: Option<Instant>,
    /// Keeps the connection busy until then.
    busy: Busy,
    /// Where it is kept when it is over; none: nowhere.
    recent: Option<Rc<Recent>>,
    /// What was decided and tried on its way, if anybody wants to know.
    steps: Option<Vec<Step>>,
    /// All of it, where somebody wants that.
    pub recorded: Option<Box<Recorded>>,
    /// What is told of it to a collector, if anything is.
    pub traced: Option<Box<Traced>>,
}

impl Record {
    /// For an exchange that begins now; `traffic` is what it counts to until its route is known.
    pub fn new(
        worker: usize,
        logged: bool,
        traffic: Arc<Traffic>,
        busy: Busy,
        recent: Option<Rc<Recent>>,
    ) -> Box<Self> {
        Box::new(Self {
            started: Instant::now(),
            worker,
            client: None,
            method: http::Method::GET,
            path: String::new(),
            host: String::new(),
            traffic,
            upstream: Arc::default(),
            endpoint: Arc::default(),
            chosen_by: Arc::default(),
            attempts: 0,
            retries: [0; _],
            refused: None,
            queued: Duration::ZERO,
            upstream_time: Duration::ZERO,
            status: 0,
            received: None,
            bytes_out: 0,
            why: Vec::new(),
            logged,
            ended: None,
            busy,
            steps: recent.is_some().then(Vec::new),
            recorded: None,
            traced: None,
            recent,
        })
    }

    /// The head of the answer goes out; what is still to come streams.
    pub fn answered(&mut self, status: u16) {
        self.status = status;
        self.busy.answered();
    }

    /// Notes whose turn it is: that of the client, who has got so many bytes, or that of the endpoint.
    pub fn turn(&self, turn: Turn) {
        self.busy.note(turn);
    }

    /// Why the client was cut off, if it was.
    pub fn is_cut(&self) -> Option<Cut> {
        self.busy.is_cut()
    }

    /// Notes its steps, also where it is not kept.
    pub fn notes_steps(&mut self) {
        self.steps.get_or_insert_default();
    }

    /// True if somebody reads what it is called: its host and path.
    pub fn is_read(&self) -> bool {
        self.logged || self.recent.is_some() || self.traced.is_some()
    }

    /// Notes what the use at that position has said in a hook.
    pub fn asked(&mut self, name: usize, hook: &'static str, said: impl FnOnce() -> Said) {
        self.step(|| Step::Asked { name, hook, said: said() });
    }

    /// When what is done now begins, where its time is told.
    pub fn since(&self) -> Option<Instant> {
        self.traced.is_some().then(Instant::now)
    }

    /// Notes what has ended just now, where it is told.
    pub fn did(&mut self, began: Option<Instant>, what: impl FnOnce() -> Deed) {
        if let (Some(traced), Some(began)) = (&mut self.traced, began) {
            traced.did(Span { id: span_id(), began, ended: Instant::now(), what: what() });
        }
    }

    /// Notes a step, if anybody wants to know.
    pub fn step(&mut self, step: impl FnOnce() -> Step) {
        // An exchange has a few; what is beyond that says nothing new.
        if let Some(steps) = self.steps.as_mut().filter(|steps| steps.len() < 64) {
            if steps.is_empty() {
                steps.reserve_exact(6);
            }
            steps.push(step());
        }
    }

    /// What was noted.
    pub fn steps(&self) -> &[Step] {
        self.steps.as_deref().unwrap_or_default()
    }

    /// Counts that it is sent once more.
    pub fn again(&mut self, why: Again) {
        self.retries.get_mut(why as usize).into_iter().for_each(|count| *count += 1);
        if let Some(traced) = &mut self.traced {
            traced.again = Some(why);
        }
    }

    /// Notes why something did not go by the first word.
    pub fn note(&mut self, why: String) {
        // An exchange has a few hooks and attempts; what is beyond that says nothing new.
        if self.why.len() < 16 {
            self.why.push(why);
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let ended = self.ended.unwrap_or_else(Instant::now);
        self.busy.until(ended);
        let passed = Passed {
            status: self.status,
            duration: ended.saturating_duration_since(self.started),
            retries: self.retries,
            refused: self.refused,
            received: self.received.as_ref().map_or(0, |received| received.get()),
            sent: self.bytes_out,
        };
        self.traffic.count(self.worker, &passed);
        if self.logged {
            self.log(&passed);
        }
        match (self.recent.take(), self.traced.take()) {
            (None, None) => {}
            (Some(recent), None) => recent.keep(self.kept(&passed, None)),
            (recent, Some(traced)) => {
                let mut kept = self.kept(&passed, Some(traced.id()));
                if let Some(recent) = recent {
                    recent.keep(kept.clone());
                }
                (kept.steps, kept.recorded) = (Vec::new(), None);
                traced.ended(kept);
            }
        }
    }
}

impl Record {
    fn log(&self, passed: &Passed) {
        tracing::info!(
            target: "access",
            status = self.status,
            method = self.method.as_str(),
            host = self.host,
            path = self.path,
            client = self.client.map(tracing::field::display),
            route = &*self.traffic.route,
            upstream = &*self.upstream,
            endpoint = &*self.endpoint,
            chosen_by = &*self.chosen_by,
            attempts = self.attempts,
            duration_us = passed.duration.as_micros() as u64,
            upstream_us = self.upstream_time.as_micros() as u64,
            queued_us = self.queued.as_micros() as u64,
            bytes_in = passed.received,
            bytes_out = self.bytes_out,
            worker = self.worker,
            trace = self.traced.as_ref().map(|traced| format!("{:032x}", traced.id())),
            why = self.why.join("; "),
            "exchange"
        );
    }

    /// What is kept of it; nothing of that is needed here any more.
    fn kept(&mut self, passed: &Passed, trace: Option<TraceId>) -> recent::Passed {
        recent::Passed {
            started: self.started,
            duration: passed.duration,
            client: self.client,
            method: std::mem::take(&mut self.method),
            host: std::mem::take(&mut self.host),
            path: std::mem::take(&mut self.path),
            route: self.traffic.route.clone(),
            upstream: std::mem::take(&mut self.upstream),
            endpoint: std::mem::take(&mut self.endpoint),
            chosen_by: std::mem::take(&mut self.chosen_by),
            attempts: self.attempts,
            status: self.status,
            queued: self.queued,
            upstream_time: self.upstream_time,
            received: passed.received,
            sent: passed.sent,
            trace,
            recorded: self.recorded.take().map(Arc::from),
            why: std::mem::take(&mut self.why),
            steps: self.steps.take().unwrap_or_default(),
        }
    }
}
