//! Which reads of a store serve the parts of a multi-range response, and the cutting of what they give into the parts.
//!
//! In a bucket each read is a request. Parts that lie near each other are therefore cut from one, in the order asked for:
//! going forward, bytes between them are read and dropped; going back, the last bytes read are still in memory.

use std::collections::VecDeque;
use std::io;

use bytes::Bytes;
use futures_util::StreamExt;
use wharf_core::{BlobBody, BoxError, ByteStream, FileRegion};
use wharf_oci::ByteRange;

use crate::limits::Limits;

/// Blocks that are read of a file for a part: several of them wait for one reader, and many readers share the memory.
const FILE_BLOCK_BYTES: usize = 64 * 1024;

/// A part of the response, and the read that begins with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) range: ByteRange,
    /// What to read for this part and those that follow, up to the next one that begins a read.
    pub(crate) read: Option<ByteRange>,
}

/// An open read, from which parts are cut.
#[derive(Debug)]
pub(crate) enum Source {
    /// Any part of it can be read at any time.
    File { region: FileRegion, start: u64 },
    /// It is read once, from its beginning.
    Stream(Cut),
}

/// A stream that is cut into parts, and the last bytes of it.
pub(crate) struct Cut {
    stream: ByteStream,
    /// The offset in the blob of the stream's next block.
    position: u64,
    /// The end of what was asked for so far.
    asked_to: u64,
    /// Blocks with their offsets: all that reach into the last `back_bytes` before what was asked for.
    blocks: VecDeque<(u64, Bytes)>,
    back_bytes: u64,
}

/// The parts of a response, in the order asked for, with as few reads as the limits allow.
pub(crate) fn plan(ranges: &[ByteRange], limits: &Limits) -> Vec<Part> {
    let gap = limits.range_gap_bytes;
    let mut dropped_left = gap.saturating_mul(limits.range_reads as u64);
    let mut parts: Vec<Part> = Vec::with_capacity(ranges.len());
    // The read that goes on, by the index of the part that began it.
    let mut current: Option<(usize, ByteRange)> = None;
    for &range in ranges {
        let joined = current.and_then(|(first, read)| {
            let (joined, dropped) = join(read, range, gap)?;
            dropped_left = dropped_left.checked_sub(dropped)?;
            Some((first, joined))
        });
        let read = if let Some((first, read)) = joined {
            parts[first].read = Some(read);
            current = joined;
            None
        } else {
            current = Some((parts.len(), range));
            Some(range)
        };
        parts.push(Part { range, read });
    }
    parts
}

/// How many reads the parts take.
pub(crate) fn reads(parts: &[Part]) -> usize {
    parts.iter().filter(|part| part.read.is_some()).count()
}

/// A read that serves one more range, if that begins no more than `gap` bytes after its end or before it, and how many
/// bytes of it are for no range.
fn join(read: ByteRange, range: ByteRange, gap: u64) -> Option<(ByteRange, u64)> {
    let (read_end, range_end) = (read.start + read.length, range.start + range.length);
    let is_near = range.start <= read_end.saturating_add(gap) && range.start.saturating_add(gap) >= read_end;
    let (start, end) = (read.start.min(range.start), read_end.max(range_end));
    let dropped = range.start.saturating_sub(read_end) + read.start.saturating_sub(range_end);
    is_near.then_some((ByteRange { start, length: end - start }, dropped))
}

// === impl Source ===

impl Source {
    /// The bytes of a read that begins at `start`; `back_bytes` is how far parts may go back in it.
    pub(crate) fn new(body: BlobBody, start: u64, back_bytes: u64) -> Self {
        let stream = match body {
            BlobBody::File(region) => return Self::File { region, start },
            BlobBody::Bytes(bytes) => futures_util::stream::once(async { Ok(bytes) }).boxed(),
            BlobBody::Stream(stream) => stream,
        };
        let blocks = VecDeque::new();
        Self::Stream(Cut { stream, position: start, asked_to: start, blocks, back_bytes })
    }

    /// Goes to a part, which must lie within the read and not too far back.
    pub(crate) fn part(&self, range: ByteRange) -> PartBytes {
        let region = match self {
            Self::File { region, start } => {
                let mut region = region.slice(ByteRange { start: range.start - start, length: range.length });
                region.limit_block(FILE_BLOCK_BYTES);
                Some(region)
            }
            Self::Stream(_) => None,
        };
        PartBytes { region, cursor: range.start, end: range.start + range.length }
    }
}

/// How far a part has been sent.
#[derive(Debug)]
pub(crate) struct PartBytes {
    region: Option<FileRegion>,
    cursor: u64,
    end: u64,
}

// === impl PartBytes ===

impl PartBytes {
    /// Its next bytes; `None` after the last.
    pub(crate) async fn next(&mut self, source: &mut Source) -> Result<Option<Bytes>, BoxError> {
        let bytes = match (&mut self.region, source) {
            (Some(region), _) => return region.next().await.transpose(),
            (None, _) if self.cursor == self.end => return Ok(None),
            (None, Source::Stream(cut)) => cut.bytes(self.cursor, self.end).await?,
            (None, Source::File { .. }) => return Err(ended_early()),
        };
        self.cursor += bytes.len() as u64;
        Ok(Some(bytes))
    }
}

