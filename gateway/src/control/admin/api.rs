//! What operators may ask and order besides figures: JSON under `/api/v1`. Each operation stands in one list, from which requests
//! are answered and the OpenAPI document is made, and its answers are typed there once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::request::Parts;
use http::{Method, Response, StatusCode};
use percent_encoding::percent_decode_str;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::answer::{Body, json, not_allowed, wrong};
use super::view::{EndpointView, ExchangesView, OutcomeView};
use super::{Answered, Desk, access, follow, openapi, view};
use crate::control::orders::{Order, Outcome, Wish};
use crate::endpoint::{Endpoint, Set};
use crate::state::{Change, Plan};

/// Where all of it is.
pub(super) const ROOT: &str = "/api/v1/";
/// The stream of events, below that.
pub(super) const EVENTS: &str = "events";

/// How long a worker has for what it is asked.
const PATIENCE: Duration = Duration::from_secs(1);

/// Something that may be asked or ordered.
#[derive(Debug)]
pub(super) struct Operation {
    /// `GET` or `POST`.
    pub(super) method: &'static str,
    /// Below [`ROOT`]; `{…}` is one part of the path.
    pub(super) path: &'static str,
    /// For the document.
    pub(super) summary: &'static str,
    /// What a good answer has.
    pub(super) answer: fn(&mut SchemaGenerator) -> Schema,
    does: Does,
}

/// Makes an answer of what there is.
type Tells = Box<dyn Fn(&Desk) -> Response<Body> + Send + Sync>;

/// How it is answered.
enum Does {
    Tell(Tells),
    Drain(bool),
    Order(fn(String) -> Wish),
    Exchanges,
    Follow,
    Describe,
}

impl std::fmt::Debug for Does {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Does")
    }
}

/// All of them.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        tell("state", "All of it at once.", view::state),
        tell("listeners", "Where clients come in.", view::listeners),
        tell("routes", "Rules for requests, and what went by each.", view::routes),
        tell("upstreams", "Groups of endpoints, and what is known of each endpoint.", view::upstreams),
        tell("plugins", "Plugins, their live versions, and what became of others.", view::plugins),
        tell("uses", "Appearances of plugins, and what each costs.", view::uses),
        tell("reload", "What became of the configuration and its files, and what is wrong with them.", view::reload),
        tell("trend", "The last minutes: counts as they were every two seconds.", view::trend),
        tell("history", "What has happened lately, the oldest first: events of the log.", view::history),
        Operation {
            method: "GET",
            path: "exchanges",
            summary: "The last exchanges, with what was decided on their way, the newest first.",
            answer: SchemaGenerator::subschema_for::<ExchangesView>,
            does: Does::Exchanges,
        },
        Operation {
            does: Does::Follow,
            ..tell(EVENTS, "Events as they happen, and figures each second: server-sent events.", view::figures)
        },
        Operation {
            does: Does::Describe,
            answer: |_| schemars::json_schema!({ "type": "object" }),
            ..tell("openapi.json", "This document.", |_| ())
        },
        drain(
            "upstreams/{upstream}/endpoints/{endpoint}/drain",
            "It finishes what it has, and gets nothing new.",
            true,
        ),
        drain("upstreams/{upstream}/endpoints/{endpoint}/undrain", "It takes part again.", false),
        order("reload", "Looks at all files now, and waits for what comes of it.", |_| Wish::Reload),
        order("plugins/{plugin}/swap", "Looks at the plugin's file now.", Wish::Swap),
        order("plugins/{plugin}/roll-back", "The version before the last swap serves again.", Wish::RollBack),
        order(
            "plugins/{plugin}/disable",
            "Exchanges go on without it, until it is enabled or the gateway ends.",
            |plugin| Wish::Disable(plugin, true),
        ),
        order("plugins/{plugin}/enable", "It takes part again.", |plugin| Wish::Disable(plugin, false)),
    ]
}

fn tell<T: Serialize + JsonSchema + 'static>(
    path: &'static str,
    summary: &'static str,
    view: fn(&Desk) -> T,
) -> Operation {
    let does = Does::Tell(Box::new(move |desk| json(StatusCode::OK, &view(desk))));
    Operation { method: "GET", path, summary, answer: SchemaGenerator::subschema_for::<T>, does }
}

fn drain(path: &'static str, summary: &'static str, drained: bool) -> Operation {
    let answer = SchemaGenerator::subschema_for::<EndpointView>;
    Operation { method: "POST", path, summary, answer, does: Does::Drain(drained) }
}

fn order(path: &'static str, summary: &'static str, wish: fn(String) -> Wish) -> Operation {
    let answer = SchemaGenerator::subschema_for::<OutcomeView>;
    Operation { method: "POST", path, summary, answer, does: Does::Order(wish) }
}

impl Operation {
    /// What stands in the path for each `{…}`; none if it is another path.
    fn takes(&self, parts: &[String]) -> Option<Vec<String>> {
        let wanted: Vec<&str> = self.path.split('/').collect();
        let is_open = |part: &str| part.starts_with('{');
        let fits = wanted.len() == parts.len()
            && wanted.iter().zip(parts).all(|(wanted, part)| is_open(wanted) || wanted == part);
        let open = wanted.iter().zip(parts).filter(|(wanted, _)| is_open(wanted));
        fits.then(|| open.map(|(_, part)| part.clone()).collect())
    }

    fn may_be(&self, method: &Method) -> bool {
        method.as_str() == self.method || *method == Method::HEAD && self.method == "GET"
    }
}

