//! Traces: where an exchange stands in one (W3C Trace Context), and what is told of it, if it is told of. Whether it is, is
//! decided when it begins; from then on an exchange that is not pays one look for each thing that could be told. Those that are
//! take the times of what they do, and hand all of it over at their end, to be sent by others.

mod tracer;

use std::num::{NonZeroU64, NonZeroU128};
use std::sync::Arc;
use std::time::Instant;

use super::recent::Passed;
use super::{Again, Said};
pub use tracer::{Counts, Tracer, Waiting};

/// Longest texts of a client's making that are kept to be told, bytes; a trace is no place for more.
const LONGEST: usize = 1024;
/// Spans of one exchange, beside its own.
const MOST: usize = 64;

/// The name of a trace.
pub type TraceId = NonZeroU128;
/// The name of a span.
pub type SpanId = NonZeroU64;

/// Where something stands in a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    /// Which trace.
    pub trace: TraceId,
    /// The span that comes next is below this one.
    pub span: SpanId,
    /// It is told of.
    pub sampled: bool,
    /// Whoever began the trace has drawn its name at random (the second flag of W3C Trace Context, level 2).
    pub random: bool,
}

impl Context {
    /// Another place in the same trace.
    pub fn beside(self) -> Self {
        Self { span: span_id(), ..self }
    }
}

/// A name that no other span has.
pub fn span_id() -> SpanId {
    SpanId::new(fastrand::u64(1..)).unwrap_or(SpanId::MIN)
}

/// Something that was done for an exchange.
#[derive(Debug)]
pub struct Span {
    /// Its own name; it stands below the exchange.
    pub id: SpanId,
    /// When it began.
    pub began: Instant,
    /// When it was over.
    pub ended: Instant,
    /// What it was.
    pub what: Deed,
}

/// What was done.
#[derive(Debug)]
pub enum Deed {
    /// A use was asked.
    Asked {
        /// Its name.
        name: Arc<str>,
        /// Its plugin's.
        plugin: String,
        /// In which hook.
        hook: &'static str,
        /// Its answer.
        said: Said,
    },
    /// An endpoint got the request; up to the head of its answer.
    Tried {
        /// Its id.
        endpoint: Arc<str>,
        /// Its host and port.
        address: Arc<str>,
        /// Over TLS.
        secure: bool,
        /// Of its answer; 0: none came.
        status: u16,
        /// The kind of what came instead.
        failed: Option<&'static str>,
        /// Why it was sent once more; none for the first one.
        again: Option<Again>,
        /// Which attempt, from 0.
        number: u32,
    },
}

/// An exchange that is told of, on its way.
#[derive(Debug)]
pub struct Traced {
    tracer: Arc<Tracer>,
    /// Its own place.
    context: Context,
    /// The span of whoever asked; none: the trace begins here.
    parent: Option<SpanId>,
    /// What others have noted in `tracestate`.
    state: String,
    /// As the client spoke, to this gateway or a trusted proxy before it.
    pub scheme: &'static str,
    /// As in `1.1`.
    pub version: &'static str,
    /// Why it is sent once more, until it is.
    pub again: Option<Again>,
    spans: Vec<Span>,
}

impl Traced {
    /// One that begins at that place.
    pub fn new(tracer: &Arc<Tracer>, context: Context, parent: Option<SpanId>, state: String) -> Box<Self> {
        let state = if state.len() > LONGEST { String::new() } else { state };
        let spans = Vec::with_capacity(6);
        Box::new(Self { tracer: tracer.clone(), context, parent, state, scheme: "", version: "", again: None, spans })
    }

    /// Which trace it is in.
    pub fn id(&self) -> TraceId {
        self.context.trace
    }

    /// Notes what was done.
    pub fn did(&mut self, span: Span) {
        if self.spans.len() < MOST {
            self.spans.push(span);
        }
    }

    /// It is over.
    pub fn ended(self, mut passed: Passed) {
        let Self { tracer, context, parent, state, scheme, version, spans, .. } = self;
        for text in [&mut passed.path, &mut passed.host].into_iter().chain(&mut passed.why) {
            if text.len() > LONGEST {
                *text = text.get(..text.floor_char_boundary(LONGEST)).unwrap_or_default().to_owned();
            }
        }
        tracer.tell(Finished { context, parent, state, scheme, version, passed, spans });
    }
}

/// An exchange that is over, and what was done for it.
#[derive(Debug)]
pub struct Finished {
    /// Its place.
    pub context: Context,
    /// See [`Traced`].
    pub parent: Option<SpanId>,
    /// Of others.
    pub state: String,
    /// See [`Traced`].
    pub scheme: &'static str,
    /// See [`Traced`].
    pub version: &'static str,
    /// The exchange; its steps are no part of it.
    pub passed: Passed,
    /// In the order of their ends.
    pub spans: Vec<Span>,
}

impl Finished {
    /// How many spans it is.
    pub fn size(&self) -> u32 {
        1 + self.spans.len() as u32
    }
}
