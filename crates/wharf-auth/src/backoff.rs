//! How long somebody who keeps giving wrong passwords has to wait.
//!
//! Counted for each user at each address, so that nobody can lock a user out from elsewhere. It knows names and
//! addresses, no passwords. Tries that are still being looked at count as well: a hundred at once are no way around it.
//!
//! A guess counts once: clients send one wrong password with each of a dozen requests, and who repeats a guess learns
//! nothing by it.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Clock;

/// How many wrong guesses of one user at one address are known again: more than cost nothing by default, so that what
/// is forgotten comes from somebody who has to wait anyway.
const REMEMBERED_GUESSES: usize = 8;

/// Stands for a password, what it is held against and whose it is: a keyed hash, or the guess could be found from it.
pub type Guess = [u8; 32];

/// When and how long.
#[derive(Debug, Clone, Copy)]
pub struct BackoffOptions {
    /// How many failures cost nothing.
    pub free_failures: u32,
    /// The first wait; each further failure doubles it.
    pub first_delay: Duration,
    /// The longest wait.
    pub longest_delay: Duration,
    /// After this long without a failure all is forgotten.
    pub forget_after: Duration,
    /// How many pairs of user and address are remembered; beyond that the one that failed longest ago is forgotten.
    pub entries: usize,
}

/// Who has failed how often.
#[derive(Debug)]
pub struct Backoff {
    options: BackoffOptions,
    clock: Arc<dyn Clock>,
    /// Names are kept as hashes: they are as long as an attacker likes.
    names: RandomState,
    entries: Mutex<HashMap<Key, Entry>>,
}

type Key = (Option<IpAddr>, u64);

#[derive(Debug, Default)]
struct Entry {
    failures: u32,
    /// The latest wrong ones, oldest first; never more than [`REMEMBERED_GUESSES`].
    refused: Vec<Guess>,
    pending: u32,
    wait_until: Duration,
    touched: Duration,
}

/// A try that may be made. One that is dropped without an outcome counts as none.
#[derive(Debug)]
pub struct Attempt {
    backoff: Arc<Backoff>,
    key: Key,
    guess: Guess,
}

/// Why a try may not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotAdmitted {
    /// There were too many failures, or there may be.
    Wait(Duration),
    /// This very guess was wrong before, and nothing has changed since: it is wrong, and no further failure.
    RefusedBefore,
}

impl Default for BackoffOptions {
    fn default() -> Self {
        Self {
            free_failures: 5,
            first_delay: Duration::from_secs(1),
            longest_delay: Duration::from_secs(60),
            forget_after: Duration::from_secs(15 * 60),
            entries: 16 * 1024,
        }
    }
}

// === impl Backoff ===

impl Backoff {
    /// Nobody has failed yet.
    #[must_use]
    pub fn new(options: BackoffOptions, clock: Arc<dyn Clock>) -> Self {
        Self { options, clock, names: RandomState::new(), entries: Mutex::default() }
    }

    /// How long a user at an address has still to wait; `None` if not at all.
    #[must_use]
    pub fn wait(&self, user: &str, address: Option<IpAddr>) -> Option<Duration> {
        let entries = self.entries();
        if entries.is_empty() {
            return None;
        }
        let entry = entries.get(&self.key(user, address))?;
        let wait = entry.wait_until.saturating_sub(self.clock.uptime());
        (!wait.is_zero()).then_some(wait)
    }

    /// Lets a try be made, or says why not.
    pub fn admit(
        self: &Arc<Self>,
        user: &str,
        address: Option<IpAddr>,
        guess: Guess,
    ) -> Result<Attempt, NotAdmitted> {
        let (key, now) = (self.key(user, address), self.clock.uptime());
        let mut entries = self.entries();
        self.make_room(&mut entries, &key, now);
        let entry = entries.entry(key).or_default();
        if entry.is_forgotten(now, &self.options) {
            *entry = Entry::default();
        }
        let wait = entry.wait_until.saturating_sub(now);
        if !wait.is_zero() {
            return Err(NotAdmitted::Wait(wait));
        }
        if entry.refused.contains(&guess) {
            return Err(NotAdmitted::RefusedBefore);
        }
        if entry.pending > 0 && entry.failures.saturating_add(entry.pending) >= self.options.free_failures {
            return Err(NotAdmitted::Wait(self.options.first_delay));
        }
        entry.pending += 1;
        entry.touched = now;
        Ok(Attempt { backoff: Arc::clone(self), key, guess })
    }

    /// Forgets somebody, the oldest first, if a new one would be one too many.
    fn make_room(&self, entries: &mut HashMap<Key, Entry>, key: &Key, now: Duration) {
        if entries.len() < self.options.entries || entries.contains_key(key) {
            return;
        }
        entries.retain(|_, entry| !entry.is_forgotten(now, &self.options));
        if entries.len() >= self.options.entries {
            let idle = entries.iter().filter(|(_, entry)| entry.pending == 0);
            let oldest = idle.min_by_key(|(_, entry)| entry.touched).map(|(key, _)| *key);
            oldest.and_then(|key| entries.remove(&key));
        }
    }

    fn fail(&self, key: Key, guess: Guess) {
        let now = self.clock.uptime();
        let mut entries = self.entries();
        let entry = entries.entry(key).or_default();
        if entry.refused.contains(&guess) {
            return;
        }
        entry.remember(guess);
        entry.failures = entry.failures.saturating_add(1);
        entry.touched = now;
        entry.wait_until = now + self.options.delay(entry.failures);
    }

    fn key(&self, user: &str, address: Option<IpAddr>) -> Key {
        (address.map(network), self.names.hash_one(user))
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<Key, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl BackoffOptions ===

impl BackoffOptions {
    fn delay(&self, failures: u32) -> Duration {
        match failures.checked_sub(self.free_failures) {
            None => Duration::ZERO,
            Some(over) => self.first_delay.saturating_mul(1 << over.min(20)).min(self.longest_delay),
        }
    }
}

// === impl Entry ===

impl Entry {
    fn remember(&mut self, guess: Guess) {
        if self.refused.len() >= REMEMBERED_GUESSES {
            self.refused.remove(0);
        }
        self.refused.push(guess);
    }

    fn is_forgotten(&self, now: Duration, options: &BackoffOptions) -> bool {
        self.pending == 0
            && now.saturating_sub(self.touched) >= options.forget_after.max(options.longest_delay)
    }
}

// === impl Attempt ===

impl Attempt {
    /// It was right: what was before is forgotten.
    pub fn succeeded(self) {
        self.backoff.entries().remove(&self.key);
    }

    /// It was wrong.
    pub fn failed(self) {
        self.backoff.fail(self.key, self.guess);
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let mut entries = self.backoff.entries();
        if let Some(entry) = entries.get_mut(&self.key) {
            entry.pending = entry.pending.saturating_sub(1);
            if entry.pending == 0 && entry.failures == 0 {
                entries.remove(&self.key);
            }
        }
    }
}

/// What one client can be taken to hold: an IPv4 address, or the half of an IPv6 address that names a network.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests;
