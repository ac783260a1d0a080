//! Plugins that mean harm. Each is a component from text with one part that misbehaves; it is swapped into a gateway that serves,
//! asked once under each `on-error`, and then something harmless is asked of it and of a use beside it. What it did is in the
//! log and in the figures with its reason, and afterwards its memory is back.

mod answers; // what it decides
mod binaries; // what no component is, and what is hard to compile
mod files; // what stands where a plugin's file should
mod handles; // what it was lent, and the inert WASI
mod limits; // memory, tables, instances
mod loops; // time
mod recursion; // stack
mod values; // what crosses the border

use std::collections::BTreeMap;

use crate::harness::guests::digest;
use crate::harness::text::Text;
use crate::harness::{Answer, Ask, Client, Configuration, Gateway, Origin, component};

/// What an exchange does without the use, and what its route is called after.
const POLICIES: [&str; 3] = ["fallback", "pass", "fail"];

/// One way to misbehave.
struct Case {
    name: &'static str,
    hook: &'static str,
    text: Text,
    kind: &'static str,
    reason: &'static str,
}

/// A guest that traps in that hook; the reason says this.
fn traps(name: &'static str, hook: &'static str, text: Text, reason: &'static str) -> Case {
    Case { name, hook, text, kind: "trap", reason }
}

/// A guest that fails in another way.
fn fails(kind: &'static str, name: &'static str, hook: &'static str, text: Text, reason: &'static str) -> Case {
    Case { name, hook, text, kind, reason }
}

