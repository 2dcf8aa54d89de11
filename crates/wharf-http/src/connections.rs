//! The open connections: how many there are from each address, and which has been idle longest.
//!
//! Knows nothing of sockets or of HTTP. A connection is idle while no request of it is being answered and no byte of a
//! response waits to be sent; one that has sent no request yet is idle, too. When connections run out, one whose client
//! hardly reads ([`Traffic::slow_since`]) is treated as idle.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use crate::addresses::TrustedProxies;
use crate::limits::Limits;
use crate::sending::{SendingBudget, SendingShare};
use crate::traffic::Traffic;

/// How many connections one pass over all of them finds to be closed next.
const CANDIDATES: usize = 512;

/// How often a line of the log names the address with the most connections.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

/// All open connections. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Connections(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limit: usize,
    per_address: usize,
    /// Proxies: many clients have their address.
    trusted: TrustedProxies,
    sending: Arc<SendingBudget>,
    started: Instant,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    open: HashMap<u64, Arc<Open>>,
    next_id: u64,
    by_address: HashMap<IpAddr, OfAddress>,
    /// What to close next, the last first; each has to be looked up again, for it may have become busy.
    candidates: Vec<Candidate>,
    warned: Option<Instant>,
}

/// What the connections of one address come to.
#[derive(Debug, Default)]
struct OfAddress {
    connections: usize,
    /// Bytes read for their responses and not yet sent.
    sending: Arc<AtomicUsize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    idle_since: u64,
    id: u64,
}

/// The state of one connection, shared by its task, its requests and the table.
#[derive(Debug)]
struct Open {
    traffic: Arc<Traffic>,
    /// Requests being answered, and frames of responses waiting to be sent.
    busy: AtomicUsize,
    /// When it became idle, in nanoseconds since the start.
    idle_since: AtomicU64,
    /// It is to be closed if it has been idle, or slow, since then.
    close_if_idle_since: AtomicU64,
    close: Notify,
}

/// One connection's entry in the table; dropping it takes it out.
#[derive(Debug)]
pub(crate) struct OpenConnection {
    connections: Connections,
    id: u64,
    address: Option<IpAddr>,
    open: Arc<Open>,
    sending: Arc<SendingShare>,
}

/// While it lives its connection is not idle.
#[derive(Debug)]
pub(crate) struct Busy(Arc<Open>);

// === impl Connections ===

impl Connections {
    pub(crate) fn new(limits: &Limits, trusted: TrustedProxies, sending: Arc<SendingBudget>) -> Self {
        Self(Arc::new(Inner {
            limit: limits.connections,
            per_address: limits.connections_per_address,
            trusted,
            sending,
            started: Instant::now(),
            table: Mutex::default(),
        }))
    }

    /// Enters a connection that was accepted; `None` if its address has as many as one may have.
    ///
    /// When nine tenths of all are taken, the connection that has been idle longest is closed for it.
    pub(crate) fn admit(&self, remote: Option<IpAddr>) -> Option<OpenConnection> {
        let address = remote.filter(|remote| !self.0.trusted.names(*remote)).map(network);
        let mut table = self.table();
        let mut sending_of_address = None;
        if let Some(address) = address {
            let of_address = table.by_address.entry(address).or_default();
            if of_address.connections >= self.0.per_address {
                self.warn(&mut table, "an address has opened too many connections; more of them are closed");
                return None;
            }
            of_address.connections += 1;
            sending_of_address = Some(Arc::clone(&of_address.sending));
        }
        let id = table.next_id;
        table.next_id += 1;
        let open = Arc::new(Open::new(self.0.started));
        if self.is_crowded_with(table.open.len() + 1) {
            self.close_idle(&mut table, 1);
        }
        table.open.insert(id, Arc::clone(&open));
        drop(table);
        let sending = SendingShare::new(Arc::clone(&self.0.sending), sending_of_address);
        Some(OpenConnection { connections: self.clone(), id, address, open, sending: Arc::new(sending) })
    }

    /// Closes idle connections because there is no room for another one at all.
    pub(crate) fn make_room(&self) {
        if self.slack() > 0 {
            self.close_idle(&mut self.table(), (self.0.limit / 100).max(1));
        }
    }

    /// Whether nine tenths of all connections are taken.
    pub(crate) fn are_crowded(&self) -> bool {
        self.is_crowded_with(self.table().open.len())
    }

    fn is_crowded_with(&self, open: usize) -> bool {
        self.slack() > 0 && open > self.0.limit - self.slack()
    }

    /// The last tenth. A limit below ten has none.
    fn slack(&self) -> usize {
        self.0.limit / 10
    }

