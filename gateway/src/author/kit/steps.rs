//! The steps of a scenario, one after the other, and what is expected of each.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::player::{Answering, Broken, Gone, Player, Said};
use super::scenario::{Endpoint, Expect, Request, Says, Step};
use crate::author::Asked;
use crate::message::RequestHead;
use crate::plugin::{Hook, Plugin};

/// Plays them all; the error has the position of the step.
pub(super) fn play(player: &mut Player, plugin: &Arc<Plugin>, steps: &[Step]) -> Result<(), (usize, Broken)> {
    steps.iter().enumerate().try_for_each(|(position, step)| {
        change(player, plugin, step).and_then(|()| ask(player, step)).map_err(|broken| (position, broken))
    })
}

fn change(player: &mut Player, plugin: &Arc<Plugin>, step: &Step) -> Result<(), Broken> {
    if let Some(endpoints) = &step.endpoints {
        player.events += 1;
        player.stage().change(endpoints.iter().map(Endpoint::settings).collect());
    }
    for (id, condition) in &step.health {
        player.judge(id, *condition);
    }
    for (id, count) in &step.in_flight {
        player.set_in_flight(id, *count);
    }
    for (id, latency) in &step.latency {
        player.events += 1;
        let members = player.stage().members();
        if let Some(index) = members.endpoints.iter().position(|endpoint| *endpoint.settings.id == **id) {
            player.stage().sample(index, latency.0);
        }
    }
    for (id, bytes) in &step.bytes_per_second {
        player.set_bytes_per_second(id, *bytes);
    }
    for (id, figures) in &step.reports {
        player.report(id, figures)?;
    }
    if let Some(time) = step.advance {
        player.events += 1;
        player.advance(time.0)?;
    }
    if step.swap {
        player.swap(plugin)?;
    }
    Ok(())
}

fn ask(player: &mut Player, step: &Step) -> Result<(), Broken> {
    let Some(request) = &step.request else { return Ok(()) };
    let none = Expect::default();
    let expect = step.expect.as_ref().unwrap_or(&none);
    let mut seen = Seen::default();
    for number in 0..request.times {
        let number = request.cycle.map_or(number, |cycle| number % cycle);
        let head = head(request, number).map_err(|message| player.broken(message))?;
        let answer = fields(&request.answer, number).map_err(|message| player.broken(message))?;
        let answering = Answering {
            fails: &|id| request.fails.get(id).copied(),
            latency: request.latency.0,
            attempts: request.attempts,
            hold: request.hold as usize,
            headers: &answer,
        };
        let gone = player.exchange(head, &answering)?;
        seen.look(expect, &gone, number).map_err(|message| player.broken(message))?;
        player.advance(request.every.0)?;
    }
    let upstreams = player.has(Hook::Routing);
    seen.sum_up(expect, upstreams).map_err(|message| player.broken(message))?;
    metrics(player, expect)
}

/// The request of that number.
pub(super) fn head(request: &Request, number: u32) -> Result<Arc<RequestHead>, String> {
    let at = |text: &str| text.replace("{n}", &number.to_string());
    let target = at(&request.path);
    let asked = Asked {
        method: Method::from_bytes(request.method.as_bytes())
            .map_err(|error| format!("{}: {error}", request.method))?,
        target: target.parse().map_err(|error| format!("path {target:?}: {error}"))?,
        headers: fields(&request.headers, number)?,
        body: at(&request.body).into(),
        client: at(&request.client).parse().map_err(|error| format!("client {:?}: {error}", at(&request.client)))?,
        ..Asked::default()
    };
    Ok(asked.head())
}

fn fields(given: &BTreeMap<String, String>, number: u32) -> Result<HeaderMap, String> {
    let mut fields = HeaderMap::new();
    for (name, value) in given {
        let value = value.replace("{n}", &number.to_string());
        let wrong = |error: &dyn std::fmt::Display| format!("field {name:?}: {error}");
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| wrong(&error))?;
        fields.append(name, HeaderValue::from_str(&value).map_err(|error| wrong(&error))?);
    }
    Ok(fields)
}

