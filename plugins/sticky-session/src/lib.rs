//! Keeps a client on one endpoint. The first answer sets a cookie with the endpoint's id, sealed by the host, so that it
//! neither reveals nor lets anyone choose a backend; later requests go where it says. For all others it passes, so put the
//! balancing plugin behind it: `selection = ["sticky-session", "least-connections"]`.
//!
//! Configuration:
//! - `cookie`: its name, `"sluice"` by default.
//! - `ttl`: how long a session lasts without a request, such as `"1h"`; it is renewed while it is used. Unset: until the
//!   browser closes, at most 24 hours.
//! - `path` (`"/"`), `domain` (none), `secure` (true), `http-only` (true), `same-site` (`"lax"`, or `"strict"`, `"none"`),
//!   `partitioned` (false): the attributes of the cookie.
//!
//! A draining endpoint keeps its sessions and gets no new ones. A session whose endpoint is dead or failed moves, and its
//! cookie is renewed; one whose endpoint is merely full is served elsewhere for that request and stays bound.
//!
//! Use it for servers that keep sessions in memory. For caches, `consistent-hash` needs no cookie.

mod config;

use config::Config;
use sluice_plugin::response::{Action, Exchange};
use sluice_plugin::selection::{Decision, Input};
use sluice_plugin::{
    EndpointIndex, Issues, Members, Plugin, Request, Response, ResponseHead, Selection, Session, Setup, Tag, endpoints,
    sealing,
};
use std::collections::BTreeMap;

/// No session yet, or its endpoint cannot serve it: the one that answers gets it.
const BIND: Tag = 1;
/// Half of the session's time is over: the one it is bound to gets it anew.
const RENEW: Tag = 2;

struct StickySession {
    config: Config,
    attributes: String,
    /// Of every endpoint, by index.
    ids: Vec<String>,
    /// Those that may serve a session that is theirs.
    serving: BTreeMap<String, EndpointIndex>,
}

sluice_plugin::export!(StickySession: Selection, Response);

impl Plugin for StickySession {
    type Config = Config;

    fn new(config: Config, setup: &Setup) -> Result<Self, Issues> {
        config.check()?;
        setup.see_request();
        setup.keep_draining();
        Ok(Self { attributes: config.attributes(), config, ids: Vec::new(), serving: BTreeMap::new() })
    }
}

impl Selection for StickySession {
    fn set_endpoints(&mut self, members: &Members) {
        self.ids = members.ids();
        self.serving = members.keeping_sessions();
    }

    fn select(&mut self, input: Input, request: Option<&Request>) -> Decision {
        let Some(session) = request.and_then(|request| self.session(request)) else {
            return Decision::pass().tagged(BIND);
        };
        match self.serving.get(&session.endpoint_id) {
            Some(&endpoint) if input.attempt == 0 || !endpoints::tried(endpoint) => {
                let half_over = session.is_half_over(input.now, self.config.token_ttl());
                Decision::endpoint(endpoint).tagged(if half_over { RENEW } else { 0 })
            }
            _ => Decision::pass().tagged(BIND),
        }
    }
}

impl Response for StickySession {
    fn respond(&mut self, request: &Request, head: &ResponseHead, exchange: Exchange) -> Action {
        // None where the gateway itself answers: there is nothing to bind to.
        let Some(endpoint_id) = exchange.endpoint.map(|endpoint| &self.ids[endpoint as usize]) else {
            return Action::Done;
        };
        // Served elsewhere while its own endpoint is full: the session stays where it is.
        if exchange.tag == RENEW && self.session(request).is_none_or(|session| session.endpoint_id != *endpoint_id) {
            return Action::Done;
        }
        let session = Session { since: exchange.now, endpoint_id: endpoint_id.clone() };
        let token = sealing::seal(&session.to_bytes(), Some(self.config.token_ttl()));
        let cookie = format!("{}={token}{}", self.config.cookie, self.attributes);
        if let Err(error) = head.append_header("set-cookie", &cookie) {
            sluice_plugin::warn!("the session cookie was not set: {error}");
        }
        Action::Done
    }
}

impl StickySession {
    fn session(&self, request: &Request) -> Option<Session> {
        Session::from_bytes(&sealing::open_cookie(request, &self.config.cookie)?)
    }
}

#[cfg(test)]
mod tests;
