//! Tokens: JSON Web Tokens (RFC 7519) in compact form, as the distribution project's token protocol uses them.
//!
//! What is here: whether a token is from somebody trusted, for us, and in force, and what it grants. Not here: whether
//! that is enough for what a request wants, and how tokens are made.

mod algorithm;
mod certificates;
mod claims;
mod compact;
mod error;
mod fetch;
mod jwk;
mod key;
mod key_set;
mod names;
mod remote;
mod trusted;
mod verifier;

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use error::{FetchError, KeySetError, TokenError};
pub use fetch::HttpJwks;
pub use key::{KeyError, VerifyingKey};
pub use key_set::KeySet;
pub use remote::{JwksSource, RefreshOptions};
pub use trusted::TrustedKeys;
pub use verifier::{TokenRules, TokenVerifier};

/// The longest token that is looked at. Clients that ask for many repositories at once get long ones.
pub const TOKEN_LIMIT_BYTES: usize = 64 * 1024;

/// The longest header of a token, decoded: a chain of certificates fits.
pub const TOKEN_HEADER_LIMIT_BYTES: usize = 24 * 1024;

/// How many certificates a token may bring.
pub const TOKEN_CHAIN_LIMIT: usize = 8;

#[cfg(test)]
mod tests;
