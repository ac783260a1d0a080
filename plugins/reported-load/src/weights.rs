//! From reports to weights: gRFC A58, with the configured weights for those that do not report.

use crate::config::{Config, Figure};
use sluice_plugin::{Shares, reports};

/// Less than any endpoint is utilized that does something: who says that it is less gets no more for it.
const IDLE: f64 = 0.001;

/// What an endpoint says that counts.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Load {
    /// 0: it does not say.
    requests_per_second: f64,
    /// With the penalty for errors; more than 0.
    utilization: f64,
}

/// The weight of each endpoint, in no unit, by what it reports, or else by its `share`; 0 for those without a share. And how many
/// go by what they report.
///
/// Who does not report, not for long enough, or nothing of use, gets what its share is among those that do. So one report alone
/// changes nothing, as in gRPC, and an endpoint that stops reporting is back at its configured weight.
pub(crate) fn weights(shares: &Shares, warm_up: &[u32], config: &Config) -> (Vec<f64>, usize) {
    let loads = loads(config);
    // Rates cannot be compared with none: who tells no rate where others do has said nothing.
    let by_rate = loads.iter().flatten().any(|load| load.requests_per_second > 0.0);
    let shares: Vec<f64> = (0..warm_up.len()).map(|endpoint| shares.of(endpoint as u32) as f64).collect();
    let rated = |((share, warm_up), load): ((&f64, &u32), Option<Load>)| {
        let load = load.filter(|load| *share > 0.0 && (!by_rate || load.requests_per_second > 0.0))?;
        // A rate tells how large an endpoint is. Without one, that is what it is configured for.
        let size = if by_rate { load.requests_per_second * f64::from(*warm_up) } else { *share };
        Some(size / load.utilization)
    };
    let rated: Vec<Option<f64>> = shares.iter().zip(warm_up).zip(loads).map(rated).collect();
    let of_rated = shares.iter().zip(&rated).filter(|(_, weight)| weight.is_some()).map(|(share, _)| share);
    let (weight, share) = (rated.iter().flatten().sum::<f64>(), of_rated.sum::<f64>());
    let unit = if share > 0.0 { weight / share } else { 1.0 };
    let weights = rated.iter().zip(&shares).map(|(rated, share)| rated.unwrap_or(share * unit)).collect();
    (weights, rated.iter().flatten().count())
}

fn loads(config: &Config) -> Vec<Option<Load>> {
    // Asked for once: a list for each name.
    let named: Vec<Vec<Option<f64>>> = config.utilization.iter().map(all).collect();
    let blackout_us = config.blackout.0.as_micros() as u64;
    let load = |(endpoint, report): (usize, Option<reports::Report>)| {
        let report = report.filter(|report| report.steady_us >= blackout_us)?;
        let figure = |(figure, named): (&Figure, &Vec<Option<f64>>)| match figure {
            Figure::Cpu => report.cpu,
            Figure::Memory => report.memory,
            Figure::Named(_) => named.get(endpoint).copied().flatten().unwrap_or(0.0),
        };
        let largest = config.utilization.iter().zip(&named).map(figure).fold(0.0, f64::max);
        let said = [report.utilization, largest, report.cpu].into_iter().find(|said| *said > 0.0)?;
        let rate = report.requests_per_second;
        let errors = if rate > 0.0 { report.errors_per_second / rate } else { 0.0 };
        let utilization = (said + errors * config.error_penalty).max(IDLE);
        Some(Load { requests_per_second: rate, utilization })
    };
    reports::last_all().into_iter().enumerate().map(load).collect()
}

fn all(figure: &Figure) -> Vec<Option<f64>> {
    match figure {
        Figure::Named(name) => reports::named_all(name),
        Figure::Cpu | Figure::Memory => Vec::new(),
    }
}
