//! What a client's address, its network and the process may take of what all clients share.
//!
//! Accounts form a chain: an address has the process above it, and an IPv6 address (one /64) has its /48 in between. What
//! is taken is counted in every account of the chain, and each has a limit. Knows nothing of sockets or of HTTP.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ipnet::{IpNet, Ipv6Net};

use crate::limits::Limits;
use crate::sending::SendingRoom;

/// What one address, one network or the process has taken.
#[derive(Debug)]
pub(crate) struct Account {
    /// Bytes of responses that are in memory.
    pub(crate) sending: SendingRoom,
    /// Blobs on their way in or out; each has a file or a connection to a store open.
    transfers: Counter,
    /// Bytes that clients of HTTP/2 may send before they are read.
    windows: Counter,
    above: Option<Arc<Account>>,
}

/// A number with a limit.
#[derive(Debug)]
struct Counter {
    taken: AtomicUsize,
    limit: usize,
}

/// A blob on its way in or out, counted until this is dropped.
#[derive(Debug)]
pub(crate) struct Transfer(Arc<Account>);

/// Too many blobs are on their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TooManyTransfers {
    /// Of all clients.
    #[error("{0} blobs are being transferred, which is the limit of this registry")]
    OfAll(usize),
    /// Of one address, or of one /48.
    #[error("{0} blobs are being transferred to and from this client's address, which is its limit")]
    OfAddress(usize),
}

/// The receive window of a connection of HTTP/2, counted until this is dropped.
#[derive(Debug)]
pub(crate) struct Window {
    account: Arc<Account>,
    counted: usize,
    /// What the client may send before it is read.
    pub(crate) bytes: u32,
}

/// The largest receive window: the round trip of a slow link times its bandwidth.
const WINDOW_BYTES: usize = 4 * 1024 * 1024;

/// The smallest, which every connection has without being counted: what a client assumes before we say anything.
const LEAST_WINDOW_BYTES: usize = 64 * 1024 - 1;

/// A window takes no more of what the process has left than one part in so many, so that it gets scarce by degrees.
const WINDOWS_OF_ALL: usize = 64;

/// The same of what an address or a /48 has left.
const WINDOWS_OF_ADDRESS: usize = 8;

// === impl Account ===

impl Account {
    /// That of the process.
    pub(crate) fn of_process(limits: &Limits) -> Self {
        Self {
            sending: SendingRoom::new(limits.sending_bytes),
            transfers: Counter::new(limits.transfers),
            windows: Counter::new(limits.window_bytes),
            above: None,
        }
    }

    /// That of one IPv4 address or one /64.
    pub(crate) fn of_address(limits: &Limits, above: Arc<Self>) -> Self {
        Self {
            sending: SendingRoom::new(limits.sending_bytes_per_address),
            transfers: Counter::new(limits.transfers_per_address),
            windows: Counter::new(limits.window_bytes_per_address),
            above: Some(above),
        }
    }

    /// That of one /48: half of what all have.
    pub(crate) fn of_site(limits: &Limits, above: Arc<Self>) -> Self {
        Self {
            sending: SendingRoom::new(of_site(limits.sending_bytes, limits.sending_bytes_per_address)),
            transfers: Counter::new(of_site(limits.transfers, limits.transfers_per_address)),
            windows: Counter::new(of_site(limits.window_bytes, limits.window_bytes_per_address)),
            above: Some(above),
        }
    }

    /// This account and all above it.
    pub(crate) fn chain(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |account| account.above.as_deref())
    }

    /// Counts a blob that is going to be sent or received; an error if there are as many as may be.
    pub(crate) fn begin_transfer(self: &Arc<Self>) -> Result<Transfer, TooManyTransfers> {
        for (index, account) in self.chain().enumerate() {
            if account.transfers.try_add(1) {
                continue;
            }
            for below in self.chain().take(index) {
                below.transfers.subtract(1);
            }
            let limit = account.transfers.limit;
            return Err(match account.above {
                None => TooManyTransfers::OfAll(limit),
                Some(_) => TooManyTransfers::OfAddress(limit),
            });
        }
        Ok(Transfer(Arc::clone(self)))
    }

    /// The receive window of one more connection of HTTP/2.
    pub(crate) fn open_window(self: &Arc<Self>) -> Window {
        let parts =
            |account: &Self| if account.above.is_some() { WINDOWS_OF_ADDRESS } else { WINDOWS_OF_ALL };
        let shares = self.chain().map(|account| account.windows.left() / parts(account));
        let wanted = shares.fold(WINDOW_BYTES, usize::min);
        let (bytes, counted) =
            if wanted > LEAST_WINDOW_BYTES { (wanted, wanted) } else { (LEAST_WINDOW_BYTES, 0) };
        for account in self.chain() {
            account.windows.add(counted);
        }
        Window { account: Arc::clone(self), counted, bytes: u32::try_from(bytes).unwrap_or(u32::MAX) }
    }
}

