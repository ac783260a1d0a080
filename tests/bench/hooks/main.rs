//! What plugins cost: every hook of the default plugins by the way that the proxy goes, beside the same rule written
//! natively; what of that is the sandbox's; what the guard takes for the bytes of a request; and what a swap and a start take, part by part. No request crosses a network here,
//! but for the starts.
//!
//! `cargo bench -p sluice-gateway --bench hooks` measures all, a word after `--` those with it in their names, `-- --test`
//! runs each once to see that it works. Names are `hook/plugin/endpoints`.
#![allow(clippy::unwrap_used, reason = "a bench that cannot go on says so by a panic")]
#![allow(unreachable_pub, missing_docs, reason = "nothing here is anybody's library")]

mod costs; // what a call costs before the plugin does anything
mod edits; // routing and response hooks
mod epochs; // the engine by itself
mod exchange; // requests, answers, moments
mod gateway; // what the hooks belong to
mod guard; // bytes before hyper sees them
#[path = "../../harness/guests.rs"]
#[allow(dead_code, reason = "the tests need more of it")]
mod guests;
mod native; // the rules without a sandbox
mod selection; // selection hooks
mod sessions; // hooks that keep clients where they are
mod start; // from nothing to the first answer
mod swap; // one version in place of another

use std::time::Duration;

use criterion::Criterion;

// As the program has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let criterion = Criterion::default().without_plots();
    let criterion = criterion.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    let mut criterion = criterion.sample_size(50).configure_from_args();
    selection::measure(&mut criterion);
    sessions::measure(&mut criterion);
    edits::measure(&mut criterion);
    costs::measure(&mut criterion);
    guard::measure(&mut criterion);
    epochs::measure(&mut criterion);
    swap::measure(&mut criterion);
    start::measure(&mut criterion);
    criterion.final_summary();
}
