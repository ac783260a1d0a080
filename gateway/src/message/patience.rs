//! Waiting until a deadline that keeps moving, as that of whoever waits for one message after the other does. The timer stays
//! where it is as long as it rings too early, and is only then put to where the deadline is by now: a wait that ends in time
//! costs no timer of its own.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::time::{Sleep, sleep_until};

/// A timer for one wait after the other.
#[derive(Debug, Default)]
pub struct Patience(Option<Pin<Box<Sleep>>>);

impl Patience {
    /// Ready once `deadline` has passed. Rings meanwhile are no news.
    pub fn poll_until(&mut self, deadline: Instant, context: &mut Context<'_>) -> Poll<()> {
        let deadline = deadline.into();
        let timer = self.0.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if timer.deadline() > deadline {
            timer.as_mut().reset(deadline);
        }
        loop {
            ready!(timer.as_mut().poll(context));
            if timer.deadline() >= deadline {
                return Poll::Ready(());
            }
            timer.as_mut().reset(deadline);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_wait_has_its_own_deadline() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(async {
            let start = Instant::now();
            let at = |ms: u64| start + Duration::from_millis(ms);
            let mut patience = Patience::default();
            // Beside the waits that last, one that somebody ends in time leaves a timer for later or for earlier.
            for (ended_in_time, deadline) in [(1, 20), (3_600_000, 40), (50, 60), (70, 65)] {
                let before = poll_fn(|context| Poll::Ready(patience.poll_until(at(ended_in_time), context))).await;
                assert!(before.is_pending() || Instant::now() >= at(ended_in_time));
                poll_fn(|context| patience.poll_until(at(deadline), context)).await;
                assert!(Instant::now() >= at(deadline), "{deadline} ms");
            }
            assert!(start.elapsed() < Duration::from_secs(60), "not the timer of the wait that ended in time");
        });
    }
}
