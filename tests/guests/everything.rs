//! Asks for everything that the contract offers, and tells what it got: each answer has a field `x-report`, JSON with
//! what `setup` said, what the imports gave, and what `feedback`, `timer` and `state` brought.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use sluice_plugin::feedback::{Outcome, OutcomeKind};
use sluice_plugin::response::{Action, Exchange};
use sluice_plugin::{
    Cell, Counter, Edit, Feedback, Gauge, Health, Histogram, Issues, KeySource, Members, Plugin, Prepared, Request,
    RespondWhen, Response, ResponseHead, Routing, Selection, Setup, State, TimeUs, Timer, endpoints, log, reports,
    routing, sealing, selection, store, upstreams,
};
use std::time::Duration;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    greeting: String,
}

struct Guest {
    greeting: String,
    said: serde_json::Value,
    prepared: Prepared,
    cell: Cell,
    metrics: (Counter, Gauge, Histogram),
    members: serde_json::Value,
    draining: Option<u32>,
    prefix: Option<(usize, bool)>,
    keys: [Option<u64>; 2],
    observed: u64,
    observed_kind: Option<String>,
    ticks: u64,
    restored: String,
}

sluice_plugin::export!(Guest: Routing, Selection, Response, Feedback, Timer, State);

impl Plugin for Guest {
    type Config = Config;

    fn new(config: Config, setup: &Setup) -> Result<Self, Issues> {
        setup.want_key(&[KeySource::Header("x-user".into()), KeySource::ClientIp]);
        setup.see_request();
        setup.respond(RespondWhen::Always);
        setup.hold_body(16);
        setup.tick(Duration::from_millis(10));
        setup.keep_draining();
        let prepared = setup.prepare(&[
            Edit::Set(("x-prepared".into(), "set".into())),
            Edit::Append(("x-prepared".into(), "appended".into())),
            Edit::Remove("x-origin-extra".into()),
        ]);
        let said = json!({
            "use": setup.use_name(), "upstream": setup.upstream(), "upstreams": setup.upstreams(), "worker": setup.worker(),
            "workers": setup.workers(), "seed": setup.seed(), "trial": setup.trial(),
        });
        let metrics = (
            setup.counter("guest_calls", "Calls"),
            setup.gauge("guest_mood", "Mood"),
            setup.histogram("guest_sizes", "Sizes"),
        );
        Ok(Self {
            greeting: config.greeting,
            said,
            prepared,
            cell: Cell::open("calls", 100),
            metrics,
            members: json!(null),
            draining: None,
            prefix: None,
            keys: [None; 2],
            observed: 0,
            observed_kind: None,
            ticks: 0,
            restored: String::new(),
        })
    }
}

impl Routing for Guest {
    fn route(&mut self, input: routing::Input, request: &Request) -> routing::Decision {
        let prefix = request.body_prefix();
        self.prefix = Some((prefix.bytes.len(), prefix.complete));
        self.keys[0] = input.key;
        request.set_header("x-routed", &format!("{} healthy", upstreams::healthy(0))).expect("a legal field");
        routing::Decision::pass().tagged(1)
    }
}

impl Selection for Guest {
    fn set_endpoints(&mut self, members: &Members) {
        let conditions = members.conditions();
        self.draining = conditions.iter().position(|health| *health == Health::Draining).map(|index| index as u32);
        self.members = json!({
            "count": members.count(), "ids": members.ids(), "addresses": members.addresses(), "weights": members.weights(),
            "warm_up": members.warm_up(), "priorities": members.priorities(), "zones": members.zones(),
            "local_zone": members.local_zone(), "labels": members.labels("gpu"),
            "conditions": conditions.iter().map(|health| format!("{health:?}")).collect::<Vec<_>>(),
        });
    }

    fn select(&mut self, input: selection::Input, request: Option<&Request>) -> selection::Decision {
        self.keys[1] = input.key;
        let draining = request.and_then(|request| request.header("x-draining")).and(self.draining);
        draining
            .map_or(selection::Decision::pass().tagged(7), |endpoint| selection::Decision::endpoint(endpoint).tagged(8))
    }
}

