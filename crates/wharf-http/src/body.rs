//! How bytes leave.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::Stream;
use http_body::{Frame, SizeHint};
use wharf_core::{BlobBody, BoxError, ByteStream, FileRegion};

use crate::accounts::Transfer;

/// No frame is longer, whatever its source: one frame is one system call on a reactor thread, and a longer one holds up
/// every request beside it.
const FRAME_BYTES: usize = 1024 * 1024;

/// After so much a body lets the reactor look around. Whoever takes bytes as fast as they come keeps its task running, a
/// reactor thread with one task wakes no other, and looks for what has happened elsewhere after 61 turns of it: requests
/// beside one fast download waited 25 ms.
const TURN_BYTES: usize = 1024 * 1024;

/// What a source that is not a file is taken to give at once, until it has.
const STREAM_BLOCK_BYTES: usize = 16 * 1024;

/// The body of a response.
#[derive(Default)]
pub struct Body {
    source: Source,
    /// What is left of a block that was longer than a frame.
    carry: Bytes,
    /// Bytes to come, if that is known.
    remaining: Option<u64>,
    /// Bytes since the reactor looked around.
    turn: usize,
    /// The place of a blob among those that are on their way.
    transfer: Option<Transfer>,
}

#[derive(Default)]
enum Source {
    #[default]
    Nothing,
    File(FileRegion),
    /// A blob that its store has in memory, and the most of it that is sent at once.
    Bytes(Bytes, usize),
    Stream(ByteStream),
}

impl Body {
    /// No bytes.
    pub fn empty() -> Self {
        Self { remaining: Some(0), ..Self::default() }
    }

    /// These bytes.
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        let carry = bytes.into();
        Self { remaining: Some(carry.len() as u64), carry, ..Self::default() }
    }

    /// Whatever comes, of a length known or not.
    pub fn stream(stream: ByteStream, length: Option<u64>) -> Self {
        Self { source: Source::Stream(stream), remaining: length, ..Self::default() }
    }

    /// `length` bytes of a blob.
    pub fn blob(blob: BlobBody, length: u64) -> Self {
        match blob {
            BlobBody::File(region) => {
                Self { source: Source::File(region), remaining: Some(length), ..Self::default() }
            }
            BlobBody::Bytes(bytes) => {
                Self { source: Source::Bytes(bytes, FRAME_BYTES), remaining: Some(length), ..Self::default() }
            }
            BlobBody::Stream(stream) => Self::stream(stream, Some(length)),
        }
    }

    /// Counts as a blob on its way until it is dropped.
    pub(crate) fn counted(mut self, transfer: Transfer) -> Self {
        self.transfer = Some(transfer);
        self
    }

    /// How much memory the next frame takes that is not taken yet; `None` where it takes none.
    pub(crate) fn wanted_bytes(&self) -> Option<usize> {
        match &self.source {
            _ if !self.carry.is_empty() => None,
            Source::Nothing => None,
            Source::File(region) if region.remaining() == 0 => None,
            Source::File(region) => Some(region.next_block_bytes()),
            Source::Bytes(bytes, _) if bytes.is_empty() => None,
            Source::Bytes(bytes, _) => Some(bytes.len().min(FRAME_BYTES)),
            Source::Stream(_) => Some(STREAM_BLOCK_BYTES),
        }
    }

    /// How much memory a frame of so many bytes takes.
    pub(crate) fn memory_bytes(&self, frame_bytes: usize) -> usize {
        match &self.source {
            Source::File(_) => FileRegion::memory_bytes(frame_bytes),
            Source::Nothing | Source::Bytes(..) | Source::Stream(_) => frame_bytes,
        }
    }

    /// How many bytes are in memory for later frames.
    pub(crate) fn buffered_bytes(&self) -> usize {
        self.carry.len()
    }

    /// Has the next frame take no more than this of a file or a blob in memory.
    pub(crate) fn limit_block(&mut self, bytes: usize) {
        match &mut self.source {
            Source::File(region) => region.limit_block(bytes),
            Source::Bytes(_, most) => *most = bytes.clamp(1, FRAME_BYTES),
            Source::Nothing | Source::Stream(_) => {}
        }
    }

    fn poll_block(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BoxError>>> {
        if !self.carry.is_empty() {
            return Poll::Ready(Some(Ok(std::mem::take(&mut self.carry))));
        }
        match &mut self.source {
            Source::Nothing => Poll::Ready(None),
            Source::File(region) => Pin::new(region).poll_next(cx),
            Source::Bytes(bytes, _) if bytes.is_empty() => Poll::Ready(None),
            Source::Bytes(bytes, most) => Poll::Ready(Some(Ok(bytes.split_to(bytes.len().min(*most))))),
            Source::Stream(stream) => stream.as_mut().poll_next(cx),
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.turn >= TURN_BYTES {
            self.turn = 0;
            return look_around(cx);
        }
        let Some(block) = ready!(self.poll_block(cx)) else { return Poll::Ready(None) };
        let mut block = block?;
        if block.len() > FRAME_BYTES {
            self.carry = block.split_off(FRAME_BYTES);
        }
        self.turn += block.len();
        if let Some(remaining) = &mut self.remaining {
            *remaining = remaining.saturating_sub(block.len() as u64);
        }
        Poll::Ready(Some(Ok(Frame::data(block))))
    }

    fn is_end_stream(&self) -> bool {
        self.remaining == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.remaining.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// Goes on when the reactor has looked at all connections, and those that have something to do had their turn.
fn look_around<T>(cx: &mut Context<'_>) -> Poll<T> {
    // What it asks for at its first poll happens whether it is polled again or not.
    let turn = std::pin::pin!(tokio::task::yield_now());
    let _ = turn.poll(cx);
    Poll::Pending
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").field("remaining", &self.remaining).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn others_have_their_turn_beside_a_body_that_is_always_ready() {
        let block = Bytes::from(vec![7; TURN_BYTES / 4]);
        let blocks = futures_util::stream::iter((0..64).map(move |_| Ok::<_, BoxError>(block.clone())));
        let mut body = Body::stream(blocks.boxed(), None);
        let mut turns = 0;
        let work = async { while body.frame().await.transpose().expect("no error").is_some() {} };
        let mut work = std::pin::pin!(work);
        std::future::poll_fn(|cx| {
            turns += 1;
            work.as_mut().poll(cx)
        })
        .await;
        assert_eq!(turns, 16 + 1);
    }

    #[tokio::test]
    async fn no_frame_is_longer_than_a_mebibyte_whatever_its_source() {
        let bytes = Bytes::from(vec![7; 5 * FRAME_BYTES / 2]);
        let block = bytes.clone();
        let stream = futures_util::stream::once(async move { Ok(block) }).boxed();
        for mut body in [Body::full(bytes.clone()), Body::stream(stream, None)] {
            let mut lengths = Vec::new();
            while let Some(frame) = body.frame().await {
                lengths.push(frame.expect("no error").into_data().expect("data").len());
            }
            assert_eq!(lengths, [FRAME_BYTES, FRAME_BYTES, FRAME_BYTES / 2]);
        }
    }
}
