//! A response on its way out of a connection: how much is read for it before it is sent, and whether any of it is.

use std::io::IoSlice;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http_body::{Body as HttpBody, Frame, SizeHint};
use wharf_core::BoxError;

use crate::connections::Busy;
use crate::limits::Limits;
use crate::log::LoggedBody;
use crate::streams::Progress;

/// What a body may read ahead in any case: frames this short are not counted, so that no reader waits for another. As long as a frame of HTTP/2.
const SMALL_FRAME_BYTES: usize = 16 * 1024;

/// What all responses of the process have read and not yet sent.
#[derive(Debug)]
pub(crate) struct SendingBudget {
    held: AtomicUsize,
    limit: usize,
    limit_per_address: usize,
    limit_per_connection: usize,
}

/// What the responses of one connection have read and not yet sent: a part of its address's, which is a part of all.
#[derive(Debug)]
pub(crate) struct SendingShare {
    budget: Arc<SendingBudget>,
    /// `None` for proxies that are named, which are many clients.
    of_address: Option<Arc<AtomicUsize>>,
    of_connection: AtomicUsize,
}

/// Bytes that are counted until it is dropped.
#[derive(Debug)]
struct Permit {
    share: Arc<SendingShare>,
    bytes: usize,
}

/// The body of a response on a connection of ours. The connection is busy until the last byte was sent.
#[derive(Debug)]
pub(crate) struct SendingBody {
    body: LoggedBody,
    busy: Busy,
    share: Arc<SendingShare>,
    /// For the block that is being read.
    reserved: Option<Permit>,
    progress: Option<Arc<Progress>>,
}

/// A frame of it, until it was sent.
#[derive(Debug)]
pub(crate) struct SendingFrame {
    bytes: Bytes,
    progress: Option<Arc<Progress>>,
    _permit: Option<Permit>,
    _busy: Busy,
}

// === impl SendingBudget ===

impl SendingBudget {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            held: AtomicUsize::new(0),
            limit: limits.sending_bytes,
            limit_per_address: limits.sending_bytes_per_address,
            limit_per_connection: limits.sending_bytes_per_connection,
        }
    }
}

// === impl SendingShare ===

impl SendingShare {
    /// The share of a new connection; `of_address` is what its address has.
    pub(crate) fn new(budget: Arc<SendingBudget>, of_address: Option<Arc<AtomicUsize>>) -> Self {
        Self { budget, of_address, of_connection: AtomicUsize::new(0) }
    }

    /// Counts `bytes`, if there is room for them.
    fn try_take(self: &Arc<Self>, bytes: usize) -> Option<Permit> {
        let permit = self.take(bytes);
        let budget = &self.budget;
        let within = |held: &AtomicUsize, limit: usize| held.load(Ordering::Relaxed) <= limit;
        let fits = within(&self.of_connection, budget.limit_per_connection)
            && self.of_address.as_ref().is_none_or(|held| within(held, budget.limit_per_address))
            && within(&budget.held, budget.limit);
        fits.then_some(permit)
    }

    /// Counts bytes that are in memory already.
    fn take(self: &Arc<Self>, bytes: usize) -> Permit {
        for held in self.counters() {
            held.fetch_add(bytes, Ordering::Relaxed);
        }
        Permit { share: Arc::clone(self), bytes }
    }

    fn counters(&self) -> impl Iterator<Item = &AtomicUsize> {
        [&self.of_connection, &self.budget.held].into_iter().chain(self.of_address.as_deref())
    }
}

// === impl Permit ===

impl Permit {
    /// Gives back what is more than `bytes`.
    fn shrink(mut self, bytes: usize) -> Self {
        let surplus = self.bytes.saturating_sub(bytes);
        self.bytes -= surplus;
        for held in self.share.counters() {
            held.fetch_sub(surplus, Ordering::Relaxed);
        }
        self
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        for held in self.share.counters() {
            held.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}

// === impl SendingBody ===

impl SendingBody {
    pub(crate) fn new(body: LoggedBody, busy: Busy, share: Arc<SendingShare>) -> Self {
        Self { body, busy, share, reserved: None, progress: Progress::of_this_stream() }
    }

    /// Reserves room for the next block, if the body is going to read one, or has it read a small one.
    fn reserve(&mut self) {
        if self.reserved.is_some() {
            return;
        }
        let Some(block_bytes) = self.body.next_block_bytes().filter(|bytes| *bytes > SMALL_FRAME_BYTES)
        else {
            return;
        };
        self.reserved = self.share.try_take(block_bytes);
        self.body.limit_block(if self.reserved.is_some() { block_bytes } else { SMALL_FRAME_BYTES });
    }

    fn counted(&mut self, bytes: Bytes) -> SendingFrame {
        let length = bytes.len();
        let permit = match self.reserved.take() {
            Some(permit) => Some(permit.shrink(length)),
            // What a store gives unasked, or what was in memory before.
            None => (length > SMALL_FRAME_BYTES).then(|| self.share.take(length)),
        };
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
        self.reserve();
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        polled.map_ok(|frame| frame.map_data(|bytes| self.counted(bytes)))
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
