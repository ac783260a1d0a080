//! Client connections over all workers and listeners: how many there are, whose, and what became of the others.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::Cut;

/// Parts that the clients are counted in, so that workers seldom wait for each other.
const PARTS: usize = 16;

/// What is known of all connections.
#[derive(Debug)]
pub struct Connections {
    /// As many as there are descriptors for.
    room: usize,
    open: AtomicUsize,
    accepted: AtomicU64,
    /// As [`Refused::ALL`].
    refused: [AtomicU64; Refused::ALL.len()],
    shed: AtomicU64,
    /// As [`Cut::ALL`].
    cut: [AtomicU64; Cut::ALL.len()],
    clients: [Mutex<HashMap<IpAddr, usize>>; PARTS],
    hasher: RandomState,
}

/// Why a connection was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// There are `limits.connections`, or as many as there are descriptors for.
    Full,
    /// This client has `limits.connections-per-client`.
    Client,
}

impl Refused {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Full, Self::Client];

    /// As metrics name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Client => "client",
        }
    }
}

/// A connection that was let in, to be handed to [`Connections::closed`].
#[derive(Debug)]
#[must_use]
pub struct Counted {
    /// Whom it counts for.
    client: Option<IpAddr>,
}

impl Connections {
    /// None yet; `room` says how many there are descriptors for.
    pub fn new(room: usize) -> Self {
        Self {
            room: room.max(1),
            open: AtomicUsize::new(0),
            accepted: AtomicU64::new(0),
            refused: Default::default(),
            shed: AtomicU64::new(0),
            cut: Default::default(),
            clients: Default::default(),
            hasher: RandomState::new(),
        }
    }

    /// How many may be there at a time, where `most` are configured.
    pub fn most(&self, most: usize) -> usize {
        most.min(self.room)
    }

    /// Counts one more, if fewer than `most` are open, and fewer than that from `client` if it is counted.
    pub fn opened(&self, most: usize, client: Option<(IpAddr, usize)>) -> Result<Counted, Refused> {
        let let_in = self.count(most, client);
        match &let_in {
            Ok(_) => _ = self.accepted.fetch_add(1, Ordering::Relaxed),
            Err(why) => self.refuse(*why),
        }
        let_in
    }

    fn refuse(&self, why: Refused) {
        self.refused
            .iter()
            .zip(Refused::ALL)
            .filter(|(_, which)| *which == why)
            .for_each(|counter| _ = one_more(counter));
    }

    fn count(&self, most: usize, client: Option<(IpAddr, usize)>) -> Result<Counted, Refused> {
        if self.open.fetch_add(1, Ordering::Relaxed) >= self.most(most) {
            self.open.fetch_sub(1, Ordering::Relaxed);
            return Err(Refused::Full);
        }
        let client = client.map(|(address, most)| (network(address), most));
        if let Some((client, most)) = client
            && !self.has_room(client, most)
        {
            self.open.fetch_sub(1, Ordering::Relaxed);
            return Err(Refused::Client);
        }
        Ok(Counted { client: client.map(|(client, _)| client) })
    }

    /// One that is counted for nobody so far is counted for `client`, unless that has `most`.
    pub fn counts_for(&self, connection: &mut Counted, client: IpAddr, most: usize) -> Result<(), Refused> {
        let client = network(client);
        if connection.client.is_none() && !self.has_room(client, most) {
            self.refuse(Refused::Client);
            return Err(Refused::Client);
        }
        connection.client.get_or_insert(client);
        Ok(())
    }

    /// Counts one more of that client, if it has less than `most`.
    fn has_room(&self, client: IpAddr, most: usize) -> bool {
        let mut clients = self.part(client).lock().unwrap_or_else(PoisonError::into_inner);
        let count = clients.entry(client).or_default();
        let fits = *count < most;
        *count += usize::from(fits);
        fits
    }

    /// That one is open no more.
    pub fn closed(&self, connection: &Counted) {
        self.open.fetch_sub(1, Ordering::Relaxed);
        let Some(client) = connection.client else { return };
        let mut clients = self.part(client).lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut count) = clients.entry(client) {
            *count.get_mut() = count.get().saturating_sub(1);
            if *count.get() == 0 {
                count.remove();
            }
        }
    }

    fn part(&self, client: IpAddr) -> &Mutex<HashMap<IpAddr, usize>> {
        let [first, rest @ ..] = &self.clients;
        // 0 is the first, and the others follow.
        let number = self.hasher.hash_one(client) as usize % PARTS;
        number.checked_sub(1).and_then(|number| rest.get(number)).unwrap_or(first)
    }

    /// So many that idle were asked to go, to make room.
    pub fn shed(&self, count: usize) {
        self.shed.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// One, or a stream of one, was cut off.
    pub fn cut(&self, why: Cut) {
        let _: u64 = self.cut.iter().zip(Cut::ALL).filter(|(_, which)| *which == why).map(one_more).sum();
    }

    /// How many are open now.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// How many were ever let in.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// How many were not let in, by the reason.
    pub fn refused(&self) -> impl Iterator<Item = (Refused, u64)> {
        Refused::ALL.into_iter().zip(self.refused.iter().map(|count| count.load(Ordering::Relaxed)))
    }

    /// How many idle ones had to go.
    pub fn was_shed(&self) -> u64 {
        self.shed.load(Ordering::Relaxed)
    }

    /// How many were cut off, by the reason.
    pub fn were_cut(&self) -> impl Iterator<Item = (Cut, u64)> {
        Cut::ALL.into_iter().zip(self.cut.iter().map(|count| count.load(Ordering::Relaxed)))
    }
}

fn one_more<T>((count, _): (&AtomicU64, T)) -> u64 {
    count.fetch_add(1, Ordering::Relaxed)
}

/// What counts as one client: an IPv4 address, or the /64 that an IPv6 host chooses its addresses from (RFC 4291 §2.5.1).
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(address: &str, most: usize) -> Option<(IpAddr, usize)> {
        Some((address.parse().expect("an address"), most))
    }

    #[test]
    fn one_connection_too_many_is_refused_and_counted_as_such() {
        let connections = Connections::new(1_000);
        let first = connections.opened(1, None).expect("room");
        assert_eq!(connections.opened(1, None).err(), Some(Refused::Full));
        assert_eq!((connections.open(), connections.accepted()), (1, 1));
        connections.closed(&first);
        assert!(connections.opened(1, None).is_ok());
        assert_eq!(connections.refused().collect::<Vec<_>>(), [(Refused::Full, 1), (Refused::Client, 0)]);
    }

    #[test]
    fn there_are_no_more_than_descriptors() {
        let connections = Connections::new(2);
        let two = [connections.opened(10, None), connections.opened(10, None)];
        assert!(two.iter().all(Result::is_ok));
        assert_eq!(connections.opened(10, None).err(), Some(Refused::Full));
    }

    #[test]
    fn a_client_is_an_address_or_a_network_of_ipv6() {
        let connections = Connections::new(1_000);
        let of = |address| connections.opened(100, from(address, 2));
        let first = of("192.0.2.1").expect("room");
        assert!(of("::ffff:192.0.2.1").is_ok());
        assert_eq!(of("192.0.2.1").err(), Some(Refused::Client));
        assert!(of("192.0.2.2").is_ok());
        assert!(of("2001:db8::1").is_ok() && of("2001:db8::2:3:4:5").is_ok());
        assert_eq!(of("2001:db8::9").err(), Some(Refused::Client));
        assert!(of("2001:db8:0:1::9").is_ok());
        connections.closed(&first);
        assert!(of("192.0.2.1").is_ok());
        assert_eq!(connections.open(), 6);
    }
}
