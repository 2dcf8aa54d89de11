//! From where a password was right.
//!
//! Grouped by password, each group with a bound of its own: a client that has one password and many addresses, or invents
//! them, evicts origins of this password and no other. Within a group, origins that are only claimed evict none that is
//! proven.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::checks::Fingerprint;
use crate::bounded_map::BoundedMap;
use crate::login_origin::LoginOrigin;

/// How many origins of one password are remembered, of each kind: the addresses of a fleet of build machines. With
/// [`super::HtpasswdOptions::established`] passwords this is 20 MB in all, if each is used from so many.
const ORIGINS: usize = 64;

/// Passwords that were right, by their fingerprints, and from where.
pub(super) struct Established {
    passwords: Mutex<BoundedMap<Fingerprint, Origins>>,
    lifetime: Duration,
}

/// When a password was last verified, by origin.
struct Origins {
    /// Addresses of connections, or what named proxies say.
    proven: BoundedMap<LoginOrigin, Duration>,
    /// What the other end of a connection says of its clients without being believed.
    claimed: BoundedMap<LoginOrigin, Duration>,
}

// === impl Established ===

impl Established {
    /// Remembers `capacity` passwords for `lifetime` each; beyond that the one that was added to longest ago goes.
    pub(super) fn new(capacity: usize, lifetime: Duration) -> Self {
        Self { passwords: Mutex::new(BoundedMap::new(capacity)), lifetime }
    }

    /// Notes that the password was right.
    pub(super) fn add(&self, fingerprint: Fingerprint, origin: LoginOrigin, now: Duration) {
        *self.passwords().touch(&fingerprint).of_kind_mut(origin).touch(&origin) = now;
    }

    /// Whether the password was right from there within the lifetime.
    pub(super) fn contains(&self, fingerprint: &Fingerprint, origin: LoginOrigin, now: Duration) -> bool {
        let passwords = self.passwords();
        let verified = passwords.get(fingerprint).and_then(|origins| origins.of_kind(origin).get(&origin));
        verified.is_some_and(|verified| now.saturating_sub(*verified) < self.lifetime)
    }

    fn passwords(&self) -> MutexGuard<'_, BoundedMap<Fingerprint, Origins>> {
        self.passwords.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Origins ===

impl Origins {
    fn of_kind(&self, origin: LoginOrigin) -> &BoundedMap<LoginOrigin, Duration> {
        if origin.is_proven() { &self.proven } else { &self.claimed }
    }

    fn of_kind_mut(&mut self, origin: LoginOrigin) -> &mut BoundedMap<LoginOrigin, Duration> {
        if origin.is_proven() { &mut self.proven } else { &mut self.claimed }
    }
}

impl Default for Origins {
    fn default() -> Self {
        Self { proven: BoundedMap::new(ORIGINS), claimed: BoundedMap::new(ORIGINS) }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn origin(number: usize, is_proven: bool) -> LoginOrigin {
        let address = Some(Ipv4Addr::from_bits(u32::try_from(number).unwrap()).into());
        if is_proven {
            LoginOrigin { address, forwarded: None }
        } else {
            LoginOrigin { address: None, forwarded: address }
        }
    }

    #[test]
    fn a_password_has_so_many_origins_of_each_kind_and_the_oldest_goes_first() {
        let established = Established::new(2, Duration::from_secs(60));
        let [ours, other] = [[1; 32], [2; 32]];
        established.add(other, origin(0, true), Duration::ZERO);
        for is_proven in [true, false] {
            for number in 0..=ORIGINS {
                established.add(ours, origin(number, is_proven), Duration::ZERO);
            }
            let has = |number| established.contains(&ours, origin(number, is_proven), Duration::ZERO);
            assert!(!has(0) && has(1) && has(ORIGINS), "{is_proven}");
        }
        assert!(established.contains(&ours, origin(1, true), Duration::ZERO));
        assert!(established.contains(&other, origin(0, true), Duration::ZERO));
        // Of the passwords, the one that was right longest ago goes.
        established.add([3; 32], origin(0, true), Duration::ZERO);
        assert!(!established.contains(&other, origin(0, true), Duration::ZERO));
    }

    #[test]
    fn an_origin_counts_for_its_lifetime() {
        let established = Established::new(2, Duration::from_secs(60));
        established.add([1; 32], origin(0, true), Duration::from_secs(1));
        assert!(established.contains(&[1; 32], origin(0, true), Duration::from_secs(60)));
        assert!(!established.contains(&[1; 32], origin(0, true), Duration::from_secs(61)));
        assert!(!established.contains(&[1; 32], origin(0, false), Duration::from_secs(60)));
    }
}
