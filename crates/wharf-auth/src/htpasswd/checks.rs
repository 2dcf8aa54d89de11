//! Looking at passwords: as few at a time, and as seldom, as will do.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::{hmac, rand};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use quick_cache::sync::Cache;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use super::users::Line;
use super::{HtpasswdError, HtpasswdOptions, Verdict};
use crate::backoff::{Attempt, Backoff, Guess, NotAdmitted};
use crate::clock::Clock;

/// What was found out, what is being found out, and who has to wait.
pub(super) struct Checks(Arc<Inner>);

struct Inner {
    /// Made anew with every start: what is remembered is worth nothing to whoever reads it out of memory later.
    key: hmac::Key,
    /// What was found right, and when.
    remembered: Cache<Fingerprint, Duration>,
    remember: Duration,
    /// What is being looked at. Whoever brings the same waits for the same outcome.
    running: Mutex<HashMap<Fingerprint, (u64, WeakShared<Check>)>>,
    serial: AtomicU64,
    /// Turns: who has one works.
    turns: Arc<Semaphore>,
    /// Places: who has one works or waits.
    places: Arc<Semaphore>,
    backoff: Arc<Backoff>,
    clock: Arc<dyn Clock>,
    /// How many passwords have been looked at.
    looked: AtomicU64,
}

/// Stands for a name, a password and the hash it is held against, and tells nothing of them.
type Fingerprint = Guess;

type Outcome = Result<Verdict, HtpasswdError>;

type Check = BoxFuture<'static, Outcome>;

/// Takes a check off the list of those that run, however it ends.
struct Running {
    inner: Arc<Inner>,
    fingerprint: Fingerprint,
    serial: u64,
}

/// A check with all it needs.
struct Job {
    line: Line,
    password: Zeroizing<Vec<u8>>,
    attempt: Attempt,
    running: Running,
}

// === impl Checks ===

impl Checks {
    pub(super) fn new(options: &HtpasswdOptions, clock: Arc<dyn Clock>) -> Self {
        let concurrency = options.concurrency.max(1);
        Self(Arc::new(Inner {
            key: new_key(),
            remembered: Cache::new(options.remembered),
            remember: options.remember,
            running: Mutex::default(),
            serial: AtomicU64::new(0),
            turns: Arc::new(Semaphore::new(concurrency)),
            places: Arc::new(Semaphore::new(concurrency + options.queue)),
            backoff: Arc::new(Backoff::new(options.backoff, Arc::clone(&clock))),
            clock,
            looked: AtomicU64::new(0),
        }))
    }

    pub(super) async fn verify(
        &self,
        line: Line,
        user: &str,
        password: &str,
        address: Option<IpAddr>,
    ) -> Outcome {
        let inner = &self.0;
        // First of all: what is remembered answers in no time, and must not tell a guesser that a guess was right.
        if let Some(retry_after) = inner.backoff.wait(user, address) {
            return Ok(Verdict::TooManyFailures { retry_after });
        }
        let fingerprint = inner.fingerprint(user, password, &line.hash);
        if inner.remembers(&fingerprint) {
            return Ok(Verdict::Accepted);
        }
        let admit = || inner.backoff.admit(user, address, fingerprint);
        match inner.join_or_start(fingerprint, line, password, admit) {
            Ok(check) => check.await,
            Err(NotAdmitted::RefusedBefore) => Ok(Verdict::Refused),
            Err(NotAdmitted::Wait(retry_after)) => Ok(Verdict::TooManyFailures { retry_after }),
        }
    }
}

#[cfg(test)]
impl Checks {
    pub(super) fn looked(&self) -> u64 {
        self.0.looked.load(Ordering::Relaxed)
    }

    /// Lets nobody work until what is returned is dropped.
    pub(super) fn take_turns(&self) -> tokio::sync::OwnedSemaphorePermit {
        let all = u32::try_from(self.0.turns.available_permits()).unwrap();
        Arc::clone(&self.0.turns).try_acquire_many_owned(all).unwrap()
    }
}

// === impl Inner ===

