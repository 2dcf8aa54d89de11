//! A raw HTTP/1.1 client: sends exactly what it is told, shows exactly what came back.
//!
//! Headers go out and come in with their case, their order and their repetitions. Nothing is retried, followed,
//! decompressed or corrected. What a request carries beyond what a test wrote is `Host`, and `Content-Length` or
//! `Transfer-Encoding` for its body; a header set by hand stands in place of ours.

mod connection;
mod response;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{IpAddr, SocketAddr};

use bytes::{Bytes, BytesMut};
pub use connection::Connection;
pub use response::Response;

use crate::deadline::within;

/// Where a server listens: the beginning of every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Server {
    address: SocketAddr,
}

/// A request being put together.
#[derive(Debug, Clone)]
pub struct Request {
    to: Server,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Body,
}

/// How the body is framed.
#[derive(Debug, Clone, Default)]
enum Body {
    /// Neither a body nor a header that speaks of one.
    #[default]
    Absent,
    /// With `Content-Length`.
    Whole(Bytes),
    /// With `Transfer-Encoding: chunked`, one chunk a piece.
    Chunked(Vec<Bytes>),
}

// === impl Server ===

impl Server {
    /// The server at this address.
    pub const fn at(address: SocketAddr) -> Self {
        Self { address }
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// A request with any method for any target; both go out as they are.
    pub fn request(&self, method: impl Into<String>, target: impl Into<String>) -> Request {
        Request {
            to: *self,
            method: method.into(),
            target: target.into(),
            headers: Vec::new(),
            body: Body::Absent,
        }
    }

    /// `GET target`.
    pub fn get(&self, target: impl Into<String>) -> Request {
        self.request("GET", target)
    }

    /// `HEAD target`.
    pub fn head(&self, target: impl Into<String>) -> Request {
        self.request("HEAD", target)
    }

    /// `POST target`.
    pub fn post(&self, target: impl Into<String>) -> Request {
        self.request("POST", target)
    }

    /// `PUT target`.
    pub fn put(&self, target: impl Into<String>) -> Request {
        self.request("PUT", target)
    }

    /// `PATCH target`.
    pub fn patch(&self, target: impl Into<String>) -> Request {
        self.request("PATCH", target)
    }

    /// `DELETE target`.
    pub fn delete(&self, target: impl Into<String>) -> Request {
        self.request("DELETE", target)
    }

    /// A connection that is kept open between requests.
    pub async fn connect(&self) -> Connection {
        match self.try_connect().await {
            Ok(connection) => connection,
            Err(error) => panic!("no connection to {}: {error}", self.address),
        }
    }

    /// A connection, if the server takes one.
    pub async fn try_connect(&self) -> io::Result<Connection> {
        within("a connection", Connection::open(self.address)).await
    }

    /// A connection from one of this machine's own addresses, as 127.0.0.2.
    pub async fn connect_from(&self, source: IpAddr) -> Connection {
        let connecting = Connection::open_from(source, self.address);
        within("a connection", connecting).await.unwrap()
    }
}

// === impl Request ===

impl Request {
    /// Adds a header line.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sends these bytes with their `Content-Length`; no bytes are `Content-Length: 0`.
    #[must_use]
    pub fn body(mut self, bytes: impl Into<Bytes>) -> Self {
        self.body = Body::Whole(bytes.into());
        self
    }

    /// Sends these pieces with `Transfer-Encoding: chunked`.
    #[must_use]
    pub fn chunks<B: Into<Bytes>>(mut self, pieces: impl IntoIterator<Item = B>) -> Self {
        self.body = Body::Chunked(pieces.into_iter().map(Into::into).collect());
        self
    }

    /// Sends it over a connection of its own.
    pub async fn send(self) -> Response {
        let line = self.line();
        match self.try_send().await {
            Ok(response) => response,
            Err(error) => panic!("no answer to {line}: {error}"),
        }
    }

    /// Sends it over a connection of its own, if the server takes one and answers.
    pub async fn try_send(self) -> io::Result<Response> {
        let mut connection = self.to.try_connect().await?;
        connection.try_send(self).await
    }

    /// All of it, head and body, as it goes over the wire, and how long its head is: for who sends a part of it.
    pub fn parts(&self) -> (Vec<u8>, usize) {
        let mut bytes = self.head_bytes();
        let head = bytes.len();
        bytes.extend_from_slice(&self.body_bytes());
        (bytes, head)
    }

    /// What it asks, for messages.
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }

    pub(crate) fn method(&self) -> &str {
        &self.method
    }

    pub(crate) fn target(&self) -> &str {
        &self.target
    }

    pub(crate) fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    pub(crate) fn to(&self) -> Server {
        self.to
    }

    /// The body without any framing.
    pub(crate) fn whole_body(&self) -> Bytes {
        match &self.body {
            Body::Absent => Bytes::new(),
            Body::Whole(bytes) => bytes.clone(),
            Body::Chunked(pieces) => pieces.concat().into(),
        }
    }

    /// The request line and the headers, with the empty line after them.
    pub(crate) fn head_bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        let mut line = |name: &str, value: &str| {
            head.push_str(&format!("{name}: {value}\r\n"));
        };
        if !self.has("Host") {
            line("Host", &self.to.address.to_string());
        }
        for (name, value) in &self.headers {
            line(name, value);
        }
        let framed = self.has("Content-Length") || self.has("Transfer-Encoding");
        match &self.body {
            Body::Whole(bytes) if !framed => line("Content-Length", &bytes.len().to_string()),
            Body::Chunked(_) if !framed => line("Transfer-Encoding", "chunked"),
            Body::Absent | Body::Whole(_) | Body::Chunked(_) => {}
        }
        head.push_str("\r\n");
        head.into_bytes()
    }

    /// The body as it goes over the wire.
    pub(crate) fn body_bytes(&self) -> Bytes {
        match &self.body {
            Body::Absent => Bytes::new(),
            Body::Whole(bytes) => bytes.clone(),
            Body::Chunked(pieces) => {
                let mut framed = BytesMut::new();
                for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
                    framed.extend_from_slice(&chunk(piece));
                }
                framed.extend_from_slice(LAST_CHUNK);
                framed.freeze()
            }
        }
    }

    fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(found, _)| found.eq_ignore_ascii_case(name))
    }
}

/// The end of a chunked body, without trailers.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// One chunk of a chunked body. No bytes make no chunk: that would be the last one.
pub fn chunk(bytes: &[u8]) -> Vec<u8> {
    let mut framed = format!("{:x}\r\n", bytes.len()).into_bytes();
    framed.extend_from_slice(bytes);
    framed.extend_from_slice(b"\r\n");
    framed
}
