//! Keys that signatures are checked with.

use std::fmt;

use aws_lc_rs::hmac;
use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{
    self, EcdsaVerificationAlgorithm, ParsedPublicKey, RsaParameters, UnparsedPublicKey,
};
use x509_cert::der::Decode;
use x509_cert::der::asn1::{ObjectIdentifier, UintRef};
use x509_cert::spki::SubjectPublicKeyInfoRef;
use zeroize::Zeroizing;

use super::algorithm::Algorithm;

pub(super) const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
pub(super) const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");
pub(super) const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// Shorter RSA keys can be broken; longer ones are a way to keep us busy.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2_048..=8_192;

/// Shorter secrets are not enough for any HMAC (RFC 7518, section 3.2).
const SECRET_MINIMUM_BYTES: usize = 32;

/// What a signature is checked with.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifyingKey(pub(super) Kind);

#[derive(Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    Ec { curve: Curve, x: Vec<u8>, y: Vec<u8> },
    Ed25519 { x: [u8; 32] },
    Secret(Zeroizing<Vec<u8>>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Curve {
    P256,
    P384,
    P521,
}

/// Why something is no key for us.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is of a kind nothing here is signed with.
    #[error("a key of this kind or curve cannot check tokens")]
    Unsupported,
    /// It is damaged.
    #[error("the key is malformed: {0}")]
    Malformed(&'static str),
    /// It is too short to protect anything, or longer than is sensible.
    #[error("an RSA key has 2048 to 8192 bits, a secret at least 32 bytes")]
    Size,
}

/// Does the signature not fit, or can this key not make such signatures at all?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mismatch {
    Signature,
    Algorithm,
}

// === impl Curve ===

impl Curve {
    pub(super) fn named(name: &str) -> Option<Self> {
        [Self::P256, Self::P384, Self::P521].into_iter().find(|curve| curve.name() == name)
    }

    fn of(id: ObjectIdentifier) -> Option<Self> {
        [Self::P256, Self::P384, Self::P521].into_iter().find(|curve| curve.id() == id)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
        }
    }

    pub(super) fn id(self) -> ObjectIdentifier {
        match self {
            Self::P256 => P256,
            Self::P384 => P384,
            Self::P521 => P521,
        }
    }

    /// The one algorithm a point on it is used with.
    fn algorithm(self) -> &'static EcdsaVerificationAlgorithm {
        match self {
            Self::P256 => &signature::ECDSA_P256_SHA256_FIXED,
            Self::P384 => &signature::ECDSA_P384_SHA384_FIXED,
            Self::P521 => &signature::ECDSA_P521_SHA512_FIXED,
        }
    }

    fn coordinate_bytes(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }
}

// === impl VerifyingKey ===

impl VerifyingKey {
    /// An RSA key of its modulus and its exponent, big-endian.
    pub fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<Self, KeyError> {
        let (modulus, exponent) = (without_leading_zeros(modulus), without_leading_zeros(exponent));
        let bits = modulus.len() * 8 - modulus.first().map_or(0, |byte| byte.leading_zeros() as usize);
        if !RSA_BITS.contains(&bits) {
            return Err(KeyError::Size);
        }
        if exponent.is_empty() || exponent.len() > 8 {
            return Err(KeyError::Malformed("the exponent is out of range"));
        }
        Ok(Self(Kind::Rsa { modulus: modulus.to_vec(), exponent: exponent.to_vec() }))
    }

    /// A point on a curve; coordinates may lack leading zeros.
    pub(super) fn ec(curve: Curve, x: &[u8], y: &[u8]) -> Result<Self, KeyError> {
        let pad = |coordinate| left_padded(coordinate, curve.coordinate_bytes());
        let (Some(x), Some(y)) = (pad(x), pad(y)) else {
            return Err(KeyError::Malformed("a coordinate is longer than the curve allows"));
        };
        let point = [&[4], x.as_slice(), y.as_slice()].concat();
        ParsedPublicKey::new(curve.algorithm(), point)
            .map_err(|_| KeyError::Malformed("a point that is not on its curve"))?;
        Ok(Self(Kind::Ec { curve, x, y }))
    }

    /// An Ed25519 key.
    pub fn ed25519(x: &[u8]) -> Result<Self, KeyError> {
        let x = x.try_into().map_err(|_| KeyError::Malformed("an Ed25519 key has 32 bytes"))?;
        Ok(Self(Kind::Ed25519 { x }))
    }

    /// A secret that both sides know, for HMAC.
    pub fn secret(bytes: &[u8]) -> Result<Self, KeyError> {
        if bytes.len() < SECRET_MINIMUM_BYTES {
            return Err(KeyError::Size);
        }
        Ok(Self(Kind::Secret(Zeroizing::new(bytes.to_vec()))))
    }

