//! Verifying passwords: as few at a time, and as seldom, as will do.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::time::Duration;

use aws_lc_rs::{hmac, rand};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use quick_cache::sync::Cache;
use zeroize::Zeroizing;

use super::established::Established;
use super::queue::{Busy, Kind, Queue};
use super::users::Line;
use super::{HtpasswdError, HtpasswdOptions, Verdict};
use crate::backoff::{Attempt, Backoff, Guess, NotAdmitted};
use crate::clock::Clock;
use crate::login_origin::LoginOrigin;
use crate::token_service::WeakSecret;

/// bcrypt takes no more of a password, in bytes.
const BCRYPT_BYTES: usize = 72;

/// How long nothing more is logged of logins that find no place.
const BUSY_LOG_INTERVAL: Duration = Duration::from_secs(60);

/// What was verified, what is being verified, and who has to wait.
pub(super) struct Checks(Arc<Inner>);

struct Inner {
    /// Made anew with every start: what is remembered is worth nothing to whoever reads it out of memory later.
    key: hmac::Key,
    /// What was found right, and when.
    remembered: Cache<Fingerprint, Duration>,
    remember: Duration,
    /// What was verified from which origin, and when. It passes there although its user has to wait.
    established: Established,
    /// What is being looked at. Whoever brings the same waits for the same outcome.
    running: Mutex<HashMap<Fingerprint, (u64, WeakShared<Check>)>>,
    serial: AtomicU64,
    queue: Queue,
    backoff: Arc<Backoff>,
    clock: Arc<dyn Clock>,
    /// How many passwords have been looked at.
    looked: AtomicU64,
    /// When the next warning about a full queue may be logged.
    log_busy_at: Mutex<Duration>,
    proxy_logged: Once,
}

/// Stands for a name, a password and the hash it is held against, and tells nothing of them.
pub(super) type Fingerprint = Guess;

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
    /// Missing where the password was right before: then there is nothing to count.
    attempt: Option<Attempt>,
    running: Running,
    origin: LoginOrigin,
    kind: Kind,
}

// === impl Checks ===

impl Checks {
    pub(super) fn new(options: &HtpasswdOptions, clock: Arc<dyn Clock>) -> Self {
        let concurrency = options.concurrency.max(1);
        Self(Arc::new(Inner {
            key: new_key(),
            remembered: Cache::new(options.remembered),
            remember: options.remember,
            established: Established::new(options.established, options.remember_origin),
            running: Mutex::default(),
            serial: AtomicU64::new(0),
            queue: Queue::new(concurrency, options.queue),
            backoff: Arc::new(Backoff::new(options.backoff, Arc::clone(&clock))),
            clock,
            looked: AtomicU64::new(0),
            log_busy_at: Mutex::default(),
            proxy_logged: Once::new(),
        }))
    }

