//! Tokens that are believed and tokens that are not: what the tests have in common.

mod certificates;
mod claims;
mod fetching;
mod forms;
mod keys;
mod remembering;
mod signatures;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::*;
use crate::clock::Clock;
use crate::clock::manual::ManualClock;

const ISSUER: &str = "auth.example.com";
const AUDIENCE: &str = "registry.example.com";

/// Somebody who gives out tokens.
struct Issuer {
    pair: Pair,
    key: VerifyingKey,
}

enum Pair {
    Ec(EcdsaKeyPair, Algorithm),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
    Secret(Vec<u8>),
}

// === impl Issuer ===

impl Issuer {
    fn p256() -> Self {
        Self::with(Algorithm::Es256)
    }

    /// One whose keys are of the kind that `algorithm` wants.
    fn with(algorithm: Algorithm) -> Self {
        use Algorithm as A;
        let pair = match algorithm {
            A::Es256 | A::Es384 | A::Es512 => {
                Pair::Ec(EcdsaKeyPair::generate(ecdsa(algorithm)).unwrap(), algorithm)
            }
            A::EdDsa => Pair::Ed25519(Ed25519KeyPair::generate().unwrap()),
            A::Rs256 | A::Rs384 | A::Rs512 | A::Ps256 | A::Ps384 | A::Ps512 => {
                Pair::Rsa(rsa_pair(Whose::Ours))
            }
            A::Hs256 | A::Hs384 | A::Hs512 => Pair::Secret(vec![7; 64]),
        };
        Self::of(pair)
    }

    /// Somebody else with such a key.
    fn stranger(algorithm: Algorithm) -> Self {
        let ours = Self::with(algorithm);
        match ours.pair {
            Pair::Rsa(_) => Self::of(Pair::Rsa(rsa_pair(Whose::Theirs))),
            _ => ours,
        }
    }

    /// Of a key that something else has made.
    fn from_pkcs8(pkcs8: &[u8]) -> Self {
        let pair = EcdsaKeyPair::from_pkcs8(ecdsa(Algorithm::Es256), pkcs8).unwrap();
        Self::of(Pair::Ec(pair, Algorithm::Es256))
    }

    fn of(pair: Pair) -> Self {
        let spki = |der: PublicKeyX509Der<'_>| VerifyingKey::from_spki(der.as_ref()).unwrap();
        let key = match &pair {
            Pair::Ec(pair, _) => spki(pair.public_key().as_der().unwrap()),
            Pair::Ed25519(pair) => spki(pair.public_key().as_der().unwrap()),
            Pair::Rsa(pair) => spki(pair.public_key().as_der().unwrap()),
            Pair::Secret(secret) => VerifyingKey::secret(secret).unwrap(),
        };
        Self { pair, key }
    }

    fn algorithm(&self) -> Algorithm {
        match &self.pair {
            Pair::Ec(_, algorithm) => *algorithm,
            Pair::Ed25519(_) => Algorithm::EdDsa,
            Pair::Rsa(_) => Algorithm::Rs256,
            Pair::Secret(_) => Algorithm::Hs256,
        }
    }

    fn keys(&self) -> KeySet {
        KeySet::new([(None, self.key.clone())])
    }

    /// A token under the key's own name.
    fn token(&self, claims: &Value) -> String {
        self.token_with(&json!({"alg": self.algorithm().as_str(), "kid": self.key.thumbprint()}), claims)
    }

    fn token_with(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", part(header), part(claims));
        let algorithm = header["alg"].as_str().and_then(|name| name.parse().ok()).unwrap_or(self.algorithm());
        let signature = self.sign(algorithm, message.as_bytes());
        format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }

    fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Vec<u8> {
        match &self.pair {
            Pair::Ec(pair, _) => pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec(),
            Pair::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(rsa(algorithm), &SystemRandom::new(), message, &mut signature).unwrap();
                signature
            }
            Pair::Secret(secret) => mac(algorithm, secret, message),
        }
    }
}

#[derive(Clone, Copy)]
enum Whose {
    Ours,
    Theirs,
}