    /// The key of a `SubjectPublicKeyInfo` (RFC 5280, section 4.1), in DER.
    pub fn from_spki(der: &[u8]) -> Result<Self, KeyError> {
        let info = SubjectPublicKeyInfoRef::try_from(der).map_err(|_| KeyError::Malformed("bad DER"))?;
        let bits = info.subject_public_key.as_bytes().ok_or(KeyError::Malformed("bits left over"))?;
        match info.algorithm.oid {
            RSA => {
                let numbers = Vec::<UintRef<'_>>::from_der(bits);
                match numbers.as_deref() {
                    Ok([modulus, exponent]) => Self::rsa(modulus.as_bytes(), exponent.as_bytes()),
                    _ => Err(KeyError::Malformed("bad RSA key")),
                }
            }
            EC => {
                let id = info.algorithm.parameters_oid().map_err(|_| KeyError::Unsupported)?;
                let curve = Curve::of(id).ok_or(KeyError::Unsupported)?;
                let point = bits.strip_prefix(&[4]).ok_or(KeyError::Unsupported)?;
                if point.len() != 2 * curve.coordinate_bytes() {
                    return Err(KeyError::Malformed("a point of the wrong length"));
                }
                let (x, y) = point.split_at(curve.coordinate_bytes());
                Self::ec(curve, x, y)
            }
            ED25519 => Self::ed25519(bits),
            _ => Err(KeyError::Unsupported),
        }
    }

    /// Checks that `signature` is this key's, of `message`, made with `algorithm`.
    pub(super) fn verify(
        &self,
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), Mismatch> {
        match &self.0 {
            Kind::Rsa { modulus, exponent } => {
                let parameters = rsa_parameters(algorithm).ok_or(Mismatch::Algorithm)?;
                let key = PublicKeyComponents { n: modulus, e: exponent };
                key.verify(parameters, message, signature).map_err(|_| Mismatch::Signature)
            }
            Kind::Ec { curve, .. } => {
                let parameters = ecdsa_algorithm(algorithm, *curve).ok_or(Mismatch::Algorithm)?;
                let point = self.point().ok_or(Mismatch::Algorithm)?;
                let key = UnparsedPublicKey::new(parameters, point);
                key.verify(message, signature).map_err(|_| Mismatch::Signature)
            }
            Kind::Ed25519 { x } if algorithm == Algorithm::EdDsa => {
                let key = UnparsedPublicKey::new(&signature::ED25519, x);
                key.verify(message, signature).map_err(|_| Mismatch::Signature)
            }
            Kind::Ed25519 { .. } => Err(Mismatch::Algorithm),
            Kind::Secret(secret) => verify_hmac(secret, algorithm, message, signature),
        }
    }

    /// A point in uncompressed form.
    pub(super) fn point(&self) -> Option<Vec<u8>> {
        let Kind::Ec { x, y, .. } = &self.0 else { return None };
        Some([&[4], x.as_slice(), y.as_slice()].concat())
    }
}

fn rsa_parameters(algorithm: Algorithm) -> Option<&'static RsaParameters> {
    Some(match algorithm {
        Algorithm::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
        Algorithm::Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
        Algorithm::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
        Algorithm::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
        Algorithm::Ps384 => &signature::RSA_PSS_2048_8192_SHA384,
        Algorithm::Ps512 => &signature::RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}

fn ecdsa_algorithm(algorithm: Algorithm, curve: Curve) -> Option<&'static EcdsaVerificationAlgorithm> {
    let fits = matches!(
        (algorithm, curve),
        (Algorithm::Es256, Curve::P256) | (Algorithm::Es384, Curve::P384) | (Algorithm::Es512, Curve::P521)
    );
    fits.then(|| curve.algorithm())
}

fn verify_hmac(
    secret: &[u8],
    algorithm: Algorithm,
    message: &[u8],
    signature: &[u8],
) -> Result<(), Mismatch> {
    let hash = match algorithm {
        Algorithm::Hs256 => hmac::HMAC_SHA256,
        Algorithm::Hs384 => hmac::HMAC_SHA384,
        Algorithm::Hs512 => hmac::HMAC_SHA512,
        _ => return Err(Mismatch::Algorithm),
    };
    // A secret shorter than the hash would make it weaker than its name says (RFC 7518, section 3.2).
    if secret.len() < hash.digest_algorithm().output_len() {
        return Err(Mismatch::Algorithm);
    }
    let key = hmac::Key::new(hash, secret);
    hmac::verify(&key, message, signature).map_err(|_| Mismatch::Signature)
}

pub(super) fn without_leading_zeros(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    &bytes[zeros..]
}

fn left_padded(bytes: &[u8], length: usize) -> Option<Vec<u8>> {
    let bytes = without_leading_zeros(bytes);
    let zeros = length.checked_sub(bytes.len())?;
    Some([&vec![0; zeros], bytes].concat())
}

/// A secret is not shown.
impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.0 {
            Kind::Rsa { .. } => "RSA",
            Kind::Ec { curve, .. } => curve.name(),
            Kind::Ed25519 { .. } => "Ed25519",
            Kind::Secret(_) => return f.write_str("VerifyingKey(secret)"),
        };
        write!(f, "VerifyingKey({kind}, {})", self.thumbprint())
    }
}
