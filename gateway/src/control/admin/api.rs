//! What operators may ask and order besides figures: JSON under `/api/v1`. A browser can be made to send a `POST` here by any
//! page that it shows, so what changes something needs a header that pages of others cannot send without being asked first
//! (a preflight of CORS, which nobody answers here).

use std::time::Instant;

use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use percent_encoding::percent_decode_str;
use serde::Serialize;

use super::upstreams::{self, EndpointView};
use crate::control::figures::Figures;
use crate::endpoint::{Endpoint, Set};
use crate::state::Plan;

/// Where all of it is.
pub(super) const ROOT: &str = "/api/v1/";
/// The field without which nothing is changed; its value does not matter.
const GUARD: &str = "x-sluice-admin";

/// What is wrong, in JSON.
#[derive(Serialize)]
struct Wrong {
    error: String,
}

/// Answers a request for something below [`ROOT`].
pub(super) fn answer(method: &Method, path: &str, headers: &HeaderMap, figures: &Figures) -> Response<String> {
    let serving = figures.serving();
    let plan = &serving.plan;
    let parts: Vec<String> = path.split('/').map(decoded).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    match parts.as_slice() {
        ["upstreams"] => reading(method, || json(StatusCode::OK, &upstreams::all(plan, Instant::now()))),
        ["upstreams", upstream, "endpoints", endpoint, "drain"] => {
            changing(method, headers, || drain(plan, upstream, endpoint, true))
        }
        ["upstreams", upstream, "endpoints", endpoint, "undrain"] => {
            changing(method, headers, || drain(plan, upstream, endpoint, false))
        }
        _ => wrong(
            StatusCode::NOT_FOUND,
            "there is: GET /api/v1/upstreams; POST /api/v1/upstreams/{upstream}/endpoints/{endpoint}/drain, .../undrain",
        ),
    }
}

fn decoded(part: &str) -> String {
    percent_decode_str(part).decode_utf8_lossy().into_owned()
}

fn reading(method: &Method, answer: impl FnOnce() -> Response<String>) -> Response<String> {
    match *method {
        Method::GET | Method::HEAD => answer(),
        _ => not_allowed("GET, HEAD"),
    }
}

fn changing(method: &Method, headers: &HeaderMap, answer: impl FnOnce() -> Response<String>) -> Response<String> {
    if *method != Method::POST {
        return not_allowed("POST");
    }
    if !headers.contains_key(GUARD) {
        return wrong(
            StatusCode::FORBIDDEN,
            &format!("what changes something needs the header {GUARD}, with any value"),
        );
    }
    answer()
}

/// An endpoint is to finish what it has, or to take part again. Both may be said more than once.
fn drain(plan: &Plan, upstream: &str, endpoint: &str, drained: bool) -> Response<String> {
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
    json(StatusCode::OK, &view_after(&live.set, found))
}

/// As it is now that the verdict on it has been made again.
fn view_after(set: &Set, endpoint: &Endpoint) -> Option<EndpointView> {
    let now = Instant::now();
    set.refresh(now);
    let members = set.snapshot();
    let mut views = upstreams::endpoints(&members, now);
    views.find(|view| *view.id == *endpoint.settings.id)
}

fn unknown<'n>(what: &str, name: &str, known: impl Iterator<Item = &'n str>) -> String {
    format!("no {what} is called {name:?}; there are: {}", known.collect::<Vec<_>>().join(", "))
}

fn not_allowed(allowed: &'static str) -> Response<String> {
    let mut answer = wrong(StatusCode::METHOD_NOT_ALLOWED, allowed);
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    answer
}

fn wrong(status: StatusCode, error: &str) -> Response<String> {
    json(status, &Wrong { error: error.to_owned() })
}

fn json(status: StatusCode, value: &impl Serialize) -> Response<String> {
    // What is told here consists of texts and numbers, which JSON has.
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    let mut answer = Response::new(text + "\n");
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}
