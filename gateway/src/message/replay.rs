//! A request's body that is kept while it is sent, so that it can be sent once more: what has gone by comes again from memory,
//! and the rest from the client. What is longer than may be kept goes by once only.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as _, Frame, SizeHint};

use super::Body;
use super::body::BodyError;

/// Pieces that are kept of one body, since each takes room of its own.
const MOST_PIECES: usize = 1024;

/// A body that can be read from its beginning several times, one reader after the other.
#[derive(Debug)]
pub struct Replay(Rc<RefCell<Source>>);

#[derive(Debug)]
struct Source {
    /// What nobody has read.
    rest: Body,
    kept: Vec<Bytes>,
    trailers: Option<HeaderMap>,
    /// Bytes that may still be kept.
    room: usize,
    /// It was too much, or broke off: what has gone by does not come again.
    is_lost: bool,
    has_ended: bool,
    /// The reader that may read.
    reader: u32,
}

/// Reads from the beginning.
#[derive(Debug)]
pub(super) struct Reader {
    source: Rc<RefCell<Source>>,
    number: u32,
    next: usize,
    has_given_trailers: bool,
}

impl Replay {
    /// Keeps `most` bytes at most.
    pub fn of(body: Body, most: usize) -> Self {
        let source = Source {
            rest: body,
            kept: Vec::new(),
            trailers: None,
            room: most,
            is_lost: false,
            has_ended: false,
            reader: 0,
        };
        Self(Rc::new(RefCell::new(source)))
    }

    /// True as long as it can be read from its beginning.
    pub fn is_whole(&self) -> bool {
        !self.0.borrow().is_lost
    }

    /// The body from its beginning; whoever reads it already gets nothing more. None if the beginning is gone.
    pub fn body(&self) -> Option<Body> {
        let mut source = self.0.borrow_mut();
        if source.is_lost {
            return None;
        }
        source.reader += 1;
        let number = source.reader;
        Some(Body::kept(Reader { source: self.0.clone(), number, next: 0, has_given_trailers: false }))
    }
}

impl Source {
    fn keep(&mut self, frame: &Frame<Bytes>) {
        if self.is_lost {
            return;
        }
        if let Some(trailers) = frame.trailers_ref() {
            self.trailers = Some(trailers.clone());
        } else if let Some(data) = frame.data_ref() {
            match self.room.checked_sub(data.len()).filter(|_| self.kept.len() < MOST_PIECES) {
                Some(room) => {
                    self.room = room;
                    self.kept.push(data.clone());
                }
                None => self.lose(),
            }
        }
    }

    fn lose(&mut self) {
        self.is_lost = true;
        self.kept = Vec::new();
        self.trailers = None;
    }
}

impl Reader {
    pub(super) fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let source = &mut *self.source.borrow_mut();
        if source.reader != self.number {
            // Never a clean end: an endpoint must not take it for the whole.
            return Poll::Ready(Some(Err(BodyError::Broken("sent once more elsewhere".to_owned()))));
        }
        if let Some(data) = source.kept.get(self.next) {
            self.next += 1;
            return Poll::Ready(Some(Ok(Frame::data(data.clone()))));
        }
        if source.has_ended {
            let trailers = source.trailers.as_ref().filter(|_| !self.has_given_trailers);
            self.has_given_trailers = true;
            return Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers.clone()))));
        }
        let frame = ready!(Pin::new(&mut source.rest).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => {
                self.has_given_trailers |= frame.is_trailers();
                source.keep(frame);
            }
            Some(Err(_)) => source.lose(),
            None => source.has_ended = true,
        }
        self.next = source.kept.len();
        Poll::Ready(frame)
    }

    pub(super) fn is_end_stream(&self) -> bool {
        let source = self.source.borrow();
        let has_trailers = source.trailers.is_some() && !self.has_given_trailers;
        self.next >= source.kept.len() && !has_trailers && (source.has_ended || source.rest.is_end_stream())
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        let source = self.source.borrow();
        let kept = source.kept.iter().skip(self.next).map(|data| data.len() as u64).sum::<u64>();
        let rest = if source.has_ended { SizeHint::with_exact(0) } else { source.rest.size_hint() };
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower() + kept);
        // A size that is known would leave no room for trailers.
        if let Some(upper) = rest.upper().filter(|_| source.trailers.is_none()) {
            hint.set_upper(upper + kept);
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// A body that holds these pieces, and trailers behind them.
    fn pieces(pieces: &[&'static str]) -> Body {
        let replay = Replay::of(Body::default(), usize::MAX);
        {
            let mut source = replay.0.borrow_mut();
            source.kept = pieces.iter().map(|piece| Bytes::from_static(piece.as_bytes())).collect();
            source.trailers =
                Some(HeaderMap::from_iter([("x-sum".parse().expect("a name"), "7".parse().expect("a value"))]));
            source.has_ended = true;
        }
        replay.body().expect("nothing is lost")
    }

    /// The next piece, or what comes instead.
    fn next(body: &mut Body) -> String {
        match Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => String::from_utf8(data.to_vec()).expect("text"),
                Err(_) => "trailers".to_owned(),
            },
            Poll::Ready(Some(Err(error))) => error.to_string(),
            Poll::Ready(None) => "the end".to_owned(),
            Poll::Pending => "nothing".to_owned(),
        }
    }

    #[test]
    fn it_comes_again_from_its_beginning_and_goes_on_where_nobody_has_read() {
        let replay = Replay::of(pieces(&["one", "two", "three"]), 11);
        let mut first = replay.body().expect("whole");
        assert_eq!((next(&mut first), next(&mut first)), ("one".to_owned(), "two".to_owned()));
        let mut second = replay.body().expect("whole");
        assert_eq!(next(&mut first), "sent once more elsewhere");
        assert_eq!(second.size_hint().lower(), 11);
        let all: Vec<String> = (0..5).map(|_| next(&mut second)).collect();
        assert_eq!(all, ["one", "two", "three", "trailers", "the end"]);
        let mut third = replay.body().expect("whole");
        assert!(!third.is_end_stream() && third.size_hint().exact().is_none(), "trailers are to come");
        let all: Vec<String> = (0..5).map(|_| next(&mut third)).collect();
        assert_eq!(all, ["one", "two", "three", "trailers", "the end"]);
        assert!(third.is_end_stream());
    }

    #[test]
    fn what_is_too_much_goes_by_once() {
        let replay = Replay::of(pieces(&["one", "two", "three"]), 10);
        let mut body = replay.body().expect("whole");
        assert_eq!((next(&mut body), next(&mut body)), ("one".to_owned(), "two".to_owned()));
        assert!(replay.is_whole());
        let rest: Vec<String> = (0..3).map(|_| next(&mut body)).collect();
        assert_eq!(rest, ["three", "trailers", "the end"]);
        assert!(!replay.is_whole() && replay.body().is_none());
    }

    #[test]
    fn many_small_pieces_are_too_much_too() {
        let replay = Replay::of(pieces(&["x"; MOST_PIECES + 1]), usize::MAX);
        let mut body = replay.body().expect("whole");
        for _ in 0..=MOST_PIECES {
            assert_eq!(next(&mut body), "x");
        }
        assert!(!replay.is_whole());
    }
}
