//! What a policy promises of its own accord, as the scenario's `claims` say, and whether it keeps it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::always::{change, well};
use super::player::{Answering, Broken, Case, Player};
use super::scenario::{Affinity, Condition, Endpoint, Fault, Sticky};
use super::{Check, Stopped, settled};
use crate::author::Asked;
use crate::author::request::numbered;
use crate::config::Share;

/// Choices over which shares are taken.
const CHOICES: u32 = 20_000;
/// Keys that are looked at.
const KEYS: u32 = 2_000;
/// Clients that come back.
const CLIENTS: u32 = 100;

/// All that the scenario claims.
pub(super) fn claims(case: Case<'_>) -> Result<Vec<Check>, Stopped> {
    let claims = &case.scenario.claims;
    let mut checks = Vec::new();
    let mut check = |name, kept: &dyn Fn(&mut Player) -> Result<String, Broken>| -> Result<(), Stopped> {
        checks.push(settled(|| Ok(Check::of(name, kept(&mut Player::new(case, 0)?))))?);
        Ok(())
    };
    if let Some(within) = claims.weights {
        check("weights", &|player| weights(player, case, within))?;
    }
    if let Some(by) = &claims.affinity {
        check("affinity", &|player| affinity(player, case, by))?;
    }
    if let Some(sticky) = &claims.sticky {
        check("sticky", &|player| stickiness(player, sticky))?;
    }
    if claims.explores {
        check("explores", &|player| explores(player, case))?;
    }
    if claims.retries {
        check("retries", &retries)?;
    }
    if claims.continues {
        let whole = decisions(&mut Player::new(case, 0)?, None);
        check("continues", &|player| continues(player, case, whole.clone()))?;
    }
    Ok(checks)
}

/// Where requests of different clients go, by id.
fn spread(player: &mut Player, count: u32) -> Result<HashMap<Arc<str>, u32>, Broken> {
    let headers = HeaderMap::new();
    let mut counts = HashMap::new();
    for number in 0..count {
        let gone = player.exchange(numbered(number), &well(&headers))?;
        if let Some(endpoint) = gone.endpoint {
            *counts.entry(endpoint).or_default() += 1;
        }
        player.advance(Duration::from_millis(1))?;
    }
    Ok(counts)
}

fn weights(player: &mut Player, case: Case<'_>, within: Share) -> Result<String, Broken> {
    let counts = spread(player, CHOICES)?;
    let total: u32 = case.scenario.endpoint.iter().map(|endpoint| endpoint.weight).sum();
    let mut furthest = 0.0_f64;
    for endpoint in &case.scenario.endpoint {
        let due = f64::from(endpoint.weight) / f64::from(total);
        let found = f64::from(counts.get(&*endpoint.id).copied().unwrap_or(0)) / f64::from(CHOICES);
        furthest = furthest.max((found - due).abs());
        if (found - due).abs() > f64::from(within.0) / 1_000.0 {
            let id = &endpoint.id;
            return Err(player.broken(format!(
                "`{id}` has {:.2} % of the requests and {:.2} % of the weights; {within} apart are claimed",
                found * 100.0,
                due * 100.0
            )));
        }
    }
    Ok(format!("no share of {CHOICES} further than {:.2} points from its weight's", furthest * 100.0))
}

/// Where each key goes.
fn keys(player: &mut Player, by: &Affinity) -> Result<Vec<Option<Arc<str>>>, Broken> {
    let headers = HeaderMap::new();
    (0..KEYS)
        .map(|number| {
            player.advance(Duration::from_micros(100))?;
            Ok(player.exchange(keyed(by, number).head(), &well(&headers))?.endpoint)
        })
        .collect()
}

