//! Connections to endpoints, kept by each worker for itself: no lock, no hop to another thread. Those that speak HTTP/1.1 are here
//! while they idle: the newest is used first, so that the others age and are closed before their endpoint does it. Those
//! that speak HTTP/2 are here as long as they take exchanges, and are opened one at a time: whoever comes meanwhile waits for it.

use std::cell::{Cell, RefCell, RefMut};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use tokio::sync::watch;

use super::connection::{Carrier, ConnectError, Connection, Ends, Http1, Http2, Target};
use super::lease::Lease;
use super::way::Way;
use crate::endpoint::{Endpoint, Figures};
use crate::socket::Outbox;

/// The connections of one worker.
#[derive(Debug)]
pub struct Pool {
    idle_timeout: Cell<Duration>,
    outbox: Rc<Outbox>,
    /// The ways that serve, by their address in memory, each with how many idle connections of an endpoint are kept.
    ways: RefCell<HashMap<usize, (Arc<Way>, usize)>>,
    /// From an endpoint's first connection on; by the address of the endpoint's figures in memory, which the entry's weak reference keeps from being another's.
    kept: RefCell<HashMap<usize, Kept>>,
    /// How many there have been.
    count: Cell<u64>,
}

#[derive(Debug)]
struct Kept {
    /// From 1, and never again: connections hold on to it, since a reference to the way would be counted on all workers.
    number: u64,
    endpoint: Weak<Figures>,
    way: Arc<Way>,
    /// TLS sessions of this worker with this endpoint.
    sessions: Option<Arc<ClientConfig>>,
    most: usize,
    idle: Vec<(Box<Http1>, Instant)>,
    shared: Vec<Rc<Http2>>,
    /// The one that somebody opens, for others to wait for; what became of it, or closed where nothing did.
    opening: Option<watch::Receiver<Option<Result<(), ConnectError>>>>,
    /// The last one that was opened speaks HTTP/2: with `auto`, the next one will.
    speaks_h2: bool,
}

/// What an exchange says of the connection that it needs.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// To whom.
    pub endpoint: &'a Arc<Endpoint>,
    /// How.
    pub way: &'a Arc<Way>,
    /// For whom; only where [`Way::tells_client`].
    pub ends: Option<Ends>,
    /// For all of the opening.
    pub most: Duration,
}

impl Pool {
    /// Connections that idle longer than `idle_timeout` are not used again.
    pub fn new(idle_timeout: Duration, outbox: Rc<Outbox>) -> Rc<Self> {
        Rc::new(Self {
            idle_timeout: Cell::new(idle_timeout),
            outbox,
            ways: RefCell::default(),
            kept: RefCell::default(),
            count: Cell::new(0),
        })
    }

    /// Connections that idle longer than that are not used again from now on.
    pub fn set_idle_timeout(&self, idle_timeout: Duration) {
        self.idle_timeout.set(idle_timeout);
    }

