//! A response on its way out of a connection: how much is read for it before it is sent, and whether any of it is.

use std::io::IoSlice;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http_body::{Body as HttpBody, Frame, SizeHint};
use wharf_core::BoxError;

pub(crate) use self::room::SendingRoom;
pub(crate) use self::share::{Permit, SendingShare};

use self::share::Waiting;
use crate::connections::Busy;
use crate::log::LoggedBody;
use crate::streams::Progress;

mod room;
mod share;

/// What a response reads at once where there is no room for more. As long as a frame of HTTP/2.
const SMALL_FRAME_BYTES: usize = 16 * 1024;

/// The body of a response on a connection of ours. The connection is busy until the last byte was sent.
#[derive(Debug)]
pub(crate) struct SendingBody {
    body: LoggedBody,
    busy: Busy,
    share: Arc<SendingShare>,
    /// For the frame that is being read, or for what is in memory and in no frame yet.
    permit: Option<Permit>,
    waiting: Option<Waiting>,
    progress: Option<Arc<Progress>>,
}

/// A frame of it, until it was sent.
#[derive(Debug)]
pub(crate) struct SendingFrame {
    bytes: Bytes,
    progress: Option<Arc<Progress>>,
    _permit: Permit,
    _busy: Busy,
}

// === impl SendingBody ===

impl SendingBody {
    /// A response; `permit` is for what of it is in memory already.
    pub(crate) fn new(
        body: LoggedBody,
        permit: Option<Permit>,
        busy: Busy,
        share: Arc<SendingShare>,
    ) -> Self {
        Self { body, busy, share, permit, waiting: None, progress: Progress::of_this_stream() }
    }

    /// Room for what is read next, of up to `bytes`.
    fn poll_room(&mut self, bytes: usize, cx: &Context<'_>) -> Poll<Permit> {
        let waiting = match self.waiting.take() {
            Some(waiting) => waiting,
            None => match self.share.try_take_frame(bytes) {
                Some(permit) => return Poll::Ready(permit),
                None => self.share.wait(bytes),
            },
        };
        let granted = waiting.poll(cx);
        if granted.is_pending() {
            self.waiting = Some(waiting);
        }
        granted
    }

    /// A frame, with the room for it. What is left for later frames stays with the body.
    fn counted(&mut self, bytes: Bytes) -> SendingFrame {
        let mut permit = self.permit.take().unwrap_or_else(|| self.share.take(0));
        let later = self.body.buffered_bytes();
        permit.resize(self.body.memory_bytes(bytes.len()) + later);
        if later > 0 {
            self.permit = Some(permit.split_off(later));
        }
        if let Some(progress) = &self.progress {
            progress.frame_begins();
        }
        SendingFrame { bytes, progress: self.progress.clone(), _permit: permit, _busy: self.busy.clone() }
    }
}

impl HttpBody for SendingBody {
    type Data = SendingFrame;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<SendingFrame>, BoxError>>> {
        if self.permit.is_none()
            && let Some(bytes) = self.body.wanted_bytes()
        {
            let permit = ready!(self.poll_room(bytes, cx));
            self.body.limit_block(permit.bytes());
            self.permit = Some(permit);
        }
        let polled = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if !matches!(polled, Some(Ok(_))) {
            self.permit = None;
        }
        Poll::Ready(polled.map(|frame| frame.map(|frame| frame.map_data(|bytes| self.counted(bytes)))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

// === impl SendingFrame ===

impl Buf for SendingFrame {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        self.bytes.chunks_vectored(slices)
    }

    fn advance(&mut self, count: usize) {
        if let Some(progress) = &self.progress {
            progress.bytes_sent();
        }
        self.bytes.advance(count);
    }
}

impl Drop for SendingFrame {
    fn drop(&mut self) {
        if let Some(progress) = &self.progress {
            progress.frame_ends();
        }
    }
}

#[cfg(test)]
mod tests;
