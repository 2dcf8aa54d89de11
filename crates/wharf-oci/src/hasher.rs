//! Hashing content that arrives in pieces, over several requests and perhaps several processes.
//!
//! A half-finished hash can be saved and taken up again, which is what makes the end of a resumable upload
//! free of re-reading (end-5, end-6). Whether the saved bytes may be trusted is the store's to know.

use std::fmt;

use sha2::{
    Digest as _,
    digest::common::hazmat::{SerializableState, SerializedState},
};

use crate::{Algorithm, Digest};

/// A digest in the making.
#[derive(Clone)]
pub struct Hasher {
    state: State,
    bytes_hashed: u64,
}

#[derive(Clone)]
enum State {
    Sha256(sha2::Sha256),
    Sha384(sha2::Sha384),
    Sha512(sha2::Sha512),
}

/// A saved state that claims more bytes is refused: no blob is that long (an exbibyte), and far beyond it the
/// count of bits that ends every SHA-2 hash would overflow.
const MAX_RESTORED_BYTES: u64 = 1 << 60;

// === impl Hasher ===

impl Hasher {
    /// A hasher that has seen nothing.
    pub fn new(algorithm: Algorithm) -> Self {
        let state = match algorithm {
            Algorithm::Sha256 => State::Sha256(sha2::Sha256::new()),
            Algorithm::Sha384 => State::Sha384(sha2::Sha384::new()),
            Algorithm::Sha512 => State::Sha512(sha2::Sha512::new()),
        };
        Self { state, bytes_hashed: 0 }
    }

    /// The algorithm of the digest it will give.
    pub const fn algorithm(&self) -> Algorithm {
        match self.state {
            State::Sha256(_) => Algorithm::Sha256,
            State::Sha384(_) => Algorithm::Sha384,
            State::Sha512(_) => Algorithm::Sha512,
        }
    }

    /// Takes in the next bytes of the content.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.state {
            State::Sha256(hash) => hash.update(bytes),
            State::Sha384(hash) => hash.update(bytes),
            State::Sha512(hash) => hash.update(bytes),
        }
        self.bytes_hashed = self.bytes_hashed.saturating_add(bytes.len() as u64);
    }

    /// How many bytes it has taken in, those before a [`Hasher::restore`] included.
    pub const fn bytes_hashed(&self) -> u64 {
        self.bytes_hashed
    }

    /// The digest of all that was taken in.
    pub fn finish(self) -> Digest {
        let algorithm = self.algorithm();
        match self.state {
            State::Sha256(hash) => Digest::from_output(algorithm, &hash.finalize()),
            State::Sha384(hash) => Digest::from_output(algorithm, &hash.finalize()),
            State::Sha512(hash) => Digest::from_output(algorithm, &hash.finalize()),
        }
    }

    /// The state so far, for [`Hasher::restore`]: 104 bytes for sha256, 208 for the others.
    ///
    /// It holds up to one block of the content itself.
    pub fn save(&self) -> Vec<u8> {
        match &self.state {
            State::Sha256(hash) => hash.serialize().to_vec(),
            State::Sha384(hash) => hash.serialize().to_vec(),
            State::Sha512(hash) => hash.serialize().to_vec(),
        }
    }

    /// Takes up a saved state that covers `bytes_hashed` bytes.
    ///
    /// `None` if `saved` is no state of `algorithm` or covers another number of bytes. The sha384 and sha512
    /// states look alike, and damage to the chaining value cannot be seen: keep the algorithm and a checksum
    /// beside it.
    pub fn restore(algorithm: Algorithm, saved: &[u8], bytes_hashed: u64) -> Option<Self> {
        if bytes_hashed > MAX_RESTORED_BYTES || bytes_covered(algorithm, saved) != Some(bytes_hashed.into()) {
            return None;
        }
        let state = match algorithm {
            Algorithm::Sha256 => State::Sha256(deserialize(saved)?),
            Algorithm::Sha384 => State::Sha384(deserialize(saved)?),
            Algorithm::Sha512 => State::Sha512(deserialize(saved)?),
        };
        Some(Self { state, bytes_hashed })
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hasher")
            .field("algorithm", &self.algorithm())
            .field("bytes_hashed", &self.bytes_hashed)
            .finish_non_exhaustive()
    }
}