// === impl Counter ===

impl Counter {
    fn new(limit: usize) -> Self {
        Self { taken: AtomicUsize::new(0), limit }
    }

    fn left(&self) -> usize {
        self.limit.saturating_sub(self.taken.load(Ordering::Relaxed))
    }

    fn try_add(&self, count: usize) -> bool {
        let added = |taken: usize| taken.checked_add(count).filter(|taken| *taken <= self.limit);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, added).is_ok()
    }

    fn add(&self, count: usize) {
        self.taken.fetch_add(count, Ordering::Relaxed);
    }

    fn subtract(&self, count: usize) {
        self.taken.fetch_sub(count, Ordering::Relaxed);
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        for account in self.0.chain() {
            account.transfers.subtract(1);
        }
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        for account in self.account.chain() {
            account.windows.subtract(self.counted);
        }
    }
}

/// The limit of a /48 where all have `of_all` and one address `of_address`: half of all.
pub(crate) fn of_site(of_all: usize, of_address: usize) -> usize {
    (of_all / 2).max(of_address)
}

/// The networks that an address is counted under, the smallest first: an IPv4 address alone; of IPv6 a /64, which is one
/// network and often one machine, and a /48, which a provider gives to a site.
pub(crate) fn networks(address: IpAddr) -> (IpNet, Option<IpNet>) {
    match address.to_canonical() {
        address @ IpAddr::V4(_) => (address.into(), None),
        IpAddr::V6(address) => {
            let network = |length| IpNet::V6(Ipv6Net::new_assert(address, length).trunc());
            (network(64), Some(network(48)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(limits: &Limits) -> (Arc<Account>, Arc<Account>) {
        let process = Arc::new(Account::of_process(limits));
        (Arc::new(Account::of_address(limits, Arc::clone(&process))), process)
    }

    #[test]
    fn an_address_transfers_its_share_of_blobs_and_all_together_no_more_than_the_limit() {
        let limits = Limits { transfers: 3, transfers_per_address: 2, ..Limits::default() };
        let (one, process) = account(&limits);
        let other = Arc::new(Account::of_address(&limits, Arc::clone(&process)));
        let first = [one.begin_transfer().unwrap(), one.begin_transfer().unwrap()];
        assert_eq!(one.begin_transfer().unwrap_err(), TooManyTransfers::OfAddress(2));
        let second = other.begin_transfer().unwrap();
        assert_eq!(other.begin_transfer().unwrap_err(), TooManyTransfers::OfAll(3));
        drop(first);
        // What was refused has left nothing counted.
        let again = [other.begin_transfer().unwrap(), one.begin_transfer().unwrap()];
        drop((second, again));
        assert!(
            one.chain()
                .chain(other.chain())
                .all(|account| account.transfers.left() == account.transfers.limit)
        );
    }

    #[test]
    fn receive_windows_come_to_no_more_than_their_limits_beyond_the_least() {
        let limits =
            Limits { window_bytes: 64 << 20, window_bytes_per_address: 16 << 20, ..Limits::default() };
        let (one, process) = account(&limits);
        let windows: Vec<_> = (0..1000).map(|_| one.open_window()).collect();
        assert_eq!(windows[0].bytes, 1 << 20, "a 64th of all");
        assert_eq!(windows[999].bytes as usize, LEAST_WINDOW_BYTES);
        let counted: usize = windows.iter().map(|window| window.counted).sum();
        assert!(counted <= limits.window_bytes_per_address);
        let other = Arc::new(Account::of_address(&limits, process));
        assert!(other.open_window().bytes > 512 << 10, "another address has its own");
        drop(windows);
        assert_eq!(one.open_window().bytes, 1 << 20);
    }

    #[test]
    fn an_address_is_counted_under_its_64_and_its_48() {
        let rows = [
            ("192.0.2.1", "192.0.2.1/32", None),
            ("::ffff:192.0.2.1", "192.0.2.1/32", None),
            ("2001:db8:1:2::3", "2001:db8:1:2::/64", Some("2001:db8:1::/48")),
        ];
        for (address, first, second) in rows {
            let (network, site) = networks(address.parse().unwrap());
            assert_eq!(
                (network.to_string(), site.map(|site| site.to_string())),
                (first.to_owned(), second.map(str::to_owned))
            );
        }
    }
}
