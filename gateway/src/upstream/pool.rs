//! Idle connections to endpoints, kept by each worker for itself: no lock, no hop to another thread. The newest is used
//! first, so that the others age and are closed before their endpoint does it.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::Future;
use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;

use super::connection::{ConnectError, Connection, SendError, Stream};
use crate::endpoint::{Endpoint, Figures};
use crate::message::Body;
use crate::socket::Outbox;

/// How long an endpoint that has answered early may take for the rest of the request.
const REST_OF_UPLOAD: Duration = Duration::from_secs(30);

/// The idle connections of one worker.
#[derive(Debug)]
pub struct Pool {
    idle_timeout: Cell<Duration>,
    outbox: Rc<Outbox>,
    /// By the address of the endpoint's figures in memory, which the entry's weak reference keeps from being another's.
    idle: RefCell<HashMap<usize, Kept>>,
}

#[derive(Debug)]
struct Kept {
    endpoint: Weak<Figures>,
    most: usize,
    connections: Vec<(Box<Connection>, Instant)>,
}

/// A connection in use. What to do with it afterwards is said by [`Lease::give_back`]; dropped, it is closed.
#[derive(Debug)]
pub struct Lease {
    connection: Box<Connection>,
    /// It has carried a request before.
    pub reused: bool,
    since: Instant,
    endpoint: Arc<Endpoint>,
    pool: Rc<Pool>,
}

impl Pool {
    /// Connections that idle longer than `idle_timeout` are not used again.
    pub fn new(idle_timeout: Duration, outbox: Rc<Outbox>) -> Rc<Self> {
        Rc::new(Self { idle_timeout: Cell::new(idle_timeout), outbox, idle: RefCell::default() })
    }

    /// Connections that idle longer than that are not used again from now on.
    pub fn set_idle_timeout(&self, idle_timeout: Duration) {
        self.idle_timeout.set(idle_timeout);
    }

    /// Keeps up to `most` idle connections of `endpoint` from now on. Others are closed as they come back.
    pub fn keep(&self, endpoint: &Arc<Endpoint>, most: usize) {
        let mut idle = self.idle.borrow_mut();
        let new = || Kept { endpoint: Arc::downgrade(endpoint.figures()), most, connections: Vec::new() };
        idle.entry(key(endpoint)).or_insert_with(new).most = most;
    }

    /// An idle connection, if there is one that is worth a try `now`.
    pub fn reuse(self: &Rc<Self>, endpoint: &Arc<Endpoint>, now: Instant) -> Option<Lease> {
        let mut idle = self.idle.borrow_mut();
        let kept = idle.get_mut(&key(endpoint))?;
        while let Some((connection, since)) = kept.connections.pop() {
            if now.saturating_duration_since(since) < self.idle_timeout.get() && connection.is_ready() {
                return Some(self.lease(connection, Some(now), endpoint));
            }
        }
        None
    }

    /// A new connection.
    pub async fn open(self: &Rc<Self>, endpoint: &Arc<Endpoint>, most: Duration) -> Result<Lease, ConnectError> {
        let connection = Connection::open(&endpoint.settings.address, most, &self.outbox).await?;
        Ok(self.lease(Box::new(connection), None, endpoint))
    }

    /// Closes what has been idle for too long. Called about once a second.
    pub fn sweep(&self) {
        let now = Instant::now();
        let young = |(connection, since): &mut (Box<Connection>, Instant)| {
            now.duration_since(*since) < self.idle_timeout.get() && connection.is_sound()
        };
        self.idle.borrow_mut().retain(|_, kept| {
            kept.connections.retain_mut(young);
            // An endpoint that nobody holds any more has left its upstream.
            kept.endpoint.strong_count() > 0
        });
    }

    /// `reused`: when, if it is not new.
    fn lease(self: &Rc<Self>, connection: Box<Connection>, reused: Option<Instant>, endpoint: &Arc<Endpoint>) -> Lease {
        let since = reused.unwrap_or_else(Instant::now);
        Lease { connection, reused: reused.is_some(), since, endpoint: endpoint.clone(), pool: self.clone() }
    }

    fn put(&self, endpoint: &Arc<Endpoint>, mut connection: Box<Connection>, now: Instant) {
        connection.rest();
        if let Some(kept) = self.idle.borrow_mut().get_mut(&key(endpoint))
            && kept.connections.len() < kept.most
        {
            kept.connections.push((connection, now));
        }
    }
}

impl Lease {
    /// Sends a request and waits for the response head, for `limit` at most since the connection is ready for it; the wait
    /// begins anew as long as `seen`, the bytes of the request's body, grows.
    pub fn send(
        &mut self,
        request: Request<Body>,
        limit: Duration,
        seen: Option<&Cell<u64>>,
    ) -> impl Future<Output = Result<Response<Incoming>, SendError>> {
        self.connection.send(request, (self.since, limit), seen)
    }

    /// Polls for what comes over the connection.
    pub fn poll<T>(&mut self, context: &mut Context<'_>, wanted: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        self.connection.poll(context, wanted)
    }

    /// The stream below, after an answer of 101: see [`Connection::upgraded`].
    pub fn upgraded(self) -> impl Future<Output = Option<(Stream, Bytes)>> {
        self.connection.upgraded()
    }

    /// Back to the pool, `now`, after an answer that was read to its end. If the request is still being sent, the connection comes
    /// back when that is done, or never.
    pub fn give_back(self, now: Instant) {
        let Self { mut connection, endpoint, pool, .. } = self;
        if connection.is_ready() {
            pool.put(&endpoint, connection, now);
        } else if !connection.is_closed() {
            tokio::task::spawn_local(async move {
                let sent = tokio::time::timeout(REST_OF_UPLOAD, connection.ready()).await;
                if sent == Ok(true) {
                    pool.put(&endpoint, connection, Instant::now());
                }
            });
        }
    }
}

fn key(endpoint: &Arc<Endpoint>) -> usize {
    Arc::as_ptr(endpoint.figures()) as usize
}
