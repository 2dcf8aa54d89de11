//! Why a token is not taken, and why keys cannot be had.

use std::sync::Arc;

use super::TOKEN_LIMIT_BYTES;

/// Why a token is not taken. No message repeats any of it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TokenError {
    /// It is no token, or says something nobody can understand.
    #[error("the token is malformed: {0}")]
    Malformed(&'static str),
    /// It is longer than anybody needs.
    #[error("the token, its header or its chain is too large (at most {TOKEN_LIMIT_BYTES} bytes)")]
    TooLarge,
    /// It is signed in a way that is not accepted, or that does not fit the key it names.
    #[error("the token's signature algorithm is not accepted")]
    Algorithm,
    /// It names no key that is trusted.
    #[error("the token is signed with a key that is not trusted")]
    UnknownKey,
    /// It brings certificates that lead to none that is trusted.
    #[error("the token's certificates lead to no trusted one: {0}")]
    Chain(String),
    /// It was not signed with the key it names.
    #[error("the token's signature is wrong")]
    Signature,
    /// It is not in force any more.
    #[error("the token has expired")]
    Expired,
    /// It is not in force yet.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// It is from somebody else.
    #[error("the token is from another issuer")]
    Issuer,
    /// It is for somebody else.
    #[error("the token is for another audience")]
    Audience,
    /// Nobody knows: the keys could not be fetched.
    #[error("the keys that tokens are checked with could not be fetched")]
    KeysUnavailable(#[source] FetchError),
}

/// Why keys could not be fetched from elsewhere.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FetchError {
    /// The URL is none that keys can be fetched from.
    #[error("{url} is no URL to fetch keys from: expected https://… or http://…")]
    Url {
        /// As it was given.
        url: String,
    },
    /// There is no way to check whom one talks to.
    #[error("the system's root certificates cannot be loaded: install ca-certificates or set SSL_CERT_FILE")]
    Roots(#[source] Arc<std::io::Error>),
    /// No answer, or half of one.
    #[error("{url} cannot be fetched")]
    Transport {
        /// From where.
        url: String,
        /// Why.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// An answer that is none.
    #[error("{url} answers {status}, not 200")]
    Status {
        /// From where.
        url: String,
        /// The answer's.
        status: u16,
    },
    /// It takes too long.
    #[error("{url} does not answer in time")]
    Timeout {
        /// From where.
        url: String,
    },
    /// It is too long.
    #[error("{url} answers with more than {limit_bytes} bytes")]
    TooLarge {
        /// From where.
        url: String,
        /// How long it may be.
        limit_bytes: usize,
    },
    /// It was fetched and makes no sense.
    #[error("what was fetched holds no usable keys")]
    Keys(#[source] Arc<KeySetError>),
    /// Nothing has been tried: the last try failed a moment ago.
    #[error("the keys are fetched again in a moment")]
    Later,
}

/// Why there are no keys in a document.
#[derive(Debug, thiserror::Error)]
pub enum KeySetError {
    /// It is not JSON of the form `{"keys": […]}`.
    #[error("not a JSON Web Key Set (RFC 7517): expected an object with `keys`")]
    NotAKeySet(#[source] serde_json::Error),
    /// It is no PEM, or holds something that calls itself a certificate and is none.
    #[error("not a bundle of certificates in PEM: {0}")]
    NotABundle(String),
    /// There is nothing in it that tokens can be checked with.
    #[error("there is no key in it that tokens can be checked with")]
    Empty,
}
