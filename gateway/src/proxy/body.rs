//! The body on its way to the client: counts what goes out, and when it has ended gives the connection back and lets the
//! record be written. Dropped before its end, it takes the connection along: the rest of the answer would be in the way.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};

use super::attempt::Attempt;
use crate::message::Body;
use crate::message::body::BodyError;
use crate::observe::Record;

/// The body of an answer.
#[derive(Debug)]
pub struct AnswerBody {
    body: Body,
    attempt: Option<Attempt>,
    record: Record,
}

impl AnswerBody {
    pub(super) fn new(body: Body, attempt: Option<Attempt>, record: Record) -> Self {
        Self { body, attempt, record }
    }

    fn end(&mut self) {
        if let Some(attempt) = self.attempt.take() {
            attempt.ended();
        }
    }
}

impl http_body::Body for AnswerBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => self.record.bytes_out += frame.data_ref().map_or(0, |data| data.len() as u64),
            Some(Err(error)) => {
                self.record.note(format!("the answer broke off: {error}"));
                if let Some(mut attempt) = self.attempt.take() {
                    attempt.broke();
                }
            }
            None => self.end(),
        }
        Poll::Ready(frame)
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
            self.record.note("the client went away".to_owned());
            attempt.cancelled();
        }
    }
}
