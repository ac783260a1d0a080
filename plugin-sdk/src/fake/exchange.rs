//! One exchange, driven call by call as the gateway drives it.

use super::{Head, Host, Instance, Request, fields::Changes, imports::types};
use crate::{
    EndpointIndex, Health, RespondWhen, Response, ResponseHead, Routing, Selection, Tag, response, routing, selection,
};
use std::collections::BTreeMap;

/// One request on its way: which endpoints were tried, who serves it, and what each use attached.
#[derive(Debug)]
pub struct Exchange {
    host: Host,
    request: Request,
    reply: (Head, Vec<u8>),
    tried: Vec<EndpointIndex>,
    serving: Option<EndpointIndex>,
    /// By worker: the instances of one host stand for as many uses in a chain.
    tags: BTreeMap<u32, Tag>,
}

impl Exchange {
    pub(super) fn new(host: Host, request: Request) -> Self {
        let reply = (Head::new(200), Vec::new());
        Self { host, request, reply, tried: Vec::new(), serving: None, tags: BTreeMap::new() }
    }

    /// Asks for the upstream, and makes the edits of the request.
    pub fn route<P: Routing>(&mut self, plugin: &mut Instance<P>) -> routing::Decision {
        let input = routing::Input { key: self.key(plugin), random: self.draw(), now: self.now_us() };
        let body = &self.request.body;
        let held = body.len().min(plugin.asked.hold_body as usize);
        let handle = types::Request::new(self.request.clone(), self.seed(), Some(held));
        let decision = plugin.call(&[], |plugin| plugin.route(input, crate::Request::lend(&handle)));
        let upstreams = self.host.0.borrow().upstreams.len();
        let tag = match decision {
            routing::Decision::Pass(tag) => tag,
            routing::Decision::Upstream(choice) => {
                assert!((choice.upstream as usize) < upstreams, "upstream {} of {upstreams}", choice.upstream);
                choice.tag
            }
            routing::Decision::Reply(status) => {
                assert!((200..600).contains(&status), "a reply of status {status}");
                self.reply.0.status = status;
                0
            }
        };
        self.tags.insert(plugin.worker, tag);
        self.request.make(handle.into_changes(), &mut self.reply);
        decision
    }

    /// Asks for the endpoint. It serves, if the host allows it; else the first that is allowed does, as if that were what
    /// the rest of the chain chose. [`served_by`](Self::served_by) says otherwise.
    pub fn select<P: Selection>(&mut self, plugin: &mut Instance<P>) -> selection::Decision {
        plugin.tell_endpoints();
        let attempt = u32::try_from(self.tried.len()).expect("few attempts");
        let input = selection::Input { key: self.key(plugin), random: self.draw(), now: self.now_us(), attempt };
        let handle = types::Request::new(self.request.clone(), self.seed(), None);
        let seen = plugin.asked.see_request.then(|| crate::Request::lend(&handle));
        let decision = plugin.call(&self.tried, |plugin| plugin.select(input, seen));
        let (choice, tag) = match decision {
            selection::Decision::Pass(tag) => (None, tag),
            selection::Decision::Endpoint(choice) => (Some(choice.endpoint), choice.tag),
            selection::Decision::Reject(status) => {
                assert!((400..600).contains(&status), "a rejection of status {status}");
                self.serving = None;
                return decision;
            }
        };
        self.tags.insert(plugin.worker, tag);
        let state = self.host.0.borrow();
        let count = EndpointIndex::try_from(state.endpoints.len()).expect("few endpoints");
        let is_allowed = |endpoint: &EndpointIndex, draining| {
            let health = state.endpoints[*endpoint as usize].health;
            let may_serve =
                matches!(health, Health::Healthy | Health::Degraded) || draining && health == Health::Draining;
            may_serve && !self.tried.contains(endpoint)
        };
        if let Some(endpoint) = choice {
            assert!(endpoint < count, "endpoint {endpoint} of {count}");
        }
        let kept = choice.filter(|endpoint| is_allowed(endpoint, plugin.asked.keep_draining));
        self.serving = kept.or_else(|| (0..count).find(|endpoint| is_allowed(endpoint, false)));
        drop(state);
        decision
    }

    /// The host, or the rest of the chain, chose that one.
    pub fn served_by(&mut self, endpoint: EndpointIndex) {
        self.serving = Some(endpoint);
    }

    /// Who serves; none before a selection, and when the gateway answers itself.
    pub fn serving(&self) -> Option<EndpointIndex> {
        self.serving
    }

    /// The attempt failed: the next selection is a retry, and this endpoint has been tried.
    pub fn failed(&mut self) {
        self.tried.extend(self.serving.take());
    }

    /// Shows the plugin the response head, if the contract says that it is asked, and makes its edits.
    pub fn respond<P: Response>(&mut self, plugin: &mut Instance<P>, head: &mut Head) -> response::Action {
        let tag = self.tags.get(&plugin.worker).copied();
        let is_asked = match (tag, plugin.asked.respond.unwrap_or(RespondWhen::Tagged)) {
            // Asked no other hook: it stands in the route's `response` list.
            (None, _) | (_, RespondWhen::Always) => true,
            (Some(tag), RespondWhen::Tagged) => tag != 0,
            (_, RespondWhen::Never) => false,
        };
        if !is_asked {
            return response::Action::Done;
        }
        let exchange = response::Exchange {
            endpoint: self.serving,
            tag: tag.unwrap_or(0),
            attempts: u32::try_from(self.tried.len()).expect("few attempts") + u32::from(self.serving.is_some()),
            upstream_us: if self.serving.is_some() { 1_000 } else { 0 },
            random: self.draw(),
            now: self.now_us(),
        };
        let endpoint_id = self.serving.map(|endpoint| self.host.0.borrow().endpoints[endpoint as usize].id.clone());
        let request = types::Request::new(self.request.clone(), self.seed(), None);
        let handle = types::ResponseHead { head: head.clone(), endpoint_id, changes: Changes::default() };
        let action = plugin.call(&self.tried, |plugin| {
            plugin.respond(crate::Request::lend(&request), ResponseHead::lend(&handle), exchange)
        });
        head.make(handle.changes.into_inner());
        action
    }

    /// The request, with the edits made by now.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Head and body of the reply that a routing plugin decided.
    pub fn reply(&self) -> (&Head, &[u8]) {
        (&self.reply.0, &self.reply.1)
    }

    fn key<P>(&self, plugin: &Instance<P>) -> Option<u64> {
        plugin.asked.want_key.iter().find_map(|source| self.request.key(source, self.seed()))
    }

    fn seed(&self) -> u64 {
        self.host.0.borrow().seed
    }

    fn now_us(&self) -> u64 {
        self.host.0.borrow().now_us
    }

    fn draw(&self) -> u64 {
        self.host.0.borrow_mut().draw()
    }
}
