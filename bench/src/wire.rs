//! A client that costs next to nothing: HTTP/1.1 on one kept connection, requests written as they were prepared. With
//! TLS it costs what TLS costs.
//!
//! It understands just what a registry answers with: a head, and a body by length or in chunks. Client and server share
//! the machine, so what this file does not do is what the server can.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use head::{Framing, Head};

mod chunked;
mod head;
mod transport;

use chunked::Chunked;
pub(crate) use transport::Endpoint;
use transport::Transport;

/// What is read at once: a block of a large blob, and more than any small answer.
const BUFFER_BYTES: usize = 256 << 10;
/// How long any answer may take. The slowest there is walks a hundred thousand repositories.
const PATIENCE: Duration = Duration::from_secs(120);

/// One kept connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: Transport,
    buffer: Vec<u8>,
    /// What of the buffer was read and not yet used.
    filled: std::ops::Range<usize>,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Verbatim: what it means is for who sent it.
    pub(crate) location: Option<String>,
    pub(crate) body_bytes: u64,
}

/// A request as it goes over the wire, and whether its answer has a body.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    bytes: Vec<u8>,
    answer_has_body: bool,
}

// === impl Request ===

impl Request {
    pub(crate) fn get(target: &str, headers: &[(&str, &str)]) -> Self {
        Self { bytes: head_of("GET", target, headers).into_bytes(), answer_has_body: true }
    }

    pub(crate) fn head(target: &str) -> Self {
        Self { bytes: head_of("HEAD", target, &[]).into_bytes(), answer_has_body: false }
    }
}

fn head_of(method: &str, target: &str, headers: &[(&str, &str)]) -> String {
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: registry.example.com\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    head
}

// === impl Answer ===

impl Answer {
    /// Fails unless the status is `wanted`.
    pub(crate) fn expect(self, wanted: u16) -> Result<Self> {
        ensure!(self.status == wanted, "answered {}, not {wanted}", self.status);
        Ok(self)
    }
}

// === impl Connection ===

impl Connection {
    pub(crate) fn open(to: impl Into<Endpoint>) -> Result<Self> {
        Self::open_with_buffer(to, BUFFER_BYTES)
    }

    /// For those of which there are many.
    pub(crate) fn open_with_buffer(to: impl Into<Endpoint>, buffer_bytes: usize) -> Result<Self> {
        let stream = Transport::open(&to.into())?;
        Ok(Self { stream, buffer: vec![0; buffer_bytes], filled: 0..0 })
    }

    /// Sends a prepared request and reads the whole answer, of which the body is only counted.
    pub(crate) fn exchange(&mut self, request: &Request) -> Result<Answer> {
        self.exchange_into(request, &mut |_| {})
    }

    /// The same, and `sink` gets the body as it comes.
    pub(crate) fn exchange_into(&mut self, request: &Request, sink: &mut dyn FnMut(&[u8])) -> Result<Answer> {
        self.stream.write_all(&request.bytes).context("cannot send the request")?;
        self.answer(request.answer_has_body, sink)
    }

    /// Sends a request with a body.
    pub(crate) fn send(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer> {
        let length = body.len().to_string();
        let mut all = vec![("Content-Length", length.as_str())];
        all.extend_from_slice(headers);
        let mut head = head_of(method, target, &all).into_bytes();
        // A small body goes in the packet of its head, as every client's does.
        if body.len() <= BUFFER_BYTES / 16 {
            head.extend_from_slice(body);
            self.stream.write_all(&head).context("cannot send the request")?;
        } else {
            self.stream.write_all(&head).context("cannot send the request")?;
            self.stream.write_all(body).context("cannot send the body")?;
        }
        self.answer(true, &mut |_| {})
    }

    /// A second handle on the connection, to cut it off with.
    pub(crate) fn another_hand(&self) -> Result<TcpStream> {
        self.stream.socket().try_clone().context("cannot share a connection")
    }

    /// Sends a request and lets the caller read what comes, at a pace of its own.
    pub(crate) fn send_only(mut self, request: &Request) -> Result<TcpStream> {
        self.stream.write_all(&request.bytes).context("cannot send the request")?;
        self.stream.into_socket()
    }

    /// Sends the head of a request and lets the caller send its body of `length` bytes, at a pace of its own.
    pub(crate) fn send_head(mut self, method: &str, target: &str, length: u64) -> Result<TcpStream> {
        let length = length.to_string();
        let headers = [("Content-Length", length.as_str()), ("Content-Type", "application/octet-stream")];
        self.stream
            .write_all(head_of(method, target, &headers).as_bytes())
            .context("cannot send the request")?;
        self.stream.into_socket()
    }

    fn answer(&mut self, has_body: bool, sink: &mut dyn FnMut(&[u8])) -> Result<Answer> {
        let head = self.read_head()?;
        let body_bytes = match head.framing {
            _ if !has_body || matches!(head.status, 204 | 304) => 0,
            Framing::Length(length) => self.read_length(length, sink)?,
            Framing::Chunked => self.read_chunks(sink)?,
        };
        Ok(Answer { status: head.status, location: head.location, body_bytes })
    }

    fn read_head(&mut self) -> Result<Head> {
        loop {
            if let Some((head, length)) = Head::parse(&self.buffer[self.filled.clone()])? {
                self.filled.start += length;
                return Ok(head);
            }
            self.keep_and_fill()?;
        }
    }

    fn read_length(&mut self, length: u64, sink: &mut dyn FnMut(&[u8])) -> Result<u64> {
        let mut left = length;
        while left > 0 {
            if self.filled.is_empty() {
                self.fill()?;
            }
            let taken = usize::try_from(left).map_or(self.filled.len(), |left| left.min(self.filled.len()));
            sink(&self.buffer[self.filled.start..self.filled.start + taken]);
            self.filled.start += taken;
            left -= taken as u64;
        }
        Ok(length)
    }

    fn read_chunks(&mut self, sink: &mut dyn FnMut(&[u8])) -> Result<u64> {
        let mut chunked = Chunked::default();
        let mut length = 0;
        while !chunked.is_done() {
            if self.filled.is_empty() {
                self.fill()?;
            }
            let taken = chunked.take(&self.buffer[self.filled.clone()], &mut |part| {
                length += part.len() as u64;
                sink(part);
            })?;
            self.filled.start += taken;
        }
        Ok(length)
    }

    /// Reads on, with what is there kept at the start of the buffer.
    fn keep_and_fill(&mut self) -> Result<()> {
        ensure!(self.filled.len() < self.buffer.len(), "a head that fills the buffer");
        self.buffer.copy_within(self.filled.clone(), 0);
        self.filled = 0..self.filled.len();
        let read = read_some(&mut self.stream, &mut self.buffer[self.filled.end..])?;
        self.filled.end += read;
        Ok(())
    }

    fn fill(&mut self) -> Result<()> {
        self.filled = 0..read_some(&mut self.stream, &mut self.buffer)?;
        Ok(())
    }
}

fn read_some(stream: &mut Transport, buffer: &mut [u8]) -> Result<usize> {
    loop {
        match stream.read(buffer) {
            Ok(0) => bail!("the server closed the connection in the middle of an answer"),
            Ok(read) => return Ok(read),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if is_timeout(&error) => bail!("no answer within {PATIENCE:?}"),
            Err(error) => return Err(error).context("cannot read the answer"),
        }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

#[cfg(test)]
mod tests;
