//! What is remembered of an upload between two requests, in whichever replicas they come.
//!
//! The record is the only truth about an upload: an object that it does not name is rubbish. It is written after the bytes
//! it names.

use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use wharf_oci::{Algorithm, Digest, Hasher};

/// How far an upload is, and where its bytes are: first the parts or the object, then the tail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    /// When it was begun.
    pub(crate) begun: SystemTime,
    /// The algorithm the client announced, or the usual one.
    pub(super) algorithm: Algorithm,
    /// The hasher's state after all bytes.
    pub(super) state: Vec<u8>,
    /// The size of every part; whoever is configured otherwise goes on with this one.
    pub(super) part_bytes: u64,
    /// The first bytes.
    pub(super) body: Body,
    /// The bytes after them, fewer than a part.
    pub(super) tail: Tail,
    /// What the bytes are going to be published as, written before an object is made of the parts. It counts once that
    /// object is there.
    pub(super) finish: Option<Finish>,
}

/// What an upload was found to be when all its bytes were there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finish {
    pub(super) digest: Digest,
    pub(super) size: u64,
    /// The name of the object that is made of the parts.
    pub(super) name: String,
}

/// Where the bytes are that have outgrown the tail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Body {
    /// There are none.
    Nothing,
    /// In an unfinished object: its name, the upload's id, and the tags of the parts, from part 1.
    Parts { name: String, id: String, tags: Vec<String> },
    /// In an object that was finished to be read once more.
    Whole { name: String, size: u64 },
}

/// Bytes that wait to become the beginning of a part.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Tail {
    /// In the record itself.
    pub(super) inline: Bytes,
    /// In objects of their own, in this order; not both.
    pub(super) pieces: Vec<Piece>,
}

/// An object of the tail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Piece {
    #[serde(rename = "n")]
    pub(super) name: String,
    #[serde(rename = "s")]
    pub(super) size: u64,
}

/// The record as it is stored: one line of JSON, then a line with its SHA-256.
#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    begun: String,
    algorithm: String,
    offset: u64,
    state: String,
    part_bytes: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    multipart: Option<StoredMultipart>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    whole: Option<Piece>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    inline: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pieces: Vec<Piece>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    finish: Option<StoredFinish>,
}

#[derive(Serialize, Deserialize)]
struct StoredFinish {
    digest: String,
    size: u64,
    name: String,
}

#[derive(Serialize, Deserialize)]
struct StoredMultipart {
    name: String,
    id: String,
    tags: Vec<String>,
}

/// The only form there is so far; another number means that we do not understand the rest.
const VERSION: u32 = 1;

impl Record {
    /// The record of an upload without bytes.
    pub(super) fn new(begun: SystemTime, algorithm: Algorithm, part_bytes: u64) -> Self {
        let (state, tail) = (Hasher::new(algorithm).save(), Tail::default());
        Self { begun, algorithm, state, part_bytes, body: Body::Nothing, tail, finish: None }
    }

    /// Where the upload ends.
    pub(crate) fn offset(&self) -> u64 {
        self.body_size().saturating_add(self.tail.size())
    }

    /// How many of the bytes are not in the tail.
    pub(super) fn body_size(&self) -> u64 {
        match &self.body {
            Body::Nothing => 0,
            Body::Parts { tags, .. } => self.part_bytes.saturating_mul(tags.len() as u64),
            Body::Whole { size, .. } => *size,
        }
    }

    /// Whether all that is known of the upload is in the record.
    pub(super) fn is_alone(&self) -> bool {
        self.body == Body::Nothing && self.tail.pieces.is_empty()
    }

    /// The hasher as it was.
    pub(super) fn hasher(&self) -> Option<Hasher> {
        Hasher::restore(self.algorithm, &self.state, self.offset())
    }

    /// The stored form.
    pub(super) fn encode(&self) -> Bytes {
        let multipart = match &self.body {
            Body::Parts { name, id, tags } => {
                Some(StoredMultipart { name: name.clone(), id: id.clone(), tags: tags.clone() })
            }
            Body::Nothing | Body::Whole { .. } => None,
        };
        let whole = match &self.body {
            Body::Whole { name, size } => Some(Piece { name: name.clone(), size: *size }),
            Body::Nothing | Body::Parts { .. } => None,
        };
        let stored = Stored {
            version: VERSION,
            begun: humantime::format_rfc3339_nanos(self.begun).to_string(),
            algorithm: self.algorithm.to_string(),
            offset: self.offset(),
            state: BASE64.encode(&self.state),
            part_bytes: self.part_bytes,
            multipart,
            whole,
            inline: BASE64.encode(&self.tail.inline),
            pieces: self.tail.pieces.clone(),
            finish: self.finish.as_ref().map(|finish| StoredFinish {
                digest: finish.digest.to_string(),
                size: finish.size,
                name: finish.name.clone(),
            }),
        };
        let json = serde_json::to_string(&stored).unwrap_or_default();
        format!("{json}\n{}\n", Digest::of(json.as_bytes()).hex()).into()
    }

