//! A part while it fills: what was received is copied together, and hashed in batches.

use bytes::{Buf, Bytes};

use super::blocks::{BLOCK_BYTES, Block, Blocks};
use crate::cloud::Payload;

/// The first block of a body whose first piece is shorter. Those after it are as long as all before, up to a whole one: most
/// bodies are short, and there may be thousands at once.
const FIRST_BYTES: usize = 16 * 1024;

/// What was received for the next part.
#[derive(Debug)]
pub(super) struct Filling {
    blocks: Blocks,
    /// Full blocks, and the last one when there is no more to come.
    chunks: Payload,
    /// The block that fills.
    open: Option<Block>,
    /// Bytes that still fit.
    room: u64,
    /// The length of the next block.
    next: usize,
    /// How many of the chunks went to the hasher.
    hashed: usize,
    unhashed: u64,
}

impl Filling {
    /// Room for the first so many bytes of a body.
    pub(super) fn first(blocks: &Blocks, room: u64) -> Self {
        Self { next: 0, ..Self::later(blocks, room) }
    }

    /// Room for so many bytes of a body that is known to be long.
    pub(super) fn later(blocks: &Blocks, room: u64) -> Self {
        Self {
            blocks: blocks.clone(),
            chunks: Vec::new(),
            open: None,
            room,
            next: BLOCK_BYTES,
            hashed: 0,
            unhashed: 0,
        }
    }

    /// Takes what fits of a piece and returns the rest.
    pub(super) fn push(&mut self, mut chunk: Bytes) -> Option<Bytes> {
        while !chunk.is_empty() && self.room > 0 {
            let fits = chunk.len().min(self.room());
            let mut block = self.open.take().unwrap_or_else(|| self.block(fits));
            let taken = block.push(&chunk[..fits]);
            chunk.advance(taken);
            self.room -= taken as u64;
            let full = block.is_full() || self.is_full();
            self.open = Some(block);
            if full {
                self.seal();
            }
        }
        (!chunk.is_empty()).then_some(chunk)
    }

    /// The next block, when so many bytes are there to be copied.
    fn block(&mut self, waiting: usize) -> Block {
        let length = self.next.max(waiting).clamp(FIRST_BYTES, BLOCK_BYTES).min(self.room());
        self.next += length;
        self.blocks.take(length)
    }

    fn room(&self) -> usize {
        usize::try_from(self.room).unwrap_or(usize::MAX)
    }

    /// Nothing more comes, or nothing more fits into the block.
    pub(super) fn seal(&mut self) {
        if let Some(block) = self.open.take() {
            let bytes = block.freeze();
            self.unhashed += bytes.len() as u64;
            self.chunks.push(bytes);
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.room == 0
    }

    /// How much there is for the hasher.
    pub(super) fn unhashed(&self) -> u64 {
        self.unhashed
    }

    /// What the hasher has not seen; from now on it has.
    pub(super) fn take_unhashed(&mut self) -> Payload {
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

    fn bytes(length: u32) -> Vec<u8> {
        (0..length).map(|number| number.to_le_bytes()[0]).collect()
    }

    #[test]
    fn bytes_come_out_as_they_went_in_whatever_their_pieces() {
        let bytes = bytes(1_500_000);
        for size in [1, 100, 4096, 100_000, 1_500_000] {
            for new in [Filling::first, Filling::later] {
                let (mut filling, mut hashed) = (new(&Blocks::default(), 1_000_000), Vec::new());
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
                assert!(kept.len() <= 10, "{size}: {}", kept.len());
                assert!(kept.concat() == bytes[..1_000_000] && rest == bytes[1_000_000..]);
                assert!(hashed == bytes[..1_000_000]);
            }
        }
    }

    #[test]
    fn a_short_body_takes_little_memory() {
        let mut filling = Filling::first(&Blocks::default(), 10 << 20);
        assert!(filling.push(Bytes::from(bytes(1000))).is_none());
        assert_eq!((filling.unhashed(), filling.next), (0, FIRST_BYTES));
        filling.seal();
        assert_eq!((filling.unhashed(), filling.take_unhashed().concat()), (1000, bytes(1000)));

        let mut filling = Filling::first(&Blocks::default(), 10 << 20);
        assert!(filling.push(Bytes::from(bytes(50_000))).is_none());
        assert_eq!((filling.unhashed(), filling.next), (50_000, 50_000));
    }
}
