//! Rotation in proportion to the weights. One cursor serves all workers, and over one cycle (as many requests as the
//! weights add up to, after their common factor) every endpoint gets exactly its share, smoothly interleaved: of weights 5,
//! 1, 1 come `a a b a c a a`, not five times `a` in a row.
//!
//! It takes no configuration. Use it when endpoints differ in size and requests cost about the same.
//!
//! How it interleaves: by the smooth weighted round-robin of nginx, one cycle of which is stored. Where a cycle is too long
//! for that (many endpoints with large weights that have no common factor), the endpoints lie side by side on a line, each as
//! long as its weight, and the cursor walks that line in steps of about the golden section of its length. Step and length
//! have no common factor, so that each point is met once a cycle, and no step spreads points more evenly.

use sluice_plugin::selection::{Decision, Input};
use sluice_plugin::{
    Cell, EndpointIndex, Issues, Members, NoConfig, Plugin, Request, Selection, Setup, Shares, endpoints,
};

struct WeightedRoundRobin {
    cursor: Cell,
    /// One cycle of choices; empty if it is too long to be stored.
    sequence: Vec<EndpointIndex>,
    shares: Shares,
    /// The common factor of all shares: points so far apart lie in one share.
    unit: u64,
    /// Points in a cycle, one for each unit of weight.
    cycle: u64,
    /// From one choice to the next, in points.
    step: u64,
    choosable: Vec<EndpointIndex>,
}

sluice_plugin::export!(WeightedRoundRobin: Selection);

impl Plugin for WeightedRoundRobin {
    type Config = NoConfig;

    fn new(_: NoConfig, _: &Setup) -> Result<Self, Issues> {
        let cursor = Cell::open("cursor", 0);
        Ok(Self {
            cursor,
            sequence: Vec::new(),
            shares: Shares::default(),
            unit: 1,
            cycle: 0,
            step: 0,
            choosable: Vec::new(),
        })
    }
}

impl Selection for WeightedRoundRobin {
    fn set_endpoints(&mut self, members: &Members) {
        self.shares = members.shares();
        self.choosable = self.shares.choosable().collect();
        self.unit =
            self.choosable.iter().fold(0, |unit, &endpoint| common_factor(unit, self.shares.of(endpoint))).max(1);
        self.cycle = self.shares.total() / self.unit;
        let weights = self.choosable.iter().map(|&endpoint| (endpoint, self.shares.of(endpoint) / self.unit));
        self.sequence = smooth_sequence(&weights.collect::<Vec<_>>(), self.cycle);
        self.step = golden_step(self.cycle);
    }

    fn select(&mut self, input: Input, _: Option<&Request>) -> Decision {
        if self.cycle == 0 {
            return Decision::pass();
        }
        // Unsigned, so that the rotation goes on past the largest number. A cycle is at most 10^9, so nothing overflows.
        let turn = self.cursor.fetch_add(1) as u64 % self.cycle;
        let walk = || self.shares.at(turn * self.step % self.cycle * self.unit);
        let endpoint = self.sequence.get(turn as usize).copied().or_else(walk);
        if input.attempt == 0 {
            return endpoint.map_or(Decision::pass(), Decision::endpoint);
        }
        let position = self.choosable.partition_point(|&candidate| Some(candidate) < endpoint);
        endpoints::first_untried(&self.choosable, position).map_or(Decision::pass(), Decision::endpoint)
    }
}

/// One cycle of choices: each turn everyone gains its weight, and who has most is chosen and pays the whole cycle.
fn smooth_sequence(weights: &[(EndpointIndex, u64)], cycle: u64) -> Vec<EndpointIndex> {
    /// What a new set of endpoints may cost, about 5 ms.
    const MOST_STEPS: u64 = 2_000_000;
    if cycle * weights.len() as u64 > MOST_STEPS {
        return Vec::new();
    }
    let mut gains = vec![0i64; weights.len()];
    let mut turn = || {
        gains.iter_mut().zip(weights).for_each(|(gain, (_, weight))| *gain += *weight as i64);
        // Of several with as much, the first.
        let most = (0..gains.len()).rev().max_by_key(|&position| gains[position])?;
        gains[most] -= cycle as i64;
        Some(weights[most].0)
    };
    (0..cycle).map_while(|_| turn()).collect()
}

/// Near the golden section of the cycle, the step whose points spread most evenly.
fn golden_step(cycle: u64) -> u64 {
    const NEAR: u64 = 50;
    let golden = (cycle as f64 * 0.618_033_988_749_895) as u64;
    let candidates = golden.saturating_sub(NEAR).max(1)..=(golden + NEAR).min(cycle);
    let meeting_all = candidates.filter(|&step| common_factor(step, cycle) == 1);
    meeting_all.min_by_key(|&step| (unevenness(step, cycle), step.abs_diff(golden))).unwrap_or(1)
}

