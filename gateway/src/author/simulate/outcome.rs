//! What came of runs, as JSON has it and reports show it. Times are in milliseconds, shares parts of one.

use serde::Serialize;

use super::figures::rounded;
use super::gateway::Reply;

/// What came of a scenario.
#[derive(Debug, Clone, Serialize)]
pub struct Outcomes {
    /// The version of Sluice.
    pub sluice: &'static str,
    /// The scenario's own title, else the name of its file.
    pub title: String,
    /// The text of its file.
    pub scenario: String,
    /// Where all random numbers came from.
    pub seed: u64,
    /// Simulated seconds of each run.
    pub seconds: f64,
    /// Those of it that do not count.
    pub warm_up_seconds: f64,
    /// What levels are levels of: `load`, `rate`, `clients` or `speed`.
    pub axis: &'static str,
    /// One for each policy, in the order in which they were named.
    pub policies: Vec<PolicyOutcome>,
}

/// What came of one policy.
#[derive(Debug, Clone, Serialize)]
pub struct PolicyOutcome {
    /// What it is called.
    pub name: String,
    /// What it says of itself.
    pub plugin: String,
    /// SHA-256 of its component.
    pub sha256: String,
    /// One for each level.
    pub runs: Vec<Outcome>,
}

/// What came of one run.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Outcome {
    /// In units of the axis.
    pub level: f64,
    /// Requests that came after the warm-up.
    pub requests: u64,
    /// What became of them.
    pub answers: Answers,
    /// Of those that were answered, from the gateway's taking them in to the answer.
    pub latency_ms: Latency,
    /// What of it they stood in endpoints' lines, on average.
    pub wait_ms: f64,
    /// How much busier than the mean the busiest endpoint is, by requests in flight per weight; 1: all alike.
    pub imbalance: f64,
    /// Of requests whose key had come before, those that went to another endpoint than the last time.
    pub moved: f64,
    /// Requests for which the policy had no opinion.
    pub passed: u64,
    /// Choices that the host did not take.
    pub overridden: u64,
    /// Requests that were sent once more.
    pub retries: u64,
    /// The endpoints, in the order of the scenario.
    pub endpoints: Vec<EndpointSeen>,
    /// What happened on the way.
    pub changes: Vec<ChangeSeen>,
    /// The course of the run, with the warm-up.
    pub over_time: Vec<Moment>,
}

/// What became of requests.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Answers {
    /// A good answer.
    pub good: u64,
    /// 500 of an endpoint.
    pub errors: u64,
    /// 503 of an endpoint whose line was full.
    pub full: u64,
    /// No connection.
    pub refused: u64,
    /// Broken off.
    pub reset: u64,
    /// No answer in time.
    pub timed_out: u64,
    /// Nobody to send it to, or the policy refused it.
    pub not_sent: u64,
}

impl Answers {
    pub(super) fn count(&mut self, reply: Option<Reply>) {
        *match reply {
            Some(Reply::Answered) => &mut self.good,
            Some(Reply::Error) => &mut self.errors,
            Some(Reply::Full) => &mut self.full,
            Some(Reply::Refused) => &mut self.refused,
            Some(Reply::Reset) => &mut self.reset,
            Some(Reply::TimedOut) => &mut self.timed_out,
            None => &mut self.not_sent,
        } += 1;
    }

    pub(super) fn all(&self) -> u64 {
        self.good + self.failed()
    }

    /// Those that were not good.
    pub fn failed(&self) -> u64 {
        let Self { good: _, errors, full, refused, reset, timed_out, not_sent } = *self;
        errors + full + refused + reset + timed_out + not_sent
    }
}

/// Latencies, milliseconds.
#[derive(Debug, Clone, Copy, Default, Serialize)]
#[allow(missing_docs, reason = "each is the quantile that its name says")]
pub struct Latency {
    pub mean: f64,
    pub p50: f64,
    pub p90: f64,
    pub p95: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
}

impl Latency {
    /// Of nanoseconds in order.
    pub(super) fn of(sorted: &[u64]) -> Self {
        let all: u128 = sorted.iter().map(|latency| u128::from(*latency)).sum();
        let ms = |nanoseconds: u64| rounded(nanoseconds as f64 / 1e6);
        let at = |part| quantile(sorted, part).map_or(0.0, ms);
        Self {
            mean: rounded(all as f64 / sorted.len().max(1) as f64 / 1e6),
            p50: at(0.5),
            p90: at(0.9),
            p95: at(0.95),
            p99: at(0.99),
            p999: at(0.999),
            max: sorted.last().copied().map_or(0.0, ms),
        }
    }
}

/// The least of these, in order, that so great a part of them does not exceed (the nearest rank).
pub(super) fn quantile<T: Copy>(sorted: &[T], part: f64) -> Option<T> {
    let rank = (part * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied()
}

/// One endpoint's part in a run.
#[derive(Debug, Clone, Serialize)]
pub struct EndpointSeen {
    /// Its id.
    pub id: String,
    /// Its weight.
    pub weight: u32,
    /// Attempts to send it a request.
    pub sent: u64,
    /// Its part of all attempts.
    pub share: f64,
    /// Good answers.
    pub answered: u64,
    /// Attempts that were none.
    pub errors: u64,
    /// Requests in flight, on average.
    pub in_flight: f64,
    /// The most at a time.
    pub highest_in_flight: u32,
    /// Part of the whole run that its servers were at work.
    pub utilization: f64,
    /// Requests whose key was in its cache, of the whole run.
    pub cache_hits: u64,
    /// Requests in flight, on average, in each part of the run.
    pub over_time: Vec<f64>,
}

/// A change, and what it did to keys.
#[derive(Debug, Clone, Serialize)]
pub struct ChangeSeen {
    /// When.
    pub at_ms: f64,
    /// What.
    pub change: String,
    /// Keys that came before and after.
    pub keys: u64,
    /// Those of them that came to another endpoint at once.
    pub moved: f64,
}

/// A part of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Moment {
    /// When it began.
    pub at_ms: f64,
    /// Requests that came.
    pub requests: u64,
    /// Those that got no good answer.
    pub failed: u64,
    /// Of those that came then; none: nobody was answered.
    pub p50_ms: Option<f64>,
    /// Likewise.
    pub p99_ms: Option<f64>,
    /// Of requests whose key had come before, those that went elsewhere.
    pub moved: Option<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_the_nearest_rank() {
        let sorted: Vec<u64> = (1..=10).collect();
        let at = |part| quantile(&sorted, part).unwrap();
        assert_eq!([0.0, 0.1, 0.11, 0.5, 0.9, 0.99, 1.0].map(at), [1, 1, 2, 5, 9, 10, 10]);
        assert_eq!(quantile::<u64>(&[], 0.5), None);
        let latency = Latency::of(&[1_000_000, 3_000_000]);
        assert_eq!((latency.mean, latency.p50, latency.max), (2.0, 1.0, 3.0));
    }
}
