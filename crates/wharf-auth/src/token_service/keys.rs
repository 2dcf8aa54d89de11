//! The keys that sign our own tokens, and the signing itself (RFC 7515, RFC 8037: Ed25519).
//!
//! The first key of a ring signs; all of them verify, so that a new key can be put first while tokens of the old one
//! are still about. What a token says is the caller's business.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use aws_lc_rs::encoding::AsBigEndian;
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::pbkdf2::{self, PBKDF2_HMAC_SHA256};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, ParsedPublicKey};
use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::secret::WeakSecret;

/// How long the seed of a key is.
const SEED_BYTES: usize = 32;

/// What parts the keys derived here from all others that somebody may derive from the same secret.
const PURPOSE: &[u8] = b"wharf token service, version 2";

/// How many rounds of PBKDF2 stretch a secret: a guess costs tens of milliseconds. Not more, since a start on a tenth of a
/// processor pays for them too, and a secret that is accepted has 32 bytes. The salt is [`PURPOSE`] alone, since every
/// replica has to find the same key.
const STRETCHING: NonZeroU32 = NonZeroU32::new(100_000).expect("it is not zero");

/// The keys of a token service; the first one signs. Never empty.
#[derive(Debug, Clone)]
pub struct KeyRing {
    keys: Vec<Arc<Key>>,
    /// Whether another process, and this one after a restart, has the same.
    lasting: bool,
}

/// One key.
struct Key {
    pair: Ed25519KeyPair,
    public: ParsedPublicKey,
    /// Part of the thumbprint of the public key (`kid`).
    id: Arc<str>,
    /// For the fingerprints of passwords that refresh tokens hold.
    fingerprints: hmac::Key,
}

/// Why there is no such key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SigningKeyError {
    /// The text is no private key.
    #[error("expected an Ed25519 private key in PEM, as `openssl genpkey -algorithm ed25519` writes it")]
    NotAKey,
    /// The secret can be guessed.
    #[error(transparent)]
    Weak(#[from] WeakSecret),
    /// The machine gives no random numbers, or the library refuses to work.
    #[error("the cryptographic library failed")]
    Library,
}

// === impl KeyRing ===

impl KeyRing {
    /// Keys that die with the process.
    ///
    /// # Errors
    /// The machine gives no random numbers.
    pub fn random() -> Result<Self, SigningKeyError> {
        let mut seed = [0; SEED_BYTES];
        SystemRandom::new().fill(&mut seed).map_err(|_| SigningKeyError::Library)?;
        Ok(Self { keys: vec![Arc::new(Key::from_seed(&seed)?)], lasting: false })
    }

    /// The key that every replica derives from the secret (`http.secret`). It blocks for tens of
    /// milliseconds.
    ///
    /// # Errors
    /// The secret can be guessed, or the library refuses to work.
    pub fn from_secret(secret: &[u8]) -> Result<Self, SigningKeyError> {
        WeakSecret::check(secret)?;
        let mut stretched = Zeroizing::new([0; SEED_BYTES]);
        pbkdf2::derive(PBKDF2_HMAC_SHA256, STRETCHING, PURPOSE, secret, &mut *stretched);
        let key = Key::from_seed(&derived(&*stretched, b"signing key")?)?;
        Ok(Self { keys: vec![Arc::new(key)], lasting: true })
    }

    /// The key in the text of a PEM file.
    ///
    /// # Errors
    /// The text is no such key.
    pub fn from_pem(pem: &[u8]) -> Result<Self, SigningKeyError> {
        Ok(Self { keys: vec![Arc::new(Key::from_pem(pem)?)], lasting: true })
    }

    /// The keys of all rings in their order, if there is a first one.
    pub(super) fn joined(rings: impl IntoIterator<Item = Self>) -> Option<Self> {
        rings.into_iter().reduce(|mut all, ring| {
            all.keys.extend(ring.keys);
            all
        })
    }