impl Response for Guest {
    fn respond(&mut self, request: &Request, head: &ResponseHead, exchange: Exchange) -> Action {
        let calls = self.cell.fetch_add(1);
        let (counter, gauge, histogram) = self.metrics;
        counter.add(1);
        gauge.set(0.5);
        histogram.observe(3.0);
        log::write(log::Level::Info, format_args!("{} at {}", self.greeting, request.path()));
        let report = json!({
            "said": self.said, "members": self.members, "prefix": self.prefix, "key": self.keys[0].or(self.keys[1]),
            "own_key": request.key(&KeySource::Header("x-user".into())), "cell": calls, "store": stored(request),
            "sealed": sealed(), "observed": self.observed, "observed_kind": self.observed_kind, "ticks": self.ticks,
            "restored": self.restored, "tag": exchange.tag, "attempts": exchange.attempts, "endpoint": head.endpoint_id(),
            "in_flight": endpoints::in_flight_all(), "latency": endpoints::latency_us_all(),
            "bytes_per_second": endpoints::bytes_per_second_all(), "reports": reported(), "queue": reports::named_all("queue"),
        });
        head.apply(self.prepared).expect("legal edits");
        head.append_header("x-report", &report.to_string()).expect("a legal field");
        Action::Done
    }
}

/// What endpoints report, asked in both ways.
fn reported() -> Vec<Option<serde_json::Value>> {
    let all = reports::last_all();
    let one_by_one: Vec<_> = (0..all.len() as u32).map(reports::last).collect();
    let same = |(one, other): (&Option<reports::Report>, &Option<reports::Report>)| {
        one.map(|one| one.cpu) == other.map(|other| other.cpu)
    };
    assert!(all.iter().zip(&one_by_one).all(same), "{all:?} and {one_by_one:?}");
    assert_eq!(
        reports::named_all("queue"),
        (0..all.len() as u32).map(|endpoint| reports::named(endpoint, "queue")).collect::<Vec<_>>()
    );
    let told = |report: reports::Report| {
        let reports::Report { age_us, steady_us, cpu, memory, utilization, requests_per_second, errors_per_second } =
            report;
        let figures = [cpu, memory, utilization, requests_per_second, errors_per_second];
        json!({ "age_us": age_us, "steady_us": steady_us, "figures": figures })
    };
    all.into_iter().map(|report| report.map(told)).collect()
}

impl Feedback for Guest {
    fn observe(&mut self, outcomes: &[Outcome]) {
        self.observed += outcomes.len() as u64;
        let kind = |outcome: &Outcome| match outcome.kind {
            OutcomeKind::Success => format!("success {} tag {}", outcome.status, outcome.tag),
            other => format!("{other:?} {} tag {}", outcome.status, outcome.tag),
        };
        self.observed_kind = outcomes.last().map(kind).or(self.observed_kind.take());
    }
}

impl Timer for Guest {
    fn tick(&mut self, _: TimeUs) {
        self.ticks += 1;
    }
}

impl State for Guest {
    fn save(&mut self) -> Vec<u8> {
        b"what was learnt".to_vec()
    }

    fn restore(&mut self, from_version: &str, saved: Vec<u8>) -> Result<(), String> {
        self.restored = format!("{} from {from_version}", String::from_utf8_lossy(&saved));
        Ok(())
    }
}

/// Counts the requests of a path in the store, with the version as the guard; gives the count.
fn stored(request: &Request) -> u64 {
    let path = request.path();
    loop {
        let (count, version) = match store::get(&path) {
            Some(entry) => (String::from_utf8_lossy(&entry.value).parse().unwrap_or(0), entry.version),
            None => (0_u64, 0),
        };
        if store::compare_and_set(&path, version, (count + 1).to_string().as_bytes(), None).is_ok() {
            return count + 1;
        }
    }
}

/// True if what was sealed can be opened, twice is not the same, and what was changed cannot.
fn sealed() -> bool {
    let token = sealing::seal(b"secret", Some(Duration::from_secs(60)));
    let changed = format!("{}{}", &token[1..], &token[..1]);
    sealing::open(&token).as_deref() == Some(b"secret")
        && sealing::seal(b"secret", None) != token
        && sealing::open(&changed).is_none()
}
