//! From records to endpoints. Pure.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::proto::rr::rdata::SRV;
use hickory_resolver::proto::rr::{Name, Record};

use crate::config::model::Endpoint;

/// Weights of endpoints are 1 to this.
const HEAVIEST: u32 = 1000;

/// What the DNS says.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) endpoints: Vec<Endpoint>,
    /// For so long.
    pub(super) ttl: Duration,
}

/// A target of an SRV record.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) target: Name,
    port: u16,
    priority: u16,
    weight: u16,
    /// As far as they are known.
    pub(super) addresses: Vec<IpAddr>,
}

impl Service {
    pub(super) fn new(record: &SRV) -> Self {
        let SRV { priority, weight, port, target, .. } = record;
        Self { target: target.clone(), port: *port, priority: *priority, weight: *weight, addresses: Vec::new() }
    }
}

/// How long these records hold: as long as the first one of them that does not. Without records, for ever.
pub(super) fn ttl<'r>(records: impl IntoIterator<Item = &'r Record>) -> Duration {
    let seconds = records.into_iter().map(|record| record.ttl).min();
    seconds.map_or(Duration::MAX, |seconds| Duration::from_secs(seconds.into()))
}

/// Addresses at one port, alike.
pub(super) fn hosts(addresses: &[IpAddr], port: u16, ttl: Duration) -> Found {
    Found { endpoints: addresses.iter().map(|address| endpoint(*address, port, 1, 0)).collect(), ttl }
}

/// Endpoints of these services, with weights whose proportions are those of the records, as near as 1 to 1000 come to them. "Records
/// with weight 0 should have a very small chance of being selected" beside others (RFC 2782); among themselves they are alike.
pub(super) fn weighted(services: &[Service]) -> Vec<Endpoint> {
    let heaviest = services.iter().map(|service| u32::from(service.weight)).max().unwrap_or(0);
    let has_none = services.iter().any(|service| service.weight == 0);
    let weight = |service: &Service| match u32::from(service.weight) {
        _ if heaviest == 0 => 1,
        weight if heaviest <= HEAVIEST && !has_none => weight,
        weight => (weight * HEAVIEST).div_ceil(heaviest).max(1),
    };
    let of = |service: &Service| {
        let (port, weight, priority) = (service.port, weight(service), service.priority.into());
        service.addresses.iter().map(move |address| endpoint(*address, port, weight, priority)).collect::<Vec<_>>()
    };
    // Port 0 is nobody's.
    services.iter().filter(|service| service.port != 0).flat_map(of).collect()
}

fn endpoint(address: IpAddr, port: u16, weight: u32, priority: u32) -> Endpoint {
    let address = SocketAddr::new(address, port).to_string();
    Endpoint { weight, priority, ..Endpoint::at(&address) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(weight: u16, priority: u16, addresses: &[&str]) -> Service {
        let addresses = addresses.iter().map(|address| address.parse().expect("an address")).collect();
        Service { target: Name::root(), port: 80, priority, weight, addresses }
    }

    #[test]
    fn weights_keep_their_proportions() {
        let cases: [(&[u16], &[u32]); 7] = [
            (&[0, 0], &[1, 1]),
            (&[10, 30], &[10, 30]),
            (&[1, 1000], &[1, 1000]),
            (&[0, 1], &[1, 1000]),
            (&[0, 10, 30], &[1, 334, 1000]),
            (&[65_535, 32_768, 1], &[1000, 501, 1]),
            (&[], &[]),
        ];
        for (weights, expected) in cases {
            let services: Vec<_> = weights.iter().map(|weight| service(*weight, 0, &["10.0.0.1"])).collect();
            let found: Vec<u32> = weighted(&services).iter().map(|endpoint| endpoint.weight).collect();
            assert_eq!(found, expected, "{weights:?}");
        }
    }

    #[test]
    fn each_address_is_an_endpoint() {
        let services = [service(5, 1, &["10.0.0.1", "fd00::1"]), service(5, 7, &[])];
        let found = weighted(&services);
        let seen: Vec<_> = found.iter().map(|one| (&*one.id, &*one.address, one.weight, one.priority)).collect();
        assert_eq!(seen, [("10.0.0.1:80", "10.0.0.1:80", 5, 1), ("[fd00::1]:80", "[fd00::1]:80", 5, 1)]);
        assert!(weighted(&[Service { port: 0, ..service(1, 0, &["10.0.0.1"]) }]).is_empty());
        let found = hosts(&["10.0.0.9".parse().expect("an address")], 8080, Duration::ZERO);
        assert_eq!(&*found.endpoints[0].address, "10.0.0.9:8080");
    }
}
