//! A part while it fills: what was received is kept as it came, and hashed in batches.

use bytes::{Bytes, BytesMut};

use crate::cloud::Payload;

/// Shorter pieces are copied together: each costs a record of its own in memory, and may hold a whole buffer of the
/// connection alive, so that a client that sends byte by byte would cost many times its bytes.
const SMALL_BYTES: usize = 4 * 1024;

/// So long get pieces that were copied together.
const GATHERED_BYTES: usize = 64 * 1024;

/// What was received for the next part.
#[derive(Debug)]
pub(super) struct Filling {
    chunks: Payload,
    /// Small pieces after the last chunk.
    small: BytesMut,
    /// Bytes that still fit.
    room: u64,
    /// How many of the chunks went to the hasher.
    hashed: usize,
    unhashed: u64,
}

impl Filling {
    /// Room for so many bytes.
    pub(super) fn new(room: u64) -> Self {
        Self { chunks: Vec::new(), small: BytesMut::new(), room, hashed: 0, unhashed: 0 }
    }

    /// Takes what fits of a piece and returns the rest.
    pub(super) fn push(&mut self, mut chunk: Bytes) -> Option<Bytes> {
        let fits = usize::try_from(self.room).unwrap_or(usize::MAX).min(chunk.len());
        let rest = chunk.split_off(fits);
        let length = chunk.len() as u64;
        (self.room, self.unhashed) = (self.room - length, self.unhashed + length);
        if chunk.len() >= SMALL_BYTES {
            self.seal();
            self.chunks.push(chunk);
        } else {
            self.small.extend_from_slice(&chunk);
            if self.small.len() >= GATHERED_BYTES {
                self.seal();
            }
        }
        (!rest.is_empty()).then_some(rest)
    }

    fn seal(&mut self) {
        if !self.small.is_empty() {
            self.chunks.push(self.small.split().freeze());
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.room == 0
    }

    pub(super) fn unhashed(&self) -> u64 {
        self.unhashed
    }

    /// What the hasher has not seen; from now on it has.
    pub(super) fn take_unhashed(&mut self) -> Payload {
        self.seal();
        let chunks = self.chunks[self.hashed..].to_vec();
        (self.hashed, self.unhashed) = (self.chunks.len(), 0);
        chunks
    }

    /// All there is.
    pub(super) fn into_payload(mut self) -> Payload {
        self.seal();
        self.chunks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_as_they_went_in_whatever_their_pieces() {
        for size in [1, 100, SMALL_BYTES - 1, SMALL_BYTES, 100_000] {
            let bytes: Vec<u8> = (0..300_000_u32).map(|number| number.to_le_bytes()[0]).collect();
            let (mut filling, mut hashed) = (Filling::new(200_000), Vec::new());
            let mut rest = Vec::new();
            for chunk in bytes.chunks(size) {
                rest.extend(filling.push(Bytes::copy_from_slice(chunk)).into_iter().flatten());
                if filling.unhashed() > 50_000 {
                    hashed.extend(filling.take_unhashed().concat());
                }
            }
            hashed.extend(filling.take_unhashed().concat());
            assert!(filling.is_full());
            let kept = filling.into_payload();
            assert!(kept.len() <= 200_000 / SMALL_BYTES + 1, "{size}: {}", kept.len());
            assert!(
                kept.concat() == bytes[..200_000] && hashed == bytes[..200_000] && rest == bytes[200_000..]
            );
        }
    }
}
