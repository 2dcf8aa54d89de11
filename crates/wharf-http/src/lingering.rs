//! The end of a connection whose client is still sending.
//!
//! A connection that is closed with bytes unread is reset, and a client that is told so loses the response that it has not
//! read yet: Go's clients then report a broken pipe in place of a 401. So such a connection is closed for writing first,
//! and what the client still sends is read and dropped until it has closed its end, for a bounded time.

use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep};

use crate::traffic::Traffic;

/// How long a client has to read the response and to close its end. A client that reads while it writes does so within a
/// round trip; one that does not has to send all of a body first.
const LINGER_TIMEOUT: Duration = Duration::from_secs(5);

/// The same over HTTP/2, where a client acknowledges what it reads until it has read that the connection ends.
const LINGER_TIMEOUT_H2: Duration = Duration::from_secs(1);

/// How much is read and dropped.
const LINGER_BYTES: usize = 64 * 1024 * 1024;

/// How many connections linger at once; others are closed without.
const LINGERING: usize = 1024;

/// What is read at once.
const BLOCK_BYTES: usize = 16 * 1024;

/// All lingering connections of the process. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Lingering(Arc<Semaphore>);

/// One connection that lingers.
#[derive(Debug)]
pub(crate) struct Linger {
    left: usize,
    timer: Pin<Box<Sleep>>,
    _permit: OwnedSemaphorePermit,
}

/// The body of a request as it comes from a connection. The connection's counters record whether it was read to its end.
#[derive(Debug)]
pub(crate) struct ReceivedBody {
    body: Incoming,
    /// `None` when it has ended.
    traffic: Option<Arc<Traffic>>,
}

// === impl Lingering ===

impl Default for Lingering {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(LINGERING)))
    }
}

impl Lingering {
    /// Begins to linger where the client may still send, unless as many connections do as may.
    pub(crate) fn begin(&self, traffic: &Traffic) -> Option<Linger> {
        let timeout = match traffic.has_unread_bytes() {
            true => LINGER_TIMEOUT,
            false if traffic.is_http2() => LINGER_TIMEOUT_H2,
            false => return None,
        };
        let permit = Arc::clone(&self.0).try_acquire_owned().ok()?;
        Some(Linger { left: LINGER_BYTES, timer: Box::pin(sleep(timeout)), _permit: permit })
    }
}

// === impl Linger ===

impl Linger {
    /// Reads and drops what comes; ready when the client has closed its end, or has had its time.
    pub(crate) fn poll<T: AsyncRead + Unpin>(&mut self, transport: &mut T, cx: &mut Context<'_>) -> Poll<()> {
        let mut block = [MaybeUninit::uninit(); BLOCK_BYTES];
        loop {
            let mut block = ReadBuf::uninit(&mut block);
            match Pin::new(&mut *transport).poll_read(cx, &mut block) {
                Poll::Pending => return self.timer.as_mut().poll(cx),
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(())) => {
                    let read = block.filled().len();
                    self.left = self.left.saturating_sub(read);
                    if read == 0 || self.left == 0 {
                        return Poll::Ready(());
                    }
                }
            }
        }
    }
}

// === impl ReceivedBody ===

impl ReceivedBody {
    pub(crate) fn new(body: Incoming, traffic: Arc<Traffic>) -> Self {
        let traffic = (!body.is_end_stream()).then_some(traffic);
        Self { body, traffic }
    }

    fn end(&mut self) {
        if let Some(traffic) = self.traffic.take() {
            traffic.end_request();
        }
    }
}

impl HttpBody for ReceivedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) || self.body.is_end_stream() {
            self.end();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for ReceivedBody {
    fn drop(&mut self) {
        if let Some(traffic) = self.traffic.take() {
            traffic.leave_body();
        }
    }
}
