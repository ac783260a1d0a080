//! Figures of listeners.

use std::fmt;

use super::lines::Lines;
use crate::state::Serving;

/// All of them, family by family; a listener is its address.
pub(super) fn listeners(lines: &mut Lines<'_>, serving: &Serving) -> fmt::Result {
    let listeners = serving.listeners.iter().map(|listening| &listening.entrance);
    let listeners: Vec<_> = listeners.map(|entrance| (entrance.address.to_string(), entrance)).collect();
    let mut open = lines.gauges("sluice_listener_connections", "Connections of clients now, by listener.")?;
    for (address, entrance) in &listeners {
        open.gauge([("listener", address)], entrance.arrivals.connections().0)?;
    }
    let help = "Connections of clients that were let in, by listener.";
    let mut accepted = lines.counters("sluice_listener_connections_accepted", help)?;
    for (address, entrance) in &listeners {
        accepted.count([("listener", address)], entrance.arrivals.connections().1)?;
    }
    let help = "TLS handshakes with clients, by how they ended; resumed: a session of before goes on.";
    let mut handshakes = lines.counters("sluice_tls_handshakes", help)?;
    for (address, entrance) in listeners.iter().filter(|(_, entrance)| entrance.tls.is_some()) {
        for (handshake, count) in entrance.arrivals.handshakes() {
            handshakes.count([("listener", address), ("outcome", handshake.as_str())], count)?;
        }
    }
    let help = "Connections of clients that came as far as HTTP, by what they speak.";
    let mut protocols = lines.counters("sluice_client_protocol_connections", help)?;
    for (address, entrance) in &listeners {
        for (protocol, count) in entrance.arrivals.protocols() {
            protocols.count([("listener", address), ("protocol", protocol)], count)?;
        }
    }
    Ok(())
}
