//! Where connections come from.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::tls::TlsSource;

/// A socket that is listened on, in the clear or with TLS.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    tls: Option<Arc<dyn TlsSource>>,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A connection of either kind.
#[derive(Debug)]
pub(crate) enum Connection {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self { socket: Socket::Tcp(listener), tls: None }
    }
}

impl From<UnixListener> for Listener {
    fn from(listener: UnixListener) -> Self {
        Self { socket: Socket::Unix(listener), tls: None }
    }
}

impl Listener {
    /// The same socket, on which nothing but TLS is spoken from here on.
    #[must_use]
    pub fn with_tls(self, source: Arc<dyn TlsSource>) -> Self {
        Self { tls: Some(source), ..self }
    }

    /// What handshakes are made with, if any are to be made.
    pub(crate) fn tls(&self) -> Option<&Arc<dyn TlsSource>> {
        self.tls.as_ref()
    }

    /// The next connection, and who it is from, where that means something.
    pub(crate) async fn accept(&self) -> io::Result<(Connection, Option<SocketAddr>)> {
        match &self.socket {
            Socket::Tcp(listener) => {
                let (stream, remote) = listener.accept().await?;
                // Answers are often two short writes; the second must not wait for the first to be acknowledged.
                let _ = stream.set_nodelay(true);
                Ok((Connection::Tcp(stream), Some(remote)))
            }
            Socket::Unix(listener) => Ok((Connection::Unix(listener.accept().await?.0), None)),
        }
    }
}

impl Connection {
    /// The first byte of what the client sends, left where it is. A Unix socket does not show it: `None`.
    pub(crate) async fn first_byte(&self) -> io::Result<Option<u8>> {
        let Self::Tcp(stream) = self else { return Ok(None) };
        let mut first = [0];
        match stream.peek(&mut first).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(Some(first[0])),
        }
    }
}

/// Calls the method on whichever stream it is.
macro_rules! either {
    ($connection:expr, $stream:ident => $call:expr) => {
        match $connection.get_mut() {
            Connection::Tcp(stream) => {
                let $stream = Pin::new(stream);
                $call
            }
            Connection::Unix(stream) => {
                let $stream = Pin::new(stream);
                $call
            }
        }
    };
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_read(cx, buffer))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        either!(self, stream => stream.poll_write(cx, buffer))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self, stream => stream.poll_write_vectored(cx, buffers))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_shutdown(cx))
    }
}