/// Answers a request for something below [`ROOT`].
pub(super) async fn answer(desk: &Arc<Desk>, parts: &Parts, path: &str) -> (Response<Body>, Answered) {
    let path: Vec<String> = path.split('/').map(decoded).collect();
    let here = desk.operations.iter().filter_map(|operation| Some((operation, operation.takes(&path)?)));
    let here: Vec<_> = here.collect();
    let Some((operation, names)) = here.iter().find(|(operation, _)| operation.may_be(&parts.method)) else {
        return (other_method(&here), Answered::Whole);
    };
    let changes = operation.method == "POST";
    if changes && let Some(refused) = access::refusal_to_change(&parts.headers) {
        return (refused, Answered::Whole);
    }
    let answer = match (&operation.does, names.as_slice()) {
        (Does::Follow, _) if parts.method == Method::GET => return follow::follow(desk, &parts.headers),
        (Does::Follow, _) => super::answer::whole(StatusCode::OK, "text/event-stream", String::new()),
        (Does::Describe, _) => json(StatusCode::OK, &openapi::document(&desk.operations)),
        (Does::Tell(tell), _) => tell(desk),
        (Does::Exchanges, _) => json(StatusCode::OK, &exchanges(desk).await),
        (Does::Drain(drained), [upstream, endpoint]) => {
            drain_now(&desk.figures.serving().plan, upstream, endpoint, *drained)
        }
        (Does::Order(wish), names) => ordered(desk, wish(names.first().cloned().unwrap_or_default())).await,
        (Does::Drain(_), _) => wrong(StatusCode::NOT_FOUND, "no such path"),
    };
    (answer, Answered::Whole)
}

/// There is no such path, or it has other methods.
fn other_method(here: &[(&Operation, Vec<String>)]) -> Response<Body> {
    let has = |method: &str| here.iter().any(|(operation, _)| operation.method == method);
    let allowed = match (has("GET"), has("POST")) {
        (true, true) => "GET, HEAD, POST",
        (true, false) => "GET, HEAD",
        (false, true) => "POST",
        (false, false) => {
            return wrong(StatusCode::NOT_FOUND, "there is no such path; GET /api/v1/openapi.json describes all");
        }
    };
    not_allowed(wrong(StatusCode::METHOD_NOT_ALLOWED, allowed), allowed)
}

fn decoded(part: &str) -> String {
    percent_decode_str(part).decode_utf8_lossy().into_owned()
}

/// What the workers keep; one that is busy for long, or ends, is left out.
async fn exchanges(desk: &Desk) -> ExchangesView {
    let mut told = Vec::new();
    for worker in &desk.workers {
        let (sender, receiver) = oneshot::channel();
        if worker.try_send(Change::Tell(sender)).is_ok()
            && let Ok(Ok(some)) = timeout(PATIENCE, receiver).await
        {
            told.extend(some);
        }
    }
    let most = desk.figures.serving().plan.config.admin.as_ref().map_or(0, |admin| admin.exchanges);
    ExchangesView::of(most, told)
}

/// What the control thread made of a wish.
async fn ordered(desk: &Desk, wish: Wish) -> Response<Body> {
    let (answer, outcome) = oneshot::channel();
    // Full: so much is ordered already that one more has to wait for its turn.
    let sent = desk.orders.send(Order::Asked(wish.clone(), answer)).await;
    match (sent, outcome.await) {
        (Ok(()), Ok(Outcome::NoPlugin(known))) => {
            let (Wish::Swap(name) | Wish::RollBack(name) | Wish::Disable(name, _)) = &wish else {
                return wrong(StatusCode::NOT_FOUND, "no such plugin");
            };
            wrong(StatusCode::NOT_FOUND, &unknown("plugin", name, known.iter().map(String::as_str)))
        }
        (Ok(()), Ok(outcome)) => {
            let refused = matches!(outcome, Outcome::Refused(_));
            json(if refused { StatusCode::CONFLICT } else { StatusCode::OK }, &OutcomeView::of(outcome))
        }
        _ => wrong(StatusCode::SERVICE_UNAVAILABLE, "nobody takes orders any more"),
    }
}

/// An endpoint is to finish what it has, or to take part again. Both may be said more than once.
fn drain_now(plan: &Plan, upstream: &str, endpoint: &str, drained: bool) -> Response<Body> {
    let known = || plan.upstreams.iter().map(|upstream| &*upstream.name);
    let Some(live) = plan.upstreams.iter().find(|live| *live.name == *upstream) else {
        return wrong(StatusCode::NOT_FOUND, &unknown("upstream", upstream, known()));
    };
    let members = live.set.snapshot();
    let Some(found) = members.endpoints.iter().find(|member| *member.settings.id == *endpoint) else {
        let known = members.endpoints.iter().map(|member| &*member.settings.id);
        return wrong(StatusCode::NOT_FOUND, &unknown("endpoint", endpoint, known));
    };
    if found.set_drained(drained) {
        let (upstream, endpoint) = (&*live.name, &*found.settings.id);
        match drained {
            true => tracing::info!(target: "sluice", %upstream, %endpoint, "endpoint drained"),
            false => tracing::info!(target: "sluice", %upstream, %endpoint, "endpoint takes part again"),
        }
    }
    match view_after(&live.set, found) {
        Some(view) => json(StatusCode::OK, &view),
        None => wrong(StatusCode::NOT_FOUND, "the endpoint has just gone"),
    }
}

/// As it is now that the verdict on it has been made again.
fn view_after(set: &Set, endpoint: &Endpoint) -> Option<EndpointView> {
    let now = Instant::now();
    set.refresh(now);
    let members = set.snapshot();
    let mut views = view::endpoints(&members, now);
    views.find(|view| view.id == *endpoint.settings.id)
}

fn unknown<'n>(what: &str, name: &str, known: impl Iterator<Item = &'n str>) -> String {
    format!("no {what} is called {name:?}; there are: {}", known.collect::<Vec<_>>().join(", "))
}
