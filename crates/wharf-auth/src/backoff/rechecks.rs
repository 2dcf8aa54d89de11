//! Comparisons with passwords that were right before, while their users have to wait.

use std::time::Duration;

use super::{BackoffOptions, Guess};
use crate::bounded_map::BoundedMap;
use crate::login_origin::LoginOrigin;
use crate::rate_limiter::RateLimiter;

/// How many wrong guesses of one user at one address are recognised when they come again: more than cost nothing by
/// default, so that what is forgotten comes from a client that has to wait anyway.
pub(super) const REMEMBERED_GUESSES: usize = 8;

/// A user, as a hash of the name, at a client.
type Key = (LoginOrigin, u64);

/// The latest wrong guesses, oldest first; never more than [`REMEMBERED_GUESSES`].
#[derive(Debug, Default)]
pub(super) struct RecentGuesses(Vec<Guess>);

/// Limits how many different guesses are compared with a password that was right. One that is repeated is charged once:
/// its answer is known to its sender already.
#[derive(Debug)]
pub(super) struct Rechecks {
    rate: RateLimiter<Key>,
    missed: BoundedMap<Key, RecentGuesses>,
}

// === impl RecentGuesses ===

impl RecentGuesses {
    pub(super) fn contain(&self, guess: &Guess) -> bool {
        self.0.contains(guess)
    }

    pub(super) fn add(&mut self, guess: Guess) {
        if self.0.len() >= REMEMBERED_GUESSES {
            self.0.remove(0);
        }
        self.0.push(guess);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

// === impl Rechecks ===

impl Rechecks {
    pub(super) fn new(options: &BackoffOptions) -> Self {
        Self {
            rate: RateLimiter::new(options.rechecks, options.recheck_interval, options.entries),
            missed: BoundedMap::new(options.entries),
        }
    }

    /// Whether the guess is right, if it may be compared.
    pub(super) fn compare(
        &mut self,
        key: Key,
        guess: Guess,
        now: Duration,
        is_right: impl FnOnce() -> bool,
    ) -> bool {
        if self.missed.get(&key).is_some_and(|missed| missed.contain(&guess)) {
            return is_right();
        }
        if self.rate.wait(&key, 1, now).is_some() {
            return false;
        }
        let is_right = is_right();
        if !is_right {
            self.rate.charge(&key, 1, now);
            self.missed.touch(&key).add(guess);
        }
        is_right
    }
}
