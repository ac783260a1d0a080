//! The last exchanges of one worker, with what was decided on their way, for operators who ask why. The worker keeps them for
//! itself and hands out copies when it is asked, so an exchange takes no lock for it; it costs what it takes to write its steps
//! down and to let the oldest one go. Those where something did not go by the first word have a place of their own, so that
//! the many others do not drive them out.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::recorded::Recorded;
use super::trace::TraceId;

/// What a use said when it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// No opinion, or nothing more to be done.
    Pass,
    /// An upstream, or an endpoint.
    Chose,
    /// The gateway is to answer with that status.
    Answered(u16),
    /// Another endpoint is to be asked.
    Retry,
    /// Nothing that makes sense: the kind of its failure.
    Failed(&'static str),
}

/// Something that was decided, or tried. `N` names a use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step<N = usize> {
    /// A use was asked.
    Asked {
        /// Which: its position in the configuration, or its name.
        name: N,
        /// In which hook.
        hook: &'static str,
        /// Its answer.
        said: Said,
    },
    /// An endpoint got the request.
    Tried {
        /// Its id.
        endpoint: Arc<str>,
        /// From the choice to the head of its answer, or to what came instead.
        took: Duration,
        /// Of its answer; 0: none came.
        status: u16,
    },
}

/// An exchange that is over. `N` names a use, `T` says when it began.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "as in the record of an exchange")]
pub struct Passed<N = usize, T = Instant> {
    pub started: T,
    pub duration: Duration,
    pub client: Option<IpAddr>,
    pub method: http::Method,
    pub host: String,
    pub path: String,
    pub route: Arc<str>,
    pub upstream: Arc<str>,
    pub endpoint: Arc<str>,
    pub chosen_by: Arc<str>,
    pub attempts: u32,
    pub status: u16,
    pub queued: Duration,
    pub upstream_time: Duration,
    pub received: u64,
    pub sent: u64,
    pub trace: Option<TraceId>,
    pub recorded: Option<Arc<Recorded>>,
    pub why: Vec<String>,
    pub steps: Vec<Step<N>>,
}

/// The same where it can be told: names in full, times in microseconds since 1970.
pub type Told = Passed<Arc<str>, u64>;

/// Where exchanges are kept that go by one configuration.
#[derive(Debug)]
pub struct Recent {
    ring: Rc<Ring>,
    /// Of uses, by their positions.
    names: Rc<[Arc<str>]>,
}

/// The exchanges, over all configurations.
#[derive(Debug, Default)]
struct Ring {
    /// Of each kind.
    most: Cell<usize>,
    smooth: RefCell<VecDeque<Kept>>,
    rough: RefCell<VecDeque<Kept>>,
}

#[derive(Debug)]
struct Kept {
    passed: Passed,
    names: Rc<[Arc<str>]>,
}

impl Recent {
    /// For `most` exchanges of each kind, by a configuration whose uses have these names; after `before`.
    pub fn new(most: usize, names: impl Iterator<Item = Arc<str>>, before: Option<&Self>) -> Rc<Self> {
        let ring = before.map(|before| before.ring.clone()).unwrap_or_default();
        ring.most.set(most);
        Rc::new(Self { ring, names: names.collect() })
    }

    /// Keeps one; the oldest of its kind goes where there are too many.
    pub fn keep(&self, passed: Passed) {
        let is_rough = !passed.why.is_empty() || passed.status == 0 || passed.status >= 500;
        let mut ring = if is_rough { self.ring.rough.borrow_mut() } else { self.ring.smooth.borrow_mut() };
        while ring.len() >= self.ring.most.get().max(1) {
            ring.pop_front();
        }
        ring.push_back(Kept { passed, names: self.names.clone() });
    }

    /// All of them, in no order; `when` says when a moment was.
    pub fn told(&self, when: impl Fn(Instant) -> u64) -> Vec<Told> {
        let rings = [&self.ring.smooth, &self.ring.rough];
        rings.iter().flat_map(|ring| ring.borrow().iter().map(|kept| kept.told(&when)).collect::<Vec<_>>()).collect()
    }
}

impl Kept {
    fn told(&self, when: impl Fn(Instant) -> u64) -> Told {
        let name = |place: &usize| self.names.get(*place).cloned().unwrap_or_default();
        let step = |step: &Step| match step {
            Step::Asked { name: place, hook, said } => Step::Asked { name: name(place), hook, said: *said },
            Step::Tried { endpoint, took, status } => {
                Step::Tried { endpoint: endpoint.clone(), took: *took, status: *status }
            }
        };
        let passed = &self.passed;
        Passed {
            started: when(passed.started),
            duration: passed.duration,
            client: passed.client,
            method: passed.method.clone(),
            host: passed.host.clone(),
            path: passed.path.clone(),
            route: passed.route.clone(),
            upstream: passed.upstream.clone(),
            endpoint: passed.endpoint.clone(),
            chosen_by: passed.chosen_by.clone(),
            attempts: passed.attempts,
            status: passed.status,
            queued: passed.queued,
            upstream_time: passed.upstream_time,
            received: passed.received,
            sent: passed.sent,
            trace: passed.trace,
            recorded: passed.recorded.clone(),
            why: passed.why.clone(),
            steps: passed.steps.iter().map(step).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(path: &str, status: u16, steps: Vec<Step>) -> Passed {
        Passed {
            started: Instant::now(),
            duration: Duration::ZERO,
            client: None,
            method: http::Method::GET,
            host: String::new(),
            path: path.to_owned(),
            route: Arc::default(),
            upstream: Arc::default(),
            endpoint: Arc::default(),
            chosen_by: Arc::default(),
            attempts: 1,
            status,
            queued: Duration::ZERO,
            upstream_time: Duration::ZERO,
            received: 0,
            sent: 0,
            trace: None,
            recorded: None,
            why: Vec::new(),
            steps,
        }
    }

    #[test]
    fn the_last_ones_are_kept_and_those_that_went_wrong_apart() {
        let recent = Recent::new(2, ["u".into(), "v".into()].into_iter(), None);
        let asked = Step::Asked { name: 1, hook: "routing", said: Said::Pass };
        recent.keep(passed("failed", 502, vec![asked.clone()]));
        ["1", "2", "3"].iter().for_each(|path| recent.keep(passed(path, 200, vec![asked.clone()])));
        let paths = |recent: &Recent| recent.told(|_| 7).into_iter().map(|told| told.path).collect::<Vec<_>>();
        assert_eq!(paths(&recent), ["2", "3", "failed"]);
        // After a reload names are others, and what was kept keeps its own.
        let after = Recent::new(1, ["w".into()].into_iter(), Some(&recent));
        let steps = after.told(|_| 7).remove(0).steps;
        assert_eq!(steps, [Step::Asked { name: "v".into(), hook: "routing", said: Said::Pass }]);
        after.keep(passed("4", 200, Vec::new()));
        assert_eq!(paths(&after), ["4", "failed"]);
        assert_eq!(after.told(|_| 7)[0].started, 7);
    }
}
