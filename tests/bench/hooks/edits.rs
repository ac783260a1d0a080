//! Hooks before and after the choice of an endpoint: `traffic-split` and `headers`; and all hooks of one exchange, as a usual
//! configuration has them.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion};
use http::{HeaderName, HeaderValue};
use sluice_gateway::endpoint::Endpoint;
use sluice_gateway::message::RequestHead;
use sluice_gateway::plugin::{Moment, ResponseHead, Routed, Selected, Slot};

use crate::exchange::{BATCH, Moments, answer, cookie_of, ended, request};
use crate::gateway::{Chains, Gateway, SIZES};
use crate::native;

const SPLIT: &str = r#"[{ plugin = "traffic-split", config = { shares = { app = 95, app-next = 5 } } }]"#;
const SECURE: &str = r#"[{ plugin = "headers", config = { preset = "secure" } }]"#;
const STICKY: &str = r#"["sticky-session", "least-connections"]"#;

pub fn measure(criterion: &mut Criterion) {
    route(criterion);
    respond(criterion);
    all_hooks(criterion);
}

fn route(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("route");
    let gateway = Gateway::of(Chains { routing: SPLIT, ..Chains::default() }, 3);
    let (mut head, mut moments) = (request(""), Moments::begin());
    group.bench_function(BenchmarkId::new("traffic-split", 2), |bencher| {
        bencher.iter(|| match gateway.slots[0].route(&mut head, moments.next()) {
            Ok(Routed::Upstream(upstream, _)) => upstream,
            other => panic!("no upstream: {other:?}"),
        });
    });
    let sides = [(xxhash_rust::xxh3::xxh3_64(b"app"), 95.0), (xxhash_rust::xxh3::xxh3_64(b"app-next"), 5.0)];
    group.bench_function(BenchmarkId::new("traffic-split natively", 2), |bencher| {
        bencher.iter(|| {
            let key = native::client_hash(black_box(&head));
            let draw = |(hash, share): (u64, f64)| {
                (((native::mix(key ^ hash) >> 11) as f64 + 0.5) / (1_u64 << 53) as f64).ln() / share
            };
            (0..sides.len()).max_by(|&one, &other| draw(sides[one]).total_cmp(&draw(sides[other])))
        });
    });
    group.finish();
}

fn respond(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("respond");
    for size in SIZES {
        let gateway = Gateway::of(Chains { response: SECURE, ..Chains::default() }, size);
        let (slot, head, mut moments) = (&gateway.slots[0], request(""), Moments::begin());
        let middle = gateway.members().endpoints[size / 2].clone();
        group.bench_function(BenchmarkId::new("headers", size), |bencher| {
            let ask = |answer: &mut ResponseHead| slot.respond(&head, answer, &ended(0), moments.next()).unwrap();
            bencher.iter_batched_ref(|| answer(middle.clone(), &[]), ask, BATCH);
        });
    }
    let middle = Gateway::selecting("", 3).members().endpoints[1].clone();
    let fields = [
        ("strict-transport-security", "max-age=31536000"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "SAMEORIGIN"),
        ("referrer-policy", "strict-origin-when-cross-origin"),
    ];
    let fields = fields.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
    group.bench_function(BenchmarkId::new("headers natively", 3), |bencher| {
        let edit = |answer: &mut ResponseHead| {
            for (name, value) in &fields {
                answer.headers.insert(name.clone(), value.clone());
            }
        };
        bencher.iter_batched_ref(|| answer(middle.clone(), &[]), edit, BATCH);
    });
    group.finish();
}

/// `traffic-split`, `sticky-session` before `least-connections`, and `headers`.
fn all_hooks(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("all hooks");
    for size in SIZES {
        let gateway = Gateway::of(Chains { routing: SPLIT, selection: STICKY, response: SECURE }, size);
        let (hooks, mut moments) = (Hooks::of(&gateway), Moments::begin());
        let mut first = answer(gateway.members().endpoints[size / 2].clone(), &[]);
        hooks.exchange(&mut request(""), &mut first, moments.next());
        for (name, cookie) in [("bound", cookie_of(&first).as_str()), ("new", "")] {
            let mut head = request(cookie);
            group.bench_function(BenchmarkId::new(name, size), |bencher| {
                let middle = &gateway.members().endpoints[size / 2];
                let ask = |answer: &mut ResponseHead| hooks.exchange(&mut head, answer, moments.next());
                bencher.iter_batched_ref(|| answer(middle.clone(), &[]), ask, BATCH);
            });
        }
    }
    group.finish();
}

/// What the proxy asks in one exchange, in its order.
struct Hooks<'a> {
    gateway: &'a Gateway,
    /// By the name of the plugin.
    place: [usize; 4],
}

impl<'a> Hooks<'a> {
    fn of(gateway: &'a Gateway) -> Self {
        let plugins = ["traffic-split", "sticky-session", "least-connections", "headers"];
        let place = |plugin| gateway.slots.iter().position(|slot| slot.plugin.name == plugin).unwrap();
        Self { gateway, place: plugins.map(place) }
    }

    fn exchange(
        &self,
        head: &mut Arc<RequestHead>,
        answer: &mut ResponseHead,
        moment: Moment<'_>,
    ) -> Option<Arc<Endpoint>> {
        let [split, sticky, least, headers] = self.place.map(|place| &self.gateway.slots[place]);
        let set = &self.gateway.serving.plan.upstreams[0].set;
        split.route(head, moment).unwrap();
        let members = set.load();
        let choose = |slot: &Slot| match slot.select(head, &members, &[], moment) {
            Ok(Selected::Endpoint(endpoint, tag)) => (Some(endpoint), tag),
            Ok(Selected::Pass(tag)) => (None, tag),
            other => panic!("no choice: {other:?}"),
        };
        let (bound, tag) = choose(sticky);
        let chosen = bound.or_else(|| choose(least).0);
        if sticky.responds(tag) {
            sticky.respond(head, answer, &ended(tag), moment).unwrap();
        }
        headers.respond(head, answer, &ended(0), moment).unwrap();
        members.endpoints.get(chosen?).cloned()
    }
}