    /// From now on connections are made by these ways, and of each endpoint that is reached by one so many idle ones are kept.
    /// What was made by others carries nothing new.
    pub fn serve<'w>(&self, ways: impl Iterator<Item = (&'w Arc<Way>, usize)>) {
        let ways: HashMap<usize, (Arc<Way>, usize)> =
            ways.map(|(way, most)| (place(way), (way.clone(), most))).collect();
        self.kept.borrow_mut().retain(|_, kept| match ways.get(&place(&kept.way)) {
            Some((_, most)) => {
                kept.most = *most;
                true
            }
            None => false,
        });
        self.ways.replace(ways);
    }

    /// As what connections to that endpoint are kept, from the first one on; 0, as nothing, where a configuration of before wants
    /// one: others could not use it.
    fn number(&self, wanted: Wanted<'_>) -> u64 {
        let Some(most) = self.ways.borrow().get(&place(wanted.way)).map(|(_, most)| *most) else { return 0 };
        let mut kept = self.kept.borrow_mut();
        let new = || {
            self.count.set(self.count.get() + 1);
            Kept {
                number: self.count.get(),
                endpoint: Arc::downgrade(wanted.endpoint.figures()),
                way: wanted.way.clone(),
                sessions: wanted.way.tls().map(|tls| tls.sessions()),
                most,
                idle: Vec::new(),
                shared: Vec::new(),
                opening: None,
                speaks_h2: false,
            }
        };
        kept.entry(key(wanted.endpoint)).or_insert_with(new).number
    }

    /// A connection that is there already, if there is one that is worth a try `now`.
    pub fn reuse(self: &Rc<Self>, endpoint: &Arc<Endpoint>, now: Instant) -> Option<Lease> {
        let mut kept = self.kept.borrow_mut();
        let kept = kept.get_mut(&key(endpoint))?;
        while let Some((connection, since)) = kept.idle.pop() {
            if now.saturating_duration_since(since) < self.idle_timeout.get() && connection.is_ready() {
                return Some(Lease::again(Carrier::Http1(connection), now, endpoint, kept.number, self));
            }
        }
        let young = |shared: &&Rc<Http2>| shared.idle(now).is_none_or(|idle| idle < self.idle_timeout.get());
        let place = kept.shared.iter().rev().filter(young).find_map(Http2::enter)?;
        Some(Lease::again(Carrier::Http2(place), now, endpoint, kept.number, self))
    }

    /// A new connection, or a place on one that has just been opened.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn open(self: &Rc<Self>, wanted: Wanted<'_>) -> Result<Lease, ConnectError> {
        let number = self.number(wanted);
        if !wanted.way.may_share() || number == 0 {
            return self.open_alone(wanted, number).await;
        }
        loop {
            let Some(mut opening) = self.opening(wanted) else { return self.open_for_all(wanted, number).await };
            let outcome = tokio::time::timeout(wanted.most, opening.wait_for(Option::is_some)).await;
            match outcome.map(|outcome| outcome.ok().and_then(|outcome| (*outcome).clone())) {
                Ok(Some(Err(error))) => return Err(error),
                Ok(Some(Ok(()))) => {
                    let place = self.kept_for(wanted).and_then(|kept| kept.shared.last()?.enter());
                    if let Some(place) = place {
                        return Ok(Lease::new(Carrier::Http2(place), wanted.endpoint, number, self));
                    }
                }
                // Whoever opened it went away.
                Ok(None) => {}
                Err(_) => return Err(ConnectError::TimedOut(wanted.most)),
            }
        }
    }

    /// What somebody else opens; none if nobody does, or it would be of no use.
    fn opening(&self, wanted: Wanted<'_>) -> Option<watch::Receiver<Option<Result<(), ConnectError>>>> {
        let opening = self.kept_for(wanted)?.opening.clone();
        opening.filter(|opening| opening.borrow().is_none() && opening.has_changed().is_ok())
    }

    async fn open_for_all(self: &Rc<Self>, wanted: Wanted<'_>, number: u64) -> Result<Lease, ConnectError> {
        let (told, opening) = watch::channel(None);
        if let Some(mut kept) = self.kept_for(wanted) {
            // Where the endpoint may choose HTTP/1.1, each needs a connection of its own.
            let for_all = kept.speaks_h2 || !wanted.way.may_speak_http1();
            kept.opening = for_all.then_some(opening);
        }
        let opened = self.open_alone(wanted, number).await;
        let outcome = opened.as_ref().map(drop).map_err(Clone::clone);
        if let Some(mut kept) = self.kept_for(wanted) {
            kept.opening = None;
            if let Ok(lease) = &opened {
                kept.speaks_h2 = lease.shared().is_some();
                kept.shared.extend(lease.shared().cloned());
            }
        }
        told.send_replace(Some(outcome));
        opened
    }

    /// For one exchange, at least at first.
    async fn open_alone(self: &Rc<Self>, wanted: Wanted<'_>, number: u64) -> Result<Lease, ConnectError> {
        let Wanted { endpoint, way, ends, most } = wanted;
        let sessions = self.kept_for(wanted).and_then(|kept| kept.sessions.clone());
        let target = Target { endpoint, way, sessions, ends, most };
        let carrier = match Connection::open(target, &self.outbox).await? {
            Connection::Http1(connection) => Carrier::Http1(connection),
            Connection::Http2(connection) => Carrier::Http2(connection.enter().ok_or(ConnectError::NotH2)?),
        };
        Ok(Lease::new(carrier, endpoint, number, self))
    }

    /// Closes what has been idle for too long. Called about once a second.
    pub fn sweep(&self) {
        let now = Instant::now();
        let limit = self.idle_timeout.get();
        self.kept.borrow_mut().retain(|_, kept| {
            kept.idle.retain_mut(|(connection, since)| now.duration_since(*since) < limit && connection.is_sound());
            let most = if kept.most == 0 { Duration::ZERO } else { limit };
            kept.shared.retain(|shared| !shared.is_over() && shared.idle(now).is_none_or(|idle| idle < most));
            // An endpoint that nobody holds any more has left its upstream.
            kept.endpoint.strong_count() > 0
        });
    }

    /// Keeps a connection that has nothing to do since `now`, if those of that number still are kept.
    pub(super) fn put(&self, endpoint: &Arc<Endpoint>, number: u64, mut connection: Box<Http1>, now: Instant) {
        connection.rest();
        if let Some(kept) = self.kept.borrow_mut().get_mut(&key(endpoint))
            && kept.number == number
            && kept.idle.len() < kept.most
            && !kept.way.tells_client
        {
            kept.idle.push((connection, now));
        }
    }

    /// What is kept of the endpoint, if that is still the way to it.
    fn kept_for(&self, wanted: Wanted<'_>) -> Option<RefMut<'_, Kept>> {
        let kept = RefMut::filter_map(self.kept.borrow_mut(), |kept| kept.get_mut(&key(wanted.endpoint))).ok();
        kept.filter(|kept| Arc::ptr_eq(&kept.way, wanted.way))
    }
}

fn key(endpoint: &Arc<Endpoint>) -> usize {
    Arc::as_ptr(endpoint.figures()) as usize
}

fn place(way: &Arc<Way>) -> usize {
    Arc::as_ptr(way) as usize
}
