//! The keys that are trusted, by their names.

use std::collections::HashMap;

use super::algorithm::Algorithm;
use super::certificates::Roots;
use super::error::KeySetError;
use super::jwk::{Jwk, JwkSet};
use super::key::{KeyError, VerifyingKey};

/// Keys that tokens are checked with, as they are at one moment.
#[derive(Debug, Default)]
pub struct KeySet {
    keys: Vec<TrustedKey>,
    /// Places in `keys`. Two keys may bear one name: of different kinds, or while one takes over from the other.
    by_id: HashMap<String, Vec<usize>>,
    roots: Roots,
}

#[derive(Debug)]
pub(super) struct TrustedKey {
    pub(super) key: VerifyingKey,
    /// The only one it may be used with, if it says so.
    pub(super) algorithm: Option<Algorithm>,
}

/// Where a key set is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// A file of the operator's.
    File,
    /// Something that others can fetch too, so that a secret in it is none.
    Remote,
}

// === impl KeySet ===

impl KeySet {
    /// These keys, each with a name of its own or with those that follow from the key.
    pub fn new(keys: impl IntoIterator<Item = (Option<String>, VerifyingKey)>) -> Self {
        let mut set = Self::default();
        for (id, key) in keys {
            set.add(id, TrustedKey { key, algorithm: None });
        }
        set
    }

    /// The keys of a JSON Web Key Set in a file of the operator's. Keys that cannot check tokens are left out with a
    /// warning.
    pub fn from_jwks(document: &[u8]) -> Result<Self, KeySetError> {
        Self::parse_jwks(document, Origin::File)
    }

    pub(super) fn parse_jwks(document: &[u8], origin: Origin) -> Result<Self, KeySetError> {
        let document: JwkSet<'_> = serde_json::from_slice(document).map_err(KeySetError::NotAKeySet)?;
        let mut set = Self::default();
        for (number, text) in document.keys.iter().enumerate() {
            let key = serde_json::from_str(text.get()).map_err(|_| KeyError::Malformed("not a JSON Web Key"));
            match key.and_then(|key: Jwk| trusted(&key, origin).map(|trusted| (key.kid, trusted))) {
                Ok((id, Some(key))) => set.add(id, key),
                Ok((_, None)) => {}
                Err(error) => {
                    let number = number + 1;
                    tracing::warn!(number, %error, "a key of a key set is left out: it cannot check tokens");
                }
            }
        }
        if set.keys.is_empty() { Err(KeySetError::Empty) } else { Ok(set) }
    }

    /// The certificates of a bundle in PEM: what they sign is trusted, and what is signed with their keys.
    pub fn from_certificates(pem: &[u8]) -> Result<Self, KeySetError> {
        let roots = Roots::parse(pem)?;
        let mut set = Self::default();
        for (number, spki) in roots.public_keys().enumerate() {
            match VerifyingKey::from_spki(&spki) {
                Ok(key) => set.add(None, TrustedKey { key, algorithm: None }),
                Err(error) => {
                    let number = number + 1;
                    tracing::warn!(number, %error, "a certificate's own key cannot check tokens; what it signs is trusted");
                }
            }
        }
        set.roots = roots;
        Ok(set)
    }

    /// The keys that go by this name.
    pub(super) fn named(&self, id: &str) -> impl Iterator<Item = &TrustedKey> {
        self.by_id.get(id).into_iter().flatten().filter_map(|place| self.keys.get(*place))
    }

    pub(super) fn roots(&self) -> &Roots {
        &self.roots
    }

    /// The names are the one given and all that token servers make of a key.
    fn add(&mut self, id: Option<String>, key: TrustedKey) {
        let place = self.keys.len();
        let derived =
            [Some(key.key.thumbprint()), Some(key.key.unpadded_thumbprint()), key.key.libtrust_id()];
        for id in id.into_iter().chain(derived.into_iter().flatten()) {
            let places = self.by_id.entry(id).or_default();
            if !places.contains(&place) {
                places.push(place);
            }
        }
        self.keys.push(key);
    }
}

/// The key, unless it is for something else than signatures.
fn trusted(jwk: &Jwk, origin: Origin) -> Result<Option<TrustedKey>, KeyError> {
    if !jwk.is_for_signatures() {
        return Ok(None);
    }
    if jwk.is_secret() && origin == Origin::Remote {
        return Err(KeyError::Unsupported);
    }
    Ok(Some(TrustedKey { key: jwk.key()?, algorithm: jwk.algorithm()? }))
}
