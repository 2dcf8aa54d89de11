//! The streams of HTTP/2 connections: each is a task, and one whose client takes no bytes is reset.
//!
//! A connection on which the client reads goes on however little of one stream it takes, so the limit of the transport
//! does not see that. Neither does the response's body, which is not polled while its frames wait to be sent.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper::rt::Executor;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How often within its limit a stream is looked at.
const CHECKS: u32 = 4;

tokio::task_local! {
    static OF_THIS_STREAM: Arc<Progress>;
}

/// Runs the streams of a connection.
#[derive(Debug, Clone)]
pub(crate) struct StreamExecutor {
    /// How long a client may take no byte of a response.
    pub(crate) idle_timeout: Duration,
    /// The streams of all connections.
    pub(crate) streams: TaskTracker,
    /// Cancelled when the connection has ended.
    pub(crate) closed: CancellationToken,
}

/// What has been sent of a stream's response.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Counts up with each frame that is given to be sent and each time that bytes of one are.
    events: AtomicUsize,
    /// Frames that wait to be sent.
    waiting: AtomicUsize,
}

// === impl Progress ===

impl Progress {
    /// That of the stream whose task this is, if it is one's.
    pub(crate) fn of_this_stream() -> Option<Arc<Self>> {
        OF_THIS_STREAM.try_with(Arc::clone).ok()
    }

    pub(crate) fn frame_begins(&self) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.bytes_sent();
    }

    pub(crate) fn bytes_sent(&self) {
        self.events.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn frame_ends(&self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    /// Resolves when frames have waited for so long and no byte of them was sent.
    async fn stalled(&self, idle_timeout: Duration) {
        let (mut seen, mut checks) = (self.events.load(Ordering::Relaxed), 0);
        while checks < CHECKS {
            sleep(idle_timeout / CHECKS).await;
            let events = self.events.load(Ordering::Relaxed);
            let is_waiting = self.waiting.load(Ordering::Relaxed) > 0;
            checks = if is_waiting && events == seen { checks + 1 } else { 0 };
            seen = events;
        }
    }
}

impl<F> Executor<F> for StreamExecutor
where
    F: Future + Send + 'static,
{
    fn execute(&self, stream: F) {
        let (progress, idle_timeout) = (Arc::new(Progress::default()), self.idle_timeout);
        let (of_this_stream, closed) = (Arc::clone(&progress), self.closed.clone());
        // What is dropped with its stream unfinished is reset, and its frames are discarded.
        let task = async move {
            tokio::select! {
                biased;
                _ = stream => {}
                () = closed.cancelled() => {}
                () = progress.stalled(idle_timeout) => {
                    tracing::debug!(idle_timeout_s = idle_timeout.as_secs(), "HTTP/2 stream reset: the client takes no bytes");
                }
            }
        };
        self.streams.spawn(OF_THIS_STREAM.scope(of_this_stream, task));
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::time::advance;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(120);

    #[tokio::test(start_paused = true)]
    async fn a_stream_has_stalled_when_frames_wait_and_no_byte_is_sent() {
        let progress = Progress::default();
        let mut stalled = std::pin::pin!(progress.stalled(LIMIT));
        let mut wait = async |seconds| {
            for _ in 0..seconds {
                advance(Duration::from_secs(1)).await;
                if stalled.as_mut().now_or_never().is_some() {
                    return true;
                }
            }
            false
        };
        // The store is slow: that is not the client's fault.
        assert!(!wait(1000).await);
        progress.frame_begins();
        assert!(!wait(119).await);
        // A byte now and then is enough.
        progress.bytes_sent();
        assert!(!wait(119).await);
        progress.frame_ends();
        assert!(!wait(1000).await);
        progress.frame_begins();
        assert!(wait(2 * 120).await);
    }
}
