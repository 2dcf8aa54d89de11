//! How bytes leave.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::Stream;
use http_body::{Frame, SizeHint};
use wharf_core::{BlobBody, BoxError, ByteStream, FileRegion};

/// No frame is longer, whatever its source: one frame is one system call on a reactor thread, and a longer one holds up
/// every request beside it.
const FRAME_BYTES: usize = 1024 * 1024;

/// After so much a body lets the reactor look around. Whoever takes bytes as fast as they come keeps its task running, a
/// reactor thread with one task wakes no other, and looks for what has happened elsewhere after 61 turns of it: requests
/// beside one fast download waited 25 ms.
const TURN_BYTES: usize = 1024 * 1024;

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
}

#[derive(Default)]
enum Source {
    #[default]
    Nothing,
    File(FileRegion),
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
            BlobBody::Bytes(bytes) => Self::full(bytes),
            BlobBody::Stream(stream) => Self::stream(stream, Some(length)),
        }
    }

    /// How many bytes the next frame is going to read of a file, if it is; see [`limit_block`](Self::limit_block).
    pub(crate) fn next_block_bytes(&self) -> Option<usize> {
        match &self.source {
            Source::File(region) if self.carry.is_empty() => Some(region.next_block_bytes()),
            Source::Nothing | Source::File(_) | Source::Stream(_) => None,
        }
    }

    /// Has the next frame read no more than this of a file.
    pub(crate) fn limit_block(&mut self, bytes: usize) {
        if let Source::File(region) = &mut self.source {
            region.limit_block(bytes);
        }
    }

    fn poll_block(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BoxError>>> {
        if !self.carry.is_empty() {
            return Poll::Ready(Some(Ok(std::mem::take(&mut self.carry))));
        }
        match &mut self.source {
            Source::Nothing => Poll::Ready(None),
            Source::File(region) => Pin::new(region).poll_next(cx),
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
