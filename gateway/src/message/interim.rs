//! What an endpoint says before its answer (1xx, RFC 9110 §15.2): hints for the client, and that it wants the body of a request
//! that waits to be asked for it (§10.1.1). From hyper's client, which calls whoever wants to know, to the byte stream of an
//! HTTP/1.1 client, which hyper's server cannot write such answers to.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use tokio::time::{Sleep, sleep};

/// So many are passed on of one attempt; an endpoint that says more never comes to its answer.
const MOST: u32 = 16;

/// How long a body is withheld that the endpoint does not ask for. Clients wait about as long before they send it anyway.
const UNASKED: Duration = Duration::from_secs(1);

/// Those of one exchange at a time. Used by one thread only; shared as hyper demands it.
#[derive(Debug)]
pub struct Interims {
    /// The client can be told.
    passes: bool,
    heard: AtomicU32,
    /// The body is withheld until the endpoint asks for it.
    withheld: AtomicBool,
    has_hints: AtomicBool,
    hints: Mutex<Vec<(StatusCode, HeaderMap)>>,
}

impl Interims {
    /// Nothing yet. `passes`: there is somebody who takes it to the client.
    pub fn new(passes: bool) -> Arc<Self> {
        Arc::new(Self {
            passes,
            heard: AtomicU32::new(0),
            withheld: AtomicBool::new(false),
            has_hints: AtomicBool::new(false),
            hints: Mutex::default(),
        })
    }

    /// An exchange begins.
    pub fn begin(&self) {
        self.again();
        self.release();
        self.forget();
    }

    /// The request is sent once more, to an endpoint that has said nothing yet.
    pub fn again(&self) {
        self.heard.store(0, Ordering::Relaxed);
    }

    /// An endpoint has said this.
    pub fn hear(&self, status: StatusCode, headers: &HeaderMap) {
        if self.heard.fetch_add(1, Ordering::Relaxed) >= MOST {
            return;
        }
        // What it asks for is passed on by reading the body: hyper's server asks the client then.
        if status == StatusCode::CONTINUE && self.withheld.swap(false, Ordering::Relaxed) {
            return;
        }
        if !self.passes {
            return;
        }
        self.hints.lock().unwrap_or_else(PoisonError::into_inner).push((status, headers.clone()));
        self.has_hints.store(true, Ordering::Relaxed);
    }

    /// What `sending` gives; none if the endpoint goes on and on, and never comes to it.
    pub async fn unless_too_many<T>(&self, sending: impl Future<Output = T>) -> Option<T> {
        let mut sending = pin!(sending);
        poll_fn(|context| match sending.as_mut().poll(context) {
            Poll::Ready(given) => Poll::Ready(Some(given)),
            Poll::Pending if self.heard.load(Ordering::Relaxed) > MOST => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        })
        .await
    }

    /// True while the body is withheld.
    pub fn is_withheld(&self) -> bool {
        self.withheld.load(Ordering::Relaxed)
    }

    /// The body goes on its way.
    pub fn release(&self) {
        self.withheld.store(false, Ordering::Relaxed);
    }

    /// True if there is something for the client.
    pub fn has_hints(&self) -> bool {
        self.has_hints.load(Ordering::Relaxed)
    }

    /// What there is for the client.
    pub fn take(&self) -> Vec<(StatusCode, HeaderMap)> {
        self.has_hints.store(false, Ordering::Relaxed);
        std::mem::take(&mut *self.hints.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// It is too late for what there is for the client.
    pub fn forget(&self) {
        if self.has_hints() {
            self.take();
        }
    }
}

/// Holds a body back until the endpoint asks for it, or has been silent for a while: it may not know that it should.
#[derive(Debug)]
pub(super) struct Gate {
    interims: Arc<Interims>,
    /// Begins with the first who asks for the body: then the head is on its way.
    patience: Option<Pin<Box<Sleep>>>,
}

impl Gate {
    pub(super) fn new(interims: &Arc<Interims>) -> Self {
        interims.withheld.store(true, Ordering::Relaxed);
        Self { interims: interims.clone(), patience: None }
    }

    /// Ready when the body may go.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.interims.is_withheld() {
            let patience = self.patience.get_or_insert_with(|| Box::pin(sleep(UNASKED)));
            ready!(patience.as_mut().poll(context));
            self.interims.release();
        }
        Poll::Ready(())
    }

    /// The body goes at once.
    pub(super) fn open(&self) {
        self.interims.release();
    }
}