impl Inner {
    fn fingerprint(&self, user: &str, password: &str, hash: &str) -> Fingerprint {
        let mut context = hmac::Context::with_key(&self.key);
        for part in [user, password, hash] {
            context.update(&part.len().to_le_bytes());
            context.update(part.as_bytes());
        }
        let mut fingerprint = Fingerprint::default();
        fingerprint.copy_from_slice(context.sign().as_ref());
        fingerprint
    }

    fn remembers(&self, fingerprint: &Fingerprint) -> bool {
        let Some(found_at) = self.remembered.get(fingerprint) else { return false };
        let still = self.clock.uptime().saturating_sub(found_at) < self.remember;
        if !still {
            self.remembered.remove(fingerprint);
        }
        still
    }

    /// The check of this very pair that runs already, or a new one if that is admitted. It does its work when somebody
    /// waits for it, and is given up when nobody does.
    fn join_or_start(
        self: &Arc<Self>,
        fingerprint: Fingerprint,
        line: Line,
        password: &str,
        admit: impl FnOnce() -> Result<Attempt, NotAdmitted>,
    ) -> Result<Shared<Check>, NotAdmitted> {
        let mut list = self.running();
        if let Some(check) = list.get(&fingerprint).and_then(|(_, check)| check.upgrade()) {
            return Ok(check);
        }
        // While the list is held: a check leaves it only after its failure was counted, so none is looked at twice.
        let attempt = admit()?;
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        let running = Running { inner: Arc::clone(self), fingerprint, serial };
        let password = Zeroizing::new(password.as_bytes().to_vec());
        let check = Job { line, password, attempt, running }.run().boxed().shared();
        if let Some(weak) = check.downgrade() {
            list.insert(fingerprint, (serial, weak));
        }
        Ok(check)
    }

    fn running(&self) -> MutexGuard<'_, HashMap<Fingerprint, (u64, WeakShared<Check>)>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Job ===

impl Job {
    /// Waits for a turn and does the work where it may block. Once it works it ends by itself, so that leaving early
    /// saves nobody a failure.
    async fn run(self) -> Outcome {
        let inner = Arc::clone(&self.running.inner);
        let place = Arc::clone(&inner.places).try_acquire_owned().map_err(|_| HtpasswdError::Busy)?;
        let turn = Arc::clone(&inner.turns).acquire_owned().await.map_err(|_| HtpasswdError::Failed)?;
        let work = move || {
            let verdict = self.work();
            drop((turn, place));
            verdict
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| HtpasswdError::Failed)
    }

    fn work(self) -> Verdict {
        let Self { line, password, attempt, running } = self;
        running.inner.looked.fetch_add(1, Ordering::Relaxed);
        // As in the older registry, what is beyond 72 bytes does not count: bcrypt takes no more.
        let matches = bcrypt::verify(password.as_slice(), &line.hash).unwrap_or(false);
        if matches && line.can_match {
            attempt.succeeded();
            let inner = &running.inner;
            inner.remembered.insert(running.fingerprint, inner.clock.uptime());
            Verdict::Accepted
        } else {
            attempt.failed();
            Verdict::Refused
        }
    }
}

// === impl Running ===

impl Drop for Running {
    fn drop(&mut self) {
        let mut running = self.inner.running();
        if running.get(&self.fingerprint).is_some_and(|(serial, _)| *serial == self.serial) {
            running.remove(&self.fingerprint);
        }
    }
}

fn new_key() -> hmac::Key {
    let mut bytes = Zeroizing::new([0; 32]);
    // Without randomness nothing here can be done safely, and the system has it once it is up.
    rand::fill(bytes.as_mut_slice()).expect("the system gives random bytes");
    hmac::Key::new(hmac::HMAC_SHA256, bytes.as_slice())
}

impl fmt::Debug for Checks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (remembered, running) = (self.0.remembered.len(), self.0.running().len());
        let mut text = f.debug_struct("Checks");
        text.field("remembered", &remembered)
            .field("running", &running)
            .field("looked", &self.0.looked)
            .finish()
    }
}
