//! What callers show: lines of a password file, headers, and tokens of a server that is not ours.
//!
//! Tokens are put together here from the specifications and not by the code that reads them.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// As cheap as a bcrypt hash can be.
pub const CHEAP: u32 = 4;

/// A line of an htpasswd file; each step of `cost` doubles the time it takes to check it.
pub fn htpasswd_line(user: &str, password: &str, cost: u32) -> String {
    format!("{user}:{}\n", bcrypt::hash(password, cost).unwrap())
}

/// The `Authorization` of somebody with a password.
pub fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

/// A key that somebody signs tokens with.
pub struct Signer {
    pair: Ed25519KeyPair,
    id: String,
}

/// What a token says besides whose it is.
#[derive(Debug, Clone)]
pub struct Claims {
    /// From whom it is.
    pub issuer: String,
    /// For whom it is.
    pub audience: String,
    /// What it grants, if it says so.
    pub access: Option<Value>,
    /// For how long.
    pub lifetime: Duration,
}

impl Signer {
    /// A new key, known by this id.
    pub fn new(id: &str) -> Self {
        Self { pair: Ed25519KeyPair::generate().unwrap(), id: id.to_owned() }
    }

    /// The public half, as an element of a key set (RFC 8037).
    pub fn jwk(&self) -> Value {
        let x = BASE64_URL_SAFE_NO_PAD.encode(self.pair.public_key().as_ref());
        json!({ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": self.id, "x": x })
    }

    /// A set of the public halves of these keys (RFC 7517).
    pub fn jwks<'a>(signers: impl IntoIterator<Item = &'a Self>) -> String {
        json!({ "keys": signers.into_iter().map(Self::jwk).collect::<Vec<_>>() }).to_string()
    }

    /// The private half, as a file holds it.
    pub fn to_pem(&self) -> String {
        let der = self.pair.to_pkcs8v1().unwrap();
        pem::encode(&pem::Pem::new("PRIVATE KEY", der.as_ref()))
    }

    /// A token of this subject.
    pub fn token(&self, subject: &str, claims: &Claims) -> String {
        self.token_with(subject, claims, &json!({}))
    }

    /// A token of this subject that claims more.
    #[expect(
        clippy::disallowed_methods,
        reason = "the registry under test holds tokens against the system's clock"
    )]
    pub fn token_with(&self, subject: &str, claims: &Claims, more: &Value) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let header = json!({ "alg": "EdDSA", "typ": "JWT", "kid": self.id });
        let mut said = json!({
            "iss": claims.issuer, "aud": claims.audience, "sub": subject,
            "iat": now, "nbf": now, "exp": now + claims.lifetime.as_secs(),
        });
        if let Some(access) = &claims.access {
            said["access"] = access.clone();
        }
        for (name, value) in more.as_object().into_iter().flatten() {
            said[name] = value.clone();
        }
        let part = |part: &Value| BASE64_URL_SAFE_NO_PAD.encode(part.to_string());
        let message = format!("{}.{}", part(&header), part(&said));
        let signature = BASE64_URL_SAFE_NO_PAD.encode(self.pair.sign(message.as_bytes()));
        format!("{message}.{signature}")
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Signer").field(&self.id).finish()
    }
}