    /// Whether what is signed now can be verified after a restart.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        self.lasting
    }

    /// A token with these claims. `kind` is its `typ`, which keeps one kind from being taken for another.
    pub(crate) fn sign(&self, kind: &str, claims: &impl Serialize) -> Result<String, serde_json::Error> {
        let key = &self.keys[0];
        let header = json!({ "alg": "EdDSA", "kid": *key.id, "typ": kind }).to_string();
        let claims = serde_json::to_vec(claims)?;
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = key.pair.sign(message.as_bytes());
        Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// Whether this is a key of ours.
    pub(super) fn has(&self, id: &str) -> bool {
        self.keys.iter().any(|key| *key.id == *id)
    }

    /// The claims of a token that one of our keys has signed, of this kind, and which key; `None` for anything else.
    pub(super) fn verify<T: DeserializeOwned>(&self, kind: &str, token: &str) -> Option<(T, Arc<str>)> {
        let (message, signature) = token.rsplit_once('.')?;
        let (header, claims) = message.split_once('.')?;
        let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
        if header["alg"] != "EdDSA" || header["typ"] != kind {
            return None;
        }
        let key = self.keys.iter().find(|key| header["kid"] == *key.id)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        key.public.verify_sig(message.as_bytes(), &signature).ok()?;
        let claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
        Some((claims, Arc::clone(&key.id)))
    }

    /// The first key as somebody else would trust it: its id, and the key.
    #[cfg(test)]
    pub(crate) fn public(&self) -> (String, Vec<u8>) {
        (self.keys[0].id.to_string(), self.keys[0].pair.public_key().as_ref().to_vec())
    }

    /// What tells whether a stored password is still the same, without telling anything of it. One for each key: that
    /// of the first is to be written down, any of them is to be believed.
    pub(super) fn fingerprints(&self, stored: &str) -> impl Iterator<Item = String> {
        self.keys.iter().map(move |key| {
            let tag = hmac::sign(&key.fingerprints, stored.as_bytes());
            URL_SAFE_NO_PAD.encode(&tag.as_ref()[..16])
        })
    }
}

// === impl Key ===

impl Key {
    fn from_seed(seed: &[u8; SEED_BYTES]) -> Result<Self, SigningKeyError> {
        Self::new(Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| SigningKeyError::Library)?)
    }

    fn from_pem(pem: &[u8]) -> Result<Self, SigningKeyError> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem).map_err(|_| SigningKeyError::NotAKey)?;
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der());
        Self::new(pair.map_err(|_| SigningKeyError::NotAKey)?)
    }

    fn new(pair: Ed25519KeyPair) -> Result<Self, SigningKeyError> {
        let public = pair.public_key().as_ref().to_vec();
        let thumbprint = digest::digest(&digest::SHA256, &public);
        let seed = pair.seed().map_err(|_| SigningKeyError::Library)?;
        let seed = seed.as_be_bytes().map_err(|_| SigningKeyError::Library)?;
        let fingerprints = hmac::Key::new(hmac::HMAC_SHA256, &derived(seed.as_ref(), b"fingerprints")?);
        Ok(Self {
            public: ParsedPublicKey::new(&ED25519, &public).map_err(|_| SigningKeyError::Library)?,
            id: URL_SAFE_NO_PAD.encode(&thumbprint.as_ref()[..12]).into(),
            pair,
            fingerprints,
        })
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Key").field(&self.id).finish()
    }
}

/// How long the output of HKDF is to be.
struct Length;

impl KeyType for Length {
    fn len(&self) -> usize {
        SEED_BYTES
    }
}

fn derived(secret: &[u8], what_for: &[u8]) -> Result<[u8; SEED_BYTES], SigningKeyError> {
    let mut seed = [0; SEED_BYTES];
    Salt::new(HKDF_SHA256, PURPOSE)
        .extract(secret)
        .expand(&[what_for], Length)
        .and_then(|output| output.fill(&mut seed))
        .map_err(|_| SigningKeyError::Library)?;
    Ok(seed)
}

