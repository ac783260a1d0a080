//! What connections on a listener need: made from the configuration, shared by all workers, and replaced whole while the
//! listener's sockets stay.

use std::net::SocketAddr;
use std::sync::Arc;

use http::header::HeaderName;

use super::problems::{place_of_tls, problem_of_tls};
use crate::config::model::{self, Config};
use crate::config::{Problem, Problems};
use crate::message::fields;
use crate::observe::Arrivals;
use crate::socket::Open;
use crate::tls;

/// A listener as one worker has it.
#[derive(Debug)]
pub struct Listener {
    /// Which one: the same on all workers, and after a reload.
    pub id: usize,
    /// What its connections need.
    pub entrance: Arc<Entrance>,
    /// This worker's part of the sockets; none if it has them already.
    pub open: Option<Open>,
}

/// What connections on a listener need.
#[derive(Debug, Clone)]
pub struct Entrance {
    /// As configured.
    pub settings: model::Listener,
    /// Where it listens; the port is the real one.
    pub address: SocketAddr,
    /// None for plain TCP.
    pub tls: Option<Arc<tls::Server>>,
    /// What has come in there.
    pub arrivals: Arc<Arrivals>,
    /// Fields that tell of the certificates of clients, on this listener or another: what clients themselves send under
    /// these names is removed, since endpoints believe it.
    pub reserved: Arc<[HeaderName]>,
}

impl Entrance {
    /// That of the listener at `index`, its files read. `before` is what this one takes the place of: it hands on its address,
    /// and of its TLS what has not changed.
    ///
    /// # Errors
    /// Header names that the gateway must not set, and what is wrong with the files of its TLS.
    #[expect(clippy::indexing_slicing, reason = "positions come from the configuration that all of this was made from")]
    pub fn build(config: &Config, index: usize, before: Option<&Entrance>) -> Result<Entrance, Problems> {
        let settings = config.listeners[index].clone();
        let mut problems = problems_of_headers(config, index);
        let tls = settings.tls.as_ref().map(|tls| {
            let before = before.and_then(|before| before.tls.as_ref());
            let loaded = tls::Server::load(tls, settings.h2, settings.http1, before);
            loaded.map_err(|error| problem_of_tls(config, index, &error))
        });
        let tls = tls.transpose().unwrap_or_else(|problem| {
            problems.push(problem);
            None
        });
        if !problems.is_empty() {
            return Err(Problems::new(problems));
        }
        let names = config.listeners.iter().flat_map(client_headers);
        let reserved = names.filter_map(|name| HeaderName::from_bytes(name.as_bytes()).ok()).collect();
        let address = before.map_or(settings.address, |before| before.address);
        let arrivals = before.map(|before| before.arrivals.clone()).unwrap_or_default();
        Ok(Entrance { settings, address, tls, arrivals, reserved })
    }

    /// Whether `before` can stay in this one's place.
    pub(super) fn is_as(&self, before: &Entrance) -> bool {
        let same_tls = match (&self.tls, &before.tls) {
            (Some(tls), Some(before)) => Arc::ptr_eq(tls, before),
            (None, None) => true,
            _ => false,
        };
        same_tls
            && self.settings == before.settings
            && self.address == before.address
            && self.reserved == before.reserved
    }

    /// Whether connections that were admitted by `before` would have been admitted by this one, and are told of alike.
    pub fn admits_like(&self, before: &Entrance) -> bool {
        if self.settings.proxy_protocol != before.settings.proxy_protocol {
            return false;
        }
        match (&self.tls, &before.tls) {
            (Some(tls), Some(before)) => tls.has_clients_of(before),
            (None, None) => true,
            _ => false,
        }
    }
}

/// Fields that the listener at `index` is to tell of its clients by, and must not.
#[expect(clippy::indexing_slicing, reason = "positions come from the configuration that all of this was made from")]
pub fn problems_of_headers(config: &Config, index: usize) -> Vec<Problem> {
    let at = place_of_tls(index).key("client-headers");
    let names = client_headers(&config.listeners[index]);
    let wrong = names.filter_map(|name| Some((name, check(name).err()?)));
    wrong.map(|(name, reason)| config.places.problem(&at.key(name), reason)).collect()
}

/// Names of fields that tell of the certificates of this listener's clients.
fn client_headers(listener: &model::Listener) -> impl Iterator<Item = &str> {
    let clients = listener.tls.iter().filter_map(|tls| tls.clients.as_ref());
    clients.flat_map(|clients| &clients.headers).map(|(name, _)| name.as_str())
}

/// Whether the gateway may set a field of that name and take it from clients.
fn check(name: &str) -> Result<(), &'static str> {
    match HeaderName::from_bytes(name.as_bytes()) {
        // Requests lose such fields, and behind CGI they would be one with those that are written with dashes.
        _ if name.contains('_') => Err("a name with an underscore is read as another one by some; write a dash"),
        Ok(name) if fields::writable(&name) => Ok(()),
        _ => Err("this field is not for saying who a client is: it frames a message, or says where it came from"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_a_gateway_must_not_set_are_mistakes() {
        for name in ["x-client", "client-cert", "x-ssl-client-s-dn", "authorization"] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
        for name in ["host", "content-length", "connection", "te", "x-forwarded-for", "forwarded", "via", "x_client"] {
            assert!(check(name).is_err(), "{name}");
        }
    }
}