/// RSA keys take long to make: there are two of them for all tests.
fn rsa_pair(whose: Whose) -> RsaKeyPair {
    static PAIRS: OnceLock<[Vec<u8>; 2]> = OnceLock::new();
    let make = |_| {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).unwrap().as_ref().to_vec()
    };
    RsaKeyPair::from_pkcs8(&PAIRS.get_or_init(|| [0, 1].map(make))[whose as usize]).unwrap()
}

fn ecdsa(algorithm: Algorithm) -> &'static signature::EcdsaSigningAlgorithm {
    match algorithm {
        Algorithm::Es384 => &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
        Algorithm::Es512 => &signature::ECDSA_P521_SHA512_FIXED_SIGNING,
        _ => &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
    }
}

fn rsa(algorithm: Algorithm) -> &'static dyn signature::RsaEncoding {
    match algorithm {
        Algorithm::Rs384 => &signature::RSA_PKCS1_SHA384,
        Algorithm::Rs512 => &signature::RSA_PKCS1_SHA512,
        Algorithm::Ps256 => &signature::RSA_PSS_SHA256,
        Algorithm::Ps384 => &signature::RSA_PSS_SHA384,
        Algorithm::Ps512 => &signature::RSA_PSS_SHA512,
        _ => &signature::RSA_PKCS1_SHA256,
    }
}

fn mac(algorithm: Algorithm, secret: &[u8], message: &[u8]) -> Vec<u8> {
    let hash = match algorithm {
        Algorithm::Hs384 => hmac::HMAC_SHA384,
        Algorithm::Hs512 => hmac::HMAC_SHA512,
        _ => hmac::HMAC_SHA256,
    };
    hmac::sign(&hmac::Key::new(hash, secret), message).as_ref().to_vec()
}

fn part(value: &Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(value.to_string())
}

fn seconds(clock: &ManualClock) -> u64 {
    clock.now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

/// Claims that are in order, for five minutes.
fn claims(clock: &ManualClock) -> Value {
    let now = seconds(clock);
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "iat": now, "nbf": now, "exp": now + 300,
        "access": [{"type": "repository", "name": "acme/app", "actions": ["pull", "push"]}],
    })
}

/// The same with one of them changed; `null` takes it away.
fn claims_but(clock: &ManualClock, name: &str, value: Value) -> Value {
    let mut claims = claims(clock);
    match value {
        Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
        value => claims[name] = value,
    }
    claims
}

fn verifier(trusted: Vec<TrustedKeys>, clock: &ManualClock) -> TokenVerifier {
    TokenVerifier::new(TokenRules::new(ISSUER, AUDIENCE), trusted, Arc::new(clock.clone()))
}

fn believing(keys: KeySet, clock: &ManualClock) -> TokenVerifier {
    verifier(vec![TrustedKeys::fixed(keys)], clock)
}

/// The public members of a key, as a set of keys has them.
fn jwk(issuer: &Issuer, id: &str) -> Value {
    let text = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    match &issuer.pair {
        Pair::Ec(pair, algorithm) => {
            let point = &pair.public_key().as_ref()[1..];
            let (x, y) = point.split_at(point.len() / 2);
            let curve = match algorithm {
                Algorithm::Es384 => "P-384",
                Algorithm::Es512 => "P-521",
                _ => "P-256",
            };
            json!({"kty": "EC", "kid": id, "crv": curve, "x": text(x), "y": text(y)})
        }
        Pair::Ed25519(pair) => {
            json!({"kty": "OKP", "kid": id, "crv": "Ed25519", "x": text(pair.public_key().as_ref())})
        }
        Pair::Rsa(_) => {
            let key::Kind::Rsa { modulus, exponent } = &issuer.key.0 else { panic!("not an RSA key") };
            json!({"kty": "RSA", "kid": id, "n": text(modulus), "e": text(exponent)})
        }
        Pair::Secret(secret) => json!({"kty": "oct", "kid": id, "k": text(secret)}),
    }
}

fn jwks(keys: &[(&Issuer, &str)]) -> String {
    let keys: Vec<Value> = keys.iter().map(|(issuer, id)| jwk(issuer, id)).collect();
    json!({ "keys": keys }).to_string()
}