/// A new key as a file holds it.
#[cfg(test)]
pub(super) fn new_pem() -> String {
    let der = Ed25519KeyPair::generate().unwrap().to_pkcs8v1().unwrap();
    let base64 = base64::engine::general_purpose::STANDARD.encode(der.as_ref());
    format!("-----BEGIN PRIVATE KEY-----\n{base64}\n-----END PRIVATE KEY-----\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: &str = "JWT";
    const SECRET: &[u8] = b"b4c1f0a2d9e877365be0c3f1a2967d48c";

    fn claims() -> Value {
        json!({ "sub": "alice" })
    }

    fn ring(pems: &[&str]) -> KeyRing {
        KeyRing::joined(pems.iter().map(|pem| KeyRing::from_pem(pem.as_bytes()).unwrap())).unwrap()
    }

    #[test]
    fn replicas_with_one_secret_verify_each_others_tokens_and_no_others() {
        let token = KeyRing::from_secret(SECRET).unwrap().sign(KIND, &claims()).unwrap();
        let read = |ring: &KeyRing| ring.verify::<Value>(KIND, &token).map(|(claims, _key)| claims);

        assert_eq!(read(&KeyRing::from_secret(SECRET).unwrap()), Some(claims()));
        assert_eq!(read(&KeyRing::from_secret(&SECRET[1..]).unwrap()), None);
        assert_eq!(read(&KeyRing::random().unwrap()), None);
    }

    /// Another id means that the derivation has changed: then no replica takes the tokens of another version.
    #[test]
    fn the_key_of_a_secret_stays_the_same() {
        assert_eq!(KeyRing::from_secret(SECRET).unwrap().public().0, "HITKwqxUHrjjb-05");
    }

    #[test]
    fn a_secret_that_can_be_guessed_makes_no_key() {
        for secret in [&b"asecretforlocaldevelopment"[..], b"0123456789abcdef0123456789abcdef"] {
            assert!(matches!(KeyRing::from_secret(secret), Err(SigningKeyError::Weak(_))));
        }
    }

    #[test]
    fn a_new_key_signs_and_the_old_one_still_verifies() {
        let (old, new) = (new_pem(), new_pem());
        let before = ring(&[&old]);
        let during = ring(&[&new, &old]);
        let after = ring(&[&new]);
        let (old, new) = (before.sign(KIND, &claims()).unwrap(), during.sign(KIND, &claims()).unwrap());
        let reads = |ring: &KeyRing, token: &str| ring.verify::<Value>(KIND, token).is_some();

        assert_eq!([reads(&before, &old), reads(&during, &old), reads(&after, &old)], [true, true, false]);
        assert_eq!([reads(&before, &new), reads(&during, &new), reads(&after, &new)], [false, true, true]);
    }

    #[test]
    fn a_token_that_was_touched_is_none() {
        let ring = KeyRing::random().unwrap();
        let token = ring.sign(KIND, &claims()).unwrap();
        assert!(
            ring.verify::<Value>(KIND, &token).is_some_and(|(read, key)| read == claims() && ring.has(&key))
        );
        assert_eq!(ring.verify::<Value>("refresh+JWT", &token), None, "another kind");

        let parts: Vec<&str> = token.split('.').collect();
        let unsigned = URL_SAFE_NO_PAD.encode(json!({ "alg": "none", "typ": KIND }).to_string());
        let other = URL_SAFE_NO_PAD.encode(json!({ "sub": "bob" }).to_string());
        let broken = [
            String::new(),
            "..".to_owned(),
            "a.b.c".to_owned(),
            format!("{}.{}.", parts[0], parts[1]),
            format!("{unsigned}.{}.", parts[1]),
            format!("{unsigned}.{}.{}", parts[1], parts[2]),
            format!("{}.{other}.{}", parts[0], parts[2]),
            format!("{token}A"),
            format!("{token}.{}", parts[2]),
        ];
        for token in broken {
            assert_eq!(ring.verify::<Value>(KIND, &token), None, "{token}");
        }
    }

    #[test]
    fn what_is_no_key_is_an_error_and_shows_nothing() {
        for text in ["", "secret", "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"] {
            assert_eq!(KeyRing::from_pem(text.as_bytes()).unwrap_err(), SigningKeyError::NotAKey, "{text}");
        }
        let shown = format!("{:?}", KeyRing::from_secret(SECRET).unwrap());
        assert!(!shown.contains("b4c1"), "{shown}");
    }

    #[test]
    fn fingerprints_follow_the_key_and_the_password() {
        let (new, old) = (new_pem(), new_pem());
        let both = ring(&[&new, &old]);
        let old = ring(&[&old]);
        let of = |ring: &KeyRing, stored| ring.fingerprints(stored).collect::<Vec<_>>();
        assert_eq!(of(&both, "hash")[1], of(&old, "hash")[0]);
        assert_ne!(of(&old, "hash"), of(&old, "other"));
    }
}
