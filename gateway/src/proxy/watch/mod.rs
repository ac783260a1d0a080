//! Exchanges that are watched: recorded whole as they go, or played again from such a record.

mod shown;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use http::uri::PathAndQuery;
use http::{HeaderMap, StatusCode};

use crate::endpoint::{Endpoint, Members};
use crate::message::RequestHead;
use crate::observe::Said;
use crate::observe::recorded::{Answer, Call, Edit, Member, Recorded, Request, Round, Seen};
use crate::plugin::{Hook, ResponseHead, Slot, Watching, Witness};
use shown::edits;
pub(super) use shown::{pairs, request};

/// Calls, or rounds, of one exchange that are recorded.
const MOST: usize = 64;

/// What is noted of an exchange, and what is played.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// What was noted.
    pub(super) recorded: Recorded,
    /// What plugins looked at that the record which is played does not have.
    pub(super) lacks: Vec<String>,
    plays: Option<Plays>,
}

/// What is left of a record.
#[derive(Debug, Default)]
struct Plays {
    routing: VecDeque<Call>,
    rounds: VecDeque<Round>,
    answers: VecDeque<Answer>,
    /// Of the round, and of the answer, at hand.
    selection: VecDeque<Call>,
    response: VecDeque<Call>,
    draws: VecDeque<u64>,
}

/// A call that is watched.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) watching: Watching,
    headers: HeaderMap,
    target: Option<PathAndQuery>,
    status: Option<StatusCode>,
    masks: bool,
}

impl Watch {
    /// Records; secrets only if `masks` is false.
    pub(super) fn noting(request: Request, masks: bool) -> Box<Self> {
        let recorded = Recorded { masked: masks, request, ..Recorded::default() };
        Box::new(Self { recorded, ..Self::default() })
    }

    /// Plays that one again, and notes what comes of it.
    pub(super) fn playing(record: Recorded) -> Box<Self> {
        let Recorded { masked, request, routing, rounds, answers } = record;
        let plays =
            Plays { routing: routing.into(), rounds: rounds.into(), answers: answers.into(), ..Plays::default() };
        let recorded = Recorded { masked, request, ..Recorded::default() };
        Box::new(Self { recorded, lacks: Vec::new(), plays: Some(plays) })
    }

    /// True if a record is played.
    pub(super) fn plays(&self) -> bool {
        self.plays.is_some()
    }

    /// The next round that is to be played.
    pub(super) fn next_round(&self) -> Option<&Round> {
        self.plays.as_ref()?.rounds.front()
    }

    /// The last answer that was recorded.
    pub(super) fn last_answer(&self) -> Option<&Answer> {
        self.plays.as_ref()?.answers.back()
    }

    /// An endpoint is to be chosen.
    pub(super) fn begin_round(&mut self, upstream: &str, members: &Members, tried: &[Arc<Endpoint>]) {
        if let Some(plays) = &mut self.plays {
            let round = plays.rounds.pop_front().unwrap_or_default();
            plays.selection = round.calls.into();
            plays.draws = round.draws.iter().filter_map(|draw| number(draw)).collect();
        }
        if self.recorded.rounds.len() >= MOST {
            return;
        }
        let now = Instant::now();
        let figures = members.endpoints.iter().zip(&members.conditions).zip(&members.warm_up);
        let members = figures.map(|((endpoint, health), warm_up)| Member {
            id: endpoint.settings.id.to_string(),
            health: health.as_str().to_owned(),
            warm_up: *warm_up,
            in_flight: endpoint.in_flight(),
            latency_us: Some(endpoint.latency_us(now)).filter(|latency| *latency != u32::MAX),
        });
        self.recorded.rounds.push(Round {
            upstream: upstream.to_owned(),
            members: members.collect(),
            tried: tried.iter().map(|endpoint| endpoint.settings.id.to_string()).collect(),
            ..Round::default()
        });
    }

    /// One was, or none.
    pub(super) fn end_round(&mut self, endpoint: Option<&str>, chosen_by: &str) {
        if let Some(round) = self.recorded.rounds.last_mut() {
            round.endpoint = endpoint.map(str::to_owned);
            round.chosen_by = chosen_by.to_owned();
        }
    }

    /// A random number for the gateway's own choice.
    pub(super) fn draw(&mut self) -> u64 {
        let played = self.plays.as_mut().and_then(|plays| plays.draws.pop_front());
        let draw = played.unwrap_or_else(|| fastrand::u64(..));
        if let Some(round) = self.recorded.rounds.last_mut().filter(|round| round.draws.len() < MOST) {
            round.draws.push(format!("{draw:016x}"));
        }
        draw
    }

