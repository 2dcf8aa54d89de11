//! Our own token server: whoever has said who they are, or has not, gets a token for what they may do.
//!
//! A token names its holder and grants a part of what the holder may do at the time; what they may do is looked up again
//! whenever it is shown. This is the protocol of the distribution project's token specification and the part of OAuth 2
//! that clients use; the HTTP around it is the edge's, behind [`TokenIssuer`].

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use quick_cache::sync::Cache;
use serde_json::json;

use crate::authorizer::Refusal;
use crate::caller::{Sender, Token};
use crate::challenge::Challenge;
use crate::clock::Clock;
use crate::htpasswd::Htpasswd;
use crate::secret::Secret;
use crate::watched::{Watched, WatchedError};

mod keys;
mod own;
mod request;
mod scope;
mod secret;
mod service;

pub use keys::{KeyRing, SigningKeyError};
pub use own::TokenOptions;
pub use request::{Claimed, FORM_BYTES, TokenRequest};
pub use secret::WeakSecret;
pub use service::TokenService;

/// How many of our own tokens are remembered that were found right.
const REMEMBERED: usize = 4_096;

/// How long such a token may be; longer ones are verified every time.
const REMEMBERED_BYTES: usize = 4_096;

/// Gives out tokens.
#[async_trait]
pub trait TokenIssuer: fmt::Debug + Send + Sync + 'static {
    /// A token for whoever asks: for what they may do of what they ask for, which can be nothing.
    async fn issue(&self, sender: Sender<'_>, request: TokenRequest) -> Result<IssuedToken, IssueError>;
}

/// A token, fresh.
#[derive(PartialEq, Eq)]
pub struct IssuedToken {
    /// Whose it is; `None` for somebody who gave no name.
    pub holder: Option<Arc<str>>,
    /// The token itself.
    pub token: String,
    /// How long it can be used.
    pub lifetime: Duration,
    /// When it was made.
    pub issued_at: SystemTime,
    /// What can be had another one with, instead of by the password, if it was asked for.
    pub refresh_token: Option<String>,
}

/// Why somebody got no token.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The request is not one.
    #[error("{0}")]
    Malformed(&'static str),
    /// The grant is of a type we do not know.
    #[error("grant_type is password or refresh_token")]
    UnsupportedGrant,
    /// More was asked for than fits in a token.
    #[error("one token can be asked for {most} repositories, not more")]
    TooMuch {
        /// How much.
        most: usize,
    },
    /// The token is to be for somebody else.
    #[error("this registry is the service {ours:?}, not {asked:?}")]
    OtherService {
        /// Who we are.
        ours: String,
        /// Whom the client is looking for.
        asked: String,
    },
    /// Nobody is known by what they gave.
    #[error("wrong name or password")]
    WrongCredentials {
        /// How to say who one is.
        challenge: Challenge,
    },
    /// Nobody has looked at what they gave.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The token could not be written. It is our mistake.
    #[error("could not write a token")]
    Unwritable(#[source] serde_json::Error),
}

/// Our own tokens: how they are made and read.
#[derive(Debug)]
pub struct OwnTokens {
    options: TokenOptions,
    keys: Keys,
    clock: Arc<dyn Clock>,
    /// Tokens that were found to be ours: a client shows one again and again.
    read: Cache<[u8; 32], Arc<Read>>,
}

/// A token that was read.
#[derive(Debug)]
struct Read {
    token: Arc<Token>,
    /// Of the password that its holder had.
    fingerprint: Option<String>,
    /// The key it was verified with; gone, it has to be read again.
    key: Arc<str>,
    until: SystemTime,
}

#[derive(Debug)]
enum Keys {
    Fixed(KeyRing),
    /// On its way from a secret, which takes longer than a start may; `None` if none came of it.
    Derived(Shared<BoxFuture<'static, Option<KeyRing>>>),
    /// A file each; the first one signs.
    Files(Vec<Watched<KeyRing>>),
}

// === impl IssuedToken ===

impl IssuedToken {
    /// What a client is answered. Both names of the token are in use, and some clients read times they do not find as
    /// long past.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut answer = json!({
            "token": self.token,
            "access_token": self.token,
            "expires_in": self.lifetime.as_secs(),
            "issued_at": humantime::format_rfc3339_seconds(self.issued_at).to_string(),
        });
        if let Some(refresh) = &self.refresh_token {
            answer["refresh_token"] = json!(refresh);
        }
        answer.to_string()
    }
}

