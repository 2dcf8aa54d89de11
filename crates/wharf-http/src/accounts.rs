//! What a client's address, its network and the process may take of what all clients share.
//!
//! Accounts form a chain: an address has the process above it, and an IPv6 address (one /64) has its /48 in between. What
//! is taken is counted in every account of the chain, and each has a limit. Knows nothing of sockets or of HTTP.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::{IpNet, Ipv6Net};

use crate::limits::Limits;
use crate::sending::SendingRoom;

/// What one address, one network or the process has taken.
#[derive(Debug)]
pub(crate) struct Account {
    /// Bytes of responses that are in memory.
    pub(crate) sending: SendingRoom,
    above: Option<Arc<Account>>,
}

// === impl Account ===

impl Account {
    /// That of the process.
    pub(crate) fn of_process(limits: &Limits) -> Self {
        Self { sending: SendingRoom::new(limits.sending_bytes), above: None }
    }

    /// That of one IPv4 address or one /64.
    pub(crate) fn of_address(limits: &Limits, above: Arc<Self>) -> Self {
        Self { sending: SendingRoom::new(limits.sending_bytes_per_address), above: Some(above) }
    }

    /// That of one /48: half of what all have.
    pub(crate) fn of_site(limits: &Limits, above: Arc<Self>) -> Self {
        Self {
            sending: SendingRoom::new(of_site(limits.sending_bytes, limits.sending_bytes_per_address)),
            above: Some(above),
        }
    }

    /// This account and all above it.
    pub(crate) fn chain(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |account| account.above.as_deref())
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