    /// Reads the stored form; `None` if it is damaged or foreign.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let (json, check) = text.strip_suffix('\n')?.split_once('\n')?;
        if Digest::of(json.as_bytes()).hex() != check {
            return None;
        }
        let stored: Stored = serde_json::from_str(json).ok()?;
        if stored.version != VERSION {
            return None;
        }
        let body = match (stored.multipart, stored.whole) {
            (None, None) => Body::Nothing,
            (Some(StoredMultipart { name, id, tags }), None) => Body::Parts { name, id, tags },
            (None, Some(Piece { name, size })) => Body::Whole { name, size },
            (Some(_), Some(_)) => return None,
        };
        let inline = BASE64.decode(stored.inline).ok()?.into();
        let finish = match stored.finish {
            Some(StoredFinish { digest, size, name }) => {
                Some(Finish { digest: digest.parse().ok()?, size, name })
            }
            None => None,
        };
        let record = Self {
            begun: humantime::parse_rfc3339(&stored.begun).ok()?,
            algorithm: stored.algorithm.parse().ok()?,
            state: BASE64.decode(stored.state).ok()?,
            part_bytes: stored.part_bytes,
            body,
            tail: Tail { inline, pieces: stored.pieces },
            finish,
        };
        let sound = record.offset() == stored.offset
            && record.tail.size() < record.part_bytes
            && record.hasher().is_some();
        sound.then_some(record)
    }
}

impl Tail {
    pub(super) fn size(&self) -> u64 {
        self.pieces.iter().fold(self.inline.len() as u64, |sum, piece| sum.saturating_add(piece.size))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn records() -> Vec<Record> {
        let begun = SystemTime::UNIX_EPOCH + Duration::from_nanos(1_767_225_600_123_456_789);
        let bodies = [
            Body::Nothing,
            Body::Parts { name: "n".into(), id: "i".into(), tags: vec!["\"a\"".into(), "b".into()] },
            Body::Whole { name: "n".into(), size: 200 },
        ];
        let tails = [
            Tail::default(),
            Tail { inline: Bytes::from_static(b"\x00\xff"), pieces: Vec::new() },
            Tail { inline: Bytes::new(), pieces: vec![Piece { name: "p".into(), size: 2 }] },
        ];
        let mut records = Vec::new();
        for body in bodies {
            for tail in tails.clone() {
                let mut record = Record::new(begun, Algorithm::Sha512, 100);
                (record.body, record.tail) = (body.clone(), tail);
                let mut hasher = Hasher::new(Algorithm::Sha512);
                hasher.update(&vec![7; usize::try_from(record.offset()).unwrap()]);
                record.state = hasher.save();
                let finish = Finish { digest: Digest::of(b"x"), size: 300, name: "n".into() };
                record.finish = (records.len() % 2 == 1).then_some(finish);
                records.push(record);
            }
        }
        records
    }

    #[test]
    fn a_record_survives_storage() {
        for record in records() {
            assert_eq!(Record::decode(&record.encode()).expect("sound record"), record);
        }
    }

    #[test]
    fn a_damaged_or_cut_record_is_not_read() {
        let encoded = records()[4].encode();
        for index in 0..encoded.len() {
            let mut damaged = encoded.to_vec();
            damaged[index] ^= 1;
            assert!(Record::decode(&damaged).is_none(), "byte {index}");
            assert!(Record::decode(&encoded[..index]).is_none(), "length {index}");
        }
    }

    #[test]
    fn a_record_whose_sizes_do_not_add_up_is_not_read() {
        let mut record = records()[4].clone();
        record.tail.inline = Bytes::from_static(b"three");
        assert!(Record::decode(&record.encode()).is_none(), "the hash covers other bytes");
        record.tail.inline = vec![0; 100].into();
        assert!(Record::decode(&record.encode()).is_none(), "the tail is a part");
    }
}