impl fmt::Debug for IssuedToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("IssuedToken").field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}

// === impl OwnTokens ===

impl OwnTokens {
    /// Tokens signed with keys that stay as they are.
    #[must_use]
    pub fn new(options: TokenOptions, keys: KeyRing, clock: Arc<dyn Clock>) -> Self {
        Self { options, keys: Keys::Fixed(keys), clock, read: Cache::new(REMEMBERED) }
    }

    /// Tokens signed with a key derived from a secret (`http.secret`), the same in every replica. The key is derived beside
    /// what else a start does; until it is there, requests that need it wait.
    ///
    /// # Errors
    /// The secret can be guessed.
    pub fn with_secret(
        options: TokenOptions,
        secret: Secret,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, WeakSecret> {
        WeakSecret::check(secret.expose().as_bytes())?;
        Ok(Self::deriving(options, move || KeyRing::from_secret(secret.expose().as_bytes()), clock))
    }

    /// Runs `derive` on the blocking pool. Where it fails, no token is given out or taken.
    fn deriving(
        options: TokenOptions,
        derive: impl FnOnce() -> Result<KeyRing, SigningKeyError> + Send + 'static,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let deriving = tokio::task::spawn_blocking(derive);
        let keys = async move {
            let failure: Box<dyn std::error::Error + Send + Sync> = match deriving.await {
                Ok(Ok(keys)) => return Some(keys),
                Ok(Err(error)) => error.into(),
                Err(error) => error.into(),
            };
            tracing::error!(
                error = &*failure as &dyn std::error::Error,
                "no signing key: tokens are refused"
            );
            None
        };
        Self { options, keys: Keys::Derived(keys.boxed().shared()), clock, read: Cache::new(REMEMBERED) }
    }

    /// Tokens signed with the key in the first file and verified with those in all, read again when they change.
    ///
    /// # Errors
    /// A file cannot be read, or holds no key.
    pub async fn with_key_files(
        options: TokenOptions,
        files: &[PathBuf],
        clock: Arc<dyn Clock>,
    ) -> Result<Self, WatchedError> {
        let mut keys = Vec::new();
        for file in files {
            let parse = |pem: &[u8]| KeyRing::from_pem(pem).map_err(Into::into);
            keys.push(Watched::open(file, Arc::clone(&clock), parse).await?);
        }
        Ok(Self { options, keys: Keys::Files(keys), clock, read: Cache::new(REMEMBERED) })
    }

    /// For whom the tokens are.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.options.service
    }

    /// What a token of ours says, if it is one, its time is now and its holder's password is the one it was made for.
    pub(crate) async fn read(&self, text: &str, passwords: Option<&Htpasswd>) -> Option<Arc<Token>> {
        let keys = self.keys().await?;
        let read = self.read_with(&keys, text)?;
        if !read.token.subject.is_empty() {
            let stored = passwords?.stored(&read.token.subject).await?;
            let fingerprint = read.fingerprint.as_deref()?;
            if !own::still_stored(&keys, fingerprint, &stored) {
                return None;
            }
        }
        Some(Arc::clone(&read.token))
    }

    fn read_with(&self, keys: &KeyRing, text: &str) -> Option<Arc<Read>> {
        let now = self.clock.now();
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
        if let Some(read) = self.read.get(&fingerprint)
            && now < read.until
            && keys.has(&read.key)
        {
            return Some(read);
        }
        let own::ReadToken { token, fingerprint: of_password, key, until } =
            own::read_access_token(keys, &self.options, now, text)?;
        let read = Arc::new(Read { token: Arc::new(token), fingerprint: of_password, key, until });
        if text.len() <= REMEMBERED_BYTES {
            self.read.insert(fingerprint, Arc::clone(&read));
        }
        Some(read)
    }

    /// The keys in force; `None` if there is none, because none could be derived.
    async fn keys(&self) -> Option<KeyRing> {
        match &self.keys {
            Keys::Fixed(ring) => Some(ring.clone()),
            Keys::Derived(ring) => ring.clone().await,
            Keys::Files(files) => {
                let mut rings = Vec::with_capacity(files.len());
                for file in files {
                    rings.push(KeyRing::clone(&*file.get().await));
                }
                KeyRing::joined(rings)
            }
        }
    }
}

#[cfg(test)]
mod tests;
