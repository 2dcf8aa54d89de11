//! The places of one kind of logins: in a line for each client, and the clients of each address together.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::net::IpAddr;

use tokio::sync::oneshot;

use super::{Busy, Turn};
use crate::login_origin::LoginOrigin;

/// Waiting logins, by address and by client.
///
/// Taking the next one takes constant time. Finding room where all places are taken takes time in proportion to the number
/// of addresses that wait, which is no more than that of places.
#[derive(Debug)]
pub(super) struct Waiting {
    places: usize,
    per_client: usize,
    per_peer: usize,
    count: usize,
    peers: RoundRobin<Option<IpAddr>, Peer>,
}

/// A waiting login. Dropped, it ends with [`Busy`].
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) serial: u64,
    pub(super) turn: oneshot::Sender<Turn>,
}

/// The clients of one address; a line is never empty.
#[derive(Debug, Default)]
struct Peer {
    count: usize,
    clients: RoundRobin<Option<IpAddr>, VecDeque<Ticket>>,
}

/// Values that come one after the other, again and again.
#[derive(Debug)]
struct RoundRobin<K, V> {
    order: VecDeque<K>,
    values: HashMap<K, V>,
}

// === impl Waiting ===

impl Waiting {
    pub(super) fn new(places: usize, per_client: usize, per_peer: usize) -> Self {
        Self { places, per_client, per_peer, count: 0, peers: RoundRobin::default() }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Puts a ticket at the end of its client's line. If all places are taken, the latest ticket of the longest line goes
    /// for it, and is returned.
    pub(super) fn push(&mut self, origin: LoginOrigin, ticket: Ticket) -> Result<Option<Ticket>, Busy> {
        let peer = self.peers.values.get(&origin.address);
        let (of_peer, of_client) = peer.map_or((0, 0), |peer| (peer.count, peer.of_client(origin)));
        if of_client >= self.per_client {
            return Err(Busy);
        }
        let mut evicted = None;
        if of_peer >= self.per_peer || self.count >= self.places {
            let from = if of_peer >= self.per_peer { origin.address } else { self.largest().ok_or(Busy)? };
            let most = self.peers.values.get(&from).ok_or(Busy)?;
            let has_less = if from == origin.address {
                of_client + 1 < most.longest().map_or(0, |(_, length)| length)
            } else {
                of_peer + 1 < most.count
            };
            if !has_less {
                return Err(Busy);
            }
            evicted = self.evict(from);
        }
        let peer = self.peers.value(origin.address);
        peer.clients.value(origin.forwarded).push_back(ticket);
        peer.count += 1;
        self.count += 1;
        Ok(evicted)
    }

    /// The next one, by turns of addresses.
    pub(super) fn pop(&mut self) -> Option<Ticket> {
        let ticket = self.peers.turn(|peer| {
            let ticket = peer.pop();
            (ticket, peer.count > 0)
        })??;
        self.count -= 1;
        Some(ticket)
    }

    /// Removes a login that does not wait any more.
    pub(super) fn remove(&mut self, origin: LoginOrigin, serial: u64) -> Option<Ticket> {
        self.take(origin, |line| {
            let at = line.iter().position(|ticket| ticket.serial == serial)?;
            line.remove(at)
        })
    }

    /// The latest ticket of the longest line of an address.
    fn evict(&mut self, address: Option<IpAddr>) -> Option<Ticket> {
        let (forwarded, _) = self.peers.values.get(&address)?.longest()?;
        self.take(LoginOrigin { address, forwarded }, VecDeque::pop_back)
    }

    fn take(
        &mut self,
        origin: LoginOrigin,
        take: impl FnOnce(&mut VecDeque<Ticket>) -> Option<Ticket>,
    ) -> Option<Ticket> {
        let peer = self.peers.values.get_mut(&origin.address)?;
        let line = peer.clients.values.get_mut(&origin.forwarded)?;
        let ticket = take(line)?;
        if line.is_empty() {
            peer.clients.remove(&origin.forwarded);
        }
        peer.count -= 1;
        if peer.count == 0 {
            self.peers.remove(&origin.address);
        }
        self.count -= 1;
        Some(ticket)
    }

    /// The address with most.
    fn largest(&self) -> Option<Option<IpAddr>> {
        self.peers.values.iter().max_by_key(|(_, peer)| peer.count).map(|(address, _)| *address)
    }
}

// === impl Peer ===

impl Peer {
    fn pop(&mut self) -> Option<Ticket> {
        let ticket = self.clients.turn(|line| {
            let ticket = line.pop_front();
            (ticket, !line.is_empty())
        })??;
        self.count -= 1;
        Some(ticket)
    }

    fn of_client(&self, origin: LoginOrigin) -> usize {
        self.clients.values.get(&origin.forwarded).map_or(0, VecDeque::len)
    }

    /// The client with most, and how many.
    fn longest(&self) -> Option<(Option<IpAddr>, usize)> {
        let lines = self.clients.values.iter().map(|(client, line)| (*client, line.len()));
        lines.max_by_key(|(_, length)| *length)
    }
}

// === impl RoundRobin ===

impl<K: Copy + Eq + Hash, V: Default> RoundRobin<K, V> {
    /// The value of a key; a new one comes last.
    fn value(&mut self, key: K) -> &mut V {
        if !self.values.contains_key(&key) {
            self.order.push_back(key);
        }
        self.values.entry(key).or_default()
    }

    /// Gives its turn to the first value, which then comes last, or goes if nothing is left of it.
    fn turn<T>(&mut self, take: impl FnOnce(&mut V) -> (T, bool)) -> Option<T> {
        let key = self.order.pop_front()?;
        let (taken, is_left) = take(self.values.get_mut(&key)?);
        if is_left {
            self.order.push_back(key);
        } else {
            self.values.remove(&key);
        }
        Some(taken)
    }

    fn remove(&mut self, key: &K) {
        self.values.remove(key);
        self.order.retain(|other| other != key);
    }
}

impl<K, V> Default for RoundRobin<K, V> {
    fn default() -> Self {
        Self { order: VecDeque::new(), values: HashMap::new() }
    }
}
