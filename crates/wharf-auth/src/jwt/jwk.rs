//! Keys as JSON (RFC 7517, RFC 7518 section 6, RFC 8037).

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::algorithm::Algorithm;
use super::key::{Curve, KeyError, VerifyingKey};

/// Many programs that write keys pad them, though they should not.
const BASE64_URL_SAFE: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A JSON Web Key Set; its keys are looked at one by one, so that one of a new kind does not spoil the others.
#[derive(Debug, Deserialize)]
pub(super) struct JwkSet<'a> {
    #[serde(borrow)]
    pub(super) keys: Vec<&'a RawValue>,
}

/// A JSON Web Key; private parts are not looked at.
#[derive(Deserialize)]
pub(super) struct Jwk {
    kty: String,
    pub(super) kid: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
    k: Option<String>,
}

// === impl Jwk ===

impl Jwk {
    pub(super) fn is_secret(&self) -> bool {
        self.kty == "oct"
    }

    /// Whether it may be used to check signatures.
    pub(super) fn is_for_signatures(&self) -> bool {
        let purpose = self.purpose.as_deref().is_none_or(|purpose| purpose == "sig");
        let operation =
            self.key_ops.as_ref().is_none_or(|operations| operations.iter().any(|each| each == "verify"));
        purpose && operation
    }

    /// The one algorithm it is for, if it says so.
    pub(super) fn algorithm(&self) -> Result<Option<Algorithm>, KeyError> {
        self.alg.as_deref().map(str::parse).transpose().map_err(|_| KeyError::Unsupported)
    }

    pub(super) fn key(&self) -> Result<VerifyingKey, KeyError> {
        match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => VerifyingKey::rsa(&bytes(&self.n)?, &bytes(&self.e)?),
            ("EC", Some(curve)) => {
                let curve = Curve::named(curve).ok_or(KeyError::Unsupported)?;
                VerifyingKey::ec(curve, &bytes(&self.x)?, &bytes(&self.y)?)
            }
            ("OKP", Some("Ed25519")) => VerifyingKey::ed25519(&bytes(&self.x)?),
            ("oct", _) => VerifyingKey::secret(&bytes(&self.k)?),
            _ => Err(KeyError::Unsupported),
        }
    }
}

fn bytes(member: &Option<String>) -> Result<Vec<u8>, KeyError> {
    let text = member.as_deref().ok_or(KeyError::Malformed("a member is missing"))?;
    BASE64_URL_SAFE.decode(text).map_err(|_| KeyError::Malformed("a member is not base64url"))
}
