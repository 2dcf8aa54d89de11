//! A client that costs next to nothing: prepared requests, one connection, one buffer, no allocation.

use std::fmt;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// Room for the longest answer there is, with its head.
const BUFFER_BYTES: usize = 64 * 1024;

/// One connection to the registry.
pub struct Client {
    stream: UnixStream,
    buffer: Vec<u8>,
}

/// An answer, as it lies in the client's buffer.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    head: &'a str,
    /// Its body.
    pub body: &'a [u8],
}

/// Whether a body comes with the answer, or only its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// As the length says.
    Comes,
    /// As after HEAD.
    Omitted,
}

impl Client {
    pub(crate) async fn connect(socket: &Path) -> Result<Self> {
        let stream = UnixStream::connect(socket).await.context("cannot connect to the registry")?;
        Ok(Self { stream, buffer: vec![0; BUFFER_BYTES] })
    }

    /// Sends a request and reads its answer.
    pub async fn ask(&mut self, request: &[u8], body: Body) -> Result<Answer<'_>> {
        self.stream.write_all(request).await?;
        let (mut filled, mut head_end) = (0, None);
        let (head, end) = loop {
            let read = self.stream.read(&mut self.buffer[filled..]).await?;
            ensure!(read > 0, "the registry hung up, or its answer is too long");
            filled += read;
            if head_end.is_none() {
                head_end = find_end(&self.buffer[..filled]);
            }
            let Some(head) = head_end else { continue };
            let length = match body {
                Body::Omitted => 0,
                Body::Comes => length(&self.buffer[..head])?,
            };
            if filled >= head + length {
                break (head, head + length);
            }
        };
        ensure!(filled == end, "more came than the answer");
        Ok(Answer { head: std::str::from_utf8(&self.buffer[..head])?, body: &self.buffer[head..end] })
    }
}

impl<'a> Answer<'a> {
    /// A success with this status, or an error that shows the answer.
    pub fn expect(self, status: &str) -> Result<Self> {
        let first = self.head.lines().next().unwrap_or_default();
        if !first.contains(status) {
            bail!(
                "{status} was expected, and this came: {}{}",
                self.head,
                String::from_utf8_lossy(self.body)
            );
        }
        Ok(self)
    }

    /// What a header says.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.head.lines().find_map(|line| {
            let (this, value) = line.split_once(':')?;
            this.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// Where the head ends.
fn find_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

fn length(head: &[u8]) -> Result<usize> {
    let answer = Answer { head: std::str::from_utf8(head)?, body: &[] };
    answer
        .header("content-length")
        .context("an answer without a length")?
        .parse()
        .context("a length that is none")
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}
