//! The open connections: how many there are from each address, and which has been idle longest.
//!
//! Knows nothing of sockets or of HTTP. A connection is idle while no request of it is being answered and no byte of a
//! response waits to be sent; one that has sent no request yet is idle, too. When connections run out, one whose client
//! hardly reads ([`Traffic::slow_since`]) is treated as idle.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ipnet::IpNet;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use crate::accounts::{Account, networks, of_site};
use crate::addresses::TrustedProxies;
use crate::limits::Limits;
use crate::sending::SendingShare;
use crate::traffic::Traffic;

/// How many connections one pass over all of them finds to be closed next.
const CANDIDATES: usize = 512;

/// How often the log has a line about each of the limits.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

/// The configuration's keys for the limits that warnings are about.
const LIMIT_OF_ALL: &str = "http.limits.connections";
const LIMIT_OF_ADDRESS: &str = "http.limits.connectionsperaddress";

/// All open connections. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Connections(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limits: Limits,
    /// Proxies: many clients have their address.
    trusted: TrustedProxies,
    account: Arc<Account>,
    started: Instant,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    open: HashMap<u64, Arc<Open>>,
    next_id: u64,
    /// By address, and for IPv6 by /48 as well.
    by_network: HashMap<IpNet, OfNetwork>,
    /// What to close next, the last first; each has to be looked up again, for it may have become busy.
    candidates: Vec<Candidate>,
    warned_of_network: Option<Instant>,
    warned_of_all: Option<Instant>,
}

/// What the connections of one address or one /48 come to.
#[derive(Debug)]
struct OfNetwork {
    connections: usize,
    account: Arc<Account>,
}

/// Makes an account below another one.
type MakeAccount = fn(&Limits, Arc<Account>) -> Account;

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
    /// The networks that it is counted under: none for named proxies and Unix sockets.
    networks: [Option<IpNet>; 2],
    open: Arc<Open>,
    sending: Arc<SendingShare>,
}

/// While it lives its connection is not idle.
#[derive(Debug)]
pub(crate) struct Busy(Arc<Open>);

/// While it lives the request does not count as one that is being answered.
#[derive(Debug)]
pub(crate) struct Pause<'a>(&'a Busy);

// === impl Connections ===

impl Connections {
    /// None yet; `account` is that of the process.
    pub(crate) fn new(limits: &Limits, trusted: TrustedProxies, account: Arc<Account>) -> Self {
        let table = Mutex::default();
        Self(Arc::new(Inner { limits: *limits, trusted, account, started: Instant::now(), table }))
    }

    /// Enters a connection that was accepted; `None` if its address or its /48 has as many as one may have.
    ///
    /// When nine tenths of all are taken, the connection that has been idle longest is closed for it.
    pub(crate) fn admit(&self, remote: Option<IpAddr>) -> Option<OpenConnection> {
        let counted = remote.filter(|remote| !self.0.trusted.names(*remote)).map(networks);
        let networks = counted.map_or([None; 2], |(address, site)| [Some(address), site]);
        let mut table = self.table();
        for (network, limit) in networks.iter().zip(self.limits_of_networks()) {
            if let Some(network) = network
                && table.by_network.get(network).is_some_and(|of_network| of_network.connections >= limit)
            {
                table.warn_of_network(*network, limit);
                return None;
            }
        }
        let account = self.enter(&mut table, networks);
        let id = table.next_id;
        table.next_id += 1;
        let open = Arc::new(Open::new(self.0.started));
        if self.is_crowded_with(table.open.len() + 1) {
            self.close_idle(&mut table, 1);
        }
        table.open.insert(id, Arc::clone(&open));
        drop(table);
        let sending = SendingShare::new(account, self.0.limits.sending_bytes_per_connection);
        Some(OpenConnection { connections: self.clone(), id, networks, open, sending: Arc::new(sending) })
    }

    /// Counts a connection under its networks, and gives the account of the smallest.
    fn enter(&self, table: &mut Table, networks: [Option<IpNet>; 2]) -> Arc<Account> {
        let (limits, mut account) = (&self.0.limits, Arc::clone(&self.0.account));
        let [address, site] = networks;
        let makers: [(_, MakeAccount); 2] = [(site, Account::of_site), (address, Account::of_address)];
        for (network, make) in makers {
            let Some(network) = network else { continue };
            let of_network = table.by_network.entry(network).or_insert_with(|| OfNetwork {
                connections: 0,
                account: Arc::new(make(limits, Arc::clone(&account))),
            });
            of_network.connections += 1;
            account = Arc::clone(&of_network.account);
        }
        account
    }

    /// How many connections an address may have, and a /48.
    fn limits_of_networks(&self) -> [usize; 2] {
        let (all, per_address) = (self.0.limits.connections, self.0.limits.connections_per_address);
        [per_address, of_site(all, per_address)]
    }

    /// Closes idle connections because there is no room for another one at all.
    pub(crate) fn make_room(&self) {
        if self.slack() > 0 {
            self.close_idle(&mut self.table(), (self.0.limits.connections / 100).max(1));
        }
    }

    /// Whether nine tenths of all connections are taken.
    pub(crate) fn are_crowded(&self) -> bool {
        self.is_crowded_with(self.table().open.len())
    }

    fn is_crowded_with(&self, open: usize) -> bool {
        self.slack() > 0 && open > self.0.limits.connections - self.slack()
    }

    /// The last tenth. A limit below ten has none.
    fn slack(&self) -> usize {
        self.0.limits.connections / 10
    }

