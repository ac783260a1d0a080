//! Routes, from the file's shape to the model. What their patterns mean is in `matcher`.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::bounds;
use super::key_path::KeyPath;
use super::matcher;
use super::model::{OF_THIS_HOP, Route, Timeouts, UpstreamIndex};
use super::problem::{Report, did_you_mean};
use super::raw;
use super::uses::{Sees, Standing, Uses};

/// What routes refer to.
pub(super) struct Surroundings<'a> {
    /// Names of the upstreams, by index.
    pub(super) upstreams: &'a [String],
    /// Those of the whole gateway.
    pub(super) timeouts: &'a Timeouts,
}

pub(super) fn routes(
    raw: Vec<raw::Route>,
    around: &Surroundings<'_>,
    uses: &mut Uses<'_>,
    report: &mut Report<'_>,
) -> Vec<Route> {
    let mut routes: Vec<Route> = Vec::with_capacity(raw.len());
    // There may be very many of them.
    let (mut names, mut matchers) = (HashSet::new(), HashMap::new());
    for (index, raw) in raw.into_iter().enumerate() {
        let at = KeyPath::root().key("route").index(index);
        let route = route(raw, around, uses, &at, report);
        if !names.insert(route.name.clone()) {
            report.add(&at.key("name"), format!("another route is called {:?}", route.name));
        }
        // Only matchers that are what the file says can be the same.
        if report.is_sound(&at.key("match")) {
            match matchers.entry(route.matcher.clone()) {
                Entry::Vacant(entry) => {
                    entry.insert(route.name.clone());
                }
                Entry::Occupied(other) => {
                    let message = format!("no request can come here: route {:?} fits the same ones", other.get());
                    report.add(&at.key("match"), message);
                }
            }
        }
        routes.push(route);
    }
    routes
}

fn route(
    raw: raw::Route,
    around: &Surroundings<'_>,
    uses: &mut Uses<'_>,
    at: &KeyPath,
    report: &mut Report<'_>,
) -> Route {
    let owner = raw.name.0.as_str();
    let matcher = matcher::matcher(raw.matcher, &at.key("match"), report);
    let strip_prefix = raw.rewrite.strip_prefix.and_then(|prefix| {
        let prefix = matcher::strip_prefix(&prefix, &matcher.path);
        prefix.map_err(|message| report.add(&at.key("rewrite").key("strip-prefix"), message)).ok()
    });
    let upstream = upstream_index(&raw.upstream, around, &at.key("upstream"), report);
    let mut upstreams = vec![upstream];
    for (index, name) in raw.upstreams.iter().enumerate() {
        let further = upstream_index(name, around, &at.key("upstreams").index(index), report);
        if !upstreams.contains(&further) {
            upstreams.push(further);
        }
    }
    let sees = Sees { upstream: None, upstreams: upstreams.clone() };
    let routing = Standing { owner, hook: "routing", sees, at: at.key("routing") };
    let response = Standing { owner, hook: "response", sees: Sees::default(), at: at.key("response") };
    let upgrades = upgrades(&raw.upgrades, &at.key("upgrades"), report);
    Route {
        name: Arc::from(owner),
        matcher,
        routing: uses.chain(raw.routing, &routing, report),
        upstream,
        upstreams,
        strip_prefix,
        response: uses.chain(raw.response, &response, report),
        upgrades,
        retry: bounds::retry(&raw.retry, &at.key("retry"), report),
        limits: bounds::limits(raw.limits, &at.key("limits"), report),
        via: raw.via,
        timeouts: timeouts(&raw.timeouts, around.timeouts),
    }
}

/// Names of protocols, without their versions. What is another way to reach this gateway cannot be passed on.
fn upgrades(names: &[String], at: &KeyPath, report: &mut Report<'_>) -> Vec<String> {
    let mut upgrades = Vec::with_capacity(names.len());
    for (index, name) in names.iter().enumerate() {
        let lower = name.to_ascii_lowercase();
        if !matcher::is_token(&lower) {
            report.add(&at.index(index), format!("{name:?} is not the name of a protocol"));
        } else if OF_THIS_HOP.contains(&&*lower) {
            report.add(&at.index(index), format!("{name:?} is spoken with this gateway, and not passed on"));
        } else {
            upgrades.push(lower);
        }
    }
    upgrades
}

fn timeouts(own: &raw::RouteTimeouts, all: &Timeouts) -> Timeouts {
    Timeouts {
        connect: own.connect.map_or(all.connect, |time| time.0),
        response_header: own.response_header.map_or(all.response_header, |time| time.0),
        total: own.total.map_or(all.total, |time| time.0),
        stream_idle: own.stream_idle.map_or(all.stream_idle, |time| time.0),
        ..all.clone()
    }
}

/// The index of an upstream; an impossible one, with a problem, if no upstream has that name.
fn upstream_index(name: &str, around: &Surroundings<'_>, at: &KeyPath, report: &mut Report<'_>) -> UpstreamIndex {
    around.upstreams.iter().position(|known| known == name).unwrap_or_else(|| {
        let nearest = did_you_mean(name, around.upstreams.iter().map(String::as_str));
        report.add(at, format!("no upstream is called {name:?}{nearest}"));
        UpstreamIndex::MAX
    })
}
