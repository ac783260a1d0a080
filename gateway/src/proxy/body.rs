//! The body on its way to the client: counts what goes out, and when it has ended gives the connection back and lets the
//! record be written. Dropped before its end, it takes the connection along: the rest of the answer would be in the way.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};

use super::attempt::Attempt;
use crate::message::Body;
use crate::message::body::BodyError;
use crate::observe::{Record, Turn};

/// Why the client does not get all of it. Without a cause, so that hyper does not call it the client's own wish.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct CutOff(BodyError);

/// The body of an answer; by default none, of no exchange.
#[derive(Debug, Default)]
pub struct AnswerBody {
    body: Body,
    attempt: Option<Box<Attempt>>,
    record: Option<Box<Record>>,
}

impl AnswerBody {
    pub(super) fn new(body: Body, attempt: Option<Box<Attempt>>, record: Box<Record>) -> Self {
        Self { body, attempt, record: Some(record) }
    }

    fn end(&mut self) {
        if let Some(mut attempt) = self.attempt.take() {
            let now = Instant::now();
            if let Some(record) = &mut self.record {
                record.ended = Some(now);
            }
            attempt.ended(now);
        }
    }
}

impl http_body::Body for AnswerBody {
    type Data = Bytes;
    type Error = CutOff;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        let Self { body, attempt, record } = &mut *self;
        let polled = match attempt {
            Some(attempt) => attempt.poll(context, |context| Pin::new(&mut *body).poll_frame(context)),
            None => Pin::new(body).poll_frame(context),
        };
        let Poll::Ready(mut frame) = polled else {
            if let Some(record) = record {
                record.turn(Turn::Asks);
            }
            return Poll::Pending;
        };
        match (&mut frame, record) {
            (Some(Ok(frame)), Some(record)) => {
                let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
                if let Some(attempt) = attempt {
                    attempt.received += bytes;
                    attempt.flows();
                    if let Some(trailers) = frame.trailers_mut() {
                        attempt.trailed(trailers);
                    }
                }
                record.bytes_out += bytes;
                record.turn(Turn::Gives(bytes));
            }
            (Some(Ok(_)), None) => {}
            (Some(Err(error)), record) => {
                if let Some(record) = record {
                    record.note(format!("the answer broke off: {error}"));
                }
                if let Some(mut attempt) = self.attempt.take() {
                    attempt.broke();
                }
            }
            (None, _) => self.end(),
        }
        Poll::Ready(frame.map(|frame| frame.map_err(CutOff)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        // A body of known length is not polled past its last byte, and one for HEAD not at all.
        if self.body.is_end_stream() {
            self.end();
        } else if let Some(attempt) = &mut self.attempt {
            if let Some(record) = &mut self.record {
                match record.is_cut() {
                    Some(cut) => record.note(format!("cut off: {cut}")),
                    None => record.note("the client went away".to_owned()),
                }
            }
            attempt.cancelled();
        }
    }
}
