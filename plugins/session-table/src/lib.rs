//! Keeps the backend's own sessions on their endpoint, without a cookie of the gateway's. When an answer begins a session,
//! by `Set-Cookie` or by a field, the table learns whose it is; later requests of that session go there. For all others it
//! passes, so put the balancing plugin behind it: `selection = ["session-table", "least-connections"]`.
//!
//! Configuration:
//! - `session`: what carries the session's id: `{ cookie = "JSESSIONID" }` by default, or a field of requests and answers
//!   such as `{ header = "mcp-session-id" }`.
//! - `ttl`: how long a session is kept without a request, `"1h"` by default: no less than the backend keeps it.
//!
//! The table is the host's `store`: one for all workers, kept through swaps and reloads, lost when the gateway stops, and of
//! at most 100,000 sessions. Only backends make entries; an id that no backend has named is passed. A draining endpoint keeps
//! its sessions and gets no new ones. A session whose endpoint is dead or failed belongs to the one that answers in its place.
//!
//! Use it for backends that keep sessions in memory and whose clients take no further cookie. Several gateways do not share
//! the table; `sticky-session` needs none.

mod config;

use config::Config;
use sluice_plugin::response::{Action, Exchange};
use sluice_plugin::selection::{Decision, Input};
use sluice_plugin::{
    EndpointIndex, Issues, Members, Plugin, Request, RespondWhen, Response, ResponseHead, Selection, Session, Setup,
    Tag, TimeUs, endpoints, stable_hash, store,
};
use std::collections::BTreeMap;

/// The session's endpoint cannot serve it: the one that answers gets it.
const MOVED: Tag = 1;

/// What the store takes as a key.
const LONGEST_KEY: usize = 512;

struct SessionTable {
    config: Config,
    /// Before each key: one use may serve several upstreams, and all have one store.
    upstream: String,
    seed: u64,
    /// Those that may serve a session that is theirs.
    serving: BTreeMap<String, EndpointIndex>,
}

sluice_plugin::export!(SessionTable: Selection, Response);

impl Plugin for SessionTable {
    type Config = Config;

    fn new(config: Config, setup: &Setup) -> Result<Self, Issues> {
        config.check()?;
        setup.see_request();
        setup.keep_draining();
        // A session may begin in any answer, and backends give theirs a new id when a user logs in.
        setup.respond(RespondWhen::Always);
        let upstream = setup.upstream().unwrap_or_default();
        Ok(Self { config, upstream, seed: setup.seed(), serving: BTreeMap::new() })
    }
}

impl Selection for SessionTable {
    fn set_endpoints(&mut self, members: &Members) {
        self.serving = members.keeping_sessions();
    }

    fn select(&mut self, input: Input, request: Option<&Request>) -> Decision {
        let Some(id) = request.and_then(|request| self.config.session.in_request(request)) else {
            return Decision::pass();
        };
        let key = self.key(&id);
        let Some(session) = find(&key) else { return Decision::pass() };
        match self.serving.get(&session.endpoint_id) {
            Some(&endpoint) if input.attempt == 0 || !endpoints::tried(endpoint) => {
                self.keep(&key, Some(&session), session.endpoint_id.clone(), input.now);
                Decision::endpoint(endpoint)
            }
            _ => Decision::pass().tagged(MOVED),
        }
    }
}

impl Response for SessionTable {
    fn respond(&mut self, request: &Request, head: &ResponseHead, exchange: Exchange) -> Action {
        let carrier = &self.config.session;
        let moved = || carrier.in_request(request).filter(|_| exchange.tag == MOVED);
        let Some(id) = carrier.in_response(head).or_else(moved) else { return Action::Done };
        // None where the gateway itself answers: nobody has the session then.
        if let Some(endpoint_id) = head.endpoint_id() {
            let key = self.key(&id);
            self.keep(&key, find(&key).as_ref(), endpoint_id, exchange.now);
        }
        Action::Done
    }
}

impl SessionTable {
    /// Binds a session to that endpoint; writes nothing if it is bound there for long enough yet.
    fn keep(&self, key: &str, known: Option<&Session>, endpoint_id: String, now: TimeUs) {
        let ttl = self.config.ttl.0;
        if known.is_some_and(|known| known.endpoint_id == endpoint_id && !known.is_half_over(now, ttl)) {
            return;
        }
        let session = Session { since: now, endpoint_id };
        if let Err(error) = store::set(key, &session.to_bytes(), Some(ttl)) {
            sluice_plugin::warn!("a session was not kept: {error}");
        }
    }

    /// Where the session is kept. A long id is cut, with a hash of all of it in place of the rest.
    fn key(&self, id: &str) -> String {
        let key = format!("{} {id}", self.upstream);
        if key.len() <= LONGEST_KEY {
            return key;
        }
        let hash = stable_hash(self.seed, key.as_bytes());
        format!("{}{hash:016x}", &key[..key.floor_char_boundary(LONGEST_KEY - 16)])
    }
}

fn find(key: &str) -> Option<Session> {
    Session::from_bytes(&store::get(key)?.value)
}

#[cfg(test)]
mod tests;
