//! A response on its way out of a connection: what has been read for it and waits to be sent.

use std::io::IoSlice;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http_body::{Body as HttpBody, Frame, SizeHint};
use wharf_core::BoxError;

use crate::connections::Busy;
use crate::log::LoggedBody;

/// The body of a response on a connection of ours. The connection is busy until the last byte was sent.
#[derive(Debug)]
pub(crate) struct SendingBody {
    body: LoggedBody,
    busy: Busy,
}

/// A frame of it.
#[derive(Debug)]
pub(crate) struct SendingFrame {
    bytes: Bytes,
    _busy: Busy,
}

// === impl SendingBody ===

impl SendingBody {
    pub(crate) fn new(body: LoggedBody, busy: Busy) -> Self {
        Self { body, busy }
    }
}

impl HttpBody for SendingBody {
    type Data = SendingFrame;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<SendingFrame>, BoxError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        polled.map_ok(|frame| frame.map_data(|bytes| SendingFrame { bytes, _busy: self.busy.clone() }))
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
        self.bytes.advance(count);
    }
}
