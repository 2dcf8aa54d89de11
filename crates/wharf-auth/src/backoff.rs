//! How long a client that keeps giving wrong passwords has to wait.
//!
//! Counted for each user at each address, so that no client can lock a user out from elsewhere, and for each address over
//! all users, so that none can try one password on all of them. An address that only says whom it speaks for, a proxy
//! that the operator has not named, is counted once more as a whole, with a larger bound. It knows names and addresses, no
//! passwords. Attempts that are being verified count as well: a hundred at once are no way around it.
//!
//! A guess counts once: clients send one wrong password with each of a dozen requests, and repeating it tells nothing new.
//!
//! What is counted for addresses that a client may have invented is stored apart from the rest and evicts none of it.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::bounded_map::BoundedMap;
use crate::clock::Clock;
use crate::login_origin::{LoginOrigin, Place};
use crate::rate_limiter::RateLimiter;
use rechecks::{RecentGuesses, Rechecks};

mod rechecks;

/// Stands for a password, what it is held against and whose it is: a keyed hash, or the guess could be found from it.
pub type Guess = [u8; 32];

/// When and how long.
#[derive(Debug, Clone, Copy)]
pub struct BackoffOptions {
    /// How many failures of one user at one address cost nothing.
    pub free_failures: u32,
    /// The first wait; each further failure doubles it.
    pub first_delay: Duration,
    /// The longest wait.
    pub longest_delay: Duration,
    /// After this long without a failure all is forgotten.
    pub forget_after: Duration,
    /// How many failures one address has at once, whatever the users.
    pub address_failures: u32,
    /// How long it takes until it has one more.
    pub address_interval: Duration,
    /// How many times as many failures an address has in all, of one user and over all users, that says of its clients who
    /// they are without being believed.
    pub peer_factor: u32,
    /// While a user has to wait at an address: how many different passwords that were not right there before may be compared
    /// with one that was.
    pub rechecks: u32,
    /// How long it takes until there is one more. So many guesses an attacker gains who shares the user's address.
    pub recheck_interval: Duration,
    /// How many pairs of user and address are remembered, and how many addresses; beyond that those that failed longest ago
    /// are forgotten. As many again of those whose address a client may have invented.
    pub entries: usize,
}

/// Failures by user and address.
#[derive(Debug)]
pub struct Backoff {
    options: BackoffOptions,
    clock: Arc<dyn Clock>,
    /// Names are kept as hashes: they are as long as an attacker likes.
    names: RandomState,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    users: Segments<BoundedMap<(Place, u64), Entry>>,
    places: Segments<RateLimiter<Place>>,
    rechecks: Segments<Rechecks>,
}

/// One value for places that are proven, one for those that a client may have invented.
#[derive(Debug)]
struct Segments<T> {
    proven: T,
    unproven: T,
}

#[derive(Debug, Default)]
struct Entry {
    failures: u32,
    refused: RecentGuesses,
    pending: u32,
    wait_until: Duration,
    touched: Duration,
}

/// An attempt that may be made. One that is dropped without an outcome counts as none.
#[derive(Debug)]
pub struct Attempt {
    backoff: Arc<Backoff>,
    origin: LoginOrigin,
    user: u64,
    guess: Guess,
}

/// Why an attempt may not be made.
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
            address_failures: 50,
            address_interval: Duration::from_secs(1),
            peer_factor: 16,
            rechecks: 10,
            recheck_interval: Duration::from_secs(1),
            entries: 16 * 1024,
        }
    }
}

// === impl Backoff ===

impl Backoff {
    /// Without any failures yet.
    #[must_use]
    pub fn new(options: BackoffOptions, clock: Arc<dyn Clock>) -> Self {
        let state = State {
            users: Segments::new(|| BoundedMap::new(options.entries)),
            places: Segments::new(|| {
                RateLimiter::new(options.address_failures, options.address_interval, options.entries)
            }),
            rechecks: Segments::new(|| Rechecks::new(&options)),
        };
        Self { options, clock, names: RandomState::new(), state: Mutex::new(state) }
    }

    /// How long a user at an address has still to wait; `None` if not at all.
    #[must_use]
    pub fn wait(&self, user: &str, origin: impl Into<LoginOrigin>) -> Option<Duration> {
        let state = self.state();
        if state.is_empty() {
            return None;
        }
        let (origin, user) = (origin.into().network(), self.names.hash_one(user));
        self.wait_in(&state, origin, user, self.clock.uptime())
    }

    /// Lets an attempt be made, or says why not.
    pub fn admit(
        self: &Arc<Self>,
        user: &str,
        origin: impl Into<LoginOrigin>,
        guess: Guess,
    ) -> Result<Attempt, NotAdmitted> {
        let (origin, user) = (origin.into().network(), self.names.hash_one(user));
        let now = self.clock.uptime();
        let mut state = self.state();
        for place in origin.places() {
            let users = state.users.of_mut(place);
            if let Some(entry) = users.get_mut(&(place, user))
                && entry.is_forgotten(now, &self.options)
            {
                users.remove(&(place, user));
            }
        }
        if let Some(wait) = self.wait_in(&state, origin, user, now) {
            return Err(NotAdmitted::Wait(wait));
        }
        if state.entry(Place::Client(origin), user).is_some_and(|entry| entry.refused.contain(&guess)) {
            return Err(NotAdmitted::RefusedBefore);
        }
        let is_full = |place: Place| {
            state.entry(place, user).is_some_and(|entry| entry.is_full(self.free_failures(place)))
        };
        if origin.places().any(is_full) {
            return Err(NotAdmitted::Wait(self.options.first_delay));
        }
        for place in origin.places() {
            let entry = state.users.of_mut(place).touch(&(place, user));
            entry.pending += 1;
            entry.touched = now;
        }
        Ok(Attempt { backoff: Arc::clone(self), origin, user, guess })
    }