/// A request with that key.
fn keyed(by: &Affinity, number: u32) -> Asked {
    let asked = Asked::default();
    let value = |text: String| HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("x"));
    match (&by.header, &by.cookie, &by.query_param) {
        (Some(name), ..) => match HeaderName::from_bytes(name.as_bytes()) {
            Ok(name) => asked.field(name, value(format!("key-{number}"))),
            Err(_) => asked,
        },
        (None, Some(name), _) => asked.field(COOKIE, value(format!("{name}=key-{number}"))),
        (None, None, Some(name)) => {
            let target = format!("/?{name}=key-{number}").parse();
            Asked { target: target.unwrap_or_else(|_| asked.target.clone()), ..asked }
        }
        (None, None, None) => {
            let [_, _, high, low] = number.to_be_bytes();
            asked.of([10, 1, high, low].into())
        }
    }
}

fn affinity(player: &mut Player, case: Case<'_>, by: &Affinity) -> Result<String, Broken> {
    let first = keys(player, by)?;
    let again = keys(player, by)?;
    if let Some(key) = first.iter().zip(&again).position(|(one, other)| one != other) {
        return Err(player.broken(format!("key {key} went elsewhere although nothing has changed")));
    }
    let all = &case.scenario.endpoint;
    let mut most = 0.0_f64;
    for (gone, endpoint) in all.iter().enumerate() {
        let mut fewer = all.clone();
        fewer.remove(gone);
        change(player, fewer);
        let without = keys(player, by)?;
        let held = first.iter().filter(|went| went.as_deref() == Some(&*endpoint.id)).count();
        let moved = first.iter().zip(&without).filter(|(one, other)| one != other).count();
        // Half as many again as had to go.
        let allowed = (f64::from(KEYS) / all.len() as f64).max(held as f64) * 1.5;
        if moved as f64 > allowed {
            let id = &endpoint.id;
            return Err(player.broken(format!("{moved} of {KEYS} keys moved when `{id}` left, which had {held}")));
        }
        most = most.max(moved as f64 / f64::from(KEYS));
        change(player, all.clone());
        let back = keys(player, by)?;
        if let Some(key) = first.iter().zip(&back).position(|(one, other)| one != other) {
            return Err(player.broken(format!("key {key} did not come back when `{}` did", endpoint.id)));
        }
    }
    Ok(format!("{KEYS} keys kept; at most {:.1} % moved when one of {} left, and came back", most * 100.0, all.len()))
}

/// What a client keeps between its requests.
type Jar = BTreeMap<String, String>;

fn visit(player: &mut Player, jar: &mut Jar, client: u32, sticky: &Sticky) -> Result<Option<Arc<str>>, Broken> {
    let mut asked = Asked::default();
    let cookies: Vec<String> = jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
    if let Ok(value) = HeaderValue::from_str(&cookies.join("; "))
        && !jar.is_empty()
    {
        asked = asked.field(COOKIE, value);
    }
    let mut headers = HeaderMap::new();
    if let Some(name) = sticky.backend_cookie.as_ref().filter(|name| !jar.contains_key(*name))
        && let Ok(value) = HeaderValue::from_str(&format!("{name}=session-{client}"))
    {
        headers.append(SET_COOKIE, value);
    }
    let gone = player.exchange(asked.head(), &well(&headers))?;
    for set in gone.answer.get_all(SET_COOKIE) {
        let text = String::from_utf8_lossy(set.as_bytes()).into_owned();
        let pair = text.split(';').next().and_then(|pair| pair.split_once('='));
        if let Some((name, value)) = pair {
            jar.insert(name.trim().to_owned(), value.trim().to_owned());
        }
    }
    Ok(gone.endpoint)
}