    /// Response hooks are to be asked.
    pub(super) fn begin_answer(&mut self, head: &ResponseHead, attempts: u32, upstream_us: u64) {
        if let Some(plays) = &mut self.plays {
            plays.response = plays.answers.pop_back().map(|answer| answer.calls.into()).unwrap_or_default();
        }
        if self.recorded.answers.len() < MOST {
            self.recorded.answers.push(Answer {
                status: head.status.as_u16(),
                headers: pairs(&head.headers, self.recorded.masked),
                endpoint: head.endpoint.as_ref().map(|endpoint| endpoint.settings.id.to_string()),
                attempts,
                upstream_us,
                calls: Vec::new(),
            });
        }
    }

    /// A hook is to be asked: with what number, at what time, and who watches.
    pub(super) fn begin(
        &mut self,
        slot: &Slot,
        hook: Hook,
        request: &RequestHead,
        answer: Option<&ResponseHead>,
        now_us: u64,
    ) -> (u64, u64, Box<Watched>) {
        let masks = self.recorded.masked;
        let played = self.plays.as_mut().and_then(|plays| plays.next(slot, hook));
        let (random, now_us, witness) = match played {
            Some(call) => {
                let key = call.key.as_deref().and_then(number);
                (number(&call.random).unwrap_or(0), call.now_us, Witness::showing(call.seen, key))
            }
            None => (fastrand::u64(..), now_us, Witness::noting(masks)),
        };
        let watched = Watched {
            watching: Watching::by(witness),
            headers: answer.map_or(&request.headers, |answer| &answer.headers).clone(),
            target: answer.is_none().then(|| request.target.clone()),
            status: answer.map(|answer| answer.status),
            masks,
        };
        (random, now_us, Box::new(watched))
    }

    /// It was asked.
    pub(super) fn called(&mut self, hook: Hook, (call, lacks): (Call, Vec<String>)) {
        if self.plays.is_some() {
            self.lacks.extend(lacks.into_iter().map(|what| format!("{}: {what}", call.r#use)));
        }
        let calls = match hook {
            Hook::Selection => self.recorded.rounds.last_mut().map(|round| &mut round.calls),
            Hook::Response => self.recorded.answers.last_mut().map(|answer| &mut answer.calls),
            _ => Some(&mut self.recorded.routing),
        };
        if let Some(calls) = calls.filter(|calls| calls.len() < MOST) {
            calls.push(call);
        }
    }
}

impl Plays {
    /// What was recorded of that use's next call.
    fn next(&mut self, slot: &Slot, hook: Hook) -> Option<Call> {
        let calls = match hook {
            Hook::Selection => &mut self.selection,
            Hook::Response => &mut self.response,
            _ => &mut self.routing,
        };
        let place = calls.iter().position(|call| *call.r#use == *slot.owner.name)?;
        calls.remove(place)
    }
}

impl Watched {
    /// What was said and changed, and what the record does not have.
    pub(super) fn ended(
        self,
        slot: &Slot,
        hook: Hook,
        said: Said,
        request: &RequestHead,
        answer: Option<&ResponseHead>,
    ) -> (Call, Vec<String>) {
        let (seen, key, lacks): (Seen, _, _) = self.watching.into_witness().into_parts();
        let mut edits = edits(&self.headers, answer.map_or(&request.headers, |answer| &answer.headers), self.masks);
        if let Some(before) = self.target.filter(|before| *before != request.target) {
            edits.push(Edit {
                name: ":path".to_owned(),
                before: vec![before.to_string()],
                after: vec![request.target.to_string()],
            });
        }
        if let (Some(before), Some(answer)) = (self.status, answer)
            && before != answer.status
        {
            let [before, after] = [before, answer.status].map(|status| vec![status.as_u16().to_string()]);
            edits.push(Edit { name: ":status".to_owned(), before, after });
        }
        let (word, what) = match said {
            Said::Pass => ("pass", None),
            Said::Chose => ("chose", None),
            Said::Answered(status) => ("answered", Some(status.to_string())),
            Said::Retry => ("retry", None),
            Said::Failed(kind) => ("failed", Some(kind.to_owned())),
        };
        let call = Call {
            r#use: slot.owner.name.to_string(),
            plugin: slot.owner.plugin.clone(),
            digest: slot.plugin.digest.to_string(),
            hook: hook.as_str().to_owned(),
            key: key.map(|key| format!("{key:016x}")),
            said: word.to_owned(),
            what,
            edits,
            seen,
            ..Call::default()
        };
        (call, lacks)
    }
}

/// Of 16 hexadecimal digits.
fn number(text: &str) -> Option<u64> {
    u64::from_str_radix(text, 16).ok()
}