    pub(super) async fn verify(
        &self,
        line: Line,
        user: &str,
        password: &str,
        origin: LoginOrigin,
    ) -> Outcome {
        let inner = &self.0;
        inner.log_proxy(origin);
        let origin = origin.network();
        let fingerprint = inner.fingerprint(user, password, &line.hash);
        // As in the older registry, what is beyond this does not count.
        let password = &password.as_bytes()[..password.len().min(BCRYPT_BYTES)];
        let is_established = || inner.established.contains(&fingerprint, origin, inner.clock.uptime());
        let passes = || match WeakSecret::check(password) {
            // No client finds it by guessing, however often guesses are compared with it.
            Ok(()) => is_established(),
            Err(_) => inner.backoff.recheck(user, origin, fingerprint, is_established),
        };
        // Before anything else: what is remembered answers in no time, and must not tell a guesser that a guess was right.
        let wait = inner.backoff.wait(user, origin);
        if let Some(retry_after) = wait
            && !passes()
        {
            return Ok(Verdict::TooManyFailures { retry_after });
        }
        if inner.remembers(&fingerprint) {
            if !is_established() {
                inner.established.add(fingerprint, origin, inner.clock.uptime());
            }
            return Ok(Verdict::Accepted);
        }
        let admit = || match inner.backoff.admit(user, origin, fingerprint) {
            Err(NotAdmitted::Wait(_)) if wait.is_some() || passes() => Ok(None),
            admitted => admitted.map(Some),
        };
        let kind = if is_established() { Kind::Established } else { Kind::Newcomer };
        let job = |attempt, running| Job {
            line,
            password: Zeroizing::new(password.to_vec()),
            attempt,
            running,
            origin,
            kind,
        };
        match inner.join_or_start(fingerprint, admit, job) {
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

    /// Lets no check work until what is returned is dropped.
    pub(super) fn take_turns(&self) -> Vec<super::queue::Turn> {
        self.0.queue.take_all()
    }

    pub(super) fn waiting(&self) -> usize {
        self.0.queue.waiting()
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

    /// The check of this very pair that runs already, or a new one if that is admitted. It does its work when a caller
    /// waits for it, and is given up when none does.
    fn join_or_start(
        self: &Arc<Self>,
        fingerprint: Fingerprint,
        admit: impl FnOnce() -> Result<Option<Attempt>, NotAdmitted>,
        job: impl FnOnce(Option<Attempt>, Running) -> Job,
    ) -> Result<Shared<Check>, NotAdmitted> {
        let mut list = self.running();
        if let Some(check) = list.get(&fingerprint).and_then(|(_, check)| check.upgrade()) {
            return Ok(check);
        }
        // While the list is held: a check leaves it only after its failure was counted, so none is looked at twice.
        let attempt = admit()?;
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        let running = Running { inner: Arc::clone(self), fingerprint, serial };
        let check = job(attempt, running).run().boxed().shared();
        if let Some(weak) = check.downgrade() {
            list.insert(fingerprint, (serial, weak));
        }
        Ok(check)
    }

    /// Warns once that logins come through a proxy that is not named.
    fn log_proxy(&self, origin: LoginOrigin) {
        if origin.forwarded.is_none() {
            return;
        }
        self.proxy_logged.call_once(|| {
            tracing::warn!(
                peer = origin.address.map(tracing::field::display),
                "a login came with X-Forwarded-For, and no proxy is named in http.trustedproxies: failed logins are \
                 counted by this peer and the last address it forwards, and rules and logs see the peer alone or what \
                 any client writes there; name your proxies in http.trustedproxies, or write [] there if you have none"
            );
        });
    }

    /// Warns at most once a minute that logins are refused because too many are waiting.
    fn log_busy(&self, origin: LoginOrigin) {
        let now = self.clock.uptime();
        let mut log_at = self.log_busy_at.lock().unwrap_or_else(PoisonError::into_inner);
        if now >= *log_at {
            *log_at = now + BUSY_LOG_INTERVAL;
            tracing::warn!(
                address = origin.address.map(tracing::field::display),
                "refused a login with 503: too many passwords are waiting to be verified"
            );
        }
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
        let turn = inner.queue.turn(self.origin, self.kind).await.map_err(|Busy| {
            inner.log_busy(self.origin);
            HtpasswdError::Busy
        })?;
        let work = move || {
            let verdict = self.work();
            drop(turn);
            verdict
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| HtpasswdError::Failed)
    }

    fn work(self) -> Verdict {
        let Self { line, password, attempt, running, origin, kind: _ } = self;
        let inner = &running.inner;
        inner.looked.fetch_add(1, Ordering::Relaxed);
        let matches = bcrypt::verify(password.as_slice(), &line.hash).unwrap_or(false);
        if matches && line.can_match {
            attempt.into_iter().for_each(Attempt::succeeded);
            let now = inner.clock.uptime();
            inner.remembered.insert(running.fingerprint, now);
            inner.established.add(running.fingerprint, origin, now);
            Verdict::Accepted
        } else {
            attempt.into_iter().for_each(Attempt::failed);
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
