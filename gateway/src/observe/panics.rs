//! Panics: faults of the gateway itself. Each is counted; what has to go on for as long as the gateway does begins again after
//! one, and what belongs to one exchange or one connection ends with it, since tokio catches it there.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use tokio::time::sleep;

/// Before what has panicked begins again: whatever made it panic may still be there.
const PAUSE: Duration = Duration::from_millis(100);

static PANICS: AtomicU64 = AtomicU64::new(0);

/// Counts every panic of the process from now on. What a panic says goes to standard error as before.
pub fn count() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let say = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.fetch_add(1, Ordering::Relaxed);
            say(panic);
        }));
    });
}

/// How many there were.
pub fn counted() -> u64 {
    PANICS.load(Ordering::Relaxed)
}

/// What `work` gives; none if it panicked, which is said with the name of the task, and was a moment ago: it may begin again.
/// What it works on has to be whole between any two of its statements.
pub async fn survived<T>(task: &'static str, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    let outcome = poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
        Ok(polled) => polled.map(Some),
        Err(_) => Poll::Ready(None),
    });
    let outcome = outcome.await;
    if outcome.is_none() {
        tracing::error!(target: "sluice", task, "begins again after a panic");
        sleep(PAUSE).await;
    }
    outcome
}

#[cfg(test)]
#[allow(clippy::panic, reason = "that is what is tried")]
mod tests {
    use std::cell::Cell;

    use tokio::task::yield_now;

    use super::*;

    #[tokio::test]
    async fn what_panics_begins_again_with_what_it_had_and_is_counted() {
        count();
        count();
        let (before, done) = (counted(), Cell::new(0));
        let work = async || {
            yield_now().await;
            done.set(done.get() + 1);
            assert!(done.get() >= 3, "this test panics here, twice");
            done.get()
        };
        let given = loop {
            if let Some(given) = survived("tried", work()).await {
                break given;
            }
        };
        // Other tests may panic meanwhile.
        assert!(given == 3 && counted() >= before + 2, "{given}");
    }
}
