//! Keys that are somewhere else: when they are fetched, and what counts while they cannot be.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Mutex, MutexGuard};

use super::error::FetchError;
use super::key_set::{KeySet, Origin};
use crate::clock::Clock;

/// Somewhere that a JSON Web Key Set can be had from.
///
/// # Contract
/// - **Bounded.** An answer comes, or an error does, within a time and a size that the source sets itself.
/// - **Drop-safe.** A fetch that is dropped at any await leaves nothing behind.
#[async_trait]
pub trait JwksSource: fmt::Debug + Send + Sync + 'static {
    /// The document as it is now.
    async fn fetch(&self) -> Result<Vec<u8>, FetchError>;
}

/// How often keys are fetched.
#[derive(Debug, Clone, Copy)]
pub struct RefreshOptions {
    /// After this long they are fetched again.
    pub every: Duration,
    /// Nothing makes us fetch more often than this: no token with an unknown key, no failure.
    pub at_most_every: Duration,
}

#[derive(Debug)]
pub(super) struct Remote {
    source: Arc<dyn JwksSource>,
    options: RefreshOptions,
    clock: Arc<dyn Clock>,
    state: RwLock<State>,
    /// Held by who fetches; what it guards is the right to.
    turn: Mutex<()>,
}

#[derive(Debug, Clone, Default)]
struct State {
    keys: Option<Arc<KeySet>>,
    document: Arc<[u8]>,
    fetched: Duration,
    /// When it was last tried, and how that failed if it did.
    tried: Option<Duration>,
    failure: Option<FetchError>,
}

impl Default for RefreshOptions {
    fn default() -> Self {
        Self { every: Duration::from_secs(15 * 60), at_most_every: Duration::from_secs(10) }
    }
}

// === impl Remote ===

impl Remote {
    pub(super) fn new(source: Arc<dyn JwksSource>, options: RefreshOptions, clock: Arc<dyn Clock>) -> Self {
        Self { source, options, clock, state: RwLock::default(), turn: Mutex::new(()) }
    }

    /// The keys. When it is time for new ones, one caller fetches them and the others go on with what there is.
    pub(super) async fn current(&self) -> Result<Arc<KeySet>, FetchError> {
        let state = self.state();
        let Some(keys) = state.keys else { return self.look_again(None).await };
        let old = self.clock.uptime().saturating_sub(state.fetched) >= self.options.every;
        match self.turn.try_lock() {
            Ok(turn) if old && self.may_try() => {
                self.fetch(&turn).await;
                Ok(self.state().keys.unwrap_or(keys))
            }
            _ => Ok(keys),
        }
    }

    /// Others than `known`, if there are; else the same, or how the last try to get others failed.
    pub(super) async fn look_again(&self, known: Option<&Arc<KeySet>>) -> Result<Arc<KeySet>, FetchError> {
        let turn = self.turn.lock().await;
        let others = |keys: &Arc<KeySet>| known.is_none_or(|known| !Arc::ptr_eq(keys, known));
        // Somebody else may have fetched them while we waited.
        let have_others = self.state().keys.as_ref().is_some_and(others);
        if !have_others && self.may_try() {
            self.fetch(&turn).await;
        }
        let State { keys, failure, .. } = self.state();
        match (keys, failure) {
            (Some(keys), failure) if others(&keys) || failure.is_none() => Ok(keys),
            (_, failure) => Err(failure.unwrap_or(FetchError::Later)),
        }
    }

    fn may_try(&self) -> bool {
        let now = self.clock.uptime();
        self.state().tried.is_none_or(|tried| now.saturating_sub(tried) >= self.options.at_most_every)
    }

    async fn fetch(&self, _turn: &MutexGuard<'_, ()>) {
        let now = self.clock.uptime();
        // Before the answer is there: a caller that goes away must not make the next one ask at once.
        self.change(|state| state.tried = Some(now));
        match self.source.fetch().await {
            Ok(document) => self.take(document, now),
            Err(error) => self.fail(error),
        }
    }

    fn take(&self, document: Vec<u8>, now: Duration) {
        if self.state().keys.is_some() && *self.state().document == *document {
            return self.change(|state| (state.fetched, state.failure) = (now, None));
        }
        match KeySet::parse_jwks(&document, Origin::Remote) {
            Ok(keys) => self.change(|state| {
                state.keys = Some(Arc::new(keys));
                (state.document, state.fetched, state.failure) = (document.into(), now, None);
            }),
            Err(error) => self.fail(FetchError::Keys(Arc::new(error))),
        }
    }

    fn fail(&self, error: FetchError) {
        if self.state().failure.is_none() {
            let have_keys = self.state().keys.is_some();
            tracing::error!(
                error = &error as &dyn std::error::Error,
                have_keys,
                "the keys that tokens are checked with cannot be fetched; those known stay in force"
            );
        }
        self.change(|state| state.failure = Some(error));
    }

    fn state(&self) -> State {
        self.state.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.write().unwrap_or_else(PoisonError::into_inner));
    }
}