    /// Closes up to `count` of those that have been idle longest.
    fn close_idle(&self, table: &mut Table, mut count: usize) {
        self.warn(table, "connections run out; those that are idle longest are closed");
        let mut searched = false;
        while count > 0 {
            let Some(candidate) = table.candidates.pop() else {
                if searched {
                    return;
                }
                table.find_candidates();
                searched = true;
                continue;
            };
            let Some(open) = table.open.get(&candidate.id) else { continue };
            if open.is_closable_since(candidate.idle_since) {
                open.close_if_idle_since.store(candidate.idle_since, Ordering::Release);
                open.close.notify_one();
                count -= 1;
            }
        }
    }

    fn warn(&self, table: &mut Table, problem: &str) {
        let now = Instant::now();
        if table.warned.is_some_and(|warned| now.duration_since(warned) < WARNING_INTERVAL) {
            return;
        }
        table.warned = Some(now);
        let most = table.by_address.iter().max_by_key(|(_, of_address)| of_address.connections);
        tracing::warn!(
            open = table.open.len(),
            limit = self.0.limit,
            limit_per_address = self.0.per_address,
            address = most.map(|(address, _)| shown(*address)),
            connections_of_address = most.map(|(_, of_address)| of_address.connections),
            "{problem}; a proxy is counted as one address unless http.trustedproxies names it"
        );
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Table ===

impl Table {
    fn find_candidates(&mut self) {
        let idle = self.open.iter().filter_map(|(id, open)| {
            let idle_since = open.closable_since()?;
            open.is_closable_since(idle_since).then_some(Candidate { idle_since, id: *id })
        });
        let mut idle: Vec<_> = idle.collect();
        if idle.len() > CANDIDATES {
            idle.select_nth_unstable(CANDIDATES);
            idle.truncate(CANDIDATES);
        }
        idle.sort_unstable_by(|a, b| b.cmp(a));
        self.candidates = idle;
    }
}

// === impl Open ===

impl Open {
    fn new(started: Instant) -> Self {
        let open = Self {
            traffic: Arc::new(Traffic::new(started)),
            busy: AtomicUsize::new(0),
            idle_since: AtomicU64::new(0),
            close_if_idle_since: AtomicU64::new(0),
            close: Notify::new(),
        };
        open.idle_since.store(open.traffic.now(), Ordering::Relaxed);
        open
    }

    /// Since when it has been idle, in nanoseconds since the start, if it is.
    fn idle_since(&self) -> Option<u64> {
        (self.busy.load(Ordering::Acquire) == 0).then(|| self.idle_since.load(Ordering::Acquire))
    }

    /// Since when it may be closed to make room, if it may.
    fn closable_since(&self) -> Option<u64> {
        self.idle_since().or_else(|| self.traffic.slow_since())
    }

    fn is_closable_since(&self, since: u64) -> bool {
        self.closable_since() == Some(since) && self.close_if_idle_since.load(Ordering::Acquire) != since
    }
}

// === impl OpenConnection ===

impl OpenConnection {
    /// The connection is busy until what this gives is dropped.
    pub(crate) fn busy(&self) -> Busy {
        Busy::begin(&self.open)
    }

    /// What its responses have read and not yet sent.
    pub(crate) fn sending(&self) -> Arc<SendingShare> {
        Arc::clone(&self.sending)
    }

    /// What is counted of its bytes.
    pub(crate) fn traffic(&self) -> Arc<Traffic> {
        Arc::clone(&self.open.traffic)
    }

    /// Resolves when the connection has been idle for `limit`.
    pub(crate) async fn idle_for(&self, limit: Duration) {
        let mut wait = limit;
        loop {
            sleep(wait).await;
            let now = self.open.traffic.now();
            let idle = self.open.idle_since().map(|since| Duration::from_nanos(now.saturating_sub(since)));
            wait = match idle {
                Some(idle) if idle >= limit => return,
                Some(idle) => limit - idle,
                None => limit,
            };
        }
    }

    /// Resolves when the connection is to be closed to make room for others; never while it is in use.
    pub(crate) async fn closed_for_room(&self) {
        loop {
            self.open.close.notified().await;
            let since = self.open.close_if_idle_since.load(Ordering::Acquire);
            if self.open.closable_since() == Some(since) {
                return;
            }
        }
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        let mut table = self.connections.table();
        table.open.remove(&self.id);
        let Some(address) = self.address else { return };
        if let Some(of_address) = table.by_address.get_mut(&address) {
            of_address.connections -= 1;
            if of_address.connections == 0 {
                table.by_address.remove(&address);
            }
        }
    }
}

// === impl Busy ===

impl Busy {
    fn begin(open: &Arc<Open>) -> Self {
        if open.busy.fetch_add(1, Ordering::AcqRel) == 0 {
            open.traffic.begin_response();
        }
        Self(Arc::clone(open))
    }
}

impl Clone for Busy {
    fn clone(&self) -> Self {
        Self::begin(&self.0)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if self.0.busy.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.idle_since.store(self.0.traffic.now(), Ordering::Release);
        }
    }
}

/// What one client can be taken to have: an IPv4 address, or the half of an IPv6 address that names a network.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address @ IpAddr::V4(_) => address,
    }
}

