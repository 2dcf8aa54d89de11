//! A connection to a Redis that may be away: asked only while it answers, and tried again every few seconds.
//!
//! Nobody waits for it for longer than a command may take, and while it is away nobody waits at all: a connection is made
//! in the background, and until there is one every question is unanswered.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, ErrorKind, FromRedisValue, RedisError};
use tokio::time::{Instant, timeout};

/// How long Redis is left alone after it has failed. A few seconds without a cache hurt nobody, and an attempt every few
/// seconds does not either.
const PAUSE: Duration = Duration::from_secs(3);

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Making a connection, with everything that is said before the first question.
    pub(super) dial: Duration,
    /// A question and its answer.
    pub(super) command: Duration,
}

/// One connection for everybody: questions are sent one after the other without waiting for answers.
pub(super) struct Link {
    client: Client,
    limits: Limits,
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    state: State,
    /// Whether the log says that Redis is away, so that it is told once.
    told_away: bool,
    /// Whether the log says that Redis refuses what it is asked.
    told_refusing: bool,
}

enum State {
    /// Nobody has asked yet, or it failed and may be tried again from `from` on.
    Away { from: Option<Instant> },
    /// Somebody is making a connection.
    Dialing,
    /// `number` tells this connection from those before it.
    Open { connection: MultiplexedConnection, number: u64 },
}

/// An attempt to connect.
struct Dial(Arc<Mutex<Shared>>);

impl Drop for Dial {
    /// An attempt that panicked has failed: without this none would ever be made again.
    fn drop(&mut self) {
        if std::thread::panicking() {
            lock(&self.0).away("the attempt to connect panicked");
        }
    }
}

// === impl Link ===

impl Link {
    pub(super) fn new(client: Client, limits: Limits) -> Self {
        let shared = Shared { state: State::Away { from: None }, told_away: false, told_refusing: false };
        Self { client, limits, shared: Arc::new(Mutex::new(shared)) }
    }

    /// The answer to a question; `None` if there is none now.
    pub(super) async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Option<T> {
        let (mut connection, number) = self.connection()?;
        let answer = timeout(self.limits.command, command.query_async::<T>(&mut connection)).await;
        let error = match answer {
            Ok(Ok(answer)) => return Some(answer),
            Ok(Err(error)) if is_answer(&error) => {
                self.refused(&error);
                return None;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {:?}", self.limits.command),
        };
        lock(&self.shared).lost(number, &error);
        None
    }

    /// The connection, if there is one; if it is time to make one, that is begun.
    fn connection(&self) -> Option<(MultiplexedConnection, u64)> {
        let mut shared = lock(&self.shared);
        match &shared.state {
            State::Open { connection, number } => return Some((connection.clone(), *number)),
            State::Dialing => {}
            State::Away { from } if from.is_some_and(|from| Instant::now() < from) => {}
            State::Away { .. } => {
                shared.state = State::Dialing;
                self.dial();
            }
        }
        None
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "it publishes nothing and ends by itself within the dial timeout; no stop need wait for it"
    )]
    fn dial(&self) {
        let (client, limits, shared) = (self.client.clone(), self.limits, Arc::clone(&self.shared));
        tokio::spawn(async move {
            let _unfinished = Dial(Arc::clone(&shared));
            let config = AsyncConnectionConfig::new()
                .set_connection_timeout(Some(limits.dial))
                .set_response_timeout(Some(limits.command));
            let made =
                timeout(limits.dial, client.get_multiplexed_async_connection_with_config(&config)).await;
            match made {
                Ok(Ok(connection)) => lock(&shared).found(connection),
                Ok(Err(error)) => lock(&shared).away(&error.to_string()),
                Err(_) => lock(&shared).away(&format!("no connection within {:?}", limits.dial)),
            }
        });
    }

    fn refused(&self, error: &RedisError) {
        if !std::mem::replace(&mut lock(&self.shared).told_refusing, true) {
            tracing::warn!(
                error = error as &dyn std::error::Error,
                "Redis refuses what the descriptor cache asks; without its answer blobs are looked at in the store"
            );
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match lock(&self.shared).state {
            State::Away { .. } => "away",
            State::Dialing => "dialing",
            State::Open { .. } => "open",
        };
        f.debug_struct("Link").field("limits", &self.limits).field("state", &state).finish_non_exhaustive()
    }
}

// === impl Shared ===

impl Shared {
    fn found(&mut self, connection: MultiplexedConnection) {
        self.state = State::Open { connection, number: next_number() };
        if std::mem::take(&mut self.told_away) {
            tracing::info!("Redis answers again; the descriptor cache is used");
        }
    }

    /// The connection of this number is no good; a newer one may be there already.
    fn lost(&mut self, number: u64, error: &str) {
        if matches!(self.state, State::Open { number: current, .. } if current == number) {
            self.away(error);
        }
    }

    fn away(&mut self, error: &str) {
        self.state = State::Away { from: Some(Instant::now() + PAUSE) };
        self.told_refusing = false;
        if !std::mem::replace(&mut self.told_away, true) {
            tracing::warn!(
                error,
                "Redis does not answer; until it does, blobs are looked at in the store, and Redis is tried every {PAUSE:?}"
            );
        }
    }
}

/// Whether Redis itself said no, as it does while it loads or when its memory is full: it is there, and will be asked
/// again.
fn is_answer(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension | ErrorKind::UnexpectedReturnType)
}

fn next_number() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// No code panics while it holds the lock.
fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    #[tokio::test]
    async fn an_attempt_to_connect_that_panics_is_followed_by_another() {
        let state = State::Dialing;
        let shared = Arc::new(Mutex::new(Shared { state, told_away: false, told_refusing: false }));
        let attempt = Arc::clone(&shared);
        let panicked = catch_unwind(std::panic::AssertUnwindSafe(move || {
            let _unfinished = Dial(attempt);
            panic!("in the client of Redis");
        }));
        assert!(panicked.is_err());
        assert!(matches!(lock(&shared).state, State::Away { from: Some(_) }));
    }
}
