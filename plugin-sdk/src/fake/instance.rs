//! One plugin value, as the instance of one worker.

use super::{
    Host,
    call::{self, Asked, Call},
};
use crate::{
    Config, EndpointIndex, Feedback, Issues, Members, Plugin, Selection, Setup, State, Timer, feedback::Outcome,
};
use std::time::Duration;

/// A configured plugin on a fake host. Ask it through the host and its exchanges; what it keeps can be read through
/// [`plugin`](Self::plugin).
pub struct Instance<P> {
    pub(super) plugin: P,
    pub(super) worker: u32,
    pub(super) asked: Asked,
    host: Host,
    members_version: u64,
}

impl<P: Plugin> Instance<P> {
    pub(super) fn start(host: Host, config: &serde_json::Value) -> Result<Self, Issues> {
        let config = P::Config::parse(&config.to_string())?;
        let worker = host.0.borrow().started;
        host.0.borrow_mut().started += 1;
        let call = Call { host: host.0.clone(), worker, configuring: true, tried: Vec::new(), asked: Asked::default() };
        let (plugin, asked) = call::run(call, || P::new(config, &Setup::new()));
        Ok(Self { plugin: plugin?, worker, asked, host, members_version: 0 })
    }

    /// The plugin itself.
    pub fn plugin(&self) -> &P {
        &self.plugin
    }

    /// How often the plugin asked to be woken.
    pub fn wants_tick(&self) -> Option<Duration> {
        self.asked.tick
    }

    /// Calls a hook of the plugin.
    pub(super) fn call<R>(&mut self, tried: &[EndpointIndex], hook: impl FnOnce(&mut P) -> R) -> R {
        let call = Call {
            host: self.host.0.clone(),
            worker: self.worker,
            configuring: false,
            tried: tried.to_vec(),
            asked: std::mem::take(&mut self.asked),
        };
        let (result, asked) = call::run(call, || hook(&mut self.plugin));
        self.asked = asked;
        result
    }
}

impl<P: Selection> Instance<P> {
    /// Tells the plugin its endpoints, if they changed since it was told.
    pub(super) fn tell_endpoints(&mut self) {
        let (version, count) = {
            let state = self.host.0.borrow();
            (state.members_version, u32::try_from(state.endpoints.len()).expect("a test has few endpoints"))
        };
        if self.members_version < version {
            self.members_version = version;
            self.call(&[], |plugin| plugin.set_endpoints(&Members::new(count)));
        }
    }
}

impl<P: Feedback> Instance<P> {
    /// Reports outcomes.
    pub fn observe(&mut self, outcomes: &[Outcome]) {
        assert!(outcomes.len() <= 128, "at most 128 outcomes a call");
        self.call(&[], |plugin| plugin.observe(outcomes));
    }
}

impl<P: Timer> Instance<P> {
    /// Wakes the plugin, now.
    pub fn tick(&mut self) {
        let now_us = self.host.0.borrow().now_us;
        self.call(&[], |plugin| plugin.tick(now_us));
    }
}

impl<P: State> Instance<P> {
    /// Asks for what the next version should know.
    pub fn save(&mut self) -> Vec<u8> {
        self.call(&[], State::save)
    }

    /// Hands over what another version saved.
    pub fn restore(&mut self, from_version: &str, saved: Vec<u8>) -> Result<(), String> {
        self.call(&[], |plugin| plugin.restore(from_version, saved))
    }
}

impl<P> std::fmt::Debug for Instance<P> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Instance").field("worker", &self.worker).finish_non_exhaustive()
    }
}