fn deserialize<H: SerializableState>(saved: &[u8]) -> Option<H> {
    let saved = SerializedState::<H>::try_from(saved).ok()?;
    H::deserialize(&saved).ok()
}

/// How many bytes a saved state covers, read from its layout: chaining value, count of whole blocks
/// (little-endian), then the length of the unfinished block and its bytes. The `sha2` crate keeps this layout
/// within 0.11.
fn bytes_covered(algorithm: Algorithm, saved: &[u8]) -> Option<u128> {
    let (blocks, rest, block_bytes) = match algorithm {
        Algorithm::Sha256 => {
            let (blocks, rest) = saved.get(32..)?.split_first_chunk::<8>()?;
            (u64::from_le_bytes(*blocks).into(), rest, 64)
        }
        Algorithm::Sha384 | Algorithm::Sha512 => {
            let (blocks, rest) = saved.get(64..)?.split_first_chunk::<16>()?;
            (u128::from_le_bytes(*blocks), rest, 128)
        }
    };
    let unfinished = u128::from(*rest.first()?);
    blocks.checked_mul(block_bytes)?.checked_add(unfinished)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_restored_hasher_goes_on_where_it_stopped() {
        let content: Vec<u8> = (0..=255).cycle().take(1000).collect();
        for algorithm in Algorithm::ALL {
            for cut in [0, 1, 63, 64, 65, 127, 128, 129, 999, 1000] {
                let mut first = Hasher::new(algorithm);
                first.update(&content[..cut]);

                let mut second = Hasher::restore(algorithm, &first.save(), cut as u64).unwrap();
                second.update(&content[cut..]);

                assert_eq!(second.algorithm(), algorithm);
                assert_eq!(second.bytes_hashed(), 1000);
                assert_eq!(second.finish(), Digest::of_with(algorithm, &content), "{algorithm} cut at {cut}");
            }
        }
    }

    #[test]
    fn a_state_has_the_size_its_record_expects() {
        for (algorithm, size) in
            [(Algorithm::Sha256, 104), (Algorithm::Sha384, 208), (Algorithm::Sha512, 208)]
        {
            assert_eq!(Hasher::new(algorithm).save().len(), size, "{algorithm}");
        }
    }

    #[test]
    fn a_state_is_refused_for_another_offset_length_or_algorithm() {
        let mut hasher = Hasher::new(Algorithm::Sha256);
        hasher.update(&[7; 100]);
        let saved = hasher.save();

        for offset in [0, 99, 101, 64, 100 + 64, u64::MAX] {
            assert!(Hasher::restore(Algorithm::Sha256, &saved, offset).is_none(), "{offset}");
        }
        assert!(Hasher::restore(Algorithm::Sha512, &saved, 100).is_none());
        assert!(Hasher::restore(Algorithm::Sha256, &saved[..103], 100).is_none());
        assert!(Hasher::restore(Algorithm::Sha256, &[], 0).is_none());
    }

    #[test]
    fn a_state_that_claims_an_absurd_length_is_refused() {
        let mut saved = Hasher::new(Algorithm::Sha256).save();
        saved[32..40].copy_from_slice(&(1_u64 << 58).to_le_bytes());
        assert!(Hasher::restore(Algorithm::Sha256, &saved, 1 << 61).is_none());
        saved[32..40].copy_from_slice(&[255; 8]);
        assert!(Hasher::restore(Algorithm::Sha256, &saved, u64::MAX).is_none());
    }

    proptest! {
        #[test]
        fn garbage_never_panics(saved in prop::collection::vec(any::<u8>(), 0..220), offset: u64, blocks in 0_u64..4) {
            for algorithm in Algorithm::ALL {
                for offset in [offset, blocks * 64, blocks * 128 + 5] {
                    if let Some(mut hasher) = Hasher::restore(algorithm, &saved, offset) {
                        hasher.update(b"more");
                        hasher.finish();
                    }
                }
            }
        }

        #[test]
        fn pieces_hash_like_the_whole(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..8)) {
            let whole = pieces.concat();
            for algorithm in Algorithm::ALL {
                let mut hasher = Hasher::new(algorithm);
                for piece in &pieces {
                    let offset = hasher.bytes_hashed();
                    hasher = Hasher::restore(algorithm, &hasher.save(), offset).unwrap();
                    hasher.update(piece);
                }
                prop_assert_eq!(hasher.finish(), Digest::of_with(algorithm, &whole));
            }
        }
    }
}