/// Where the requests of a step went.
#[derive(Debug, Default)]
struct Seen {
    count: u32,
    endpoints: HashMap<Arc<str>, u32>,
    upstreams: HashMap<Arc<str>, u32>,
    by_number: HashMap<u32, Option<Arc<str>>>,
}

impl Seen {
    /// What is expected of each request by itself.
    fn look(&mut self, expect: &Expect, gone: &Gone, number: u32) -> Result<(), String> {
        let went = gone.endpoint.as_deref();
        let named = went.unwrap_or("no endpoint");
        let is_among = |ids: &[String]| ids.iter().any(|id| Some(&**id) == went);
        if !expect.only.is_empty() && !is_among(&expect.only) {
            return Err(format!("expected only {}, went to {named}", expect.only.join(", ")));
        }
        if is_among(&expect.never) {
            return Err(format!("expected never {named}, went there"));
        }
        if let Some(due) = expect.order.get(self.count as usize)
            && went != Some(due)
        {
            return Err(format!("expected {due} in turn {}, went to {named}", self.count));
        }
        if let Some(says) = expect.says.filter(|says| Some(*says) != Says::of(gone.said)) {
            return Err(format!("expected it to say {says:?}, it said {:?}", gone.said));
        }
        if let Some(status) = expect.status.filter(|status| gone.status != Some(*status)) {
            return Err(format!("expected the status {status}, got {:?}", gone.status));
        }
        if expect.upstream.is_some() && expect.upstream.as_deref() != gone.upstream.as_deref() {
            return Err(format!("expected the upstream {:?}, got {:?}", expect.upstream, gone.upstream));
        }
        if let Some(head) = &gone.head {
            look_at_fields(&expect.request_headers, &head.headers)?;
        }
        look_at_fields(&expect.answer_headers, &gone.answer)?;
        let before = self.by_number.entry(number).or_insert_with(|| gone.endpoint.clone());
        if expect.same && before.as_deref() != went {
            return Err(format!("expected {:?} again for {number}, went to {named}", before.as_deref()));
        }
        self.count += 1;
        for (counts, name) in [(&mut self.endpoints, &gone.endpoint), (&mut self.upstreams, &gone.upstream)] {
            if let Some(name) = name {
                *counts.entry(name.clone()).or_default() += 1;
            }
        }
        Ok(())
    }

    /// What is expected of them together.
    fn sum_up(&self, expect: &Expect, upstreams: bool) -> Result<(), String> {
        let endpoints = (&expect.shares, &self.endpoints);
        let upstreams = upstreams.then_some((&expect.upstream_shares, &self.upstreams));
        for (wanted, counts) in [endpoints].into_iter().chain(upstreams) {
            for (name, share) in wanted {
                let found = f64::from(counts.get(&**name).copied().unwrap_or(0)) / f64::from(self.count);
                if (found - share).abs() > expect.within {
                    let within = expect.within;
                    return Err(format!(
                        "expected {share} of the requests at {name} within {within}, found {found:.4}"
                    ));
                }
            }
        }
        Ok(())
    }
}

fn look_at_fields(expected: &BTreeMap<String, String>, found: &HeaderMap) -> Result<(), String> {
    for (name, value) in expected {
        let is = found.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        if is.as_deref().unwrap_or_default() != value {
            return Err(format!("expected {name}: {value}, found {}", is.as_deref().unwrap_or("no such field")));
        }
    }
    Ok(())
}

fn metrics(player: &Player, expect: &Expect) -> Result<(), Broken> {
    let all: HashMap<_, _> = player.rig.owner().metrics().all().into_iter().collect();
    for (name, value) in &expect.metrics {
        let found = all.get(name).map(|metric| metric.value());
        if found != Some(*value) {
            return Err(player.broken(format!("expected the metric {name} to be {value}, found {found:?}")));
        }
    }
    Ok(())
}

impl Says {
    fn of(said: Said) -> Option<Self> {
        match said {
            Said::Nothing => None,
            Said::Pass => Some(Says::Pass),
            Said::Choice(_) | Said::Refused(_) => Some(Says::Choice),
            Said::Answer(_) => Some(Says::Answer),
        }
    }
}
