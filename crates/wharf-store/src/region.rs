//! A part of an open file, read block by block without stalling the reactor.
//!
//! A block that the page cache holds is read on the spot with `preadv2(RWF_NOWAIT)`, which costs less than a hop to
//! another thread. One that it does not hold is read on the blocking pool, with the next one asked for ahead. File
//! systems that know no `RWF_NOWAIT` are found out at the first block.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::Stream;
use rustix::fs::Advice;
use rustix::io::{Errno, ReadWriteFlags, retry_on_intr};
use tokio::task::JoinHandle;
use wharf_oci::ByteRange;

use crate::error::BoxError;
use crate::span::in_current_span;

/// Bytes read at once: large enough that the system call costs little beside the copy, small enough to stay in a core's
/// cache until it is sent.
const BLOCK_BYTES: usize = 256 * 1024;

/// A read of up to so many bytes is not worth a whole block.
const SHORT_BYTES: usize = BLOCK_BYTES / 4;

/// Idle block buffers kept for the next reader, process-wide: 8 MiB.
const SPARE_BLOCKS: usize = 32;

/// A part of an open file; as a [`Stream`] it gives the bytes in blocks.
#[derive(Debug)]
pub struct FileRegion {
    file: Arc<File>,
    offset: u64,
    remaining: u64,
    /// The most that is read at once.
    block_bytes: usize,
    way: Way,
    pending: Option<JoinHandle<io::Result<Bytes>>>,
}

/// How this file's file system wants to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Ask the page cache, go to the pool for what it does not hold.
    Cache,
    /// It is all in memory (tmpfs): just read.
    Memory,
    /// It cannot say (overlayfs, network file systems): always the pool.
    Pool,
}

// === impl FileRegion ===

impl FileRegion {
    /// `length` bytes of `file` from `offset`.
    pub fn new(file: Arc<File>, offset: u64, length: u64) -> Self {
        Self { file, offset, remaining: length, block_bytes: BLOCK_BYTES, way: Way::Cache, pending: None }
    }

    /// As [`new`](Self::new), of a file that is [in memory](is_in_memory).
    pub fn in_memory(file: Arc<File>, offset: u64, length: u64) -> Self {
        Self { way: Way::Memory, ..Self::new(file, offset, length) }
    }

    /// Bytes not read yet.
    pub fn remaining(&self) -> u64 {
        self.remaining
    }

    /// Another part of the same file, counted from this region's beginning.
    #[must_use]
    pub fn slice(&self, range: ByteRange) -> Self {
        Self { way: self.way, ..Self::new(Arc::clone(&self.file), self.offset + range.start, range.length) }
    }

    /// How much memory the next block takes at most, before any limit.
    pub fn next_block_bytes(&self) -> usize {
        Self::memory_bytes(self.next_bytes())
    }

    /// How much memory a block takes in which so many bytes were read: short ones have a buffer of their own, the others
    /// one of the length of all.
    pub fn memory_bytes(block_bytes: usize) -> usize {
        if block_bytes <= SHORT_BYTES { block_bytes } else { BLOCK_BYTES.max(block_bytes) }
    }

    fn next_bytes(&self) -> usize {
        usize::try_from(self.remaining).unwrap_or(usize::MAX).min(BLOCK_BYTES)
    }

    /// Limits the blocks that are read from here on to `bytes`, for a reader with little memory left for them. A limit
    /// above the usual length of a block lifts any other.
    pub fn limit_block(&mut self, bytes: usize) {
        self.block_bytes = bytes.clamp(1, BLOCK_BYTES);
    }

    fn wanted(&self) -> usize {
        self.next_bytes().min(self.block_bytes)
    }

