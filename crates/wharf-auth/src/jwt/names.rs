//! The names that keys go by. All of them follow from the key, so that nobody can give one a name that is another's.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::key::{EC, ED25519, Kind, RSA, VerifyingKey, without_leading_zeros};

// === impl VerifyingKey ===

impl VerifyingKey {
    /// The key as `SubjectPublicKeyInfo` in DER; `None` for a secret.
    #[must_use]
    pub fn to_spki(&self) -> Option<Vec<u8>> {
        let (algorithm, bits) = match &self.0 {
            Kind::Rsa { modulus, exponent } => {
                let key = der(SEQUENCE, &[der_unsigned(modulus), der_unsigned(exponent)].concat());
                ([der(OBJECT, RSA.as_bytes()), der(NULL, &[])].concat(), key)
            }
            Kind::Ec { curve, .. } => {
                let algorithm = [der(OBJECT, EC.as_bytes()), der(OBJECT, curve.id().as_bytes())].concat();
                (algorithm, self.point()?)
            }
            Kind::Ed25519 { x } => (der(OBJECT, ED25519.as_bytes()), x.to_vec()),
            Kind::Secret(_) => return None,
        };
        let bits = [&[0], bits.as_slice()].concat();
        Some(der(SEQUENCE, &[der(SEQUENCE, &algorithm), der(BITS, &bits)].concat()))
    }

    /// The key's RFC 7638 thumbprint with SHA-256, as base64url.
    #[must_use]
    pub fn thumbprint(&self) -> String {
        self.thumbprint_of_coordinates(<[u8]>::as_ref)
    }

    /// The thumbprint that the older registry computes: it drops the leading zeros of a point's coordinates, so that one
    /// key in 128 has another than it should.
    #[must_use]
    pub fn unpadded_thumbprint(&self) -> String {
        self.thumbprint_of_coordinates(without_leading_zeros)
    }

    fn thumbprint_of_coordinates(&self, coordinate: fn(&[u8]) -> &[u8]) -> String {
        let text = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let members = match &self.0 {
            Kind::Rsa { modulus, exponent } => {
                format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, text(exponent), text(modulus))
            }
            Kind::Ec { curve, x, y } => {
                let (x, y) = (text(coordinate(x)), text(coordinate(y)));
                format!(r#"{{"crv":"{}","kty":"EC","x":"{x}","y":"{y}"}}"#, curve.name())
            }
            Kind::Ed25519 { x } => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, text(x)),
            Kind::Secret(bytes) => format!(r#"{{"k":"{}","kty":"oct"}}"#, text(bytes)),
        };
        text(digest(&SHA256, members.as_bytes()).as_ref())
    }

    /// The name that libtrust gave keys, and token servers made for the registry's second version still do:
    /// `ABCD:EFGH:…`, twelve groups. `None` for a secret.
    #[must_use]
    pub fn libtrust_id(&self) -> Option<String> {
        let hash = digest(&SHA256, &self.to_spki()?);
        let text = base32(&hash.as_ref()[..30]);
        let groups: Vec<&str> =
            text.as_bytes().chunks(4).filter_map(|group| str::from_utf8(group).ok()).collect();
        Some(groups.join(":"))
    }
}

const UNSIGNED: u8 = 0x02;
const BITS: u8 = 0x03;
const NULL: u8 = 0x05;
const OBJECT: u8 = 0x06;
const SEQUENCE: u8 = 0x30;

/// A value in DER (X.690, section 8.1).
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let length = without_leading_zeros(&length);
    let head = match length {
        [] => vec![tag, 0],
        [short @ ..=0x7f] => vec![tag, *short],
        long => [&[tag, 0x80 | long.len() as u8], long].concat(),
    };
    [&head, content].concat()
}

/// A positive number: one whose first bit is set would be a negative one.
fn der_unsigned(bytes: &[u8]) -> Vec<u8> {
    match bytes.first() {
        Some(0x80..) => der(UNSIGNED, &[&[0], bytes].concat()),
        _ => der(UNSIGNED, bytes),
    }
}

/// RFC 4648, section 6, of a multiple of five bytes.
fn base32(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut text = String::new();
    for group in bytes.chunks_exact(5) {
        let bits = group.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
        text.extend((0..8).rev().map(|place| char::from(ALPHABET[(bits >> (5 * place) & 31) as usize])));
    }
    text
}