fn stickiness(player: &mut Player, sticky: &Sticky) -> Result<String, Broken> {
    let mut jars = vec![Jar::new(); CLIENTS as usize];
    let mut visits = |player: &mut Player| -> Result<Vec<_>, Broken> {
        let clients = jars.iter_mut().zip(0..);
        clients.map(|(jar, client)| visit(player, jar, client, sticky)).collect()
    };
    let first = visits(player)?;
    let Some(target) = first.iter().flatten().next().cloned() else {
        return Err(player.broken("no request went anywhere"));
    };
    for round in 0..5_u64 {
        player.advance(Duration::from_secs(round))?;
        player.set_in_flight(&target, 30);
        let again = visits(player)?;
        if let Some(client) = first.iter().zip(&again).position(|(one, other)| one != other) {
            return Err(player.broken(format!("client {client} was moved although its endpoint is well")));
        }
    }
    player.judge(&target, Condition::Unhealthy);
    if visits(player)?.contains(&Some(target.clone())) {
        return Err(player.broken(format!("a client went to `{target}`, which is unhealthy")));
    }
    let second = visits(player)?;
    if let Some(client) = second.iter().zip(&visits(player)?).position(|(one, other)| one != other) {
        return Err(player.broken(format!("client {client} was moved twice for one endpoint that fell out")));
    }
    let kept = first.iter().zip(&second).filter(|(one, _)| **one != Some(target.clone()));
    let moved = kept.filter(|(one, other)| one != other).count();
    match moved {
        0 => Ok(format!("{CLIENTS} clients stayed; those of an endpoint that fell out went elsewhere once")),
        _ => Err(player.broken(format!("{moved} clients were moved whose endpoints are well"))),
    }
}

fn explores(player: &mut Player, case: Case<'_>) -> Result<String, Broken> {
    // One of them is slow at first, and is well from then on.
    let headers = HeaderMap::new();
    let slow = case.scenario.endpoint.first().map(|endpoint| endpoint.id.clone()).unwrap_or_default();
    for number in 0..CHOICES {
        let fault = Some(Fault::TimedOut).filter(|_| number < 100);
        let answering = Answering { fails: &|id| fault.filter(|_| id == slow), attempts: 2, ..well(&headers) };
        player.exchange(numbered(number), &answering)?;
        player.advance(Duration::from_millis(1))?;
    }
    player.advance(Duration::from_secs(60))?;
    let counts = spread(player, CHOICES)?;
    let never = case.scenario.endpoint.iter().find(|endpoint| !counts.contains_key(&*endpoint.id));
    match never {
        None => Ok(format!("each endpoint had some of {CHOICES}, the one that was slow before too")),
        Some(Endpoint { id, .. }) => Err(player.broken(format!("`{id}` had none of {CHOICES} requests"))),
    }
}

fn retries(player: &mut Player) -> Result<String, Broken> {
    let headers = HeaderMap::new();
    let all = player.stage().members().endpoints.len();
    for number in 0..1_000 {
        let answering = Answering { fails: &|_| Some(Fault::ConnectFailed), attempts: all as u32, ..well(&headers) };
        let gone = player.exchange(numbered(number), &answering)?;
        if let super::player::Said::Refused(_) = gone.said {
            return Err(player.broken("a retry named an endpoint that this exchange had tried"));
        }
        if gone.tried.len() != all {
            return Err(player.broken(format!("{} of {all} endpoints were tried", gone.tried.len())));
        }
        player.advance(Duration::from_millis(1))?;
    }
    Ok(format!("each of 1000 exchanges tried all {all} endpoints, each once"))
}

/// Where some thousand requests go, with a swap at that one or without.
fn decisions(player: &mut Player, swap: Option<(u32, Case<'_>)>) -> Result<Vec<Option<Arc<str>>>, Broken> {
    let headers = HeaderMap::new();
    let mut went = Vec::new();
    for number in 0..2_000 {
        if let Some((at, case)) = swap
            && at == number
        {
            player.swap(case.plugin)?;
        }
        let answering = Answering { hold: 5, ..well(&headers) };
        went.push(player.exchange(numbered(number % 300), &answering)?.endpoint);
        player.advance(Duration::from_micros(500))?;
    }
    Ok(went)
}

fn continues(
    player: &mut Player,
    case: Case<'_>,
    whole: Result<Vec<Option<Arc<str>>>, Broken>,
) -> Result<String, Broken> {
    let at = 1_000;
    let swapped = decisions(player, Some((at, case)))?;
    match whole?.iter().zip(&swapped).position(|(one, other)| one != other) {
        None => Ok("it decides after a swap as if there had been none".to_owned()),
        Some(number) => {
            let after = number.saturating_sub(at as usize);
            Err(Broken {
                event: number as u64 + 2,
                message: format!("{after} requests after the swap it decides otherwise"),
                slow: false,
            })
        }
    }
}