fn shown(network: IpAddr) -> String {
    match network {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("{address}/64"),
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn connections(limit: usize, per_address: usize, trusted: TrustedProxies) -> Connections {
        let limits = Limits { connections: limit, connections_per_address: per_address, ..Limits::default() };
        Connections::new(&limits, trusted, Arc::new(SendingBudget::new(&limits)))
    }

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    fn is_closed(open: &OpenConnection) -> bool {
        open.closed_for_room().now_or_never().is_some()
    }

    #[test]
    fn an_address_has_its_share_of_connections_and_a_named_proxy_any_number() {
        let trusted = TrustedProxies::Only(vec!["10.0.0.0/8".parse().unwrap()]);
        let all = connections(100, 2, trusted);
        for (one, other, same) in [
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.2", "::ffff:192.0.2.2", true),
            ("2001:db8::1", "2001:db8::ffff:2", true),
            ("2001:db8:0:1::1", "2001:db8:0:2::1", false),
            ("10.0.0.1", "10.0.0.1", false),
        ] {
            let open = [all.admit(address(one)).unwrap(), all.admit(address(one)).unwrap()];
            assert_eq!(all.admit(address(other)).is_none(), same, "{one} {other}");
            drop(open);
            assert!(all.admit(address(other)).is_some(), "{one} {other}");
        }
        let unix: Vec<_> = (0..5).map(|_| all.admit(None).unwrap()).collect();
        assert_eq!(all.table().open.len(), unix.len());
        assert!(all.table().by_address.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn when_nine_tenths_are_taken_the_connection_idle_longest_is_closed() {
        let all = connections(20, 20, TrustedProxies::All);
        let mut open = Vec::new();
        for _ in 0..18 {
            open.push(all.admit(address("192.0.2.1")).unwrap());
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        assert!(!all.are_crowded());
        // The first is in the middle of a request, the second has just ended one.
        let _busy = open[0].busy();
        drop(open[1].busy());
        open.push(all.admit(address("192.0.2.1")).unwrap());
        assert!(all.are_crowded());
        open.push(all.admit(address("192.0.2.1")).unwrap());
        let closed: Vec<_> = (0..open.len()).filter(|index| is_closed(&open[*index])).collect();
        assert_eq!(closed, [2, 3]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_was_used_meanwhile_is_not_closed() {
        let all = connections(10, 10, TrustedProxies::All);
        let open: Vec<_> = (0..10).map(|_| all.admit(address("192.0.2.1")).unwrap()).collect();
        tokio::time::advance(Duration::from_millis(1)).await;
        let busy = open[0].busy();
        assert!(!is_closed(&open[0]));
        drop(busy);
        assert!(!is_closed(&open[0]));
    }

    /// Clients that ask for a large blob and do not read it must not keep others out.
    #[tokio::test(start_paused = true)]
    async fn a_connection_whose_client_hardly_reads_is_closed_for_a_new_one() {
        let all = connections(10, 10, TrustedProxies::All);
        let mut open: Vec<_> = (0..9).map(|_| all.admit(address("192.0.2.1")).unwrap()).collect();
        let _busy: Vec<_> = open.iter().map(OpenConnection::busy).collect();
        open[3].traffic().wait();
        tokio::time::advance(Duration::from_secs(59)).await;
        open.push(all.admit(address("192.0.2.1")).unwrap());
        assert!(!open[..9].iter().any(is_closed), "nobody is slow yet");
        open.truncate(9);

        tokio::time::advance(Duration::from_secs(1)).await;
        open.push(all.admit(address("192.0.2.1")).unwrap());

        let closed: Vec<_> = (0..open.len()).filter(|index| is_closed(&open[*index])).collect();
        assert_eq!(closed, [3]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_idle_from_its_last_response_on() {
        const LIMIT: Duration = Duration::from_secs(620);
        let all = connections(10, 10, TrustedProxies::All);
        let open = all.admit(None).unwrap();
        let mut idle = Box::pin(open.idle_for(LIMIT));
        let mut is_over_after = async |seconds| {
            tokio::time::advance(Duration::from_secs(seconds)).await;
            (&mut idle).now_or_never().is_some()
        };
        assert!(!is_over_after(0).await);
        let busy = open.busy();
        assert!(!is_over_after(1000).await);
        drop(busy);
        assert!(!is_over_after(300).await);
        drop(open.busy());
        assert!(!is_over_after(619).await);
        assert!(is_over_after(1).await);
    }

    #[test]
    fn a_limit_below_ten_closes_nothing() {
        let all = connections(2, 2, TrustedProxies::All);
        let open = [all.admit(None).unwrap(), all.admit(None).unwrap()];
        all.make_room();
        assert!(!all.are_crowded() && !open.iter().any(is_closed));
    }
}