    /// Whether a password passes although its user has to wait: if `is_right` says that it was right before, from here.
    /// Others are charged, each once, and where there are too many of them, none is compared any more: this tells a guesser
    /// whether a guess is right.
    pub fn recheck(
        &self,
        user: &str,
        origin: impl Into<LoginOrigin>,
        guess: Guess,
        is_right: impl FnOnce() -> bool,
    ) -> bool {
        let (origin, user) = (origin.into().network(), self.names.hash_one(user));
        let now = self.clock.uptime();
        let mut state = self.state();
        state.rechecks.of_mut(Place::Client(origin)).compare((origin, user), guess, now, is_right)
    }

    fn wait_in(&self, state: &State, origin: LoginOrigin, user: u64, now: Duration) -> Option<Duration> {
        let waits = origin.places().flat_map(|place| {
            let of_user = state.entry(place, user).map(|entry| entry.wait_until.saturating_sub(now));
            let of_place = state.places.of(place).wait(&place, self.factor(place), now);
            [of_user.filter(|wait| !wait.is_zero()), of_place]
        });
        waits.flatten().max()
    }

    fn fail(&self, origin: LoginOrigin, user: u64, guess: Guess) {
        let now = self.clock.uptime();
        let mut state = self.state();
        if state.entry(Place::Client(origin), user).is_some_and(|entry| entry.refused.contain(&guess)) {
            return;
        }
        for place in origin.places() {
            state.places.of_mut(place).charge(&place, self.factor(place), now);
            let entry = state.users.of_mut(place).touch(&(place, user));
            entry.refused.add(guess);
            entry.failures = entry.failures.saturating_add(1);
            entry.touched = now;
            entry.wait_until = now + self.options.delay(entry.failures, self.free_failures(place));
        }
    }

    fn factor(&self, place: Place) -> u32 {
        match place {
            Place::Client(_) => 1,
            Place::Peer(_) => self.options.peer_factor,
        }
    }

    fn free_failures(&self, place: Place) -> u32 {
        self.options.free_failures.saturating_mul(self.factor(place))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl State ===

impl State {
    fn is_empty(&self) -> bool {
        let Self { users, places, .. } = self;
        users.proven.is_empty()
            && users.unproven.is_empty()
            && places.proven.is_empty()
            && places.unproven.is_empty()
    }

    fn entry(&self, place: Place, user: u64) -> Option<&Entry> {
        self.users.of(place).get(&(place, user))
    }
}

// === impl Segments ===

impl<T> Segments<T> {
    fn new(make: impl Fn() -> T) -> Self {
        Self { proven: make(), unproven: make() }
    }

    fn of(&self, place: Place) -> &T {
        if place.is_proven() { &self.proven } else { &self.unproven }
    }

    fn of_mut(&mut self, place: Place) -> &mut T {
        if place.is_proven() { &mut self.proven } else { &mut self.unproven }
    }
}

// === impl BackoffOptions ===

impl BackoffOptions {
    fn delay(&self, failures: u32, free: u32) -> Duration {
        match failures.checked_sub(free) {
            None => Duration::ZERO,
            Some(over) => self.first_delay.saturating_mul(1 << over.min(20)).min(self.longest_delay),
        }
    }
}

// === impl Entry ===

impl Entry {
    /// Whether those that are being verified may use up what is left.
    fn is_full(&self, free_failures: u32) -> bool {
        self.pending > 0 && self.failures.saturating_add(self.pending) >= free_failures
    }

    fn is_forgotten(&self, now: Duration, options: &BackoffOptions) -> bool {
        self.pending == 0
            && now.saturating_sub(self.touched) >= options.forget_after.max(options.longest_delay)
    }
}

// === impl Attempt ===

impl Attempt {
    /// It was right: the failures of this user at this client are forgotten. Those of the address are not, or one good
    /// password would pay for any number of guesses at others.
    pub fn succeeded(self) {
        let place = Place::Client(self.origin);
        self.backoff.state().users.of_mut(place).remove(&(place, self.user));
    }

    /// It was wrong.
    pub fn failed(self) {
        self.backoff.fail(self.origin, self.user, self.guess);
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let mut state = self.backoff.state();
        for place in self.origin.places() {
            let key = (place, self.user);
            let users = state.users.of_mut(place);
            if let Some(entry) = users.get_mut(&key) {
                entry.pending = entry.pending.saturating_sub(1);
                if entry.pending == 0 && entry.failures == 0 {
                    users.remove(&key);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