// === impl Cut ===

impl Cut {
    /// Bytes from `start` on, at least one and none from `end` on.
    async fn bytes(&mut self, start: u64, end: u64) -> Result<Bytes, BoxError> {
        self.asked_to = self.asked_to.max(start);
        loop {
            let has_start =
                |(offset, block): &&(u64, Bytes)| (*offset..*offset + block.len() as u64).contains(&start);
            if let Some((offset, block)) = self.blocks.iter().rev().find(has_start) {
                let skipped = usize::try_from(start - offset).unwrap_or(usize::MAX);
                let wanted = usize::try_from(end - start).unwrap_or(usize::MAX);
                let bytes = block.slice(skipped..block.len().min(skipped.saturating_add(wanted)));
                self.asked_to = self.asked_to.max(start + bytes.len() as u64);
                return Ok(bytes);
            }
            self.forget();
            let block = self.stream.next().await.ok_or_else(ended_early)??;
            let length = block.len() as u64;
            self.blocks.push_back((self.position, block));
            self.position += length;
        }
    }

    /// Drops the blocks that no part can go back to.
    fn forget(&mut self) {
        let oldest = self.asked_to.saturating_sub(self.back_bytes);
        while self.blocks.front().is_some_and(|(offset, block)| offset + block.len() as u64 <= oldest) {
            self.blocks.pop_front();
        }
    }
}

impl std::fmt::Debug for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cut").field("position", &self.position).finish_non_exhaustive()
    }
}

fn ended_early() -> BoxError {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the store gave fewer bytes than the part has").into()
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    const LIMITS: (u64, usize) = (10, 3);

    fn limits() -> Limits {
        Limits { range_gap_bytes: LIMITS.0, range_reads: LIMITS.1, ..Limits::default() }
    }

    fn range(start: u64, end: u64) -> ByteRange {
        ByteRange { start, length: end - start }
    }

    fn reads_of(ranges: &[(u64, u64)]) -> Vec<(u64, u64)> {
        let ranges: Vec<_> = ranges.iter().map(|&(start, end)| range(start, end)).collect();
        let reads = plan(&ranges, &limits()).into_iter().filter_map(|part| part.read);
        reads.map(|read| (read.start, read.start + read.length)).collect()
    }

    #[test]
    fn ranges_that_are_near_are_one_read() {
        for (ranges, reads) in [
            (&[(0, 5)][..], &[(0, 5)][..]),
            (&[(0, 5), (5, 9), (12, 15), (25, 30)], &[(0, 30)]),
            (&[(0, 5), (16, 20)], &[(0, 5), (16, 20)]),
            // The same twice, overlapping, within, and going back a little.
            (&[(0, 5), (0, 5), (0, 5)], &[(0, 5)]),
            (&[(0, 9), (3, 15)], &[(0, 15)]),
            (&[(20, 25), (15, 18)], &[(15, 25)]),
            // Not further back than what is in memory.
            (&[(20, 25), (14, 18)], &[(20, 25), (14, 18)]),
            (&[(0, 100), (0, 100)], &[(0, 100), (0, 100)]),
            // No more than 30 bytes are read for nothing.
            (&[(0, 1), (11, 12), (22, 23), (33, 34), (44, 45)], &[(0, 34), (44, 45)]),
        ] {
            assert_eq!(reads_of(ranges), reads, "{ranges:?}");
        }
    }

    /// Whatever is asked for in whatever order, the parts are cut exactly, and little is in memory.
    #[tokio::test]
    async fn what_is_cut_from_reads_is_what_was_asked_for() {
        let blob: Bytes = (0..200_u8).collect();
        let mut seed = 7_u64;
        let mut next = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        for _ in 0..500 {
            let count = 1 + next(8);
            let mut at = 0;
            let ranges: Vec<_> = (0..count)
                .map(|_| {
                    at = (at + next(40)).saturating_sub(next(30)).min(190);
                    range(at, at + 1 + next(10))
                })
                .collect();
            let mut source = None;
            for part in plan(&ranges, &limits()) {
                if let Some(read) = part.read {
                    let read = usize::try_from(read.start).unwrap()
                        ..usize::try_from(read.start + read.length).unwrap();
                    let start = read.start as u64;
                    let blocks: Vec<_> = blob[read].chunks(3).map(Bytes::copy_from_slice).collect();
                    let stream = stream::iter(blocks.into_iter().map(Ok)).boxed();
                    source = Some(Source::new(BlobBody::Stream(stream), start, LIMITS.0));
                }
                let source = source.as_mut().unwrap();
                let (mut bytes, mut got) = (source.part(part.range), Vec::new());
                while let Some(more) = bytes.next(source).await.unwrap() {
                    got.extend_from_slice(&more);
                }
                let start = usize::try_from(part.range.start).unwrap();
                assert_eq!(got, blob[start..start + got.len()], "{ranges:?}");
                assert_eq!(got.len() as u64, part.range.length, "{ranges:?}");
                let Source::Stream(cut) = source else { panic!("a stream stays one") };
                assert!(cut.blocks.iter().map(|(_, block)| block.len()).sum::<usize>() <= 10 + 2 * 3 + 10);
            }
        }
    }
}