    /// Reads a block on the spot; `None` if it would have to wait for the disk.
    fn read_now(&mut self) -> io::Result<Option<Bytes>> {
        if self.way == Way::Pool {
            return Ok(None);
        }
        let mut block = Block::take(self.wanted());
        let read = retry_on_intr(|| match self.way {
            Way::Memory | Way::Pool => rustix::io::pread(&self.file, block.buffer(), self.offset),
            Way::Cache => {
                let mut buffers = [IoSliceMut::new(block.buffer())];
                rustix::io::preadv2(&self.file, &mut buffers, self.offset, ReadWriteFlags::NOWAIT)
            }
        });
        match read {
            Ok(0) => Err(truncated()),
            Ok(length) => Ok(Some(block.filled(length))),
            Err(Errno::AGAIN) => Ok(None),
            // ENOSYS: a kernel, or a sandbox that stands in for one, without preadv2.
            Err(Errno::OPNOTSUPP | Errno::NOSYS) if self.way == Way::Cache => {
                self.way = if is_in_memory(&self.file) { Way::Memory } else { Way::Pool };
                self.read_now()
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Starts reading a block on the blocking pool.
    fn read_later(&self) -> JoinHandle<io::Result<Bytes>> {
        let (file, offset, wanted) = (Arc::clone(&self.file), self.offset, self.wanted());
        tokio::task::spawn_blocking(in_current_span(move || {
            let mut block = Block::take(wanted);
            let length = retry_on_intr(|| rustix::io::pread(&file, block.buffer(), offset))?;
            if length == 0 {
                return Err(truncated());
            }
            let next = offset + length as u64;
            // A hint; a file system that does not take it loses nothing.
            let _ = rustix::fs::fadvise(
                &file,
                next,
                std::num::NonZeroU64::new(BLOCK_BYTES as u64),
                Advice::WillNeed,
            );
            Ok(block.filled(length))
        }))
    }

    fn advance(&mut self, block: Bytes) -> Bytes {
        self.offset += block.len() as u64;
        self.remaining -= block.len() as u64;
        block
    }
}

impl Stream for FileRegion {
    type Item = Result<Bytes, BoxError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.remaining == 0 {
            return Poll::Ready(None);
        }
        if self.pending.is_none() {
            match self.read_now() {
                Ok(Some(block)) => return Poll::Ready(Some(Ok(self.advance(block)))),
                Ok(None) => self.pending = Some(self.read_later()),
                Err(error) => return Poll::Ready(Some(Err(error.into()))),
            }
        }
        let Some(pending) = self.pending.as_mut() else {
            return Poll::Ready(None);
        };
        let joined = ready!(Pin::new(pending).poll(cx));
        self.pending = None;
        let block = joined.map_err(io::Error::other).and_then(|block| block);
        Poll::Ready(Some(block.map(|block| self.advance(block)).map_err(Into::into)))
    }
}

fn truncated() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the file is shorter than it was when it was opened")
}

/// Whether a file or folder is on a file system that is all in memory (tmpfs), so that nobody ever waits for a disk.
pub fn is_in_memory(file: impl AsFd) -> bool {
    /// `TMPFS_MAGIC` of statfs(2). Wider than the field is on any machine.
    const TMPFS: i128 = 0x0102_1994;
    rustix::fs::fstatfs(file).is_ok_and(|stat| i128::from(stat.f_type) == TMPFS)
}

/// A buffer that goes back to a common store when the last `Bytes` made of it is gone: fresh ones would cost a page
/// fault for every 4 KiB.
struct Block {
    buffer: Vec<u8>,
    length: usize,
}

static SPARE: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

impl Block {
    fn take(length: usize) -> Self {
        if length <= SHORT_BYTES {
            return Self { buffer: vec![0; length], length };
        }
        let spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Self { buffer: spare.unwrap_or_else(|| vec![0; BLOCK_BYTES]), length }
    }

    fn buffer(&mut self) -> &mut [u8] {
        &mut self.buffer[..self.length]
    }

    fn filled(mut self, length: usize) -> Bytes {
        self.length = length;
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Block {
    fn as_ref(&self) -> &[u8] {
        &self.buffer[..self.length]
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let mut spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner);
        if self.buffer.len() == BLOCK_BYTES && spare.len() < SPARE_BLOCKS {
            spare.push(std::mem::take(&mut self.buffer));
        }
    }
}
