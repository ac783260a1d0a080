//! One exchange of HTTP/2 as hyper works on it. An answer that waits for the client's window is asked nothing, and hyper waits
//! for ever: here it has its deadlines, and nowhere else does a stream that goes its way cost anything for that.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::config::model::MinimumRate;
use crate::message::Patience;
use crate::observe::{Activity, Connections, Cut, Turn};

pin_project_lite::pin_project! {
    /// What hyper makes of one request.
    pub(super) struct Stream<F> {
        // None once it was cut off.
        #[pin]
        work: Option<F>,
        bounds: Rc<Bounds>,
        waiting: Option<Waiting>,
        patience: Patience,
    }
}

/// What holds for all streams of a connection.
#[derive(Debug)]
pub(super) struct Bounds {
    pub(super) activity: Rc<Activity>,
    /// Where those that are cut off are counted.
    pub(super) connections: Arc<Connections>,
    /// How long a client may give no window at all.
    pub(super) stall: Duration,
    /// How quickly it must take what it was given.
    pub(super) least: MinimumRate,
}

/// For the client.
#[derive(Debug)]
struct Waiting {
    since: Instant,
    /// Bytes handed over since then; hyper keeps two pieces of a body at most.
    given: u64,
    /// When the client has last given a window, by all that can be seen.
    moved: Instant,
}

impl<F> Stream<F> {
    pub(super) fn new(work: F, bounds: Rc<Bounds>) -> Self {
        Self { work: Some(work), bounds, waiting: None, patience: Patience::default() }
    }
}

impl<F: Future<Output: 'static>> Future for Stream<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let Bounds { activity, connections, stall, least } = &**this.bounds;
        let rung = this.waiting.as_ref().and_then(|waiting| {
            let (deadline, cut) = waiting.deadline(*stall, *least);
            this.patience.poll_until(deadline, context).is_ready().then_some(cut)
        });
        if let Some(cut) = rung {
            connections.cut(cut);
            activity.note(Turn::Cut(cut));
            this.work.set(None);
            activity.take_turn();
            return Poll::Ready(());
        }
        let Some(work) = this.work.as_mut().as_pin_mut() else { return Poll::Ready(()) };
        // What another one left is not of this one.
        activity.take_turn();
        if work.poll(context).is_ready() {
            return Poll::Ready(());
        }
        match activity.take_turn() {
            // It asks its endpoint for more: the client has taken all.
            Some(Turn::Asks) => *this.waiting = None,
            Some(Turn::Gives(bytes)) => {
                let now = Instant::now();
                let waiting = this.waiting.get_or_insert(Waiting { since: now, given: 0, moved: now });
                waiting.given = waiting.given.saturating_add(bytes);
                waiting.moved = now;
            }
            // Not asked: woken by a window that was too small, most likely.
            _ => {
                if let Some(waiting) = this.waiting {
                    waiting.moved = Instant::now();
                }
            }
        }
        if let Some(waiting) = this.waiting {
            let (deadline, _) = waiting.deadline(*stall, *least);
            if this.patience.poll_until(deadline, context).is_ready() {
                // Over already: once more, to be cut off above.
                context.waker().wake_by_ref();
            }
        }
        Poll::Pending
    }
}

impl Waiting {
    fn deadline(&self, stall: Duration, least: MinimumRate) -> (Instant, Cut) {
        let (stalled, slow) = (self.moved + stall, self.since + least.time_for(self.given));
        if stalled <= slow { (stalled, Cut::Stalled) } else { (slow, Cut::Slow) }
    }
}
