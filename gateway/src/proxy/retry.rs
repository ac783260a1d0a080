//! Whether a request is sent once more: the rules, without a socket and without a clock, and the figures that go with them.

use std::sync::Arc;
use std::time::Duration;

use super::exchange::Exchange;
use crate::config::model::{Retry, UpstreamIndex};
use crate::endpoint::Endpoint;
use crate::observe::Again;
use crate::upstream::fallback;

/// The longest wait before the same endpoints are asked a second time; it doubles from time to time.
const FIRST_WAIT: Duration = Duration::from_millis(25);
/// As often.
const DOUBLINGS: u32 = 4;

/// How an attempt came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mishap {
    /// No endpoint has got the request.
    Unsent,
    /// The connection broke before an answer.
    Reset,
    /// No answer came in time.
    TimedOut,
    /// An answer that may be an error.
    Answered(u16),
    /// Something that another attempt would not change, or not safely.
    Final,
}

impl Mishap {
    /// In a word, for traces.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Mishap::Unsent => Again::Unsent.as_str(),
            Mishap::Reset => Again::Reset.as_str(),
            Mishap::TimedOut => Again::TimedOut.as_str(),
            Mishap::Answered(_) => Again::Status.as_str(),
            Mishap::Final => "broken",
        }
    }
}

/// Why it is sent once more, if the route says so; `is_harmless`: it may be sent twice, and all of it is there.
fn wanted(retry: &Retry, mishap: Mishap, is_harmless: bool) -> Option<Again> {
    let (is_asked_for, why) = match mishap {
        // Nobody has begun to work on it: safe for every method (RFC 9110 §9.2.2).
        Mishap::Unsent => return retry.on_unsent.then_some(Again::Unsent),
        Mishap::Reset => (retry.on_reset, Again::Reset),
        Mishap::TimedOut => (retry.on_timeout, Again::TimedOut),
        Mishap::Answered(status) => (retry.on_status.contains(&status), Again::Status),
        Mishap::Final => return None,
    };
    (is_asked_for && is_harmless).then_some(why)
}

/// The longest wait before everybody is asked again for the `round`th time, from 1.
fn longest_wait(round: u32) -> Duration {
    FIRST_WAIT * 2_u32.pow(round.saturating_sub(1).min(DOUBLINGS))
}

/// What comes after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// It was the last one.
    Stop,
    /// Another one, after a wait; none where somebody else is asked.
    Again(Duration),
}

/// What comes after an attempt at `endpoint` that ended so; another one is counted.
pub(super) fn after(exchange: &mut Exchange, upstream: UpstreamIndex, endpoint: Arc<Endpoint>, mishap: Mishap) -> Then {
    // Nearly all of them.
    if let Mishap::Answered(..400) = mishap {
        return Then::Stop;
    }
    let Some(retry) = exchange.retry() else { return Then::Stop };
    let (most, per_mille) = (retry.extra_attempts, retry.budget_per_mille);
    let Some(why) = wanted(retry, mishap, exchange.is_replayable()) else { return Then::Stop };
    if exchange.record.attempts > most {
        return Then::Stop;
    }
    exchange.gave_nothing(endpoint);
    let mut wait = Duration::ZERO;
    if !is_anyone_left(exchange, upstream) {
        // Only those that were tried: from the beginning, but not all at the same time.
        let tried = std::mem::take(&mut exchange.tried);
        let longest = longest_wait(exchange.rounds + 1);
        wait = longest.mul_f64(fastrand::f64());
        if !is_anyone_left(exchange, upstream) || exchange.now + wait >= exchange.in_all() {
            exchange.tried = tried;
            return Then::Stop;
        }
        exchange.rounds += 1;
    }
    if take(exchange, upstream, per_mille, why) { Then::Again(wait) } else { Then::Stop }
}

/// Takes one retry from the upstream's budget and counts it; false if there are too many.
pub(super) fn take(exchange: &mut Exchange, upstream: UpstreamIndex, per_mille: u32, why: Again) -> bool {
    let taken = exchange.state.upstream(upstream).1.take_retry(per_mille);
    if taken {
        exchange.record.again(why);
    } else {
        exchange.record.note("the retry budget is used up".to_owned());
    }
    taken
}

/// Whether there is somebody to ask who was not asked yet.
pub(super) fn is_anyone_left(exchange: &Exchange, upstream: UpstreamIndex) -> bool {
    let members = exchange.state.upstream(upstream).1.set.load();
    fallback(&members, &exchange.tried, 0).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retry(on: &[Mishap]) -> Retry {
        let on_status = on.iter().filter_map(|mishap| match mishap {
            Mishap::Answered(status) => Some(*status),
            _ => None,
        });
        Retry {
            extra_attempts: 1,
            on_unsent: on.contains(&Mishap::Unsent),
            on_reset: on.contains(&Mishap::Reset),
            on_timeout: on.contains(&Mishap::TimedOut),
            on_status: on_status.collect(),
            budget_per_mille: 200,
            per_try: None,
            body: 1,
        }
    }

    #[test]
    fn what_is_safe_and_asked_for_is_sent_once_more() {
        use Mishap::{Answered, Final, Reset, TimedOut, Unsent};
        let all = [Unsent, Reset, TimedOut, Answered(503), Final];
        // After what, by routes that ask for nothing and for all: a POST, and what may be sent twice.
        let cases = [
            (Unsent, Some(Again::Unsent), Some(Again::Unsent)),
            (Reset, None, Some(Again::Reset)),
            (TimedOut, None, Some(Again::TimedOut)),
            (Answered(503), None, Some(Again::Status)),
            (Answered(502), None, None),
            (Answered(200), None, None),
            (Final, None, None),
        ];
        for (mishap, of_post, of_get) in cases {
            assert_eq!(wanted(&retry(&[]), mishap, true), None, "{mishap:?}");
            assert_eq!(wanted(&retry(&all), mishap, false), of_post, "{mishap:?}");
            assert_eq!(wanted(&retry(&all), mishap, true), of_get, "{mishap:?}");
            let others: Vec<Mishap> = all.into_iter().filter(|other| *other != mishap).collect();
            assert_eq!(wanted(&retry(&others), mishap, true), None, "{mishap:?}");
        }
    }

    #[test]
    fn waits_get_longer_and_not_too_long() {
        let waits = [1, 2, 3, 4, 5, 6, 11].map(|round| longest_wait(round).as_millis());
        assert_eq!(waits, [25, 50, 100, 200, 400, 400, 400]);
    }
}
