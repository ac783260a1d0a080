//! What every plugin must keep, whatever it promises: it never fails, never names an endpoint that is not there or may not be used,
//! comes back after a time without endpoints, takes no chance and no time but what it is given, and hands over what it saves.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use http::HeaderMap;

use super::player::{Answering, Broken, Case, Gone, Player, Said};
use super::scenario::{Condition, Endpoint, Fault};
use super::{Check, Stopped};
use crate::author::request::numbered;
use crate::plugin::{Hook, Inherited};

/// Exchanges of a check, with some change of the surroundings after each hundredth.
const EXCHANGES: u32 = 10_000;
/// Exchanges before a check of what comes after.
const SOME: u32 = 200;
/// How long calls are made at most to see what they cost.
const LONGEST: Duration = Duration::from_secs(60);
/// Calls between two looks at that.
const LOOK: u64 = 1_000;

/// An answer of an endpoint that is well.
pub(super) fn well(headers: &HeaderMap) -> Answering<'_> {
    Answering { fails: &|_| None, latency: Duration::from_millis(5), attempts: 1, hold: 0, headers }
}

/// Through changes at random: every decision stands, and the same seed gives the same ones.
pub(super) fn contract(case: Case<'_>) -> Result<Check, Stopped> {
    let name = "contract";
    let mut player = Player::new(case, 0)?;
    let mut asked = Vec::with_capacity(EXCHANGES as usize);
    if let Err(broken) = at_random(&mut player, case, &mut asked) {
        return Ok(Check::broken(name, &broken));
    }
    // Another instance of chance than that of the contract must not matter.
    let mut again = Player::new(case, case.seed.wrapping_add(1))?;
    let mut twice = Vec::with_capacity(asked.len());
    if let Err(broken) = at_random(&mut again, case, &mut twice) {
        return Ok(Check::broken(name, &broken));
    }
    if let Some(event) = asked.iter().zip(&twice).position(|((_, one), (_, other))| one != other) {
        let at = asked.get(event).map_or(0, |(number, _)| *number);
        let message = "with the same seed it decides otherwise: it takes random numbers or time from elsewhere than from \
                       its arguments";
        return Ok(Check::broken(name, &Broken { event: at, message: message.into(), slow: false }));
    }
    Ok(Check::good(name, format!("{} exchanges through changes of all kinds, twice alike", asked.len())))
}

/// The number and the decision of each exchange.
fn at_random(player: &mut Player, case: Case<'_>, asked: &mut Vec<(u64, u64)>) -> Result<(), Broken> {
    let mut random = fastrand::Rng::with_seed(case.seed);
    let headers = HeaderMap::new();
    for number in 0..EXCHANGES {
        if number % 100 == 99 {
            disturb(player, case, &mut random)?;
        }
        let failing = random.u32(0..20) == 0;
        let kinds = [Fault::ServerError, Fault::ConnectFailed, Fault::TimedOut, Fault::Reset, Fault::Cancelled];
        let fault = kinds.get(random.usize(0..kinds.len())).copied();
        let answering = Answering {
            fails: &|_| fault.filter(|_| failing),
            latency: Duration::from_micros(random.u64(500..50_000)),
            attempts: random.u32(1..4),
            hold: random.usize(0..50),
            headers: &headers,
        };
        let gone = player.exchange(numbered(random.u32(0..1_000)), &answering)?;
        asked.push((player.events, decision(&gone)));
        player.advance(Duration::from_micros(random.u64(100..5_000)))?;
    }
    Ok(())
}

fn decision(gone: &Gone) -> u64 {
    let mut hasher = DefaultHasher::new();
    (gone.said, &gone.endpoint, &gone.upstream, gone.status).hash(&mut hasher);
    hasher.finish()
}

