//! Bodies on their way: counted, and cut off or held up in their middle where a fault says so.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

use super::log::Seen;

/// Which count of a request a body adds to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Direction {
    In,
    Out,
}

/// A body that is counted while it goes by.
#[derive(Debug)]
pub(super) struct Counted<B> {
    inner: B,
    seen: Arc<Seen>,
    direction: Direction,
    middle: Middle,
    /// What comes after the middle, of a piece that went beyond it.
    kept: Option<Bytes>,
}

/// What happens in the middle of a body.
#[derive(Debug)]
pub(super) enum Middle {
    Nothing,
    /// It breaks off when so many bytes are left to be let through, and the connection is reset.
    Cut(u64, Arc<AtomicBool>),
    /// It rests when so many bytes are left until then, once.
    Rest(u64, Pin<Box<Sleep>>),
}

// === impl Middle ===

impl Middle {
    pub(super) fn rest(after: u64, time: Duration) -> Self {
        Self::Rest(after, Box::pin(tokio::time::sleep(time)))
    }
}

// === impl Counted ===

impl<B> Counted<B> {
    pub(super) fn new(inner: B, seen: Arc<Seen>, direction: Direction, middle: Middle) -> Self {
        Self { inner, seen, direction, middle, kept: None }
    }

    fn count(&self, bytes: usize) {
        let counter: &AtomicU64 = match self.direction {
            Direction::In => &self.seen.bytes_in,
            Direction::Out => &self.seen.bytes_out,
        };
        counter.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

impl<B> Body for Counted<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match &mut self.middle {
            Middle::Nothing => {}
            Middle::Cut(0, reset) => {
                reset.store(true, Ordering::Relaxed);
                return Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into())));
            }
            Middle::Rest(0, sleep) => {
                ready!(sleep.as_mut().poll(cx));
                self.middle = Middle::Nothing;
            }
            Middle::Cut(..) | Middle::Rest(..) => {}
        }
        if let Some(bytes) = self.kept.take() {
            self.count(bytes.len());
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        let frame = match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
            None => return Poll::Ready(None),
            Some(Err(error)) => return Poll::Ready(Some(Err(io::Error::other(error)))),
            Some(Ok(frame)) => frame,
        };
        let Ok(bytes) = frame.into_data() else { return Poll::Ready(None) };
        let bytes = self.until_the_middle(bytes);
        self.count(bytes.len());
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.middle, Middle::Nothing) && self.kept.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B> Counted<B> {
    /// The part of a piece before the middle. A cut drops the rest, a rest keeps it for later.
    fn until_the_middle(&mut self, mut bytes: Bytes) -> Bytes {
        let left = match &mut self.middle {
            Middle::Nothing => return bytes,
            Middle::Cut(left, _) | Middle::Rest(left, _) => left,
        };
        let now = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
        *left -= now as u64;
        let later = bytes.split_off(now);
        if !later.is_empty() && matches!(self.middle, Middle::Rest(..)) {
            self.kept = Some(later);
        }
        bytes
    }
}
