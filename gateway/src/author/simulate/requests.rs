//! The requests of a run: whose each is, what it asks for, how much work it is, and which gateway and worker get it. All of it is drawn
//! when it comes, from streams of its own, so that every policy meets the same requests.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use bytes::Bytes;
use fastrand::Rng;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, header};

use super::random::{Weighted, stream};
use super::recording::Recorded;
use super::scenario::{KeyPlace, Scenario};
use crate::author::Asked;
use crate::message::RequestHead;

/// The heads of so many keys are kept; those of more are made anew each time.
const MOST_KEPT: u32 = 65_536;

/// A request that comes.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) key: u32,
    pub(super) head: Arc<RequestHead>,
    /// How long an endpoint of speed 1 works on it, nanoseconds.
    pub(super) work: f64,
    pub(super) gateway: usize,
    pub(super) worker: usize,
}

/// Where requests come from.
#[derive(Debug)]
pub(super) struct Requests<'s> {
    scenario: &'s Scenario,
    keys: Weighted,
    gateways: Weighted,
    key: Rng,
    work: Rng,
    place: Rng,
    heads: Vec<Option<Arc<RequestHead>>>,
    /// The cookies of clients that have some, by key.
    jars: HashMap<u32, BTreeMap<String, String>>,
}

impl<'s> Requests<'s> {
    pub(super) fn new(scenario: &'s Scenario) -> Self {
        let Scenario { seed, keys, gateways, .. } = scenario;
        Self {
            scenario,
            keys: Weighted::zipf(keys.count, keys.zipf),
            gateways: Weighted::new(gateways.iter().map(|gateway| f64::from(gateway.share))),
            key: stream(*seed, "keys"),
            work: stream(*seed, "work"),
            place: stream(*seed, "gateways"),
            heads: vec![None; keys.count.min(MOST_KEPT) as usize],
            jars: HashMap::new(),
        }
    }

    /// Which gateway and worker somebody's connection is with.
    pub(super) fn place(&mut self) -> (usize, usize) {
        let gateway = self.gateways.draw(&mut self.place);
        let workers = self.scenario.gateways.get(gateway).map_or(1, |gateway| gateway.workers);
        (gateway, self.place.usize(..workers.max(1)))
    }

    /// One at random.
    pub(super) fn any(&mut self, (gateway, worker): (usize, usize)) -> Request {
        let key = self.keys.draw(&mut self.key) as u32;
        let work = self.scenario.times.draw(&mut self.work);
        Request { key, head: self.head(key), work, gateway, worker }
    }

    /// As it came once, with the work that it was then unless the scenario says otherwise.
    pub(super) fn recorded(&mut self, recorded: &Recorded) -> Request {
        let (gateway, worker) = self.place();
        let work = match &self.scenario.times {
            super::random::Times::Recorded(_) => recorded.took,
            times => times.draw(&mut self.work),
        };
        let plain = Asked::default();
        let asked = Asked {
            method: recorded.method.parse().unwrap_or(Method::GET),
            authority: recorded.host.parse().unwrap_or(plain.authority),
            target: recorded.path.parse().unwrap_or(plain.target),
            headers: HeaderMap::new(),
            client: recorded.client.unwrap_or(plain.client),
            body: Bytes::new(),
        };
        let head = with_cookies(asked, self.jars.get(&recorded.key)).head();
        Request { key: recorded.key, head, work, gateway, worker }
    }

    /// The client of that key keeps the cookies that an answer sets, and sends them from then on.
    pub(super) fn take_cookies(&mut self, key: u32, answer: &HeaderMap) {
        for set in answer.get_all(header::SET_COOKIE) {
            let text = String::from_utf8_lossy(set.as_bytes()).into_owned();
            let mut parts = text.split(';').map(str::trim);
            let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else { continue };
            let jar = self.jars.entry(key).or_default();
            if parts.any(|attribute| attribute.eq_ignore_ascii_case("max-age=0")) {
                jar.remove(name);
            } else {
                jar.insert(name.to_owned(), value.to_owned());
            }
            if let Some(kept) = self.heads.get_mut(key as usize) {
                *kept = None;
            }
        }
    }

    fn head(&mut self, key: u32) -> Arc<RequestHead> {
        let (place, jar) = (&self.scenario.keys.place, self.jars.get(&key));
        let made = || with_cookies(asked(key, place), jar).head();
        match self.heads.get_mut(key as usize) {
            Some(kept) => kept.get_or_insert_with(made).clone(),
            None => made(),
        }
    }
}

/// With the cookies that its client has besides.
fn with_cookies(asked: Asked, jar: Option<&BTreeMap<String, String>>) -> Asked {
    let pairs: Vec<String> = jar.into_iter().flatten().map(|(name, value)| format!("{name}={value}")).collect();
    match HeaderValue::try_from(pairs.join("; ")) {
        Ok(cookies) if !pairs.is_empty() => asked.field(header::COOKIE, cookies),
        _ => asked,
    }
}

/// Of the client of that key, 10.0.0.0 and so on: every key has an address of its own.
fn asked(key: u32, place: &KeyPlace) -> Asked {
    let client = IpAddr::V4(Ipv4Addr::from_bits(Ipv4Addr::new(10, 0, 0, 0).to_bits() + key));
    let mut asked = Asked::default().of(client);
    let target = match place {
        KeyPlace::Path => Some(format!("/{key}")),
        KeyPlace::QueryParam(name) => Some(format!("/?{name}={key}")),
        _ => None,
    };
    if let Some(target) = target.and_then(|target| PathAndQuery::try_from(target).ok()) {
        asked.target = target;
    }
    let field = match place {
        KeyPlace::Header(name) => Some((name.clone(), HeaderValue::from(key))),
        KeyPlace::Cookie(name) => {
            HeaderValue::try_from(format!("{name}={key}")).ok().map(|cookie| (header::COOKIE, cookie))
        }
        _ => None,
    };
    match field {
        Some((name, value)) => asked.field(name, value),
        None => asked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stands_where_the_scenario_says() {
        let cases = [
            (KeyPlace::ClientIp, "/", ""),
            (KeyPlace::Path, "/300", ""),
            (KeyPlace::QueryParam("user".into()), "/?user=300", ""),
            (KeyPlace::Header(http::HeaderName::from_static("x-user")), "/", "x-user: 300"),
            (KeyPlace::Cookie("user".into()), "/", "cookie: user=300"),
        ];
        for (place, target, field) in cases {
            let head = asked(300, &place).head();
            let fields: Vec<String> =
                head.headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
            let told = (head.client.to_string(), head.target.as_str(), fields.join(", "));
            assert_eq!(told, ("10.0.1.44".to_owned(), target, field.to_owned()), "{place:?}");
        }
    }
}