/// One change of what is around it.
fn disturb(player: &mut Player, case: Case<'_>, random: &mut fastrand::Rng) -> Result<(), Broken> {
    let all = &case.scenario.endpoint;
    let id = |random: &mut fastrand::Rng| all.get(random.usize(0..all.len())).map(|endpoint| endpoint.id.clone());
    let id = id(random).unwrap_or_default();
    match random.u32(0..8) {
        0 => player.judge(&id, Condition::Unhealthy),
        1 => player.judge(&id, Condition::Draining),
        2 => player.judge(&id, Condition::Healthy),
        3 => player.set_in_flight(&id, random.u32(0..20)),
        4 => player.advance(Duration::from_secs(random.u64(1..30)))?,
        5 => change(player, all.iter().filter(|_| random.bool()).cloned().collect()),
        6 => change(player, all.clone()),
        _ => {
            let mut more = all.clone();
            let joins = all.first().map(|one| Endpoint { id: format!("{id}-new"), address: None, ..one.clone() });
            more.extend(joins);
            let first = random.usize(0..more.len().max(1));
            more.rotate_left(first);
            change(player, more);
        }
    }
    Ok(())
}

pub(super) fn change(player: &mut Player, endpoints: Vec<Endpoint>) {
    player.events += 1;
    player.stage().change(endpoints.iter().map(Endpoint::settings).collect());
}

/// After a time without endpoints it decides as often as before.
pub(super) fn recovers(case: Case<'_>) -> Result<Check, Stopped> {
    let name = "recovers";
    let mut player = Player::new(case, 0)?;
    let headers = HeaderMap::new();
    let choices = |player: &mut Player| -> Result<u32, Broken> {
        let mut choices = 0;
        for number in 0..SOME {
            let gone = player.exchange(numbered(number), &well(&headers))?;
            choices += u32::from(matches!(gone.said, Said::Choice(_)));
        }
        Ok(choices)
    };
    let mut play = || -> Result<String, Broken> {
        let before = choices(&mut player)?;
        change(&mut player, Vec::new());
        let none = choices(&mut player)?;
        change(&mut player, case.scenario.endpoint.clone());
        let after = choices(&mut player)?;
        if before > 0 && after == 0 {
            return Err(player.broken("it chose endpoints before there were none, and chooses none since"));
        }
        Ok(format!("of {SOME} it chose {before} before, {none} without endpoints, {after} after"))
    };
    Ok(Check::of(name, play()))
}

/// What it saves, a fresh instance takes.
pub(super) fn hands_over(case: Case<'_>) -> Result<Option<Check>, Stopped> {
    let name = "save and restore";
    let mut player = Player::new(case, 0)?;
    if !player.has(Hook::State) {
        return Ok(None);
    }
    let headers = HeaderMap::new();
    let mut play = || -> Result<String, Broken> {
        for number in 0..SOME {
            player.exchange(numbered(number), &well(&headers))?;
            player.advance(Duration::from_millis(50))?;
        }
        let mut bytes = 0;
        for inherited in player.swap(case.plugin)? {
            match inherited {
                Inherited::State(size) => bytes = size.max(bytes),
                Inherited::Nothing => {}
                Inherited::Refused(reason) => {
                    return Err(player.broken(format!("it does not take what it has saved itself: {reason}")));
                }
            }
        }
        for number in 0..SOME {
            player.exchange(numbered(number), &well(&headers))?;
        }
        Ok(format!("{bytes} bytes handed over"))
    };
    Ok(Some(Check::of(name, play())))
}

/// So many exchanges within its time and memory.
pub(super) fn budget(case: Case<'_>, calls: u64) -> Result<Check, Stopped> {
    let name = "budget";
    let mut player = Player::new(case, 0)?;
    let (headers, began) = (HeaderMap::new(), Instant::now());
    let requests: Vec<_> = (0..1_000).map(numbered).collect();
    let at_rest = player.rig.memory(0);
    let mut most = at_rest;
    let mut play = || -> Result<String, Broken> {
        let mut made = 0;
        for (call, head) in (0..calls).zip(requests.iter().cycle()) {
            player.exchange(head.clone(), &well(&headers))?;
            made = call + 1;
            if made % LOOK == 0 {
                most = most.max(player.rig.memory(0));
                if began.elapsed() > LONGEST {
                    break;
                }
            }
            player.advance(Duration::from_micros(100))?;
        }
        let limits = case.scenario.limits();
        let unfinished = if made < calls { format!(", stopped after {LONGEST:?}") } else { String::new() };
        Ok(format!(
            "{made} exchanges within {:?} and {} KiB{unfinished}; memory {} KiB at first, {} KiB at most",
            limits.deadline,
            limits.memory / 1024,
            at_rest / 1024,
            most / 1024
        ))
    };
    Ok(Check::of(name, play()))
}
