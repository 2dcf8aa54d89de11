//! The note that an upload is being published, and as what.
//!
//! It replaces the upload's record before the bytes are synced, and stays until the upload is closed. Beside `data` it
//! says that a sync of these bytes may have failed, in a process that was killed before it could close the upload. The
//! kernel reports a failed write once and then calls the same pages clean, so a second sync proves nothing; nor does
//! writing the same pages again (ext4 then leaves the blocks marked as never written).

use std::fmt::Write as _;

use wharf_oci::Digest;

/// The first word of a note: another form would have another one.
const FORM: &str = "wharf-published-1";

/// What an upload is published as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) digest: Digest,
    /// In bytes.
    pub(crate) size: u64,
}

impl Note {
    /// The stored form: a line of words, then a line with its SHA-256.
    pub(crate) fn encode(&self) -> String {
        let mut text = format!("{FORM} {} {}", self.digest, self.size);
        let check = Digest::of(text.as_bytes()).hex();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "\n{check}");
        text
    }

    /// Reads the stored form; `None` if it is anything else, or damaged.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let (line, check) = text.strip_suffix('\n')?.split_once('\n')?;
        if Digest::of(line.as_bytes()).hex() != check {
            return None;
        }
        let mut words = line.split(' ');
        let note = match (words.next()?, words.next()?, words.next()?, words.next()) {
            (FORM, digest, size, None) => Self { digest: digest.parse().ok()?, size: size.parse().ok()? },
            _ => return None,
        };
        Some(note)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_whole_or_not_at_all() {
        let note = Note { digest: Digest::of(b"bytes"), size: 5 };
        let encoded = note.encode().into_bytes();
        assert_eq!(Note::decode(&encoded), Some(note));
        for index in 0..encoded.len() {
            assert_eq!(Note::decode(&encoded[..index]), None, "{index} bytes of it");
            let mut damaged = encoded.clone();
            damaged[index] ^= 1;
            assert_eq!(Note::decode(&damaged), None, "byte {index}");
        }
        assert_eq!(Note::decode(&[&encoded[..], b"x"].concat()), None);
    }
}
