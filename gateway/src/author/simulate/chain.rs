//! The plugins of a policy on one gateway, asked as an upstream's `selection` is: the first that has an opinion wins, if the host takes it;
//! where none has, the host draws. Those with a response hook see the answer, the last one first.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, StatusCode};

use crate::author::{Rig, Setting, Stage, Workshop};
use crate::endpoint::Endpoint;
use crate::message::RequestHead;
use crate::plugin::{Ended, Failure, Hook, LoadError, Outcome, Plugin, ResponseHead, Selected};

/// A plugin of a policy, with its configuration as JSON text.
pub(super) type Played = (Arc<Plugin>, String);

/// The plugins in their order.
#[derive(Debug)]
pub(super) struct Chain {
    links: Vec<Link>,
    responds: bool,
}

#[derive(Debug)]
struct Link {
    rig: Rig,
    wants_outcomes: bool,
}

/// What a chain says to a request.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// Where it goes, by the chain's word or the host's.
    pub(super) endpoint: Option<usize>,
    /// Nobody had an opinion.
    pub(super) passed: bool,
    /// Choices that the host did not take.
    pub(super) overridden: u64,
    /// One of them refused the request.
    pub(super) rejected: bool,
}

impl Chain {
    /// With what every plugin of it is put there with, but for its configuration. The error has the position of the plugin.
    pub(super) fn new(
        workshop: &Workshop,
        policy: &[Played],
        stage: &Arc<Stage>,
        setting: &Setting,
    ) -> Result<Self, (usize, LoadError)> {
        let mut links = Vec::with_capacity(policy.len());
        for (position, (plugin, config)) in policy.iter().enumerate() {
            let seed = setting.seed.wrapping_add(position as u64);
            let setting = Setting { config: config.clone(), seed, ..setting.clone() };
            let rig = workshop.rig(plugin, stage, setting).map_err(|error| (position, error))?;
            links.push(Link { rig, wants_outcomes: plugin.has(Hook::Feedback) });
        }
        Ok(Self { links, responds: policy.iter().any(|(plugin, _)| plugin.has(Hook::Response)) })
    }

    /// What it says; what each attaches is in `tags`, by its position.
    ///
    /// # Errors
    /// How one of them failed.
    pub(super) fn select(
        &mut self,
        worker: usize,
        head: &Arc<RequestHead>,
        tried: &[Arc<Endpoint>],
        tags: &mut Vec<u64>,
    ) -> Result<Said, Failure> {
        tags.resize(self.links.len(), 0);
        let mut said = Said::default();
        for (link, tag) in self.links.iter_mut().zip(tags) {
            let choice = link.rig.ask(worker, head, tried);
            match choice.said? {
                Selected::Reject(_) => {
                    said.rejected = true;
                    return Ok(said);
                }
                Selected::Pass(_) => {}
                Selected::Endpoint(..) => said.overridden += u64::from(choice.refused.is_some()),
            }
            *tag = choice.tag;
            if choice.endpoint.is_some() {
                said.endpoint = choice.endpoint;
                return Ok(said);
            }
        }
        said.passed = said.overridden == 0;
        said.endpoint = self.links.first_mut().and_then(|link| link.rig.draw(tried));
        Ok(said)
    }

    /// Keeps an outcome for those that want it; its tag is each one's own.
    pub(super) fn note(&self, worker: usize, outcome: &Outcome, tags: &[u64]) {
        for (link, tag) in self.links.iter().zip(tags).filter(|(link, _)| link.wants_outcomes) {
            link.rig.note(worker, &Outcome { tag: *tag, endpoint: outcome.endpoint.clone(), ..*outcome });
        }
    }

    /// The fields that the answer to a request has after the hooks; none where no plugin asks to see it.
    ///
    /// # Errors
    /// How one of them failed.
    pub(super) fn respond(
        &mut self,
        worker: usize,
        request: &Arc<RequestHead>,
        tags: &[u64],
        answer: &Answer,
    ) -> Result<Option<HeaderMap>, Failure> {
        if !self.responds {
            return Ok(None);
        }
        let endpoint = Some(answer.endpoint.clone());
        let mut head = ResponseHead { status: answer.status, headers: HeaderMap::new(), endpoint };
        for (link, tag) in self.links.iter_mut().zip(tags).rev() {
            if link.rig.slot(worker).responds(*tag) {
                let ended = Ended { tag: *tag, attempts: answer.attempts, upstream: answer.took };
                link.rig.respond(worker, request, &mut head, &ended)?;
            }
        }
        Ok(Some(head.headers))
    }

    /// Hands outcomes over, where they are wanted.
    ///
    /// # Errors
    /// How one of them failed.
    pub(super) fn observe(&mut self) -> Result<(), Failure> {
        self.links.iter_mut().filter(|link| link.wants_outcomes).try_for_each(|link| link.rig.observe())
    }

    /// Those that want to be called by the clock, by their positions, and how often.
    pub(super) fn tick_periods(&self) -> impl Iterator<Item = (usize, Duration)> {
        let periods = self.links.iter().enumerate();
        periods.filter_map(|(position, link)| Some((position, link.rig.slot(0).tick_period()?)))
    }

    /// Calls that one.
    ///
    /// # Errors
    /// How it failed.
    pub(super) fn tick(&mut self, position: usize) -> Result<(), Failure> {
        self.links.get_mut(position).map_or(Ok(()), |link| link.rig.tick())
    }
}

/// An answer of an endpoint.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) status: StatusCode,
    pub(super) attempts: u32,
    pub(super) took: Duration,
}
