//! The time that a client has for the head of a request over HTTP/1: from its first byte, and not from the end of the
//! response before, which is the time of an idle connection.
//!
//! Knows nothing of what a head is; hyper arms the timer when it begins to read one.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt::Timer;
use tokio::time::Sleep;

use crate::traffic::Traffic;

/// Makes the timer of each head of one connection. The first head has its time from when it is waited for.
#[derive(Debug)]
pub(crate) struct HeadTimer {
    traffic: Arc<Traffic>,
    limit: Duration,
    is_first: AtomicBool,
}

/// Resolves when the time of one head is over.
#[derive(Debug)]
struct HeadSleep {
    traffic: Arc<Traffic>,
    limit: Duration,
    /// How often bytes had come when it was armed; `None` if it counts from there.
    arrivals: Option<u64>,
    sleep: Option<Pin<Box<Sleep>>>,
}

// === impl HeadTimer ===

impl HeadTimer {
    pub(crate) fn new(traffic: Arc<Traffic>, limit: Duration) -> Self {
        Self { traffic, limit, is_first: AtomicBool::new(true) }
    }
}

/// The deadlines are hyper's, who counts from when it began to wait, and are not used.
impl Timer for HeadTimer {
    fn sleep(&self, _duration: Duration) -> Pin<Box<dyn hyper::rt::Sleep>> {
        let is_first = self.is_first.swap(false, Ordering::Relaxed);
        let traffic = Arc::clone(&self.traffic);
        let arrivals = (!is_first).then(|| traffic.arrivals());
        Box::pin(HeadSleep { traffic, limit: self.limit, arrivals, sleep: None })
    }

    fn sleep_until(&self, _deadline: Instant) -> Pin<Box<dyn hyper::rt::Sleep>> {
        self.sleep(self.limit)
    }
}

// === impl HeadSleep ===

impl Future for HeadSleep {
    type Output = ();

    /// Is polled after each read that does not complete the head.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.sleep.is_none() && self.arrivals == Some(self.traffic.arrivals()) {
            return Poll::Pending;
        }
        let limit = self.limit;
        self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit))).as_mut().poll(cx)
    }
}

impl hyper::rt::Sleep for HeadSleep {}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::time::advance;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(75);

    #[tokio::test(start_paused = true)]
    async fn the_first_head_has_its_time_from_the_start_and_others_from_their_first_byte() {
        let traffic = Arc::new(Traffic::new(tokio::time::Instant::now()));
        let timer = HeadTimer::new(Arc::clone(&traffic), LIMIT);

        let mut first = timer.sleep(LIMIT);
        assert!((&mut first).now_or_never().is_none());
        advance(LIMIT).await;
        assert!(first.now_or_never().is_some());

        traffic.arrive();
        let mut second = timer.sleep(LIMIT);
        advance(10 * LIMIT).await;
        assert!((&mut second).now_or_never().is_none(), "the connection is idle");
        traffic.arrive();
        assert!((&mut second).now_or_never().is_none());
        advance(LIMIT / 2).await;
        traffic.arrive();
        assert!((&mut second).now_or_never().is_none());
        advance(LIMIT / 2).await;
        assert!(second.now_or_never().is_some(), "more bytes give it no more time");
    }
}
