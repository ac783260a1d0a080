//! Who may be chosen, and the host's own choice: weighted random over those. Pure.

use std::sync::Arc;

use crate::endpoint::{Endpoint, Health, Members};

/// Why a plugin's choice was not taken. No fault of the plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The host's verdict is against it.
    Unhealthy,
    /// This exchange has already tried it.
    Tried,
    /// At its `max-in-flight`.
    Full,
    /// It gets no new sessions.
    Draining,
}

impl Refused {
    /// For logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Refused::Unhealthy => "unhealthy",
            Refused::Tried => "tried",
            Refused::Full => "full",
            Refused::Draining => "draining",
        }
    }
}

/// Whether member `index` may be chosen. `keeps_draining`: the use asked for that.
pub fn admit(members: &Members, index: usize, tried: &[Arc<Endpoint>], keeps_draining: bool) -> Result<(), Refused> {
    let (Some(endpoint), Some(condition)) = (members.endpoints.get(index), members.conditions.get(index)) else {
        return Err(Refused::Unhealthy);
    };
    match condition {
        Health::Unhealthy => Err(Refused::Unhealthy),
        Health::Draining if !keeps_draining => Err(Refused::Draining),
        _ if tried.iter().any(|tried| tried.is(endpoint)) => Err(Refused::Tried),
        _ if endpoint.is_full() => Err(Refused::Full),
        _ => Ok(()),
    }
}

/// Whether somebody might be chosen who has as many requests as he may.
pub fn any_full(members: &Members, tried: &[Arc<Endpoint>]) -> bool {
    (0..members.endpoints.len()).any(|index| admit(members, index, tried, false) == Err(Refused::Full))
}

/// Weighted random over all that may be chosen; none if there is nobody.
pub fn fallback(members: &Members, tried: &[Arc<Endpoint>], random: u64) -> Option<usize> {
    let allowed = |index: &usize| admit(members, *index, tried, false).is_ok();
    let total: u64 = (0..members.endpoints.len()).filter(allowed).map(|index| members.share(index)).sum();
    // Over 2^64 the bias of a remainder is beyond measure; another may fill up in between, hence `last`.
    let mut left = random.checked_rem(total)?;
    let mut last = None;
    for index in (0..members.endpoints.len()).filter(allowed) {
        last = Some(index);
        let share = members.share(index);
        if left < share {
            break;
        }
        left -= share;
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model;

    fn members(settings: &[(u32, Health)]) -> Members {
        let endpoint = |(number, (weight, _)): (usize, &(u32, Health))| {
            Endpoint::new(model::Endpoint {
                id: format!("e{number}").into(),
                address: "127.0.0.1:1".into(),
                weight: *weight,
                priority: 0,
                zone: String::new(),
                labels: Default::default(),
                max_in_flight: Some(1),
                draining: false,
            })
        };
        Members {
            endpoints: settings.iter().enumerate().map(endpoint).collect(),
            conditions: settings.iter().map(|(_, health)| *health).collect(),
            warm_up: vec![1000; settings.len()],
        }
    }

    #[test]
    fn the_host_refuses_with_a_reason() {
        let members =
            members(&[(1, Health::Healthy), (1, Health::Draining), (1, Health::Unhealthy), (1, Health::Degraded)]);
        let full = members.endpoints[3].enter();
        let tried = [members.endpoints[0].clone()];
        let table = [
            (0, &[][..], false, Ok(())),
            (0, &tried[..], false, Err(Refused::Tried)),
            (1, &[][..], false, Err(Refused::Draining)),
            (1, &[][..], true, Ok(())),
            (2, &[][..], true, Err(Refused::Unhealthy)),
            (3, &[][..], true, Err(Refused::Full)),
            (4, &[][..], true, Err(Refused::Unhealthy)),
        ];
        for (index, tried, keeps, expected) in table {
            assert_eq!(admit(&members, index, tried, keeps), expected, "{index} {keeps}");
        }
        drop(full);
        assert_eq!(admit(&members, 3, &[], false), Ok(()));
    }

    #[test]
    fn the_fallback_follows_weights_and_leaves_out_the_bad() {
        let members = members(&[(1, Health::Healthy), (5, Health::Unhealthy), (3, Health::Healthy)]);
        let mut counts = [0; 3];
        let draws = 400;
        for draw in 0..draws {
            counts[fallback(&members, &[], draw * 4000 / draws).unwrap()] += 1;
        }
        assert_eq!(counts, [100, 0, 300]);
        assert_eq!(fallback(&members, &members.endpoints, 7), None);
    }

    #[test]
    fn the_fallback_follows_slow_starts() {
        let mut members = members(&[(1, Health::Healthy), (3, Health::Healthy)]);
        members.warm_up[1] = 100;
        let drawn: usize = (0..1300).filter_map(|random| fallback(&members, &[], random)).sum();
        assert_eq!(drawn, 300);
    }
}
