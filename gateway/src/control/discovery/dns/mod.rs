//! Endpoints from the DNS: the addresses of a name, or what its SRV records say (RFC 2782). An answer holds as long as its TTL says;
//! when requests fail, and when nobody answers, it is asked again before.

mod records;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, RecordType};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::patience::{LONGEST, Patience};
use super::teller::Teller;
use crate::config::model::{Dns, Families};
use records::{Found, Service};

/// For one try at one server, and how many tries there are.
const TIMEOUT: Duration = Duration::from_secs(2);
const TRIES: usize = 2;
/// Targets of SRV records that are looked up at a time.
const AT_A_TIME: usize = 16;

/// Asks again and again, for ever.
pub(super) async fn follow(settings: &Dns, teller: &mut Teller) {
    let mut known: Option<TokioResolver> = None;
    let mut patience = Patience::new();
    loop {
        let asked = Instant::now();
        let answer = match &known {
            Some(resolver) => ask(resolver, settings).await,
            None => match resolver(settings) {
                Ok(resolver) => ask(known.insert(resolver), settings).await,
                Err(reason) => Err(reason),
            },
        };
        let wait = match answer {
            Ok(Found { endpoints, ttl }) => {
                teller.found(endpoints);
                patience = Patience::new();
                ttl.clamp(settings.least_ttl, settings.most_ttl)
            }
            Err(reason) => {
                teller.failed(reason);
                // The system's servers may be others by now.
                known = None;
                patience.next(LONGEST)
            }
        };
        let in_trouble = async {
            teller.trouble().await;
            sleep_until(asked + settings.least_ttl).await;
        };
        tokio::select! {
            () = sleep_until(asked + wait) => {}
            () = in_trouble => {}
        }
    }
}

fn resolver(settings: &Dns) -> Result<TokioResolver, String> {
    let mut builder = if settings.servers.is_empty() {
        TokioResolver::builder_tokio().map_err(|error| format!("the system's servers: {error}"))?
    } else {
        let servers = settings.servers.iter().map(|server| name_server(*server)).collect();
        let config = ResolverConfig::from_parts(None, Vec::new(), servers);
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
    };
    let options = builder.options_mut();
    options.timeout = TIMEOUT;
    options.attempts = TRIES;
    // Who asks here wants to know what is said now.
    options.cache_size = 0;
    builder.build().map_err(|error| error.to_string())
}

fn name_server(server: SocketAddr) -> NameServerConfig {
    let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
    connections.iter_mut().for_each(|connection| connection.port = server.port());
    NameServerConfig::new(server.ip(), true, connections)
}

/// What the DNS says now.
async fn ask(resolver: &TokioResolver, settings: &Dns) -> Result<Found, String> {
    let found = match settings.port {
        Some(port) => {
            let (addresses, ttl) = addresses(resolver, &settings.name, settings.families).await?;
            records::hosts(&addresses, port, ttl)
        }
        None => services(resolver, settings).await?,
    };
    match found.endpoints.is_empty() {
        // Somebody's mistake, more likely than what is meant: what was there before is believed rather.
        true => Err(format!("{} has no addresses", settings.name)),
        false => Ok(found),
    }
}

/// The addresses of a name; none if there is no such name.
async fn addresses(
    resolver: &TokioResolver,
    name: &str,
    families: Families,
) -> Result<(Vec<IpAddr>, Duration), String> {
    let of = async |kind| match families.has(kind == RecordType::AAAA) {
        true => lookup(resolver, name, kind).await,
        false => Ok(None),
    };
    let (four, six) = tokio::join!(of(RecordType::A), of(RecordType::AAAA));
    let lookups = [four?, six?];
    let answers = || lookups.iter().flatten().flat_map(|lookup| lookup.answers());
    let addresses = answers().filter_map(|record| record.data.ip_addr()).collect();
    Ok((addresses, records::ttl(answers())))
}

async fn services(resolver: &TokioResolver, settings: &Dns) -> Result<Found, String> {
    let Some(lookup) = lookup(resolver, &settings.name, RecordType::SRV).await? else {
        return Ok(Found { endpoints: Vec::new(), ttl: Duration::MAX });
    };
    let service = |data: &RData| match data {
        // "." says that there is no such service.
        RData::SRV(record) if !record.target.is_root() => Some(Service::new(record)),
        _ => None,
    };
    let mut services: Vec<Service> = lookup.answers().iter().filter_map(|record| service(&record.data)).collect();
    let mut ttl = records::ttl(lookup.answers());
    for record in lookup.additionals() {
        if let Some(address) = record.data.ip_addr().filter(|address| settings.families.has(address.is_ipv6())) {
            let told = services.iter_mut().filter(|service| service.target == record.name);
            told.for_each(|service| service.addresses.push(address));
            ttl = ttl.min(records::ttl([record]));
        }
    }
    // A server may leave out what does not fit.
    let untold = services.iter().enumerate().filter(|(_, service)| service.addresses.is_empty());
    let untold: Vec<(usize, String)> = untold.map(|(place, service)| (place, service.target.to_utf8())).collect();
    for some in untold.chunks(AT_A_TIME) {
        let mut looking = JoinSet::new();
        for (place, name) in some.iter().cloned() {
            let (resolver, families) = (resolver.clone(), settings.families);
            looking.spawn(async move { (place, addresses(&resolver, &name, families).await) });
        }
        for (place, looked) in looking.join_all().await {
            let (addresses, of_target) = looked?;
            ttl = ttl.min(of_target);
            services.get_mut(place).into_iter().for_each(|service| service.addresses.clone_from(&addresses));
        }
    }
    Ok(Found { endpoints: records::weighted(&services), ttl })
}

/// Records of that kind; none if there are none of it, or there is no such name.
async fn lookup(resolver: &TokioResolver, name: &str, kind: RecordType) -> Result<Option<Lookup>, String> {
    match resolver.lookup(name, kind).await {
        Ok(lookup) => Ok(Some(lookup)),
        Err(error) if error.is_no_records_found() => Ok(None),
        Err(NetError::Timeout) => Err(format!("{name} {kind}: no answer within {:?}", TIMEOUT * TRIES as u32)),
        Err(error) => Err(format!("{name} {kind}: {error}")),
    }
}
