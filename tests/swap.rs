//! Saving a new file over a plugin's replaces it while traffic flows: no request is lost, none is answered twice, and
//! each is decided by one version in all its hooks.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::task::JoinSet;

use crate::harness::guests::{digest, retouched};
use crate::harness::{Answer, Ask, Client, Configuration, Gateway, Origin, component};

const SWAPS: usize = 100;
const USES: [&str; 3] = ["all/routing/stamp", "app/selection/stamp", "all/response/stamp"];

fn stamped(origins: &[&Origin]) -> Configuration {
    let configuration = Configuration::of(origins).plugin("stamp", component("stamp_v1"));
    configuration.routing(r#"["stamp"]"#).selection(r#"["stamp", "round-robin"]"#).response(r#"["stamp"]"#)
}

/// The one version that decided all of an exchange.
fn version(answer: &Answer) -> usize {
    assert_eq!(answer.status, 200);
    let routed = answer.seen_field("x-routed-by");
    let stamps = answer.headers("x-selected-by").into_iter().chain(answer.headers("x-answered-by"));
    let stamps: Vec<&str> = stamps.chain([routed.as_str()]).collect();
    assert!(stamps.len() >= 3, "a hook was not asked: {stamps:?}");
    assert!(stamps.iter().all(|stamp| *stamp == stamps[0]), "two versions decided: {stamps:?}");
    stamps[0].strip_prefix('v').unwrap().parse().unwrap()
}

/// What the test knows of the swaps, for those that send meanwhile. Version 1 serves before the first swap, after the
/// second, and so on.
#[derive(Default)]
struct Progress {
    /// Files saved.
    saved: AtomicUsize,
    /// Swaps that the gateway has reported done.
    done: AtomicUsize,
    stop: AtomicBool,
}

/// Sends one request after the other until it is told to stop, each with an id of its own. Gives the ids.
async fn traffic(gateway: Arc<Gateway>, progress: Arc<Progress>, name: &'static str, fresh: bool) -> Vec<String> {
    let connect = async || if name.ends_with("h2") { Client::h2(&gateway).await } else { Client::h1(&gateway).await };
    let mut client = connect().await;
    let mut ids = Vec::new();
    // How many swaps this connection has seen, at least.
    let mut seen = 0;
    while !progress.stop.load(Ordering::SeqCst) {
        if fresh {
            client = connect().await;
        }
        let id = format!("{name}-{}", ids.len());
        seen = progress.done.load(Ordering::SeqCst).max(seen);
        let answer = client.ask(Ask::get("/").header("x-id", &id)).await;
        let saved = progress.saved.load(Ordering::SeqCst);
        let version = version(&answer);
        let epoch = (seen..=saved).find(|epoch| epoch % 2 + 1 == version);
        seen =
            epoch.unwrap_or_else(|| panic!("{id} was decided by version {version}, between swaps {seen} and {saved}"));
        ids.push(id);
    }
    ids
}

/// G3; a thousand are among what `zero_loss` does.
#[tokio::test]
async fn a_hundred_swaps_under_load_lose_nothing_and_mix_nothing() {
    let (origins, held_origin) = (Origin::several::<2>().await, Origin::start("held").await);
    let held_upstream = format!(
        "[[upstream]]\nname = \"held\"\nselection = [\"stamp\"]\nendpoints = [{{ address = \"{}\" }}]\n\
         [[route]]\nname = \"held\"\nmatch = {{ path = \"/held\" }}\nupstream = \"held\"\n\
         routing = [\"stamp\"]\nresponse = [\"stamp\"]\n",
        held_origin.address
    );
    let configuration = stamped(&origins.each_ref()).tables(&held_upstream);
    let gateway = Arc::new(Gateway::start(&configuration).await);
    let uses = [&USES[..], &["held/routing/stamp", "held/selection/stamp", "held/response/stamp"]].concat();
    let progress = Arc::new(Progress::default());
    let mut senders = JoinSet::new();
    for (name, fresh) in [("kept-h1", false), ("kept-h2", false), ("fresh-h1", true), ("fresh-h2", true)] {
        senders.spawn(traffic(gateway.clone(), progress.clone(), name, fresh));
    }
    let contents = [component("stamp_v1"), component("stamp_v2")];
    let mut resident = None;
    for swap in 0..SWAPS {
        if swap == 20 {
            resident = gateway.resident();
        }
        let before = swap % 2 + 1;
        let held = if swap % 10 == 5 { Some(hold(&gateway, &held_origin, swap).await) } else { None };
        progress.saved.store(swap + 1, Ordering::SeqCst);
        gateway.swap("stamp", &contents[(swap + 1) % 2], &uses).await;
        progress.done.store(swap + 1, Ordering::SeqCst);
        if let Some(held) = held {
            held_origin.release();
            assert_eq!(version(&held.await.unwrap()), before, "held while it was swapped, and decided by two versions");
        }
    }
    if let (Some(before), Some(after)) = (resident, gateway.resident()) {
        eprintln!("resident after 20 swaps {before}, after {SWAPS} {after} bytes");
        assert!(after < before + (16 << 20), "old versions stay in memory: from {before} to {after} bytes");
    }
    progress.stop.store(true, Ordering::SeqCst);
    let ids: Vec<String> = senders.join_all().await.into_iter().flatten().collect();
    assert!(ids.len() >= SWAPS, "only {} requests during {SWAPS} swaps", ids.len());
    let counts: Vec<_> = origins.iter().map(Origin::ids).collect();
    for id in &ids {
        let answered: u64 = counts.iter().filter_map(|counts| counts.get(id)).sum();
        assert_eq!(answered, 1, "{id} reached an origin {answered} times");
    }
}

/// A request that waits at the origin, between its hooks.
async fn hold(gateway: &Gateway, origin: &Origin, number: usize) -> tokio::task::JoinHandle<Answer> {
    origin.hold();
    let mut client = if number % 20 == 5 { Client::h1(gateway).await } else { Client::h2(gateway).await };
    let held = tokio::spawn(async move { client.get("/held").await });
    origin.holds(1).await;
    held
}

#[tokio::test]
async fn a_swap_names_use_and_both_digests() {
    let origin = Origin::start("a").await;
    let gateway = Gateway::start(&stamped(&[&origin])).await;
    let (one, two) = (component("stamp_v1"), component("stamp_v2"));
    gateway.swap("stamp", &two, &USES).await;
    for name in USES {
        let [event] = &gateway.swaps(name)[..] else { panic!("{name}: one swap, one event") };
        assert_eq!((event.text("old"), event.text("new")), (&*digest(&one), &*digest(&two)));
        assert_eq!(event.text("plugin"), "stamp");
    }
    assert_eq!(version(&Client::h1(&gateway).await.get("/").await), 2);
}

#[tokio::test]
async fn a_file_may_be_written_in_place_or_behind_a_link() {
    let origin = Origin::start("a").await;
    let gateway = Gateway::start(&stamped(&[&origin])).await;
    let (one, two) = (component("stamp_v1"), component("stamp_v2"));
    let file = gateway.file("stamp");
    let switched = async |count: usize, content: &[u8]| {
        let swaps = gateway.log.wait_for_all("swap", count, |event| event.text("use") == USES[0]).await;
        assert_eq!(swaps[count - 1].text("new"), digest(content));
    };

    // In place, as `cp` does.
    fs::write(&file, &two).unwrap();
    switched(1, &two).await;
    // A link instead of the file, and then the link turned, as mounted configuration does.
    let [first, second] = ["first.wasm", "second.wasm"].map(|name| file.with_file_name(name));
    let turn = |target: &std::path::Path| {
        let aside = file.with_file_name("link");
        std::os::unix::fs::symlink(target, &aside).unwrap();
        fs::rename(&aside, &file).unwrap();
    };
    fs::write(&first, &one).unwrap();
    fs::write(&second, retouched(&two, "linked")).unwrap();
    turn(&first);
    switched(2, &one).await;
    turn(&second);
    switched(3, &retouched(&two, "linked")).await;
}

#[tokio::test]
async fn the_same_content_saved_again_is_no_swap() {
    let origin = Origin::start("a").await;
    let gateway = Gateway::start(&stamped(&[&origin])).await;
    gateway.save("stamp", &component("stamp_v1"));
    // What is saved afterwards is seen afterwards.
    gateway.swap("stamp", &component("stamp_v2"), &USES).await;
    for name in USES {
        assert_eq!(gateway.swaps(name).len(), 1);
    }
}
