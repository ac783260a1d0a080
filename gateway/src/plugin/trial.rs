//! A dry run before a version goes live: configured, given its endpoints, and asked some hundred synthetic questions, on
//! throw-away copies of cells and store. It finds what traps at once; it proves nothing about the rest.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header};

use super::answers::{Ended, Moment};
use super::context::ResponseHead;
use super::hooks::Hook;
use super::slot::Slot;
use super::uses::Use;
use super::{Failure, LoadError, Plugin};
use crate::config::model::{self, WhenAllBad};
use crate::endpoint::{Endpoint, Members, Rules, Set};
use crate::message::{BodyPrefix, RequestHead, Scheme};

/// Questions per hook.
const QUESTIONS: u64 = 128;
/// Dry runs before a plugin is refused that got too little CPU time.
const TRIES: u32 = 3;
/// Endpoints of a trial where there are none.
const STAND_INS: u32 = 3;

impl Plugin {
    /// Runs the hooks of this version for a use, without anyone noticing but the log.
    pub fn trial(self: &Arc<Self>, owner: &Arc<Use>) -> Result<(), LoadError> {
        for _ in 1..TRIES {
            match self.try_once(owner) {
                // A busy machine, and no fault of the plugin.
                Err(LoadError::Failed(_, Failure::WallStop(_))) => {}
                tried => return tried,
            }
        }
        self.try_once(owner)
    }

    fn try_once(self: &Arc<Self>, owner: &Arc<Use>) -> Result<(), LoadError> {
        let slot = Slot::on_trial(owner.clone(), self.clone());
        slot.wake()?;
        let members = match owner.upstream.as_ref().map(|upstream| upstream.set.snapshot()) {
            // Discovery has not found them yet.
            Some(members) if members.endpoints.is_empty() => stand_ins(),
            Some(members) => members,
            None => Arc::default(),
        };
        let mut random = fastrand::Rng::with_seed(owner.seed);
        for number in 0..QUESTIONS {
            let moment = Moment::new(random.u64(..), 1_700_000_000_000_000 + number * 1_000);
            self.ask(&slot, &members, number, moment)?;
        }
        Ok(())
    }

    fn ask(&self, slot: &Slot, members: &Arc<Members>, number: u64, moment: Moment<'_>) -> Result<(), LoadError> {
        let failed = |hook: Hook| move |failure| LoadError::Failed(hook.as_str(), failure);
        let mut head = Arc::new(request(number));
        if self.has(Hook::Routing) && !slot.owner.upstreams.is_empty() {
            slot.route(&mut head, moment).map_err(failed(Hook::Routing))?;
        }
        if self.has(Hook::Selection) && slot.owner.upstream.is_some() {
            slot.select(&head, members, &[], moment).map_err(failed(Hook::Selection))?;
        }
        if self.has(Hook::Response) {
            let endpoint = members.endpoints.get(number as usize % members.endpoints.len().max(1)).cloned();
            let mut response = ResponseHead { status: StatusCode::OK, headers: HeaderMap::new(), endpoint };
            let ended = Ended { tag: number % 2, attempts: 1, upstream: std::time::Duration::from_millis(1) };
            slot.respond(&head, &mut response, &ended, moment).map_err(failed(Hook::Response))?;
        }
        Ok(())
    }
}

/// Some endpoints, in place of those that are not known.
fn stand_ins() -> Arc<Members> {
    let settings = |number: u32| model::Endpoint {
        id: format!("trial-{number}").into(),
        address: format!("192.0.2.{number}:80").into(),
        weight: number,
        priority: 0,
        zone: String::new(),
        labels: BTreeMap::new(),
        max_in_flight: None,
        draining: false,
    };
    let endpoints = (1..=STAND_INS).map(settings).map(Endpoint::new).collect();
    let rules = Rules { when_all_bad: WhenAllBad::UseAll, slow_start: None };
    Set::new(endpoints, rules).snapshot()
}

/// A plain request; every other one from another client and path.
fn request(number: u64) -> RequestHead {
    let mut headers = HeaderMap::new();
    headers.insert(header::USER_AGENT, HeaderValue::from_static("sluice-trial"));
    let path = format!("/trial/{number}");
    RequestHead {
        method: Method::GET,
        version: Version::HTTP_11,
        scheme: Scheme::Https,
        authority: Authority::from_static("trial.invalid"),
        target: path.parse().unwrap_or_else(|_| PathAndQuery::from_static("/")),
        headers,
        client: IpAddr::V4(Ipv4Addr::new(192, 0, 2, number as u8)),
        server_name: None,
        prefix: BodyPrefix::default(),
    }
}