    /// Closes up to `count` of those that have been idle longest.
    fn close_idle(&self, table: &mut Table, mut count: usize) {
        table.warn_of_all(self.0.limits.connections);
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

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Table ===

impl Table {
    fn warn_of_network(&mut self, network: IpNet, limit: usize) {
        if !is_due(&mut self.warned_of_network) {
            return;
        }
        // A /48 has half of all connections, unless one address may have more.
        let key = if network.prefix_len() == 48 { LIMIT_OF_ALL } else { LIMIT_OF_ADDRESS };
        tracing::warn!(
            open = self.open.len(),
            "a connection from {} was closed: that address has {limit}, the most it may have; {key} raises the limit",
            shown(network)
        );
    }

    fn warn_of_all(&mut self, limit: usize) {
        if !is_due(&mut self.warned_of_all) {
            return;
        }
        let most = self.by_network.iter().max_by_key(|(_, of_network)| of_network.connections);
        tracing::warn!(
            open = self.open.len(),
            limit,
            address = most.map(|(network, _)| shown(*network)),
            connections_of_address = most.map(|(_, of_network)| of_network.connections),
            "connections run out, those that are idle longest are closed; {LIMIT_OF_ALL} raises the limit"
        );
    }

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

    fn begin(&self) {
        if self.busy.fetch_add(1, Ordering::AcqRel) == 0 {
            self.traffic.begin_response();
        }
    }

    fn end(&self) {
        if self.busy.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.idle_since.store(self.traffic.now(), Ordering::Release);
        }
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
        for network in self.networks.into_iter().flatten() {
            if let Some(of_network) = table.by_network.get_mut(&network) {
                of_network.connections -= 1;
                if of_network.connections == 0 {
                    table.by_network.remove(&network);
                }
            }
        }
    }
}

// === impl Busy ===

impl Busy {
    /// The request waits for its client before it is known who that is: the connection counts as idle, as far as this
    /// request goes, until what this gives is dropped.
    pub(crate) fn pause(&self) -> Pause<'_> {
        self.0.end();
        Pause(self)
    }

    fn begin(open: &Arc<Open>) -> Self {
        open.begin();
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
        self.0.end();
    }
}

impl Drop for Pause<'_> {
    fn drop(&mut self) {
        self.0.0.begin();
    }
}

/// Whether a line of the log is due that is written once in [`WARNING_INTERVAL`].
fn is_due(last: &mut Option<Instant>) -> bool {
    let now = Instant::now();
    let is_due = last.is_none_or(|last| now.duration_since(last) >= WARNING_INTERVAL);
    if is_due {
        *last = Some(now);
    }
    is_due
}

fn shown(network: IpNet) -> String {
    match network {
        IpNet::V4(network) => network.addr().to_string(),
        IpNet::V6(network) => network.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn connections(limit: usize, per_address: usize, trusted: TrustedProxies) -> Connections {
        let limits = Limits { connections: limit, connections_per_address: per_address, ..Limits::default() };
        Connections::new(&limits, trusted, Arc::new(Account::of_process(&limits)))
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
        assert!(all.table().by_network.is_empty());
    }

    #[test]
    fn a_site_of_ipv6_has_half_of_all_connections_over_its_networks() {
        let all = connections(8, 2, TrustedProxies::All);
        let of_site = |network: u16| all.admit(Some(format!("2001:db8:1:{network:x}::1").parse().unwrap()));
        let open: Vec<_> = (0..4).map(|network| of_site(network).unwrap()).collect();
        assert!(of_site(5).is_none());
        let other = all.admit(address("2001:db8:2::1")).unwrap();
        // What one /48 has in memory counts for all of its networks, and not for another one.
        let held = open[0].sending().try_keep(4096).unwrap();
        assert_eq!(open[1].sending().held(), [0, 0, 4096, 4096]);
        assert_eq!(other.sending().held(), [0, 0, 0, 4096]);
        drop((held, open));
        assert!(of_site(5).is_some());
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
        tokio::time::advance(Duration::from_secs(1)).await;
        open[3].traffic().wait();
        tokio::time::advance(Duration::from_secs(59)).await;
        open.push(all.admit(address("192.0.2.1")).unwrap());
        assert!(!open[..9].iter().any(is_closed), "no client is slow yet");
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

    #[tokio::test(start_paused = true)]
    async fn a_request_that_waits_for_its_client_keeps_its_connection_no_longer_than_an_idle_one() {
        let all = connections(10, 10, TrustedProxies::All);
        let mut open = vec![all.admit(address("192.0.2.1")).unwrap()];
        let busy = open[0].busy();
        let other = open[0].busy();
        let pause = busy.pause();
        open.extend((0..9).map(|_| all.admit(address("192.0.2.1")).unwrap()));
        assert!(!is_closed(&open[0]), "another request of it is being answered");
        drop(other);
        tokio::time::advance(Duration::from_millis(1)).await;
        drop(open.drain(1..));
        open.extend((0..9).map(|_| all.admit(address("192.0.2.1")).unwrap()));
        assert!(is_closed(&open[0]));
        drop(pause);
        assert!(!is_closed(&open[0]));
    }

    #[test]
    fn a_limit_below_ten_closes_nothing() {
        let all = connections(2, 2, TrustedProxies::All);
        let open = [all.admit(None).unwrap(), all.admit(None).unwrap()];
        all.make_room();
        assert!(!all.are_crowded() && !open.iter().any(is_closed));
    }
}
