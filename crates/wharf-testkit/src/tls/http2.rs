//! HTTP/2 by a client that is not ours, with the requests and answers of [`wire`](crate::wire).

use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::client::TlsStream;

use bytes::Bytes;

use crate::deadline::within;
use crate::wire::{Request, Response};

/// An open connection, on which any number of requests go at once.
#[derive(Debug)]
pub struct Http2 {
    sender: SendRequest<Full<Bytes>>,
    driver: JoinHandle<hyper::Result<()>>,
}

/// An answer whose body is still to be read.
#[derive(Debug)]
pub struct Answering {
    head: Response,
    body: Incoming,
}

// === impl Http2 ===

impl Http2 {
    /// A connection; `window_bytes` is what the server may send on a stream before the client has read it.
    #[expect(clippy::disallowed_methods, reason = "the task ends with the connection")]
    pub(super) async fn over(stream: TlsStream<TcpStream>, window_bytes: Option<u32>) -> Self {
        let mut builder = Builder::new(TokioExecutor::new());
        if let Some(window_bytes) = window_bytes {
            builder.initial_stream_window_size(window_bytes);
        }
        let shaking = builder.handshake(TokioIo::new(stream));
        let (sender, connection) = within("the settings of HTTP/2", shaking).await.unwrap();
        Self { sender, driver: tokio::spawn(connection) }
    }

    /// Sends a request and reads its answer.
    pub async fn send(&mut self, request: Request) -> Response {
        self.begin(request).await.finish().await
    }

    /// Sends a request and reads the head of its answer.
    pub async fn begin(&mut self, request: Request) -> Answering {
        let line = request.line();
        let mut message = hyper::Request::builder().method(request.method()).uri(format!(
            "https://{}{}",
            request.to().address(),
            request.target()
        ));
        for (name, value) in request.headers() {
            message = message.header(name, value);
        }
        let message = message.body(Full::new(request.whole_body())).unwrap();
        let sending = self.sender.send_request(message);
        let (head, body) = within(&line, sending).await.unwrap().into_parts();
        let text =
            |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = head.headers.iter().map(|(name, value)| (name.to_string(), text(value)));
        let head = Response {
            status: head.status.as_u16(),
            reason: String::new(),
            headers: headers.collect(),
            body: Bytes::new(),
        };
        Answering { head, body }
    }

    /// Waits until the server closes the connection, as it does after its last answer when it stops.
    pub async fn closed(self) {
        let Self { sender, driver } = self;
        within("the server to close the connection", driver).await.unwrap().unwrap();
        drop(sender);
    }
}

// === impl Answering ===

impl Answering {
    /// The status.
    pub fn status(&self) -> u16 {
        self.head.status
    }

    /// Reads on until the server breaks the answer off, and gives how many bytes came before.
    pub async fn broken(mut self) -> usize {
        let mut length = 0;
        let reading = async {
            while let Some(frame) = self.body.frame().await {
                let Ok(frame) = frame else { return true };
                length += frame.into_data().map_or(0, |data| data.len());
            }
            false
        };
        assert!(within("an answer to be broken off", reading).await, "the answer came whole");
        length
    }

    /// Reads the rest of the answer.
    pub async fn finish(mut self) -> Response {
        self.head.body = within("a body", self.body.collect()).await.unwrap().to_bytes();
        self.head
    }
}
