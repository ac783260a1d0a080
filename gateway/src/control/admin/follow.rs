//! Events as they happen, and figures each second, as server-sent events (HTML, "Server-sent events"): a page follows them with
//! nothing but `EventSource`. Who was away for a moment says which event it saw last and gets those in between.

use std::convert::Infallible;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::HeaderName;
use http::{HeaderMap, Response, StatusCode};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::answer::{self, Body, wrong};
use super::view::{EventView, FiguresView};
use super::{ANSWER, Answered, Desk};
use crate::observe::{Happened, journal};

/// Who follows at a time.
pub(super) const FOLLOWERS: usize = 16;
/// Events that may wait for a follower.
const ROOM: usize = 256;
/// Pieces that wait to go out.
const PIECES: usize = 4;
/// Between two figures.
const PERIOD: Duration = Duration::from_secs(1);

const LAST: HeaderName = HeaderName::from_static("last-event-id");

/// The stream, if there is room for one more follower.
pub(super) fn follow(desk: &Arc<Desk>, headers: &HeaderMap) -> (Response<Body>, Answered) {
    let Ok(place) = desk.followers.clone().try_acquire_owned() else {
        let error = format!("{FOLLOWERS} follow already");
        return (wrong(StatusCode::SERVICE_UNAVAILABLE, &error), Answered::Whole);
    };
    let last = headers.get(LAST).and_then(|last| last.to_str().ok()?.parse().ok());
    let (sender, receiver) = mpsc::channel(PIECES);
    let (over, ended) = oneshot::channel();
    tokio::spawn(tell(desk.clone(), last, sender, over));
    (answer::events(receiver), streams(ended, place))
}

fn streams(ended: oneshot::Receiver<Infallible>, place: OwnedSemaphorePermit) -> Answered {
    Answered::Streams(ended, place)
}

/// Until nobody follows any more, or does not keep up. `_over` says so by being dropped.
async fn tell(desk: Arc<Desk>, last: Option<u64>, to: mpsc::Sender<Bytes>, _over: oneshot::Sender<Infallible>) {
    let (missed, mut events) = journal().follow(last, ROOM);
    let mut beginning = String::from(":\n\n");
    missed.iter().for_each(|happened| event(&mut beginning, happened));
    let mut next = beginning;
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        // Taken, gone, or too slow.
        if !matches!(timeout(ANSWER, to.send(next.into())).await, Ok(Ok(()))) {
            return;
        }
        next = tokio::select! {
            () = to.closed() => return,
            happened = events.recv() => match happened {
                Some(happened) => {
                    let mut text = String::new();
                    event(&mut text, &happened);
                    text
                }
                None => return,
            },
            _ = ticks.tick() => {
                let mut text = String::new();
                piece(&mut text, "figures", None, &FiguresView::of(&desk.figures));
                text
            }
        };
    }
}

fn event(text: &mut String, happened: &Happened) {
    piece(text, "event", Some(happened.id), &EventView::of(happened));
}

/// One event of the stream; JSON has no line breaks of its own.
fn piece(text: &mut String, name: &str, id: Option<u64>, data: &impl Serialize) {
    if let Some(id) = id {
        // A text takes everything.
        let _ = writeln!(text, "id: {id}");
    }
    let data = serde_json::to_string(data).unwrap_or_default();
    let _ = write!(text, "event: {name}\ndata: {data}\n\n");
}
