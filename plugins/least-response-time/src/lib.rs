//! Prefers the endpoints that answer soonest. What counts is the expected wait, latency × (in flight per weight + 1), and the
//! chance of an endpoint falls with the square of it: one that is twice as slow gets a quarter, one that is twenty times as
//! slow next to nothing, and those that are about equal share evenly.
//!
//! It takes no configuration. Use it when endpoints differ in speed, or at times become slow: other machines, other zones, a
//! neighbour that is busy. Where all are alike, `least-connections` is as good and cheaper. It reads all endpoints, about
//! 20 ns each; `power-of-two-choices` costs the same for any number.
//!
//! - The latency is the host's: it jumps up at a slow answer, decays over 10 s, and counts a failure as its timeout. Without
//!   an answer it decays too, so an endpoint that was left out is tried again. One that was twenty times as slow has its
//!   share back some 30 s after it has recovered; one that failed takes longer, by how long its timeout is.
//! - An endpoint without a sample is taken to be as slow as the mean of the others, and gets one request at a time until
//!   there is one.
//! - It is a draw and not the least of all, because a draw has no favourite: a small lead does not take all requests,
//!   workers and gateways that see the same figures do not all rush to the same endpoint, and each is tried now and then.

use sluice_plugin::selection::{Decision, Input};
use sluice_plugin::{
    EndpointIndex, Issues, Members, NoConfig, Plugin, Request, Selection, Setup, endpoints, endpoints::NEVER_SAMPLED,
    mix,
};

struct LeastResponseTime {
    candidates: Vec<Candidate>,
}

struct Candidate {
    endpoint: EndpointIndex,
    /// Its share, where the mean of all is 1.
    share: f64,
}

sluice_plugin::export!(LeastResponseTime: Selection);

impl Plugin for LeastResponseTime {
    type Config = NoConfig;

    fn new(_: NoConfig, _: &Setup) -> Result<Self, Issues> {
        Ok(Self { candidates: Vec::new() })
    }
}

impl Selection for LeastResponseTime {
    fn set_endpoints(&mut self, members: &Members) {
        let shares = members.shares();
        let mean = shares.total() as f64 / shares.choosable().count() as f64;
        let candidate = |endpoint| Candidate { endpoint, share: shares.of(endpoint) as f64 / mean };
        self.candidates = shares.choosable().map(candidate).collect();
    }

    fn select(&mut self, input: Input, _: Option<&Request>) -> Decision {
        let latencies = endpoints::latency_us_all();
        let in_flight = endpoints::in_flight_all();
        let mean = self.mean_latency(&latencies);
        let (mut drawn, mut all_chances, mut random) = (None, 0.0, input.random);
        for candidate in &self.candidates {
            if input.attempt > 0 && endpoints::tried(candidate.endpoint) {
                continue;
            }
            let place = candidate.endpoint as usize;
            let chance = candidate.chance(latencies[place], in_flight[place], mean);
            // Replaces the one drawn so far with the chance that is its part of all so far: in the end a weighted draw.
            all_chances += chance;
            random = mix(random);
            if fraction(random) * all_chances < chance {
                drawn = Some(candidate.endpoint);
            }
        }
        drawn.map_or(Decision::pass(), Decision::endpoint)
    }
}

impl LeastResponseTime {
    /// Of those with a sample; none if nobody has one. It is the harmonic mean: one that failed, which may count as half a
    /// minute, must not make a new one look as bad.
    fn mean_latency(&self, latencies: &[u32]) -> Option<f64> {
        let all = self.candidates.iter().map(|candidate| latencies[candidate.endpoint as usize]);
        let rates = all.filter(|&latency| latency != NEVER_SAMPLED).map(|latency| 1.0 / f64::from(latency.max(1)));
        let (sum, count) = rates.fold((0.0, 0.0), |(sum, count), rate| (sum + rate, count + 1.0));
        (count > 0.0).then(|| count / sum)
    }
}

impl Candidate {
    /// Its part of the draw, in no unit.
    fn chance(&self, latency: u32, in_flight: u32, mean: Option<f64>) -> f64 {
        let latency = match (latency, mean) {
            (NEVER_SAMPLED, Some(_)) if in_flight > 0 => return 0.0,
            (NEVER_SAMPLED, mean) => mean.unwrap_or(1.0),
            (latency, _) => f64::from(latency),
        };
        // The share stands here as well as before the square: at rest the shares decide, and under load the waits even out.
        let wait = latency.max(1.0) * (f64::from(in_flight) / self.share + 1.0);
        self.share / (wait * wait)
    }
}

/// From 0 to just below 1.
fn fraction(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests;
