//! What the draw does with given figures, and what comes of it over time, with the host's own peaking mean.

use super::*;
use sluice_plugin::Health;
use sluice_plugin::fake::{self, Host, Instance, json};
use std::{cmp::Reverse, collections::BinaryHeap};

fn start(host: &Host) -> Instance<LeastResponseTime> {
    host.start(json!({})).unwrap()
}

/// Which part of many draws each endpoint gets.
fn parts<const N: usize>(host: &Host) -> [f64; N] {
    const DRAWS: u32 = 50_000;
    let mut plugin = start(host);
    let mut times = [0.0; N];
    for _ in 0..DRAWS {
        match host.select(&mut plugin) {
            Decision::Endpoint(choice) => times[choice.endpoint as usize] += 1.0,
            other => panic!("{other:?}"),
        }
    }
    times.map(|times: f64| times / f64::from(DRAWS))
}

fn assert_near<const N: usize>(found: [f64; N], due: [f64; N]) {
    assert!(found.iter().zip(due).all(|(found, due)| (found - due).abs() < 0.01), "{found:?} instead of {due:?}");
}

#[test]
fn the_chance_falls_with_the_square_of_the_wait() {
    let host = Host::new().endpoints(3);
    host.set_latency_us(&[1_000, 1_000, 2_000]);
    assert_near(parts(&host), [4.0 / 9.0, 4.0 / 9.0, 1.0 / 9.0]);
    host.set_in_flight(&[0, 1, 0]);
    assert_near(parts(&host), [4.0 / 6.0, 1.0 / 6.0, 1.0 / 6.0]);
    // Idle for so long that nothing is left of the figures.
    host.set_latency_us(&[0, 0, 0]);
    host.set_in_flight(&[0, 0, 0]);
    assert_near(parts(&host), [1.0 / 3.0; 3]);
}

#[test]
fn weights_decide_at_rest_and_count_against_the_load() {
    let host = Host::new().weights(&[1, 3]);
    assert_near(parts(&host), [0.25, 0.75]);
    host.set_latency_us(&[1_000, 1_000]);
    assert_near(parts(&host), [0.25, 0.75]);
    // As busy for their weight: the loads are even, so the weights decide again.
    host.set_in_flight(&[10, 30]);
    assert_near(parts(&host), [0.25, 0.75]);
}

#[test]
fn a_new_endpoint_counts_as_the_mean_and_gets_one_request_until_it_has_answered() {
    let host = Host::new().endpoints(3);
    host.set_latency_us(&[1_000, 3_000, NEVER_SAMPLED]);
    let weights = [1.0, 1.0 / 9.0, 1.0 / 2.25];
    assert_near(parts(&host), weights.map(|weight| weight / weights.iter().sum::<f64>()));
    host.set_in_flight(&[0, 0, 1]);
    assert_near(parts(&host), [0.9, 0.1, 0.0]);
    // One that failed does not make the new one look as bad.
    host.set_latency_us(&[1_000, 30_000_000, NEVER_SAMPLED]);
    host.set_in_flight(&[0, 0, 0]);
    assert_near(parts(&host), [0.8, 0.0, 0.2]);
    // Nobody has answered yet: the requests in flight decide.
    host.set_latency_us(&[NEVER_SAMPLED; 3]);
    host.set_in_flight(&[1, 1, 0]);
    assert_near(parts(&host), [1.0 / 6.0, 1.0 / 6.0, 4.0 / 6.0]);
}

#[test]
fn leaves_out_who_may_not_be_chosen_or_was_tried() {
    let host = Host::new().endpoints(3);
    host.set_latency_us(&[1, 1_000_000, 1_000_000]);
    host.change_endpoints(|endpoints| endpoints[0].health = Health::Unhealthy);
    let mut plugin = start(&host);
    let mut exchange = host.exchange(fake::Request::get("/"));
    let first = exchange.select(&mut plugin);
    exchange.failed();
    let second = exchange.select(&mut plugin);
    exchange.failed();
    assert_ne!(first, second);
    assert!(![first, second].contains(&Decision::endpoint(0)));
    assert_eq!(exchange.select(&mut plugin), Decision::pass());

    host.change_endpoints(Vec::clear);
    assert_eq!(host.select(&mut plugin), Decision::pass());
}

/// Clients that each send one request after the other through several workers, and backends that answer after a time.
struct Simulation {
    host: Host,
    workers: Vec<Instance<LeastResponseTime>>,
    /// Of each endpoint: the mean time to answer, the figure and when it was written, requests in flight.
    backends: Vec<(f64, f64, f64, u32)>,
    /// When a request ends: microseconds, endpoint, begin. The heap wants whole numbers.
    ends: BinaryHeap<Reverse<(u64, usize, u64)>>,
    random: u64,
}

impl Simulation {
    const DECAY_US: f64 = 10_000_000.0;

