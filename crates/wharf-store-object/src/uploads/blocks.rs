//! Memory for what is received: blocks of one length, which go from one part to the next.
//!
//! The network hands over pieces of any length, each in a buffer that may be many times longer. Whoever kept those would
//! keep the buffers, and an allocator that got them back in another order could not use the gaps for the next. Blocks are
//! as long as what is in them, and each fits wherever another was.
//!
//! Knows nothing of parts.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// A whole block: what is copied into it is still in the processor's cache when it is hashed.
pub(super) const BLOCK_BYTES: usize = 256 * 1024;

/// Free blocks that stay when nobody has one, for the next body: 4 MiB, as much as the process keeps for other stores.
const KEPT: usize = 16;

/// While blocks are lent, one more free one stays for each so many of them. An upload's memory goes up and down by one
/// part in four, as long as it lasts: what it gives back is what it, or another one, asks for next.
const LENT_FOR_ONE_FREE: usize = 3;

/// Where blocks come from and go back to. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Blocks(Arc<Mutex<Stock>>);

#[derive(Default)]
struct Stock {
    /// Whole ones.
    free: Vec<Vec<u8>>,
    lent_bytes: usize,
}

/// Memory of a length that does not change.
pub(super) struct Block {
    bytes: Vec<u8>,
    length: usize,
    home: Blocks,
}

// === impl Blocks ===

impl Blocks {
    /// A block that is no longer than a whole one. Shorter ones are not used again.
    pub(super) fn take(&self, length: usize) -> Block {
        let free = {
            let mut stock = self.stock();
            stock.lent_bytes += length;
            if length == BLOCK_BYTES { stock.free.pop() } else { None }
        };
        let bytes = free.unwrap_or_else(|| Vec::with_capacity(length));
        Block { bytes, length, home: self.clone() }
    }

    fn give_back(&self, mut bytes: Vec<u8>, length: usize) {
        bytes.clear();
        let mut stock = self.stock();
        stock.lent_bytes -= length;
        if length == BLOCK_BYTES {
            stock.free.push(bytes);
        }
        let kept = KEPT.max(stock.lent_bytes / BLOCK_BYTES / LENT_FOR_ONE_FREE);
        let surplus = stock.free.len().saturating_sub(kept);
        let surplus: Vec<_> = stock.free.drain(..surplus).collect();
        // The allocator may take its time.
        drop(stock);
        drop(surplus);
    }

    /// How long all blocks are that somebody has.
    #[cfg(test)]
    pub(super) fn lent_bytes(&self) -> usize {
        self.stock().lent_bytes
    }

    fn stock(&self) -> MutexGuard<'_, Stock> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Blocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stock = self.stock();
        f.debug_struct("Blocks")
            .field("lent_bytes", &stock.lent_bytes)
            .field("free", &stock.free.len())
            .finish()
    }
}

// === impl Block ===

impl Block {
    /// Copies what fits, and returns how much that was.
    pub(super) fn push(&mut self, bytes: &[u8]) -> usize {
        let fits = (self.length - self.bytes.len()).min(bytes.len());
        self.bytes.extend_from_slice(&bytes[..fits]);
        fits
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() == self.length
    }

    /// What is in it; it goes back when the last of those who read it has let go.
    pub(super) fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Block {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Block({} of {})", self.bytes.len(), self.length)
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        self.home.give_back(std::mem::take(&mut self.bytes), self.length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn free(blocks: &Blocks) -> usize {
        blocks.stock().free.len()
    }

    #[test]
    fn a_block_is_used_again_when_its_last_reader_is_gone() {
        let blocks = Blocks::default();
        let mut block = blocks.take(BLOCK_BYTES);
        assert_eq!(block.push(b"one"), 3);
        let bytes = block.freeze();
        let (other, address) = (bytes.slice(1..), bytes.as_ptr());
        drop(bytes);
        assert_eq!((free(&blocks), blocks.lent_bytes(), &other[..]), (0, BLOCK_BYTES, &b"ne"[..]));
        drop(other);
        assert_eq!((free(&blocks), blocks.lent_bytes()), (1, 0));
        let again = blocks.take(BLOCK_BYTES);
        assert_eq!((again.as_ref().as_ptr(), again.as_ref().len()), (address, 0));
    }

    #[test]
    fn a_block_takes_no_more_than_its_length() {
        for length in [1, 1000, BLOCK_BYTES] {
            let mut block = Blocks::default().take(length);
            assert_eq!(block.push(&vec![1; 2 * BLOCK_BYTES]), length);
            assert!(block.is_full());
            assert_eq!((block.push(b"more"), block.freeze().len()), (0, length));
        }
    }

    #[test]
    fn few_blocks_stay_when_nobody_has_one() {
        let blocks = Blocks::default();
        let mut lent: Vec<_> = (0..1000).map(|_| blocks.take(BLOCK_BYTES)).collect();
        while let Some(block) = lent.pop() {
            drop(block);
            assert!(free(&blocks) <= KEPT.max(lent.len() / LENT_FOR_ONE_FREE), "{blocks:?}");
        }
        assert_eq!(free(&blocks), KEPT);
        drop(blocks.take(1000));
        assert_eq!((free(&blocks), blocks.lent_bytes()), (KEPT, 0));
    }
}
