//! What ends a connection: one timer serves all its deadlines, and looks now and then at what it waits for.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::{Duration, Instant};

use super::super::drain::LINGER;
use super::super::pace::Pace;
use super::super::protocol::Protocol;
use super::super::worker::Worker;
use super::Connection;
use crate::config::model::{MinimumRate, Timeouts};
use crate::observe::{Activity, Cut, Waits};

/// How a connection ended.
pub(super) enum End {
    /// By itself.
    Closed,
    /// A request head did not come in time.
    HeadStalled(Duration),
    /// A request head was none, and all before it is answered.
    HeadRefused,
    /// Nothing came.
    Idle,
    /// Nobody read.
    Cut,
}

/// What a connection is held to, and how far that has gone.
struct Watch {
    /// Of when the connection began, and no more of the plan than that: connections outlive many.
    timeouts: Timeouts,
    least: MinimumRate,
    /// Heads are blocks of HTTP/2, which come while exchanges go on.
    blocks: bool,
    /// What a connection waits for changes without a word to the timer: it looks at least this often.
    look: Duration,
    /// How long it may idle.
    idle: Duration,
    /// It is to end.
    leaving: bool,
    /// All are to end.
    draining: Option<Drain>,
    /// It was told to end.
    closing: bool,
    /// How quickly the client takes what waits for it.
    pace: Option<Pace>,
}

impl Connection {
    /// Lets hyper work until the connection ends, a deadline passes, or it is to end and nothing is left to do.
    pub(super) async fn drive<P: Protocol>(&self, mut protocol: Pin<&mut P>, blocks: bool) -> End {
        let mut watch = self.watch(blocks);
        let mut timer = pin!(tokio::time::sleep(watch.look.min(watch.idle)));
        loop {
            tokio::select! {
                biased;
                ended = protocol.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(target: "sluice", peer = %self.peer, reason = %error, "connection ended");
                    }
                    return End::Closed;
                }
                () = poll_fn(|_| if self.activity.is_over() { Poll::Ready(()) } else { Poll::Pending }) => {
                    return End::HeadRefused;
                }
                () = timer.as_mut() => {}
                () = self.admission.over(), if watch.draining.is_none() => {
                    watch.draining = Some(Drain::begin(&self.worker));
                    self.leave(&mut watch, protocol.as_mut(), self.worker.linger());
                }
                () = self.asked_to_leave(), if !watch.leaving => self.leave(&mut watch, protocol.as_mut(), LINGER),
            }
            match self.look(&mut watch, protocol.as_mut()) {
                Ok(next) => timer.as_mut().reset(next.into()),
                Err(end) => return end,
            }
        }
    }

    fn watch(&self, blocks: bool) -> Watch {
        let config = &self.worker.plan().config;
        let timeouts = config.timeouts.clone();
        Watch {
            least: config.limits.minimum_rate,
            blocks,
            look: timeouts.request_header.min(timeouts.stream_idle).min(timeouts.send_stall),
            idle: timeouts.client_idle,
            leaving: false,
            draining: None,
            closing: false,
            pace: None,
            timeouts,
        }
    }

    /// It is to end, where that loses nothing, and idle no longer than that until then.
    fn leave<P: Protocol>(&self, watch: &mut Watch, protocol: Pin<&mut P>, linger: Duration) {
        watch.leaving = true;
        watch.idle = watch.idle.min(linger);
        self.activity.touch();
        protocol.drain();
    }

    /// When to look again; or how the connection ends now.
    fn look<P: Protocol>(&self, watch: &mut Watch, protocol: Pin<&mut P>) -> Result<Instant, End> {
        let now = Instant::now();
        // A client that is to go and keeps exchanges open is not waited for any longer than the end of the gateway would be.
        let cut_off = watch.draining.as_ref().map(|drain| drain.until(&self.activity));
        if cut_off.is_some_and(|cut_off| cut_off <= now) {
            self.worker.cuts_off();
            return Err(End::Idle);
        }
        let head = watch.timeouts.request_header;
        let waits = self.activity.waits(head, watch.blocks, watch.idle);
        if waits != Waits::Reader {
            watch.pace = None;
        }
        let next = match waits {
            Waits::Head(deadline) if deadline <= now => {
                self.activity.cut(Cut::Head);
                return Err(End::HeadStalled(head));
            }
            Waits::Request(deadline) if deadline <= now && watch.closing => return Err(End::Idle),
            Waits::Request(deadline) if deadline <= now => {
                protocol.shut_down();
                // What is left is to say goodbye; a request that crosses it is still served.
                watch.closing = true;
                watch.idle = LINGER;
                self.activity.touch();
                now + LINGER
            }
            Waits::Reader => self.look_at_pace(watch, now).map_err(|why| {
                self.activity.cut(why);
                self.meter.abandon();
                End::Cut
            })?,
            Waits::Head(deadline) => deadline,
            Waits::Request(deadline) => deadline.min(now + watch.look),
            Waits::Exchange => now + watch.look.min(watch.idle),
        };
        Ok(cut_off.map_or(next, |cut_off| next.min(cut_off)))
    }

    fn look_at_pace(&self, watch: &mut Watch, now: Instant) -> Result<Instant, Cut> {
        let (stall, least, arrived) = (watch.timeouts.send_stall, watch.least, self.meter.arrived());
        let pace = watch.pace.get_or_insert_with(|| Pace::begin(now, arrived, stall, least));
        pace.look(now, arrived, stall, least)
    }
}

/// Until when a connection that is to end may go on.
struct Drain {
    exchanges: Instant,
    streams: Instant,
}

impl Drain {
    fn begin(worker: &Worker) -> Self {
        let (now, timeouts) = (Instant::now(), &worker.plan().config.timeouts);
        Self { exchanges: now + timeouts.drain, streams: now + timeouts.drain_streams }
    }

    fn until(&self, activity: &Activity) -> Instant {
        if activity.is_streaming() { self.streams } else { self.exchanges }
    }
}
