//! Names and passwords from a file, as Apache's `htpasswd -B` writes it.
//!
//! What is here: when a password is right. Not here: what its owner may do, and how either came with a request.
//!
//! bcrypt is slow by design (50 ms and more), and clients send the password with every request. So a pair that was
//! found right is remembered for some minutes, under a keyed hash of it and of the line it was found right against: a
//! changed line counts at once. A client that sends many wrong ones has to wait; one that comes again from the same address
//! is known by the same kind of hash, is refused without being verified, and counts as one. A password that was right before
//! passes where it was right although its user has to wait, so that guesses from there do not lock its owner out: one that
//! cannot be guessed always, another while guesses come no faster than a rate, since passing tells a guesser that it is right.

mod checks;
mod create;
mod established;
mod queue;
mod users;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::backoff::BackoffOptions;
use crate::clock::Clock;
use crate::login_origin::LoginOrigin;
use crate::secret::Secret;
use crate::watched::{Watched, WatchedError};
use checks::Checks;
use users::Users;

pub use create::CreateError;
pub use queue::QueueOptions;
pub use users::LineError;

/// A file of names and passwords.
#[derive(Debug)]
pub struct Htpasswd {
    users: Watched<Users>,
    checks: Checks,
}

/// How much may be done at once, and for how long it counts.
#[derive(Debug, Clone)]
pub struct HtpasswdOptions {
    /// How many passwords are looked at at once; each takes a processor for as long.
    pub concurrency: usize,
    /// How many more may wait for their turn; beyond that the answer is [`HtpasswdError::Busy`].
    pub queue: QueueOptions,
    /// How long a password that was found right is taken without another look.
    pub remember: Duration,
    /// How long it passes from the address where it was right although its user has to wait there. It is verified again.
    pub remember_origin: Duration,
    /// How many passwords are remembered that were found right.
    pub remembered: usize,
    /// How many passwords are remembered with the addresses where they were right.
    pub established: usize,
    /// What wrong passwords lead to.
    pub backoff: BackoffOptions,
}

/// What comes of a name and a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// They belong together.
    Accepted,
    /// They do not, or there is no such name.
    Refused,
    /// Nobody has looked: there were too many wrong ones for this name from this address.
    TooManyFailures {
        /// When it may be tried again.
        retry_after: Duration,
    },
}

/// Why nothing can be said of a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HtpasswdError {
    /// There is no place in the queue, or none for this address.
    #[error("too many passwords are waiting to be checked")]
    Busy,
    /// The check came to no end.
    #[error("the check of a password broke off")]
    Failed,
}

impl Default for HtpasswdOptions {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            // Somebody has to go on with everything else.
            concurrency: (processors / 2).max(1),
            queue: QueueOptions::default(),
            remember: Duration::from_secs(5 * 60),
            remember_origin: Duration::from_hours(24),
            remembered: 4_096,
            established: 1_024,
            backoff: BackoffOptions::default(),
        }
    }
}

// === impl Htpasswd ===

impl Htpasswd {
    /// Reads the file. It is an error if it is missing: see [`Htpasswd::create`].
    pub async fn open(
        path: impl Into<PathBuf>,
        options: &HtpasswdOptions,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, WatchedError> {
        let parse = |bytes: &[u8]| Ok(Users::parse(bytes)?);
        let users = Watched::open(path, Arc::clone(&clock), parse).await?;
        Ok(Self { users, checks: Checks::new(options, clock) })
    }

    /// Makes a file that is missing, with the user `docker` and a password that nobody knows, and gives the password:
    /// to be shown to the operator once and to be kept nowhere.
    pub async fn create(path: impl Into<PathBuf>) -> Result<Secret, CreateError> {
        create::create(path.into()).await
    }

    /// Whether `password` is `user`'s, in a login that comes from `origin`.
    pub async fn verify(
        &self,
        user: &str,
        password: &str,
        origin: impl Into<LoginOrigin>,
    ) -> Result<Verdict, HtpasswdError> {
        let origin = origin.into();
        let users = self.users.get().await;
        self.checks.verify(users.line(user), user, password, origin).await
    }

    /// What the user's password is stored as, if anything could match it: for what is to end with the password.
    pub(crate) async fn stored(&self, user: &str) -> Option<Arc<str>> {
        let line = self.users.get().await.line(user);
        line.can_match.then_some(line.hash)
    }
}

#[cfg(test)]
mod tests;
