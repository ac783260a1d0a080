//! A connection while an exchange uses it, or the part of one that it has.

use std::cell::Cell;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, Version};
use hyper::body::Incoming;

use super::connection::{Carrier, Http2, SendError, Stream};
use super::pool::Pool;
use crate::endpoint::Endpoint;
use crate::message::Body;

/// How long an endpoint that has answered early may take for the rest of the request.
const REST_OF_UPLOAD: Duration = Duration::from_secs(30);

/// A connection in use. What to do with it afterwards is said by [`Lease::give_back`]; dropped, it is closed, and a stream of
/// HTTP/2 is reset.
#[derive(Debug)]
pub struct Lease {
    carrier: Carrier,
    /// It has carried a request before.
    pub reused: bool,
    /// Since when it is ready for the request.
    pub since: Instant,
    endpoint: Arc<Endpoint>,
    /// As what it is kept; 0: as nothing.
    number: u64,
    pool: Rc<Pool>,
}

impl Lease {
    /// Of a new connection.
    pub(super) fn new(carrier: Carrier, endpoint: &Arc<Endpoint>, number: u64, pool: &Rc<Pool>) -> Self {
        Self { reused: false, ..Self::again(carrier, Instant::now(), endpoint, number, pool) }
    }

    /// Of one that was used before.
    pub(super) fn again(
        carrier: Carrier,
        now: Instant,
        endpoint: &Arc<Endpoint>,
        number: u64,
        pool: &Rc<Pool>,
    ) -> Self {
        let (endpoint, pool) = (endpoint.clone(), pool.clone());
        Self { carrier, reused: true, since: now, endpoint, number, pool }
    }

    /// What is spoken over it: HTTP/1.1 or HTTP/2.
    pub fn version(&self) -> Version {
        self.carrier.version()
    }

    /// The connection, if it has room for others.
    pub(super) fn shared(&self) -> Option<&Rc<Http2>> {
        match &self.carrier {
            Carrier::Http1(_) => None,
            Carrier::Http2(place) => Some(place.connection()),
        }
    }

    /// Sends a request and waits for the response head, for `limit` at most since the connection is ready for it; the wait
    /// begins anew as long as `seen`, the bytes of the request's body, grows.
    pub fn send(
        &mut self,
        request: Request<Body>,
        limit: Duration,
        seen: Option<&Cell<u64>>,
    ) -> impl Future<Output = Result<Response<Incoming>, SendError>> {
        self.carrier.send(request, (self.since, limit), seen)
    }

    /// Polls for what comes over the connection.
    pub fn poll<T>(&mut self, context: &mut Context<'_>, wanted: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        self.carrier.poll(context, wanted)
    }

    /// The stream below and what was read of it already, after a request to change the protocol and an answer of 101. Waits
    /// until all of the request was sent; none if the connection broke.
    pub fn upgraded(self) -> impl Future<Output = Option<(Stream, Bytes)>> {
        self.carrier.upgraded()
    }

    /// Back to the pool, `now`, after an answer that was read to its end. If the request is still being sent, the connection comes
    /// back when that is done, or never.
    pub fn give_back(self, now: Instant) {
        let Self { carrier, endpoint, number, pool, .. } = self;
        // A stream is over, and nothing of it is left.
        let Carrier::Http1(mut connection) = carrier else { return };
        if connection.is_ready() {
            pool.put(&endpoint, number, connection, now);
        } else if !connection.is_closed() {
            tokio::task::spawn_local(async move {
                let sent = tokio::time::timeout(REST_OF_UPLOAD, connection.ready()).await;
                if sent == Ok(true) {
                    pool.put(&endpoint, number, connection, Instant::now());
                }
            });
        }
    }
}
