//! What becomes of an attempt: figures, its outcome, and what the response hook makes of the answer.

use std::sync::Arc;

use http::StatusCode;

use super::{Answering, Broken, Gone, Player};
use crate::author::kit::scenario::Fault;
use crate::endpoint::Endpoint;
use crate::message::RequestHead;
use crate::plugin::{Ended, Hook, Outcome, OutcomeKind, ResponseHead};

impl Player {
    /// The figures after an attempt, and its outcome.
    pub(super) fn went(
        &mut self,
        worker: usize,
        endpoint: &Arc<Endpoint>,
        fault: Option<Fault>,
        how: &Answering<'_>,
        tag: u64,
    ) {
        let now = self.stage().clock.instant();
        self.held.extend(endpoint.enter());
        while self.held.len() > how.hold {
            self.held.pop_front();
        }
        let (kind, status) = match fault {
            None => (OutcomeKind::Success, 200),
            Some(Fault::ServerError) => (OutcomeKind::ServerError, 503),
            Some(Fault::ConnectFailed) => (OutcomeKind::ConnectFailed, 0),
            Some(Fault::TimedOut) => (OutcomeKind::TimedOut, 0),
            Some(Fault::Reset) => (OutcomeKind::Reset, 0),
            Some(Fault::Cancelled) => (OutcomeKind::Cancelled, 0),
        };
        match fault {
            None => endpoint.sample_latency(how.latency, now),
            Some(Fault::Cancelled) => {}
            Some(_) => endpoint.sample_error(how.latency, now),
        }
        let outcome = Outcome { endpoint: endpoint.clone(), tag, kind, status, latency: how.latency };
        self.rig.note(worker, &outcome);
        self.unheard += 1;
    }

    pub(super) fn answered(
        &mut self,
        worker: usize,
        head: &Arc<RequestHead>,
        answering: &Answering<'_>,
        gone: &mut Gone,
        tag: u64,
    ) -> Result<(), Broken> {
        let own = self.has(Hook::Routing) || self.has(Hook::Selection);
        // In a route's `response` list it is asked always.
        if own && !self.rig.slot(worker).responds(tag) {
            gone.answer = answering.headers.clone();
            return Ok(());
        }
        let members = self.stage().members();
        let of = |id: &Arc<str>| members.endpoints.iter().find(|endpoint| endpoint.settings.id == *id).cloned();
        let endpoint = gone.endpoint.as_ref().and_then(of);
        let failed = endpoint.as_ref().and_then(|endpoint| (answering.fails)(&endpoint.settings.id));
        let status = if failed.is_some() || endpoint.is_none() && own {
            StatusCode::SERVICE_UNAVAILABLE
        } else {
            StatusCode::OK
        };
        let mut response = ResponseHead { status, headers: answering.headers.clone(), endpoint };
        let ended = Ended { tag, attempts: gone.tried.len() as u32, upstream: answering.latency };
        let responded = self.rig.respond(worker, head, &mut response, &ended);
        responded.map_err(self.failed(Hook::Response))?;
        gone.answer = response.headers;
        Ok(())
    }
}
