//! How bytes come in.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use http_body::Body as HttpBody;
use tokio::time::{Instant, Sleep, sleep, timeout};
use wharf_core::{BoxError, ByteStream};

use crate::body_budget::{BodyAccount, NoRoom, Room};

/// Heads up to this length are not counted, so that no ordinary request waits for another.
const SMALL_HEAD_BYTES: usize = 16 * 1024;

/// Why a body ended before its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// The client sent nothing for too long.
    #[error("request body timed out: no data for {} s", .0.as_secs())]
    Idle(Duration),
    /// The client did not send all of it in time.
    #[error("request body timed out: it was not complete after {} s", .0.as_secs())]
    Slow(Duration),
    /// There was no memory left for it.
    #[error("too many request bodies are being received; no room for {} s", .0.as_secs())]
    NoRoom(Duration),
    /// The client hung up, or broke the framing.
    #[error("the connection broke")]
    Broken(#[source] BoxError),
}

/// The body of a request, not yet asked for.
pub(crate) struct RequestBody {
    slot: Slot,
    length: Option<u64>,
    account: BodyAccount,
    /// Whether it was asked for: from then on a client that waits for our word sends it.
    asked: AtomicBool,
}

/// How long a body that is collected may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CollectTimes {
    /// How long it may be silent.
    pub(crate) idle: Duration,
    /// How long it may take in all.
    pub(crate) whole: Duration,
}

/// The bytes of a body as they come.
pub(crate) type Inner = Pin<Box<dyn HttpBody<Data = Bytes, Error = BoxError> + Send>>;

/// Where the body is when no stream has it.
type Slot = Arc<Mutex<Option<Inner>>>;

/// The body as a stream. When it is dropped, what was not read goes back to where it came from.
struct BodyStream {
    slot: Slot,
    inner: Option<Inner>,
    idle: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

// === impl RequestBody ===

impl RequestBody {
    /// The body; its memory is counted in the account when it is collected.
    pub(crate) fn new<B>(body: B, account: BodyAccount) -> Self
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let length = body.size_hint().exact();
        // Most requests have none, and nothing is kept for it.
        let inner = if body.is_end_stream() {
            None
        } else {
            Some(Box::pin(http_body_util::BodyExt::map_err(body, Into::into)) as Inner)
        };
        Self { slot: Arc::new(Mutex::new(inner)), length, account, asked: AtomicBool::new(false) }
    }

    /// How long it is, if the client said so.
    pub(crate) fn length(&self) -> Option<u64> {
        self.length
    }

    /// Room for the head of the request beside the bodies that are collected, if it is a long one: a connection of HTTP/2
    /// has many of them at once.
    pub(crate) async fn room_for_head(&self, bytes: usize) -> Result<Option<Room>, BodyError> {
        if bytes <= SMALL_HEAD_BYTES {
            return Ok(None);
        }
        let mut room = self.account.open();
        room.grow(bytes).await.map_err(|NoRoom(wait)| BodyError::NoRoom(wait))?;
        Ok(Some(room))
    }

    /// What was not read of it, unless the client is still waiting to be asked for it.
    pub(crate) fn into_rest(self, expects_word: bool) -> Option<Inner> {
        let rest = self.slot.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        let comes = !expects_word || self.asked.into_inner();
        (comes && !rest.is_end_stream()).then_some(rest)
    }

    /// The bytes. May be silent for `idle` at a time.
    pub(crate) fn stream(&self, idle: Duration) -> ByteStream {
        self.asked.store(true, Ordering::Relaxed);
        let inner = self.slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        BodyStream { slot: Arc::clone(&self.slot), inner, idle, timer: None }.boxed()
    }

    /// All bytes, or `None` if they are more than `limit`.
    pub(crate) async fn collect(&self, limit: usize, times: CollectTimes) -> Result<Option<Bytes>, BoxError> {
        if self.length.is_some_and(|length| length > limit as u64) {
            return Ok(None);
        }
        let collected = timeout(times.whole, self.collect_within(limit, times.idle)).await;
        collected.unwrap_or_else(|_| Err(BodyError::Slow(times.whole).into()))
    }

    async fn collect_within(&self, limit: usize, idle: Duration) -> Result<Option<Bytes>, BoxError> {
        let (mut stream, mut collected, mut room) = (self.stream(idle), BytesMut::new(), self.account.open());
        while let Some(chunk) = stream.next().await {
            let chunk = chunk?;
            if collected.len() + chunk.len() > limit {
                return Ok(None);
            }
            room.grow(chunk.len()).await.map_err(|NoRoom(wait)| BodyError::NoRoom(wait))?;
            // One chunk is all there is, nearly always.
            if collected.is_empty() && self.length == Some(chunk.len() as u64) {
                return Ok(Some(room.with(chunk)));
            }
            collected.extend_from_slice(&chunk);
        }
        Ok(Some(room.with(collected.freeze())))
    }
}

// === impl BodyStream ===

impl BodyStream {
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<BodyError> {
        let idle = self.idle;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(idle)));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(BodyError::Idle(idle))
    }
}

impl Stream for BodyStream {
    type Item = Result<Bytes, BoxError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let Some(inner) = &mut self.inner else { return Poll::Ready(None) };
            match inner.as_mut().poll_frame(cx) {
                Poll::Pending => {
                    let error = ready!(self.poll_idle(cx));
                    return Poll::Ready(Some(Err(error.into())));
                }
                Poll::Ready(None) => {
                    self.inner = None;
                    return Poll::Ready(None);
                }
                Poll::Ready(Some(Err(error))) => {
                    self.inner = None;
                    return Poll::Ready(Some(Err(BodyError::Broken(error).into())));
                }
                Poll::Ready(Some(Ok(frame))) => {
                    let deadline = Instant::now() + self.idle;
                    if let Some(timer) = &mut self.timer {
                        timer.as_mut().reset(deadline);
                    }
                    // Trailers say nothing to a registry.
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
            }
        }
    }
}

impl Drop for BodyStream {
    fn drop(&mut self) {
        *self.slot.lock().unwrap_or_else(PoisonError::into_inner) = self.inner.take();
    }
}
