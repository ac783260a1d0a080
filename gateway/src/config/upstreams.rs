//! Upstreams and their endpoints, from the file's shape to the model.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::bounds;
use super::discover::discover;
use super::health;
use super::key_path::KeyPath;
use super::model::{CertificateFiles, Endpoint, Upstream, UpstreamProtocol, UpstreamTls, WhenAllBad};
use super::problem::Report;
use super::raw;
use super::reported;
use super::resolve::existing_file;
use super::uses::{Sees, Standing, Uses};

/// What an upstream uses that names nothing.
const DEFAULT_SELECTION: &str = "round-robin";

pub(super) fn upstreams(
    raw: Vec<raw::Upstream>,
    base_dir: &Path,
    uses: &mut Uses<'_>,
    report: &mut Report<'_>,
) -> Vec<Upstream> {
    let mut upstreams: Vec<Upstream> = Vec::with_capacity(raw.len());
    for (index, upstream) in raw.into_iter().enumerate() {
        let at = KeyPath::root().key("upstream").index(index);
        let name = upstream.name.0.as_str();
        if upstreams.iter().any(|other| &*other.name == name) {
            report.add(&at.key("name"), format!("another upstream is called {name:?}"));
        }
        let sees = Sees { upstream: Some(index), upstreams: Vec::new() };
        let standing = Standing { owner: name, hook: "selection", sees, at: at.key("selection") };
        let chain = upstream.selection.unwrap_or_else(|| vec![raw::UseHere::Named(DEFAULT_SELECTION.to_owned())]);
        if upstream.protocol == raw::UpstreamProtocol::Auto && upstream.tls.is_none() {
            report.add(&at.key("protocol"), "\"auto\" means nothing without `tls`: \"http/1.1\" or \"h2\"");
        }
        match (&upstream.endpoints, &upstream.discover) {
            (None, None) => {
                report.add(&at, "its members are missing: `endpoints`, or `discover` for where to find them")
            }
            (Some(_), Some(_)) => report.add(&at.key("discover"), "its members are named already, by `endpoints`"),
            _ => {}
        }
        let endpoints = endpoints(upstream.endpoints.unwrap_or_default(), &at.key("endpoints"), report);
        let discover = upstream.discover.and_then(|raw| discover(raw, base_dir, &at.key("discover"), report));
        let queue = bounds::queue(upstream.queue.as_ref(), upstream.max_in_flight, &endpoints, &at, report);
        upstreams.push(Upstream {
            name: Arc::from(name),
            selection: uses.chain(chain, &standing, report),
            protocol: match upstream.protocol {
                raw::UpstreamProtocol::Http1 => UpstreamProtocol::Http1,
                raw::UpstreamProtocol::H2 => UpstreamProtocol::H2,
                raw::UpstreamProtocol::Auto => UpstreamProtocol::Auto,
            },
            tls: upstream.tls.map(|raw| tls(raw, base_dir, &at.key("tls"), report)),
            send_proxy_protocol: upstream.send_proxy_protocol.is_some(),
            endpoints,
            discover,
            idle_per_endpoint: upstream.pool.idle_per_endpoint,
            max_in_flight: upstream.max_in_flight,
            queue,
            health: upstream.health.map(|raw| health::health(raw, &at.key("health"), report)),
            reported_load: upstream
                .reported_load
                .and_then(|raw| reported::reported_load(raw, &at.key("reported-load"), report)),
            ejection: health::ejection(upstream.ejection),
            slow_start: upstream.slow_start.map(|window| window.0),
            when_all_bad: match upstream.when_all_bad {
                raw::WhenAllBad::UseAll => WhenAllBad::UseAll,
                raw::WhenAllBad::Refuse => WhenAllBad::Refuse,
            },
        });
    }
    upstreams
}

/// TLS of the gateway's own connections.
pub(super) fn tls(raw: raw::UpstreamTls, base_dir: &Path, at: &KeyPath, report: &mut Report<'_>) -> UpstreamTls {
    let mut file = |key, path: &Path| existing_file(path, base_dir, &at.key(key), report);
    let ca = raw.ca.as_deref().map(|path| file("ca", path));
    let certificate = raw.certificate.as_deref().map(|path| file("certificate", path));
    let key = raw.key.as_deref().map(|path| file("key", path));
    let own = match (certificate, key) {
        (Some(certificate), Some(key)) => Some(CertificateFiles { certificate, key }),
        (None, None) => None,
        (Some(_), None) => {
            report.add(&at.key("certificate"), "means nothing without its `key`");
            None
        }
        (None, Some(_)) => {
            report.add(&at.key("key"), "means nothing without a `certificate`");
            None
        }
    };
    UpstreamTls { server_name: raw.server_name, ca, own }
}

/// Members, named by the list at that place.
pub(super) fn endpoints(raw: Vec<raw::Endpoint>, list: &KeyPath, report: &mut Report<'_>) -> Vec<Endpoint> {
    let mut endpoints: Vec<Endpoint> = Vec::with_capacity(raw.len());
    let mut ids: HashMap<String, usize> = HashMap::with_capacity(raw.len());
    for (index, endpoint) in raw.into_iter().enumerate() {
        let at = list.index(index);
        let (id, id_at) = match endpoint.id {
            Some(id) => (id.0, at.key("id")),
            None => (endpoint.address.0.clone(), at.key("address")),
        };
        let other = ids.insert(id.clone(), index);
        if other.is_some_and(|other| report.is_sound(&list.index(other).key("address"))) {
            let message =
                format!("another endpoint of this upstream has the id {id:?} (if none is given, its address)");
            report.add(&id_at, message);
        }
        endpoints.push(Endpoint {
            id: Arc::from(id),
            address: Arc::from(endpoint.address.0),
            weight: endpoint.weight,
            priority: endpoint.priority,
            zone: endpoint.zone,
            labels: endpoint.labels,
            max_in_flight: endpoint.max_in_flight,
            draining: endpoint.state == raw::EndpointState::Draining,
        });
    }
    endpoints
}