/// The greatest quotient in Euclid's algorithm: the smaller it is, the more evenly the multiples of `step` spread.
fn unevenness(step: u64, cycle: u64) -> u64 {
    cycle.checked_div(step).map_or(0, |quotient| quotient.max(unevenness(cycle % step, step)))
}

/// The greatest common divisor; that of 0 and a number is the number.
fn common_factor(one: u64, other: u64) -> u64 {
    if other == 0 { one } else { common_factor(other, one % other) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_plugin::fake::{self, json};

    fn choices(weights: &[u32], workers: usize, count: usize) -> Vec<usize> {
        let host = fake::Host::new().weights(weights);
        let mut plugins: Vec<_> = (0..workers).map(|_| host.start::<WeightedRoundRobin>(json!({})).unwrap()).collect();
        let choose = |turn: usize| match host.select(&mut plugins[turn * 7 % 5 % workers]) {
            Decision::Endpoint(choice) => choice.endpoint as usize,
            other => panic!("{other:?}"),
        };
        (0..count).map(choose).collect()
    }

    const WEIGHTS: [&[u32]; 8] = [
        &[1],
        &[1, 1, 1, 1],
        &[5, 1, 1],
        &[2, 4, 6],
        &[1000, 1],
        &[3, 7, 11, 13],
        &[100, 90, 80, 70, 60, 50, 40, 30, 20, 10],
        &[1000, 999, 998, 997],
    ];

    #[test]
    fn shares_are_exact_over_a_cycle_across_workers() {
        for weights in WEIGHTS {
            let unit = weights.iter().fold(0, |unit, &weight| common_factor(unit, weight.into())) as usize;
            let cycle = weights.iter().sum::<u32>() as usize / unit;
            // From the middle of a cycle to the middle of the next: any window of that length will do.
            let chosen = choices(weights, 3, cycle / 2 + cycle);
            for (endpoint, &weight) in weights.iter().enumerate() {
                let times = chosen[cycle / 2..].iter().filter(|&&chosen| chosen == endpoint).count();
                assert_eq!(times * unit, weight as usize, "endpoint {endpoint} of {weights:?}");
            }
        }
    }

    #[test]
    fn choices_are_interleaved() {
        assert_eq!(choices(&[5, 1, 1], 1, 7), [0, 0, 1, 0, 2, 0, 0]);
        assert_eq!(choices(&[5, 3, 1], 1, 9), [0, 1, 0, 2, 0, 1, 0, 1, 0]);
        // Everyone is at all times within three choices of its share.
        for weights in WEIGHTS {
            let total: f64 = weights.iter().copied().map(f64::from).sum();
            let mut times = vec![0.0; weights.len()];
            for (turn, endpoint) in choices(weights, 1, 4000).into_iter().enumerate() {
                times[endpoint] += 1.0;
                for (endpoint, &weight) in weights.iter().enumerate() {
                    let due = (turn + 1) as f64 * f64::from(weight) / total;
                    let off = times[endpoint] - due;
                    assert!(off.abs() < 3.0, "endpoint {endpoint} of {weights:?} is {off:.1} off at {turn}");
                }
            }
        }
    }

    #[test]
    fn the_largest_set_needs_no_table() {
        let weights: Vec<u32> = (0..1000).map(|number| 1000 - number % 7).collect();
        assert_eq!(choices(&weights, 1, 10_000).len(), 10_000);
    }

    #[test]
    fn a_retry_goes_to_another_endpoint() {
        let host = fake::Host::new().weights(&[1000, 1]);
        let mut plugin = host.start::<WeightedRoundRobin>(json!({})).unwrap();
        let mut exchange = host.exchange(fake::Request::get("/"));
        assert_eq!(exchange.select(&mut plugin), Decision::endpoint(0));
        exchange.failed();
        assert_eq!(exchange.select(&mut plugin), Decision::endpoint(1));
        exchange.failed();
        assert_eq!(exchange.select(&mut plugin), Decision::pass());
    }

    #[test]
    fn slow_start_and_absence_count() {
        let host = fake::Host::new().endpoints(2);
        let mut plugin = host.start::<WeightedRoundRobin>(json!({})).unwrap();
        host.change_endpoints(|endpoints| endpoints[1].warm_up = 100);
        let times = (0..110).filter(|_| host.select(&mut plugin) == Decision::endpoint(1)).count();
        assert_eq!(times, 10);
        host.change_endpoints(Vec::clear);
        assert_eq!(host.select(&mut plugin), Decision::pass());
    }
}
