//! The rules of the selection plugins as a gateway without a sandbox would have them built in: over the same live figures, the
//! same way to choose. What changes with the endpoints alone is worked out before.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use sluice_gateway::endpoint::{Health, Members};
use sluice_gateway::message::RequestHead;
use sluice_gateway::plugin::Moment;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// Chooses an endpoint.
pub type Rule = Box<dyn FnMut(&RequestHead, Moment<'_>) -> Option<usize>>;

/// The rule of that plugin.
pub fn rule(plugin: &str, members: &Arc<Members>) -> Rule {
    match plugin {
        "round-robin" => round_robin(candidates(members)),
        "weighted-round-robin" => weighted_round_robin(members),
        "random" => random(Line::of(members)),
        "power-of-two-choices" => power_of_two_choices(members.clone()),
        "least-connections" => least_connections(members.clone()),
        "least-response-time" => least_response_time(members.clone()),
        "consistent-hash" => consistent_hash(members),
        "nearest-zone" => nearest_zone(members.clone()),
        "failover" => failover(members),
        other => panic!("no native rule for {other}"),
    }
}

/// Endpoints side by side, each as long as its weight.
struct Line(Vec<u64>);

impl Line {
    fn of(members: &Members) -> Self {
        let weights = members.endpoints.iter().map(|endpoint| u64::from(endpoint.settings.weight));
        Self(
            weights
                .scan(0, |end, weight| {
                    Some({
                        *end += weight;
                        *end
                    })
                })
                .collect(),
        )
    }

    fn total(&self) -> u64 {
        self.0.last().copied().unwrap_or(0)
    }

    fn start(&self, endpoint: usize) -> u64 {
        endpoint.checked_sub(1).map_or(0, |before| self.0[before])
    }

    fn at(&self, point: u64) -> usize {
        self.0.partition_point(|&end| end <= point)
    }
}

fn candidates(members: &Members) -> Vec<usize> {
    (0..members.endpoints.len()).filter(|&endpoint| members.conditions[endpoint] == Health::Healthy).collect()
}

fn below(bits: u64, bound: u64) -> u64 {
    ((u128::from(bits) * u128::from(bound)) >> 64) as u64
}

pub fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

fn round_robin(candidates: Vec<usize>) -> Rule {
    let cursor = AtomicU64::new(0);
    Box::new(move |_, _| {
        let turn = cursor.fetch_add(1, Ordering::Relaxed) % candidates.len() as u64;
        candidates.get(turn as usize).copied()
    })
}

/// One cycle of the smooth rotation, stored.
fn weighted_round_robin(members: &Members) -> Rule {
    let line = Line::of(members);
    let weights: Vec<i64> = members.endpoints.iter().map(|endpoint| endpoint.settings.weight.into()).collect();
    let mut gains = vec![0; weights.len()];
    let turn = |_| {
        gains.iter_mut().zip(&weights).for_each(|(gain, weight)| *gain += weight);
        let most = (0..gains.len()).rev().max_by_key(|&endpoint| gains[endpoint]).unwrap();
        gains[most] -= line.total() as i64;
        most
    };
    round_robin((0..line.total()).map(turn).collect())
}

fn random(line: Line) -> Rule {
    Box::new(move |_, moment| Some(line.at(below(moment.random, line.total()))))
}

fn power_of_two_choices(members: Arc<Members>) -> Rule {
    let line = Line::of(&members);
    Box::new(move |_, moment| {
        let first = line.at(below(moment.random, line.total()));
        let (start, share) = (line.start(first), line.0[first] - line.start(first));
        let point = below(mix(moment.random), line.total() - share);
        let second = line.at(if point < start { point } else { point + share });
        let load = |endpoint: usize, other: usize| {
            u64::from(members.endpoints[endpoint].in_flight()) * u64::from(members.endpoints[other].settings.weight)
        };
        Some(if load(second, first) < load(first, second) { second } else { first })
    })
}

fn least_connections(members: Arc<Members>) -> Rule {
    let all = candidates(&members);
    Box::new(move |_, moment| least_busy(&members, &all, moment.random))
}

fn least_busy(members: &Members, candidates: &[usize], mut random: u64) -> Option<usize> {
    let (mut chosen, mut least, mut least_weight, mut tied) = (None, 1, 0, 0);
    for &endpoint in candidates {
        let it = &members.endpoints[endpoint];
        let (weight, in_flight) = (u64::from(it.settings.weight), u64::from(it.in_flight()));
        if in_flight * least_weight < least * weight {
            (chosen, least, least_weight, tied) = (Some(endpoint), in_flight, weight, weight);
        } else if in_flight * least_weight == least * weight {
            tied += weight;
            random = mix(random);
            if below(random, tied) < weight {
                chosen = Some(endpoint);
            }
        }
    }
    chosen
}

fn least_response_time(members: Arc<Members>) -> Rule {
    let mean = Line::of(&members).total() as f64 / members.endpoints.len() as f64;
    Box::new(move |_, moment| {
        let (mut chosen, mut all_chances, mut random) = (None, 0.0, moment.random);
        let now = Instant::now();
        for (number, endpoint) in members.endpoints.iter().enumerate() {
            let share = f64::from(endpoint.settings.weight) / mean;
            let wait = f64::from(endpoint.latency_us(now)) * (f64::from(endpoint.in_flight()) / share + 1.0);
            let chance = share / (wait * wait);
            all_chances += chance;
            random = mix(random);
            if (random >> 11) as f64 / (1_u64 << 53) as f64 * all_chances < chance {
                chosen = Some(number);
            }
        }
        chosen
    })
}

/// Maglev by the client's address.
fn consistent_hash(members: &Members) -> Rule {
    const SLOTS: usize = 65_537;
    let hashes = members.endpoints.iter().map(|endpoint| xxh3_64(endpoint.settings.id.as_bytes()) as usize);
    let mut wishes: Vec<(usize, usize)> = hashes.map(|hash| (hash % SLOTS, (hash >> 32) % (SLOTS - 1) + 1)).collect();
    let weights = members.endpoints.iter().map(|endpoint| endpoint.settings.weight as usize);
    let turns: Vec<usize> =
        weights.enumerate().flat_map(|(endpoint, weight)| std::iter::repeat_n(endpoint, weight)).collect();
    let mut table = vec![usize::MAX; SLOTS];
    for &endpoint in turns.iter().cycle().take(SLOTS) {
        let (next, step) = &mut wishes[endpoint];
        while table[*next] != usize::MAX {
            *next = (*next + *step) % SLOTS;
        }
        table[*next] = endpoint;
    }
    Box::new(move |head, _| table.get(below(client_hash(head), SLOTS as u64) as usize).copied())
}

/// As the gateway hashes it for plugins.
pub fn client_hash(head: &RequestHead) -> u64 {
    let mut hasher = Xxh3::with_seed(0);
    hasher.update(b"client-ip\0\0");
    match head.client {
        std::net::IpAddr::V4(address) => hasher.update(&address.octets()),
        std::net::IpAddr::V6(address) => hasher.update(&address.octets()),
    }
    hasher.digest()
}

/// Clients of 192.0.2.0/24 stand in zone `a`.
fn nearest_zone(members: Arc<Members>) -> Rule {
    let network: ipnet::IpNet = "192.0.2.0/24".parse().unwrap();
    let mut zones: HashMap<String, Vec<usize>> = HashMap::new();
    for endpoint in candidates(&members) {
        zones.entry(members.endpoints[endpoint].settings.zone.clone()).or_default().push(endpoint);
    }
    Box::new(move |head, moment| {
        let home = if network.contains(&head.client) { "a" } else { "b" };
        least_busy(&members, zones.get(home)?, moment.random)
    })
}

fn failover(members: &Members) -> Rule {
    let mut groups: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for endpoint in candidates(members) {
        groups.entry(members.endpoints[endpoint].settings.priority).or_default().push(endpoint);
    }
    round_robin(groups.into_values().next().unwrap_or_default())
}
