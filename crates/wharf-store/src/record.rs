//! What we remember of an upload's bytes between two requests.

use serde::{Deserialize, Serialize};
use wharf_oci::{Algorithm, Digest, Hasher};

/// How far an upload has been hashed, so that the next request, perhaps in another process, need not read it again.
///
/// It is written after the bytes it speaks of and without a sync, so it can be missing, older than the bytes, or, after
/// a power cut, newer than them. Whoever reads it therefore believes it only if [`covers`](Self::covers) says so, and
/// reads the bytes again otherwise.
#[derive(Debug, Clone)]
pub struct UploadRecord {
    /// The algorithm the client announced, or the usual one.
    pub algorithm: Algorithm,
    /// Bytes hashed.
    pub offset: u64,
    /// The hasher's state after them, as [`Hasher::save`] gives it.
    pub state: Vec<u8>,
    /// The boot of the machine that wrote the record; empty where that means nothing (a bucket).
    pub boot: String,
}

/// The record as it is stored: one line of JSON, then a line with its SHA-256.
#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    algorithm: String,
    offset: u64,
    state: String,
    boot: String,
}

/// The only form there is so far; another number means that we do not understand the rest.
const VERSION: u32 = 1;

impl UploadRecord {
    /// The record of a hasher that has seen everything stored.
    pub fn of(hasher: &Hasher, boot: &str) -> Self {
        Self {
            algorithm: hasher.algorithm(),
            offset: hasher.bytes_hashed(),
            state: hasher.save(),
            boot: boot.to_owned(),
        }
    }

    /// Whether the hash state is that of exactly the bytes stored: as many of them, and written since the machine was
    /// last started (the page cache of an earlier boot may have died with the bytes but not with the record).
    pub fn covers(&self, stored: u64, boot: &str) -> bool {
        self.offset == stored && self.boot == boot
    }

    /// The hasher as it was.
    pub fn hasher(&self) -> Option<Hasher> {
        Hasher::restore(self.algorithm, &self.state, self.offset)
    }

    /// The stored form.
    pub fn encode(&self) -> Vec<u8> {
        let stored = Stored {
            version: VERSION,
            algorithm: self.algorithm.to_string(),
            offset: self.offset,
            state: to_hex(&self.state),
            boot: self.boot.clone(),
        };
        let json = serde_json::to_string(&stored).unwrap_or_default();
        format!("{json}\n{}\n", Digest::of(json.as_bytes()).hex()).into_bytes()
    }

    /// Reads the stored form; `None` if it is damaged or foreign, which costs a second reading of the bytes and no more.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let (json, check) = text.strip_suffix('\n')?.split_once('\n')?;
        if Digest::of(json.as_bytes()).hex() != check {
            return None;
        }
        let stored: Stored = serde_json::from_str(json).ok()?;
        if stored.version != VERSION {
            return None;
        }
        Some(Self {
            algorithm: stored.algorithm.parse().ok()?,
            offset: stored.offset,
            state: from_hex(&stored.state)?,
            boot: stored.boot,
        })
    }
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| Some(digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> UploadRecord {
        let mut hasher = Hasher::new(Algorithm::Sha256);
        hasher.update(b"the first bytes");
        UploadRecord::of(&hasher, "boot")
    }

    #[test]
    fn a_record_survives_storage_and_goes_on_hashing() {
        let decoded = UploadRecord::decode(&record().encode()).expect("sound record");
        let mut hasher = decoded.hasher().expect("sound state");
        hasher.update(b" and the rest");
        assert_eq!(hasher.finish(), Digest::of(b"the first bytes and the rest"));
    }

    #[test]
    fn any_flipped_byte_makes_a_record_unreadable() {
        let encoded = record().encode();
        for index in 0..encoded.len() {
            let mut damaged = encoded.clone();
            damaged[index] ^= 1;
            assert!(UploadRecord::decode(&damaged).is_none(), "byte {index}");
        }
    }

    #[test]
    fn any_truncation_makes_a_record_unreadable() {
        let encoded = record().encode();
        for length in 0..encoded.len() {
            assert!(UploadRecord::decode(&encoded[..length]).is_none(), "length {length}");
        }
    }

    #[test]
    fn a_record_of_other_bytes_or_another_boot_is_not_believed() {
        let record = record();
        assert!(record.covers(15, "boot"));
        assert!(!record.covers(16, "boot"));
        assert!(!record.covers(15, "another"));
    }
}
