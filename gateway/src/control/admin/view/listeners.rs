//! Where clients come in.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::seconds;
use crate::control::admin::Desk;
use crate::state::{Listening, Serving};
use crate::tls::Expiry;

/// `GET /api/v1/listeners`.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::control::admin) struct ListenersView {
    listeners: Vec<ListenerView>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ListenerView {
    /// The same over reloads.
    id: usize,
    /// The port is the real one.
    address: String,
    /// `http/1.1`, `h2`.
    protocols: Vec<&'static str>,
    tls: bool,
    /// Clients are asked for certificates: `required`, `optional`.
    client_certificates: Option<&'static str>,
    /// Connections begin with a header of the PROXY protocol.
    proxy_protocol: bool,
    /// Every request is sent to that port of HTTPS.
    redirect_to_https: Option<u16>,
    certificates: Vec<CertificateView>,
    /// Connections now, and all that were let in.
    open: u64,
    accepted: u64,
    /// TLS handshakes, by how they ended.
    handshakes: BTreeMap<&'static str, u64>,
    /// Connections that came as far as HTTP, by what they speak.
    spoken: BTreeMap<&'static str, u64>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct CertificateView {
    file: String,
    names: Vec<String>,
    /// When it ends.
    ends: f64,
}

pub(in crate::control::admin) fn listeners(desk: &Desk) -> ListenersView {
    ListenersView { listeners: all_listeners(&desk.figures.serving()) }
}

pub(super) fn all_listeners(serving: &Serving) -> Vec<ListenerView> {
    serving.listeners.iter().map(listener).collect()
}

pub(super) fn certificates(expiries: &[Expiry]) -> Vec<CertificateView> {
    let view = |expiry: &Expiry| CertificateView {
        file: expiry.file.display().to_string(),
        names: expiry.names.clone(),
        ends: seconds(expiry.not_after),
    };
    expiries.iter().map(view).collect()
}

fn listener(Listening { id, entrance }: &Listening) -> ListenerView {
    let settings = &entrance.settings;
    let protocols = [(settings.http1, "http/1.1"), (settings.h2, "h2")];
    let clients = settings.tls.as_ref().and_then(|tls| tls.clients.as_ref());
    ListenerView {
        id: *id,
        address: entrance.address.to_string(),
        protocols: protocols.into_iter().filter_map(|(speaks, name)| speaks.then_some(name)).collect(),
        tls: entrance.tls.is_some(),
        client_certificates: clients.map(|clients| if clients.required { "required" } else { "optional" }),
        proxy_protocol: settings.proxy_protocol.is_some(),
        redirect_to_https: settings.redirect_to_https,
        certificates: entrance.tls.as_ref().map_or_else(Vec::new, |tls| certificates(tls.expiries())),
        open: entrance.arrivals.connections().0,
        accepted: entrance.arrivals.connections().1,
        handshakes: entrance.arrivals.handshakes().map(|(handshake, count)| (handshake.as_str(), count)).collect(),
        spoken: entrance.arrivals.protocols().collect(),
    }
}
