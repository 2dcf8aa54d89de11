//! Memory for request bodies that are collected whole before anything is done with them: manifests and forms.
//!
//! Bytes are counted as they come, for the process and for the client's address, until the body is dropped. A request
//! that finds no room waits for a while, and is then refused.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use ipnet::IpNet;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::accounts::{networks, of_site};
use crate::limits::Limits;

/// So many addresses are entered before those without a body are taken out.
const NETWORKS: usize = 1024;

/// Room for the bodies of all requests.
#[derive(Debug)]
pub(crate) struct BodyBudget {
    all: Arc<Semaphore>,
    per_address: usize,
    /// For a /48 of IPv6.
    per_site: usize,
    wait: Duration,
    /// By address, and for IPv6 by /48 as well. Clients whose address is unknown have one share together: a client must not
    /// escape its own by hiding.
    by_network: Mutex<HashMap<Option<IpNet>, Weak<Semaphore>>>,
}

/// Whose room a request's body takes.
#[derive(Debug, Clone)]
pub(crate) struct BodyAccount {
    pub(crate) budget: Arc<BodyBudget>,
    /// The client's; `None` where it is unknown, as on a Unix socket or where the headers of a proxy contradict each other.
    pub(crate) address: Option<IpAddr>,
}

/// Room that was taken for one body.
#[derive(Debug)]
pub(crate) struct Room {
    wait: Duration,
    /// Of the address first: a request that waits for its own address takes nothing that others could have.
    taken: [Option<Taken>; 3],
}

/// There was no room for so long.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NoRoom(pub(crate) Duration);

#[derive(Debug)]
struct Taken {
    from: Arc<Semaphore>,
    permit: Option<OwnedSemaphorePermit>,
}

/// Bytes that take room as long as any of them is left.
struct InRoom {
    bytes: Bytes,
    _room: Room,
}

// === impl BodyBudget ===

impl BodyBudget {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            all: Arc::new(Semaphore::new(limits.collected_bytes)),
            per_address: limits.collected_bytes_per_address,
            per_site: of_site(limits.collected_bytes, limits.collected_bytes_per_address),
            wait: limits.collect_wait,
            by_network: Mutex::default(),
        }
    }

    fn of_network(&self, network: Option<IpNet>, bytes: usize) -> Arc<Semaphore> {
        let mut by_network = self.by_network.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(semaphore) = by_network.get(&network).and_then(Weak::upgrade) {
            return semaphore;
        }
        if by_network.len() >= NETWORKS && by_network.len() == by_network.capacity() {
            by_network.retain(|_, semaphore| semaphore.strong_count() > 0);
        }
        let semaphore = Arc::new(Semaphore::new(bytes));
        by_network.insert(network, Arc::downgrade(&semaphore));
        semaphore
    }
}

// === impl BodyAccount ===

impl BodyAccount {
    /// No room yet, for a body that begins.
    pub(crate) fn open(&self) -> Room {
        let budget = &self.budget;
        let (address, site) = match self.address.map(networks) {
            Some((address, site)) => (Some(address), site),
            None => (None, None),
        };
        let of_address = budget.of_network(address, budget.per_address);
        let of_site = site.map(|site| budget.of_network(Some(site), budget.per_site));
        let taken = [Some(of_address), of_site, Some(Arc::clone(&budget.all))];
        Room { wait: budget.wait, taken: taken.map(|from| from.map(Taken::nothing_of)) }
    }
}

// === impl Room ===

impl Room {
    /// Takes room for so many bytes more, waiting for it if need be.
    pub(crate) async fn grow(&mut self, bytes: usize) -> Result<(), NoRoom> {
        let growing = async {
            for taken in self.taken.iter_mut().flatten() {
                taken.grow(bytes).await;
            }
        };
        timeout(self.wait, growing).await.map_err(|_| NoRoom(self.wait))
    }

    /// The bytes, which take the room with them.
    pub(crate) fn with(self, bytes: Bytes) -> Bytes {
        Bytes::from_owner(InRoom { bytes, _room: self })
    }
}

impl AsRef<[u8]> for InRoom {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

// === impl Taken ===

impl Taken {
    fn nothing_of(from: Arc<Semaphore>) -> Self {
        Self { from, permit: None }
    }

    async fn grow(&mut self, bytes: usize) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        // It is never closed.
        let Ok(more) = Arc::clone(&self.from).acquire_many_owned(bytes).await else { return };
        match &mut self.permit {
            Some(permit) => permit.merge(more),
            None => self.permit = Some(more),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(budget: &Arc<BodyBudget>, address: &str) -> BodyAccount {
        BodyAccount { budget: Arc::clone(budget), address: address.parse().ok() }
    }

    fn budget() -> Arc<BodyBudget> {
        let limits = Limits { collected_bytes: 100, collected_bytes_per_address: 40, ..Limits::default() };
        Arc::new(BodyBudget::new(&limits))
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_takes_its_share_of_the_room_and_the_rest_is_for_others() {
        let budget = budget();
        let (one, other) = (account(&budget, "192.0.2.1"), account(&budget, "192.0.2.2"));
        let mut first = one.open();
        first.grow(30).await.unwrap();
        let mut second = one.open();
        assert_eq!(second.grow(20).await, Err(NoRoom(Limits::default().collect_wait)));
        let mut beside = other.open();
        beside.grow(40).await.unwrap();
        let mut unknown = account(&budget, "").open();
        assert!(unknown.grow(41).await.is_err(), "unknown addresses have one share together");
        unknown.grow(30).await.unwrap();
        // Now the room of all is taken.
        assert!(account(&budget, "192.0.2.3").open().grow(1).await.is_err());
        drop((beside, unknown, first));
        second.grow(20).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_site_of_ipv6_takes_half_of_the_room_over_its_networks() {
        let budget = budget();
        let (mut one, mut other) =
            (account(&budget, "2001:db8:1:1::1").open(), account(&budget, "2001:db8:1:2::1").open());
        one.grow(30).await.unwrap();
        assert!(other.grow(30).await.is_err());
        account(&budget, "2001:db8:2:1::1").open().grow(30).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_takes_room_until_its_last_byte_is_dropped() {
        let budget = budget();
        let one = account(&budget, "192.0.2.1");
        let mut room = one.open();
        room.grow(40).await.unwrap();
        let body = room.with(Bytes::from(vec![7; 40]));
        let part = body.slice(3..5);
        drop(body);
        assert!(one.open().grow(1).await.is_err());
        drop(part);
        one.open().grow(40).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn addresses_without_bodies_are_forgotten() {
        let budget = budget();
        for number in 0..20_000_u32 {
            let one = BodyAccount {
                budget: Arc::clone(&budget),
                address: Some(IpAddr::V4(number.to_be_bytes().into())),
            };
            one.open().grow(1).await.unwrap();
        }
        assert!(budget.by_network.lock().unwrap().len() <= 4 * NETWORKS);
    }
}
