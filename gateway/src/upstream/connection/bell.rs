//! A waker that rings through to the task which attends to it, but not while that task is at it: what the parts of a connection
//! tell each other by wakers has been seen by then, and would only have the task come once more for nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use atomic_waker::AtomicWaker;

/// The bell of one connection.
#[derive(Debug)]
pub(super) struct Bell {
    line: Arc<Line>,
    waker: Waker,
}

/// Used by one thread only; atomic since a waker has to be.
#[derive(Debug, Default)]
struct Line {
    task: AtomicWaker,
    is_attended: AtomicBool,
    has_rung: AtomicBool,
}

impl Wake for Line {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.is_attended.load(Ordering::Relaxed) {
            self.has_rung.store(true, Ordering::Relaxed);
        } else {
            self.task.wake();
        }
    }
}

impl Default for Bell {
    fn default() -> Self {
        let line = Arc::<Line>::default();
        Self { waker: Waker::from(line.clone()), line }
    }
}

impl Bell {
    /// Does `work` for the task of `context`. If that gives something, the task comes again by itself; if not, it is woken by
    /// rings from now on, and for one that came meanwhile.
    pub(super) fn attend<T>(
        &self,
        context: &mut Context<'_>,
        work: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let line = &*self.line;
        line.task.register(context.waker());
        line.is_attended.store(true, Ordering::Relaxed);
        let outcome = work(&mut Context::from_waker(&self.waker));
        line.is_attended.store(false, Ordering::Relaxed);
        if line.has_rung.swap(false, Ordering::Relaxed) && outcome.is_pending() {
            context.waker().wake_by_ref();
        }
        outcome
    }

    /// Wakes nobody any more.
    pub(super) fn forget(&self) {
        self.line.task.take();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts how often it was woken: references to it are clones of its waker and itself.
    #[derive(Default)]
    struct Task(std::sync::atomic::AtomicU32);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn it_rings_through_when_nobody_is_at_it() {
        let (bell, task) = (Bell::default(), Arc::<Task>::default());
        let waker = Waker::from(task.clone());
        let mut context = Context::from_waker(&waker);
        let rung = || task.0.load(Ordering::Relaxed);
        let mut inner = None;

        let outcome = bell.attend(&mut context, |context| {
            inner = Some(context.waker().clone());
            Poll::<()>::Pending
        });
        assert!(outcome.is_pending() && rung() == 0);
        let inner = inner.expect("a waker");
        inner.wake_by_ref();
        assert_eq!(rung(), 1, "from outside");

        let ready = bell.attend(&mut context, |_| {
            inner.wake_by_ref();
            Poll::Ready(7)
        });
        assert_eq!((ready, rung()), (Poll::Ready(7), 1), "got what it wanted");

        let pending = bell.attend(&mut context, |_| {
            inner.wake_by_ref();
            Poll::<()>::Pending
        });
        assert!(pending.is_pending() && rung() == 2, "has to look again");

        bell.forget();
        inner.wake_by_ref();
        assert_eq!(rung(), 2, "forgotten");
    }
}
