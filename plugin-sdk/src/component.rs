//! Between the generated exports and the traits: an instance is one plugin value, made by `configure` and asked by every
//! hook. Only `export!` speaks of these items; they are public because it expands in the plugin's crate.

use crate::bindings::{
    feedback::exports::sluice::plugin::feedback as feedback_export,
    imports::sluice::plugin::types::{Request as RequestHandle, ResponseHead as ResponseHeadHandle},
    lifecycle::exports::sluice::plugin::lifecycle as lifecycle_export,
    response::exports::sluice::plugin::response as response_export,
    routing::exports::sluice::plugin::routing as routing_export,
    selection::exports::sluice::plugin::selection as selection_export,
    state::exports::sluice::plugin::state as state_export,
    timer::exports::sluice::plugin::timer as timer_export,
};
use crate::{
    Config, Feedback, Issues, Members, Plugin, Request, Response, ResponseHead, Routing, Selection, Setup, State,
    TimeUs, Timer,
};
use std::{cell::RefCell, marker::PhantomData, thread::LocalKey};

/// Where an instance keeps its plugin. An instance has one thread, so this is a plain static.
pub type Slot<P> = LocalKey<RefCell<Option<P>>>;

/// What `export!` knows of a plugin and the traits do not.
pub trait Exported: Plugin {
    /// The name of the plugin's crate.
    const NAME: &'static str;
    /// Its version.
    const VERSION: &'static str;
    /// Its description.
    const SUMMARY: &'static str;

    /// Where the instance keeps its plugin.
    fn slot() -> &'static Slot<Self>;
}

/// The exports of a plugin.
pub struct Component<P>(PhantomData<P>);

/// Asks the plugin of this instance.
fn ask<P: Exported, R>(question: impl FnOnce(&mut P) -> R) -> R {
    P::slot()
        .with_borrow_mut(|plugin| question(plugin.as_mut().expect("the host configures a plugin before it asks it")))
}

impl<P: Exported> lifecycle_export::Guest for Component<P> {
    fn describe() -> lifecycle_export::Description {
        lifecycle_export::Description {
            name: P::NAME.into(),
            version: P::VERSION.into(),
            summary: P::SUMMARY.into(),
            config_schema: P::Config::schema(),
        }
    }

    fn configure(config: String) -> Result<(), Vec<lifecycle_export::Issue>> {
        match P::Config::parse(&config).and_then(|config| P::new(config, &Setup::new())) {
            Ok(plugin) => {
                P::slot().set(Some(plugin));
                Ok(())
            }
            Err(issues) => Err(exported_issues(issues)),
        }
    }
}

fn exported_issues(issues: Issues) -> Vec<lifecycle_export::Issue> {
    issues.into_iter().map(|issue| lifecycle_export::Issue { at: issue.at, message: issue.message }).collect()
}

impl<P: Exported + Routing> routing_export::Guest for Component<P> {
    fn route(input: routing_export::Input, request: &RequestHandle) -> routing_export::Decision {
        ask::<P, _>(|plugin| plugin.route(input, Request::lend(request)))
    }
}

impl<P: Exported + Selection> selection_export::Guest for Component<P> {
    fn set_endpoints(count: u32) {
        ask::<P, _>(|plugin| plugin.set_endpoints(&Members::new(count)));
    }

    fn select(input: selection_export::Input, request: Option<&RequestHandle>) -> selection_export::Decision {
        ask::<P, _>(|plugin| plugin.select(input, request.map(Request::lend)))
    }
}

impl<P: Exported + Response> response_export::Guest for Component<P> {
    fn respond(
        request: &RequestHandle,
        head: &ResponseHeadHandle,
        exchange: response_export::Exchange,
    ) -> response_export::Action {
        ask::<P, _>(|plugin| plugin.respond(Request::lend(request), ResponseHead::lend(head), exchange))
    }
}

impl<P: Exported + Feedback> feedback_export::Guest for Component<P> {
    fn observe(outcomes: Vec<feedback_export::Outcome>) {
        ask::<P, _>(|plugin| plugin.observe(&outcomes));
    }
}

impl<P: Exported + Timer> timer_export::Guest for Component<P> {
    fn tick(now: TimeUs) {
        ask::<P, _>(|plugin| plugin.tick(now));
    }
}

impl<P: Exported + State> state_export::Guest for Component<P> {
    fn save() -> Vec<u8> {
        ask::<P, _>(State::save)
    }

    fn restore(from_version: String, saved: Vec<u8>) -> Result<(), String> {
        ask::<P, _>(|plugin| plugin.restore(&from_version, saved))
    }
}