    fn new(backends: &[f64], clients: usize) -> Self {
        let host = Host::new().endpoints(backends.len());
        let mut simulation = Self {
            workers: (0..4).map(|_| start(&host)).collect(),
            host,
            backends: backends.iter().map(|&answers_after| (answers_after, f64::NAN, 0.0, 0)).collect(),
            ends: BinaryHeap::new(),
            random: 7,
        };
        (0..clients).for_each(|_| simulation.send(0));
        simulation
    }

    /// Sends a request through one of the workers.
    fn send(&mut self, now: u64) {
        let figure = |&(_, value, written, _): &(f64, f64, f64, u32)| match value.is_nan() {
            true => NEVER_SAMPLED,
            false => (value * ((written - now as f64) / Self::DECAY_US).exp()) as u32,
        };
        self.host.set_latency_us(&self.backends.iter().map(figure).collect::<Vec<_>>());
        self.host.set_in_flight(&self.backends.iter().map(|backend| backend.3).collect::<Vec<_>>());
        self.random = mix(self.random.wrapping_add(1));
        let worker = self.random as usize % self.workers.len();
        let Decision::Endpoint(choice) = self.host.select(&mut self.workers[worker]) else { panic!("nobody serves") };
        let endpoint = choice.endpoint as usize;
        self.backends[endpoint].3 += 1;
        // From 70 to 130 % of the mean.
        let lasts = self.backends[endpoint].0 * (0.7 + 0.6 * fraction(mix(self.random)));
        self.ends.push(Reverse((now + lasts as u64, endpoint, now)));
    }

    /// Lets requests end and new ones begin until `until`; gives how many each endpoint answered.
    fn run(&mut self, until: u64) -> Vec<f64> {
        let mut answered = vec![0.0; self.backends.len()];
        while let Some(&Reverse((now, endpoint, begun))) = self.ends.peek().filter(|Reverse((end, ..))| *end < until) {
            self.ends.pop();
            answered[endpoint] += 1.0;
            let (_, value, written, in_flight) = &mut self.backends[endpoint];
            let sample = (now - begun) as f64;
            let keep = ((*written - now as f64) / Self::DECAY_US).exp();
            *value = if value.is_nan() || sample > *value { sample } else { *value * keep + sample * (1.0 - keep) };
            *written = now as f64;
            *in_flight -= 1;
            self.send(now);
        }
        answered
    }
}

const SECOND: u64 = 1_000_000;

/// How many times its even part an endpoint got.
fn times_its_part(answered: &[f64], endpoint: usize) -> f64 {
    answered[endpoint] / answered.iter().sum::<f64>() * answered.len() as f64
}

#[test]
fn a_slow_endpoint_gets_little_and_its_share_back_once_it_has_recovered() {
    for (endpoints, clients) in [(2, 1), (2, 20), (5, 1), (5, 5), (5, 50)] {
        let mut backends = vec![5_000.0; endpoints];
        backends[0] *= 20.0;
        let mut simulation = Simulation::new(&backends, clients);
        let slow = simulation.run(30 * SECOND);
        let part = slow[0] / slow.iter().sum::<f64>();
        assert!(part < 0.04, "{part} of {clients} clients' requests went to the slow one of {endpoints}");
        assert!(slow[0] >= 3.0, "{} requests in 30 s do not tell that it is better", slow[0]);

        simulation.backends[0].0 = 5_000.0;
        simulation.run(60 * SECOND);
        let recovered = times_its_part(&simulation.run(65 * SECOND), 0);
        assert!(recovered > 0.5, "{clients} clients, {endpoints} endpoints: {recovered} of its part after 30 s");
    }
}

#[test]
fn none_of_five_equal_endpoints_starves() {
    for clients in [1, 5, 50] {
        let mut simulation = Simulation::new(&[2_000.0; 5], clients);
        let answered = simulation.run(100_000 / clients as u64 * 2_000);
        assert!(answered.iter().sum::<f64>() > 90_000.0);
        for endpoint in 0..5 {
            let times = times_its_part(&answered, endpoint);
            assert!((0.8..1.2).contains(&times), "{clients} clients: {answered:?}");
        }
    }
}

#[test]
fn a_new_endpoint_is_not_flooded() {
    let mut simulation = Simulation::new(&[5_000.0; 3], 60);
    simulation.run(10 * SECOND);
    simulation.host.change_endpoints(|endpoints| endpoints.push(fake::Endpoint::new("new")));
    // As slow as backends are that have just been started.
    simulation.backends.push((50_000.0, f64::NAN, 0.0, 0));
    for millisecond in 0..500 {
        simulation.run(10 * SECOND + millisecond * 1_000);
        assert!(simulation.backends[3].3 <= 15, "{} at the new one after {millisecond} ms", simulation.backends[3].3);
    }
    assert!(simulation.backends[3].1 > 0.0, "it has answered");
}
