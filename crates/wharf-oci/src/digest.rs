//! Content digests, as the image spec's descriptor chapter ("Digests") writes them: `<algorithm>:<hex>`.
//!
//! Only the registered algorithms are values here. Which of them a registry stores under is not decided here.

use std::{fmt, str::FromStr};

use sha2::Digest as _;

use crate::text::{excerpt, serde_as_text};

/// A registered digest algorithm of the image spec.
///
/// `sha384` is not in the image spec's list but the old registry accepts it, so trees may hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// `sha256`, what every client uses unless told otherwise.
    Sha256,
    /// `sha384`.
    Sha384,
    /// `sha512`.
    Sha512,
}

/// A digest algorithm that is not one of [`Algorithm::ALL`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("digest algorithm `{given}` is not supported: expected sha256, sha384 or sha512")]
pub struct AlgorithmError {
    /// What was given, cut to a length fit for a message.
    pub given: String,
}

/// The digest of some content: an algorithm and the bytes it gave.
///
/// Strict: the algorithm is registered, the hex is lower-case and exactly as long as the algorithm says, so
/// two digests of one content are equal exactly if they are written alike. They sort as their text does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest {
    algorithm: Algorithm,
    /// The first `hex_len / 2` bytes count; the rest is zero, so that the derived comparisons hold.
    bytes: [u8; MAX_BYTES],
}

/// Why a text is not a [`Digest`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// There is no `:`, or what precedes it cannot name an algorithm.
    #[error("`{given}` is not a digest: expected <algorithm>:<hex>, such as sha256: and 64 hex digits")]
    Malformed {
        /// What was given, cut to a length fit for a message.
        given: String,
    },
    /// The algorithm is well-formed but none of ours.
    #[error(transparent)]
    UnsupportedAlgorithm(#[from] AlgorithmError),
    /// Too few or too many hex digits.
    #[error("a {algorithm} digest has {expected} hex digits, this one has {actual} characters")]
    Length {
        /// The algorithm named.
        algorithm: Algorithm,
        /// How many hex digits it takes.
        expected: usize,
        /// How many characters were given.
        actual: usize,
    },
    /// A character that is not a lower-case hex digit.
    #[error("a digest has only the hex digits 0-9 and a-f, not {character:?}")]
    Character {
        /// The first such character.
        character: char,
    },
}

/// Bytes of the longest digest, sha512's.
const MAX_BYTES: usize = 64;

/// Characters of the longest digest text: `sha512:` and 128 digits.
const MAX_TEXT: usize = 7 + 2 * MAX_BYTES;

const HEX: &[u8; 16] = b"0123456789abcdef";

// === impl Algorithm ===

impl Algorithm {
    /// Every algorithm, in the order of their names.
    pub const ALL: [Self; 3] = [Self::Sha256, Self::Sha384, Self::Sha512];

    /// The name before the colon.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }

    /// How many hex digits follow the colon.
    pub const fn hex_len(self) -> usize {
        2 * self.byte_len()
    }

    const fn byte_len(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

impl FromStr for Algorithm {
    type Err = AlgorithmError;

    fn from_str(text: &str) -> Result<Self, AlgorithmError> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.as_str() == text)
            .ok_or_else(|| AlgorithmError { given: excerpt(text) })
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

// === impl Digest ===

impl Digest {
    /// The sha256 digest of `content`.
    pub fn of(content: &[u8]) -> Self {
        Self::of_with(Algorithm::Sha256, content)
    }

    /// The digest of `content` by `algorithm`.
    pub fn of_with(algorithm: Algorithm, content: &[u8]) -> Self {
        match algorithm {
            Algorithm::Sha256 => Self::from_output(algorithm, &sha2::Sha256::digest(content)),
            Algorithm::Sha384 => Self::from_output(algorithm, &sha2::Sha384::digest(content)),
            Algorithm::Sha512 => Self::from_output(algorithm, &sha2::Sha512::digest(content)),
        }
    }

    /// The algorithm it was made with.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The part after the colon.
    pub fn hex(&self) -> String {
        let mut text = String::with_capacity(self.algorithm.hex_len());
        self.push_hex(&mut text);
        text
    }

    /// Appends the part after the colon: for paths, which have it in their middle.
    pub fn push_hex(&self, text: &mut String) {
        let mut digits = [0; 2 * MAX_BYTES];
        let length = write_hex(self.as_bytes(), &mut digits);
        // Always digits; a text without them would be found at once.
        text.push_str(std::str::from_utf8(&digits[..length]).unwrap_or_default());
    }

    /// The raw bytes, as many as the algorithm gives.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.algorithm.byte_len()]
    }

    /// What a hash function of `algorithm` put out.
    pub(crate) fn from_output(algorithm: Algorithm, output: &[u8]) -> Self {
        let mut bytes = [0; MAX_BYTES];
        for (to, from) in bytes.iter_mut().zip(output) {
            *to = *from;
        }
        Self { algorithm, bytes }
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let malformed = || DigestError::Malformed { given: excerpt(text) };
        let (name, hex) = text.split_once(':').ok_or_else(malformed)?;
        if !is_algorithm_name(name) {
            return Err(malformed());
        }
        let algorithm: Algorithm = name.parse()?;

        // Nearly always it is one; what is wrong is found out below.
        if hex.len() == algorithm.hex_len()
            && let Some(bytes) = read_hex(hex.as_bytes())
        {
            return Ok(Self { algorithm, bytes });
        }
        if let Some(character) = hex.chars().find(|character| !matches!(character, '0'..='9' | 'a'..='f')) {
            return Err(DigestError::Character { character });
        }
        let expected = algorithm.hex_len();
        Err(DigestError::Length { algorithm, expected, actual: hex.len() })
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // One write from the stack: digests are printed for every header, path and log line.
        let mut text = [0; MAX_TEXT];
        let name = self.algorithm.as_str().as_bytes();
        text[..name.len()].copy_from_slice(name);
        text[name.len()] = b':';
        let digits = name.len() + 1;
        let length = digits + write_hex(self.as_bytes(), &mut text[digits..]);
        f.pad(std::str::from_utf8(&text[..length]).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

serde_as_text!(Algorithm, Digest);

/// Whether `name` fits the image spec's `algorithm ::= component (separator component)*`.
fn is_algorithm_name(name: &str) -> bool {
    name.split(['+', '.', '_', '-']).all(|component| {
        !component.is_empty()
            && component.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    })
}

/// Writes two digits a byte to the beginning of `digits`; returns how many.
fn write_hex(bytes: &[u8], digits: &mut [u8]) -> usize {
    for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
        pair[0] = HEX[usize::from(byte >> 4)];
        pair[1] = HEX[usize::from(byte & 15)];
    }
    2 * bytes.len()
}

/// The bytes that lower-case digits stand for; `None` if one of them is none.
fn read_hex(digits: &[u8]) -> Option<[u8; MAX_BYTES]> {
    let mut bytes = [0; MAX_BYTES];
    let mut seen = 0;
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let (high, low) = (hex_value(pair[0]), hex_value(pair[1]));
        seen |= high | low;
        *byte = high << 4 | low & 15;
    }
    (seen < 16).then_some(bytes)
}

/// The value of a digit `0-9a-f`; 16 or more for anything else.
const fn hex_value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => 16,
    }
}

#[cfg(test)]
pub(crate) mod tests;
