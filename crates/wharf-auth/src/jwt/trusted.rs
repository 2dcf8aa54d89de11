//! Where trusted keys come from.

use std::path::PathBuf;
use std::sync::Arc;

use super::error::FetchError;
use super::key_set::KeySet;
use super::remote::{JwksSource, RefreshOptions, Remote};
use crate::clock::Clock;
use crate::watched::{Watched, WatchedError};

/// Keys that are trusted, from one place; they may change while we run.
#[derive(Debug)]
pub struct TrustedKeys(Source);

#[derive(Debug)]
enum Source {
    Fixed(Arc<KeySet>),
    File(Watched<KeySet>),
    Remote(Box<Remote>),
}

// === impl TrustedKeys ===

impl TrustedKeys {
    /// Keys that do not change.
    #[must_use]
    pub fn fixed(keys: KeySet) -> Self {
        Self(Source::Fixed(Arc::new(keys)))
    }

    /// The certificates in a file (`rootcertbundle`), read again when it changes.
    pub async fn certificates(path: impl Into<PathBuf>, clock: Arc<dyn Clock>) -> Result<Self, WatchedError> {
        let parse = |bytes: &[u8]| Ok(KeySet::from_certificates(bytes)?);
        Watched::open(path, clock, parse).await.map(Source::File).map(Self)
    }

    /// The keys in a file (`jwks`), read again when it changes.
    pub async fn jwks_file(path: impl Into<PathBuf>, clock: Arc<dyn Clock>) -> Result<Self, WatchedError> {
        let parse = |bytes: &[u8]| Ok(KeySet::from_jwks(bytes)?);
        Watched::open(path, clock, parse).await.map(Source::File).map(Self)
    }

    /// Keys that are fetched, first when the first token comes: a key server that is down keeps no registry from
    /// starting.
    #[must_use]
    pub fn fetched(source: Arc<dyn JwksSource>, options: RefreshOptions, clock: Arc<dyn Clock>) -> Self {
        Self(Source::Remote(Box::new(Remote::new(source, options, clock))))
    }

    /// The keys as they are now.
    pub(super) async fn current(&self) -> Result<Arc<KeySet>, FetchError> {
        match &self.0 {
            Source::Fixed(keys) => Ok(Arc::clone(keys)),
            Source::File(file) => Ok(file.get().await),
            Source::Remote(remote) => remote.current().await,
        }
    }

    /// Looks whether there are others than `known` by now, for somebody who has found no key in them.
    pub(super) async fn look_again(&self, known: Option<&Arc<KeySet>>) -> Result<Arc<KeySet>, FetchError> {
        match &self.0 {
            Source::Fixed(keys) => Ok(Arc::clone(keys)),
            Source::File(file) => Ok(file.get().await),
            Source::Remote(remote) => remote.look_again(known).await,
        }
    }
}
