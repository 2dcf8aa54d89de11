//! Where a login comes from, as far as counting wrong passwords goes. No right depends on it.

use std::net::{IpAddr, Ipv6Addr};

/// Where a login comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct LoginOrigin {
    /// The client's address: the one of the connection, or what the proxies that the operator has named say of it.
    pub address: Option<IpAddr>,
    /// What the connection's other end says of its client, where the operator has named no proxies. It is not believed, and
    /// only tells the clients of one address apart.
    pub forwarded: Option<IpAddr>,
}

/// What wrong passwords are counted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    /// One client, as far as that can be said.
    Client(LoginOrigin),
    /// All clients that an address speaks for. Otherwise it could invent as many as it liked.
    Peer(Option<IpAddr>),
}

// === impl LoginOrigin ===

impl LoginOrigin {
    /// The same with networks in place of addresses that one client can change at will.
    pub(crate) fn network(self) -> Self {
        Self { address: self.address.map(network), forwarded: self.forwarded.map(network) }
    }

    /// Whether a client cannot choose it: the address of a connection, or what a named proxy says.
    pub(crate) fn is_proven(self) -> bool {
        self.forwarded.is_none()
    }

    /// All that a wrong password from here is counted for, the client first.
    pub(crate) fn places(self) -> impl Iterator<Item = Place> {
        let peer = self.forwarded.map(|_| Place::Peer(self.address));
        std::iter::once(Place::Client(self)).chain(peer)
    }
}

// === impl Place ===

impl Place {
    /// Whether a login can be counted for it without a header that its client may have written.
    pub(crate) fn is_proven(self) -> bool {
        match self {
            Self::Client(origin) => origin.is_proven(),
            Self::Peer(_) => false,
        }
    }
}

impl From<Option<IpAddr>> for LoginOrigin {
    fn from(address: Option<IpAddr>) -> Self {
        Self { address, forwarded: None }
    }
}

/// What one client can be taken to have: an IPv4 address, or the half of an IPv6 address that names a network.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address @ IpAddr::V4(_) => address,
    }
}
