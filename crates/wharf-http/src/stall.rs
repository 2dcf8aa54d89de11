//! A connection's transport: with limits of time for its first byte and for each write, and with an end that the client
//! comes to read.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use crate::lingering::{Linger, Lingering};
use crate::traffic::Traffic;

/// A transport on which a write that makes no progress for `write` fails, on which the first byte must come within
/// `first`, and which lingers at its end if the client is still sending.
///
/// Reading needs no other limit here: heads and bodies have their own.
#[derive(Debug)]
pub(crate) struct Stall<T> {
    transport: T,
    traffic: Arc<Traffic>,
    lingering: Lingering,
    write_timeout: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    waiting: bool,
    /// Until the first byte has come.
    opening: Option<(Duration, Pin<Box<Sleep>>)>,
    end: End,
}

/// How the transport is closed.
#[derive(Debug)]
enum End {
    Open,
    Lingering(Linger),
    Closed,
}

/// The limits of time of a transport.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StallTimes {
    /// How long the first byte may take.
    pub(crate) first: Duration,
    /// How long a write may wait for the client.
    pub(crate) write: Duration,
}

impl<T> Stall<T> {
    pub(crate) fn new(transport: T, times: StallTimes, traffic: Arc<Traffic>, lingering: Lingering) -> Self {
        Self {
            transport,
            traffic,
            lingering,
            write_timeout: times.write,
            timer: None,
            waiting: false,
            opening: Some((times.first, Box::pin(sleep(times.first)))),
            end: End::Open,
        }
    }

    /// Passes `written` on; when it is pending, that may last no longer than the limit.
    fn watch<R>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<R>>,
        bytes: impl FnOnce(&R) -> usize,
    ) -> Poll<io::Result<R>> {
        if let Poll::Ready(result) = &written {
            self.waiting = false;
            self.traffic.take(result.as_ref().map_or(0, bytes));
            return written;
        }
        let limit = self.write_timeout;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(limit)));
        if !self.waiting {
            self.waiting = true;
            self.traffic.wait();
            timer.as_mut().reset(Instant::now() + limit);
        }
        ready!(timer.as_mut().poll(cx));
        let message = format!("write timed out: the client read nothing for {} s", limit.as_secs());
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, message)))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Stall<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.transport).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.traffic.arrive();
        }
        let Some((limit, opening)) = &mut self.opening else { return read };
        if read.is_ready() {
            self.opening = None;
            return read;
        }
        ready!(opening.as_mut().poll(cx));
        let message = format!("read timed out: the client sent nothing for {} s", limit.as_secs());
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, message)))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Stall<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.transport).poll_write(cx, buffer);
        self.watch(cx, written, |bytes| *bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.transport).poll_write_vectored(cx, buffers);
        self.watch(cx, written, |bytes| *bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.transport).poll_flush(cx);
        self.watch(cx, flushed, |()| 0)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if matches!(this.end, End::Open) {
            let shut = Pin::new(&mut this.transport).poll_shutdown(cx);
            ready!(this.watch(cx, shut, |()| 0))?;
            this.end = this.lingering.begin(&this.traffic).map_or(End::Closed, End::Lingering);
        }
        if let End::Lingering(linger) = &mut this.end {
            ready!(linger.poll(&mut this.transport, cx));
            this.end = End::Closed;
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::time::advance;

    use super::*;
    use crate::limits::Limits;

    const SECOND: Duration = Duration::from_secs(1);

    fn connection() -> (Stall<DuplexStream>, DuplexStream) {
        let (transport, client) = duplex(1024);
        let limits = Limits::default();
        let times = StallTimes { first: limits.head_timeout, write: limits.write_idle_timeout };
        let traffic = Arc::new(Traffic::new(Instant::now()));
        (Stall::new(transport, times, traffic, Lingering::default()), client)
    }

    /// nginx, with its defaults, reads nothing while its client has not read the first GiB.
    #[tokio::test(start_paused = true)]
    async fn a_reader_that_pauses_for_nine_minutes_gets_the_rest_and_one_that_pauses_for_ten_does_not() {
        let (mut stalled, mut client) = connection();
        let bytes = [7; 3 * 1024];
        let mut writing = Box::pin(stalled.write_all(&bytes));
        assert!((&mut writing).now_or_never().is_none());
        advance(9 * 60 * SECOND).await;
        assert!((&mut writing).now_or_never().is_none());
        let mut read = [0; 1024];
        client.read_exact(&mut read).await.unwrap();
        assert!((&mut writing).now_or_never().is_none());

        advance(599 * SECOND).await;
        assert!((&mut writing).now_or_never().is_none());
        advance(SECOND).await;
        let error = writing.now_or_never().unwrap().unwrap_err();
        assert_eq!(error.to_string(), "write timed out: the client read nothing for 600 s");
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_client_still_sends_is_read_for_a_while_after_the_connection_was_closed_for_writing() {
        let (mut closing, mut client) = connection();
        client.write_all(b"a part of a body").await.unwrap();
        let mut head = [0; 6];
        closing.read_exact(&mut head).await.unwrap();
        let mut closed = Box::pin(closing.shutdown());
        assert!((&mut closed).now_or_never().is_none());
        assert_eq!(client.read_u8().await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        for _ in 0..100 {
            client.write_all(&[7; 1024]).await.unwrap();
            assert!((&mut closed).now_or_never().is_none());
        }
        advance(5 * SECOND).await;
        assert!(closed.now_or_never().is_some(), "a client that does not end is left");

        let (mut closing, mut client) = connection();
        client.write_all(b"a part of a body").await.unwrap();
        closing.read_exact(&mut head).await.unwrap();
        let mut closed = Box::pin(closing.shutdown());
        assert!((&mut closed).now_or_never().is_none());
        drop(client);
        assert!(closed.now_or_never().is_some(), "a client that has closed its end is not waited for");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_whose_requests_were_read_whole_is_not_waited_for() {
        let (mut closing, mut client) = connection();
        client.write_all(b"a head").await.unwrap();
        closing.read_exact(&mut [0; 6]).await.unwrap();
        closing.traffic.end_request();
        assert!(closing.shutdown().now_or_never().is_some());
    }
}