/// A gateway with the guest in all chains of three routes, one for each policy, and somebody else in those of a fourth.
struct House {
    gateway: Gateway,
    /// What the figures have to say: failures by use and kind.
    failed: BTreeMap<(String, &'static str), f64>,
    /// The chains that a failure was in, with their uses.
    fallbacks: BTreeMap<(String, &'static str), f64>,
    _origin: Origin,
}

impl House {
    async fn new() -> Self {
        Self::with("").await
    }

    /// With more lines in the guest's table.
    async fn with(lines: &str) -> Self {
        let origin = Origin::start("a").await;
        let configuration = Configuration::of(&[&origin]).workers(1).plugin("stamp", component("stamp_v1"));
        let configuration = configuration.routing(r#"["stamp"]"#).response(r#"["stamp"]"#);
        let configuration = configuration.selection(r#"["stamp", "round-robin"]"#);
        let mut tables = String::from("[admin]\naddress = \"127.0.0.1:0\"\n");
        for policy in POLICIES {
            let chain = |policy| format!("{{ plugin = \"guest\", on-error = \"{policy}\" }}");
            let edits = chain(if policy == "fallback" { "pass" } else { policy });
            tables += &format!(
                "[[upstream]]\nname = \"{policy}\"\nselection = [{}, \"round-robin\"]\n\
                 endpoints = [{{ id = \"a\", address = \"{}\" }}]\n\
                 [[route]]\nname = \"{policy}\"\nmatch = {{ path = \"/{policy}/*\" }}\nupstream = \"{policy}\"\n\
                 routing = [{edits}]\nresponse = [{edits}]\n",
                chain(policy),
                origin.address
            );
        }
        let configuration = configuration.plugin_with("guest", Text::new().component(), lines).tables(&tables);
        let gateway = Gateway::start(&configuration).await;
        Self { gateway, failed: BTreeMap::new(), fallbacks: BTreeMap::new(), _origin: origin }
    }

    /// Swaps a guest in everywhere.
    async fn swap(&self, content: &[u8]) {
        let uses = POLICIES.map(|policy| ["routing", "selection", "response"].map(|hook| use_of(policy, hook)));
        let uses: Vec<&str> = uses.as_flattened().iter().map(String::as_str).collect();
        self.gateway.swap("guest", content, &uses).await;
    }

    /// Asks for trouble under that policy, and then for something harmless there and elsewhere.
    async fn trouble(&self, policy: &str, path: &str) -> Answer {
        let mut client = Client::plain(&self.gateway).await;
        // The same as a parameter, in other characters.
        let asked = Ask::get(&format!("/{policy}/{path}?x-misbehave=%E2%82%AC1")).header("x-misbehave", "1");
        let answer = client.ask(asked).await;
        let next = client.get(&format!("/{policy}/next")).await;
        assert_eq!(next.status, 200, "{path}: the exchange after trouble");
        self.neighbour(path).await;
        answer
    }

    /// The use beside it does what it is for.
    async fn neighbour(&self, after: &str) {
        let beside = Client::plain(&self.gateway).await.get("/").await;
        let stamps =
            [&*beside.seen_field("x-routed-by"), beside.header("x-selected-by"), beside.header("x-answered-by")];
        assert_eq!((beside.status.as_u16(), stamps), (200, ["v1", "v1", "v1"]), "{after}: the use beside it");
    }

    /// One case under each policy.
    async fn misbehaves(&mut self, case: &Case) {
        let Case { name, hook, text, kind, reason } = case;
        let content = text.component();
        self.swap(&content).await;
        let digest = digest(&content);
        for policy in POLICIES {
            let answer = self.trouble(policy, "trouble").await;
            assert_eq!(answer.status, if policy == "fail" { 503 } else { 200 }, "{name} under {policy}");
            if policy == "fail" {
                assert!(answer.header("proxy-status").starts_with("sluice"), "{name}: {answer:?}");
            }
            let place = use_of(policy, hook);
            let failed = self.gateway.log.wait_for("plugin failed", |event| {
                event.text("use") == place && event.text("digest") == digest && event.text("hook") == *hook
            });
            let said = failed.await.text("reason").to_owned();
            assert!(said.contains(reason), "{name} under {policy}: {said:?} does not say {reason:?}");
            assert!(said.len() < 2048, "{name}: {} bytes of reason", said.len());
            *self.failed.entry((place.clone(), kind)).or_default() += 1.0;
            *self.fallbacks.entry((place, hook)).or_default() += 1.0;
        }
    }

    /// A guest that is not taken, for that reason; the one before serves on.
    async fn refuses(&self, name: &str, content: &[u8], reason: &str) {
        let said = self.gateway.refused_swap("guest", content).await;
        // What runs for ever meets the other deadline first where the machine has better to do.
        let is_starved = reason.contains("deadline") && said.contains("the worker got too little CPU time");
        assert!(said.contains(reason) || is_starved, "{name}: {said:?} does not say {reason:?}");
        assert!(!said.contains(char::is_control) && said.len() < 4096, "{name}: {said:?}");
        assert_eq!(self.trouble("pass", "trouble").await.status, 200, "{name}");
    }

    /// The figures say what was done, and nothing else failed.
    async fn accounts(&self) {
        let failed = self.failed.iter().map(|((place, kind), count)| {
            (format!("sluice_plugin_failures_total{{use=\"{place}\",plugin=\"guest\",kind=\"{kind}\"}}"), *count)
        });
        let fallbacks = self.fallbacks.iter().map(|((place, hook), count)| {
            (format!("sluice_plugin_fallbacks_total{{use=\"{place}\",plugin=\"guest\",hook=\"{hook}\"}}"), *count)
        });
        let expected: Vec<(String, f64)> = failed.chain(fallbacks).collect();
        let expected: Vec<(&str, f64)> = expected.iter().map(|(series, count)| (series.as_str(), *count)).collect();
        self.gateway.shows(&expected).await;
    }
}

fn use_of(policy: &str, hook: &str) -> String {
    format!("{policy}/{hook}/guest")
}

/// All of these three times over; memory is back after each.
async fn misbehave(lines: &str, cases: &[Case]) {
    let mut house = House::with(lines).await;
    let harmless = Text::new().component();
    let mut resident = Vec::new();
    for _ in 0..4 {
        for case in cases {
            house.misbehaves(case).await;
        }
        house.swap(&harmless).await;
        resident.extend(house.gateway.resident());
    }
    house.accounts().await;
    eprintln!("{} guests, resident after each round: {resident:?}", cases.len());
    if let [first, .., last] = resident[..] {
        // The first round is the one that warms up.
        assert!(last < first + (16 << 20), "grows: {resident:?}");
    }
}
