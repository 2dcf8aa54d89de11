//! What is counted of the bytes of one connection: shared by its transport, the timer of its heads, its requests and the
//! table of open connections.
//!
//! Knows nothing of sockets, nor of what a request is.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use http::Version;
use tokio::time::Instant;

/// A connection whose client takes less than this many bytes in a [`SLOW_INTERVAL`] while more of them wait is slow: it is
/// one of those that are closed when connections run out.
const SLOW_BYTES: usize = 64 * 1024;

/// See [`SLOW_BYTES`]. A proxy that buffers a response pauses for longer, and is served as long as there is room.
const SLOW_INTERVAL: Duration = Duration::from_secs(60);

/// The counters of one connection.
#[derive(Debug)]
pub(crate) struct Traffic {
    /// When the server began, from where times are counted.
    started: Instant,
    /// Reads that brought bytes.
    arrivals: AtomicU64,
    /// How often bytes had come when the last request began or its body ended.
    claimed: AtomicU64,
    /// Whether a request's body was dropped before its end.
    has_left_body: AtomicBool,
    is_http2: AtomicBool,
    /// Whether a write waits for the client.
    waits: AtomicBool,
    /// When the bytes in `taken` began to be counted, in nanoseconds since the start; 0 while nothing has waited.
    counted_since: AtomicU64,
    /// Bytes that the client took since then.
    taken: AtomicUsize,
}

impl Traffic {
    pub(crate) fn new(started: Instant) -> Self {
        Self {
            started,
            arrivals: AtomicU64::new(0),
            claimed: AtomicU64::new(0),
            has_left_body: AtomicBool::new(false),
            is_http2: AtomicBool::new(false),
            waits: AtomicBool::new(false),
            counted_since: AtomicU64::new(0),
            taken: AtomicUsize::new(0),
        }
    }

    /// Nanoseconds since the start; never 0.
    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX).max(1)
    }

    /// Bytes have come.
    pub(crate) fn arrive(&self) {
        self.arrivals.fetch_add(1, Ordering::Relaxed);
    }

    /// How often bytes have come.
    pub(crate) fn arrivals(&self) -> u64 {
        self.arrivals.load(Ordering::Relaxed)
    }

    /// The head of a request has been read.
    pub(crate) fn begin_request(&self, version: Version) {
        if version == Version::HTTP_2 {
            self.is_http2.store(true, Ordering::Relaxed);
        }
        self.end_request();
    }

    /// The body of a request has been read to its end.
    pub(crate) fn end_request(&self) {
        self.claimed.store(self.arrivals(), Ordering::Relaxed);
    }

    /// The body of a request is not read any further.
    pub(crate) fn leave_body(&self) {
        self.has_left_body.store(true, Ordering::Relaxed);
    }

    /// Whether bytes have come, or are to be expected, that belong to no request that was read whole. Never over HTTP/2,
    /// where streams end without their connection.
    pub(crate) fn has_unread_bytes(&self) -> bool {
        let is_behind = self.claimed.load(Ordering::Relaxed) != self.arrivals();
        !self.is_http2.load(Ordering::Relaxed) && (is_behind || self.has_left_body.load(Ordering::Relaxed))
    }

    pub(crate) fn is_http2(&self) -> bool {
        self.is_http2.load(Ordering::Relaxed)
    }

    /// A response begins on a connection that had none: what was written before does not count.
    pub(crate) fn begin_response(&self) {
        self.counted_since.store(0, Ordering::Relaxed);
    }

    /// A write waits for the client.
    pub(crate) fn wait(&self) {
        self.waits.store(true, Ordering::Relaxed);
        if self.counted_since.load(Ordering::Relaxed) == 0 {
            self.taken.store(0, Ordering::Relaxed);
            self.counted_since.store(self.now(), Ordering::Relaxed);
        }
    }

    /// The client has taken bytes, or has none to take.
    pub(crate) fn take(&self, bytes: usize) {
        self.waits.store(false, Ordering::Relaxed);
        if self.counted_since.load(Ordering::Relaxed) > 0
            && self.taken.fetch_add(bytes, Ordering::Relaxed) + bytes >= SLOW_BYTES
        {
            self.counted_since.store(0, Ordering::Relaxed);
        }
    }

    /// Since when the client has been slow, in nanoseconds since the start, if it is.
    pub(crate) fn slow_since(&self) -> Option<u64> {
        let since = self.counted_since.load(Ordering::Relaxed);
        let is_slow = self.waits.load(Ordering::Relaxed)
            && since > 0
            && u128::from(self.now().saturating_sub(since)) >= SLOW_INTERVAL.as_nanos();
        is_slow.then_some(since)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_client_is_slow_when_it_takes_less_than_64_kib_in_a_minute() {
        let traffic = Traffic::new(Instant::now());
        let second = Duration::from_secs(1);
        advance(second).await;
        traffic.wait();
        advance(59 * second).await;
        assert_eq!(traffic.slow_since(), None);
        advance(second).await;
        assert_eq!(traffic.slow_since(), Some(1_000_000_000));

        // A byte now and then changes nothing.
        traffic.take(1);
        assert_eq!(traffic.slow_since(), None, "nothing waits");
        traffic.wait();
        assert_eq!(traffic.slow_since(), Some(1_000_000_000));

        // Enough bytes, and it has a new minute.
        traffic.take(SLOW_BYTES);
        traffic.wait();
        assert_eq!(traffic.slow_since(), None);
        advance(60 * second).await;
        assert!(traffic.slow_since().is_some());

        // What waited in the response before says nothing about the next one.
        traffic.begin_response();
        traffic.wait();
        assert_eq!(traffic.slow_since(), None);
    }
}
