//! The endpoints of one upstream as its source tells them, one list after the other: published at most ten times a second, since each
//! is told to every plugin that selects; what comes in between counts with the next one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};
use tokio::time::{Instant as Moment, sleep, sleep_until};

use super::standing::Standings;
use super::teller::List;
use crate::endpoint::{Followed, Set};

/// Between two sets.
const PAUSE: Duration = Duration::from_millis(100);
/// Between two lines of the log that tell of changes, and between two looks at who has left.
const SECOND: Duration = Duration::from_secs(1);

/// What is kept up to date.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    /// The endpoints that serve.
    pub(super) set: Arc<Set>,
    /// How long what has left is remembered.
    pub(super) memory: Duration,
}

/// Keeps the set of one upstream.
#[derive(Debug)]
pub(super) struct Keeper {
    pub(super) upstream: Arc<str>,
    pub(super) source: String,
    pub(super) kept: watch::Receiver<Kept>,
    pub(super) found: watch::Receiver<Option<List>>,
    pub(super) standings: Arc<Standings>,
    /// Told of each change.
    pub(super) changed: Arc<Notify>,
    /// What has changed and was not said yet.
    pub(super) unsaid: Followed,
    /// When something was last said.
    pub(super) said: Option<Moment>,
}

impl Keeper {
    /// Until the source is asked no more.
    pub(super) async fn keep(&mut self) {
        loop {
            if self.publish() {
                sleep(PAUSE).await;
            }
            let due = self.said.map_or_else(Moment::now, |said| said + SECOND);
            tokio::select! {
                found = self.found.changed() => if found.is_err() { return },
                kept = self.kept.changed() => if kept.is_err() { return },
                () = sleep_until(due), if self.is_busy() => self.look(),
            }
        }
    }

    /// True while there is something to say or to forget.
    fn is_busy(&self) -> bool {
        !self.unsaid.is_nothing() || self.kept.borrow().set.remembers()
    }

    /// What was found last becomes what serves; true if it made a difference.
    fn publish(&mut self) -> bool {
        let kept = self.kept.borrow_and_update().clone();
        let Some(list) = self.found.borrow_and_update().clone() else { return false };
        let followed = kept.set.follow(list.to_vec(), Instant::now());
        self.standings.knows(&self.upstream);
        if followed.is_nothing() {
            return false;
        }
        self.standings.of(&self.upstream, |standing| standing.changes += 1);
        self.changed.notify_one();
        self.unsaid.joined += followed.joined;
        self.unsaid.left += followed.left;
        self.unsaid.changed += followed.changed;
        if self.said.is_none_or(|said| said.elapsed() >= SECOND) {
            self.say();
        }
        true
    }

    /// What is to be done now and then.
    fn look(&mut self) {
        let kept = self.kept.borrow().clone();
        kept.set.forget(Instant::now(), kept.memory);
        self.say();
    }

    fn say(&mut self) {
        self.said = Some(Moment::now());
        let Followed { joined, left, changed } = std::mem::take(&mut self.unsaid);
        if joined + left + changed > 0 {
            let endpoints = self.kept.borrow().set.load().endpoints.len();
            let (upstream, source) = (&self.upstream, &self.source);
            tracing::info!(target: "sluice", %upstream, %source, endpoints, joined, left, changed, "endpoints found");
        }
    }
}
