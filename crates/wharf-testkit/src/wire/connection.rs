//! One connection, kept alive from request to request, or cut off at any byte.

use std::fmt::Display;
use std::io;
use std::net::{IpAddr, SocketAddr};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::{TcpSocket, TcpStream};

use super::{Request, Response};
use crate::deadline::within;

/// An open connection. Dropping it is how a client hangs up.
///
/// An answer that came before the request was sent in full leaves the connection unfit for another request.
#[derive(Debug)]
pub struct Connection {
    reader: Reader,
    writer: WriteHalf<Box<dyn Stream>>,
}

/// What a connection goes over.
pub(crate) trait Stream: AsyncRead + AsyncWrite + std::fmt::Debug + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + std::fmt::Debug + Send + Unpin> Stream for T {}

#[derive(Debug)]
struct Reader {
    half: ReadHalf<Box<dyn Stream>>,
    buffer: BytesMut,
}

// === impl Connection ===

impl Connection {
    pub(super) async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self::over(Box::new(stream)))
    }

    pub(super) async fn open_from(source: IpAddr, address: SocketAddr) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((source, 0).into())?;
        let stream = socket.connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self::over(Box::new(stream)))
    }

    /// Over what is open already, such as TLS.
    pub(crate) fn over(stream: Box<dyn Stream>) -> Self {
        let (half, writer) = tokio::io::split(stream);
        Self { reader: Reader { half, buffer: BytesMut::new() }, writer }
    }

    /// Sends a request and reads its answer.
    pub async fn send(&mut self, request: Request) -> Response {
        let line = request.line();
        match self.try_send(request).await {
            Ok(response) => response,
            Err(error) => panic!("no answer to {line}: {error}"),
        }
    }

    /// Sends a request and reads its answer, if the server gives one.
    ///
    /// Reads while it writes: a server may answer before it has read all, and stop reading.
    pub async fn try_send(&mut self, request: Request) -> io::Result<Response> {
        let line = request.line();
        let Self { reader, writer } = self;
        let exchange = async {
            let write = async {
                writer.write_all(&request.head_bytes()).await?;
                writer.write_all(&request.body_bytes()).await
            };
            let read = reader.final_response(request.method());
            tokio::pin!(read);
            tokio::select! {
                response = &mut read => response,
                written = write => match written {
                    Ok(()) => read.await,
                    Err(error) => read.await.map_err(|_| error),
                },
            }
        };
        within(&line, exchange).await
    }

    /// Sends the request line and the headers alone. What follows is the test's to write.
    pub async fn begin(&mut self, request: &Request) {
        self.write(request.head_bytes()).await;
    }

    /// Sends bytes as they are.
    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        let written = within("writing", self.writer.write_all(bytes.as_ref())).await;
        if let Err(error) = written {
            panic!("the server stopped reading: {error}");
        }
    }

    /// Reads one answer, also a preliminary one such as `100 Continue`, to a request with this method.
    pub async fn response(&mut self, method: &str) -> Response {
        match within("an answer", self.reader.response(method)).await {
            Ok(response) => response,
            Err(error) => panic!("no answer: {error}"),
        }
    }

    /// Reads the head of an answer and leaves its body to be read.
    pub async fn head(&mut self) -> Response {
        match within("the head of an answer", self.reader.head()).await {
            Ok(response) => response,
            Err(error) => panic!("no answer: {error}"),
        }
    }

    /// Reads so many bytes as they come.
    pub async fn read(&mut self, length: usize) -> Bytes {
        match within("bytes", self.reader.exactly(length)).await {
            Ok(bytes) => bytes,
            Err(error) => panic!("fewer than {length} bytes came: {error}"),
        }
    }

    /// Waits until the server closes the connection, and gives what it sent before.
    pub async fn closed(&mut self) -> Bytes {
        within("the server to close the connection", self.reader.rest()).await
    }
}

// === impl Reader ===

impl Reader {
    /// The answer after all preliminary ones.
    async fn final_response(&mut self, method: &str) -> io::Result<Response> {
        loop {
            let response = self.response(method).await?;
            if response.status >= 200 {
                return Ok(response);
            }
        }
    }

    async fn response(&mut self, method: &str) -> io::Result<Response> {
        let mut response = self.head().await?;
        if method == "HEAD" || matches!(response.status, 100..=199 | 204 | 304) {
            return Ok(response);
        }
        let length = response.header("Content-Length").map(str::parse::<usize>);
        response.body = match (response.header("Transfer-Encoding"), length) {
            (Some("chunked"), None) => self.chunked().await?,
            (None, Some(Ok(length))) => self.exactly(length).await?,
            (None, None) => self.rest().await,
            framing => return Err(malformed(format!("the framing {framing:?}"))),
        };
        Ok(response)
    }

    async fn head(&mut self) -> io::Result<Response> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                let head = self.buffer.split_to(end);
                self.buffer.advance(4);
                let text = std::str::from_utf8(&head).map_err(malformed)?;
                return Response::from_head(text)
                    .ok_or_else(|| malformed(format!("the head of an answer {text:?}")));
            }
            self.more().await?;
        }
    }

    async fn chunked(&mut self) -> io::Result<Bytes> {
        let mut body = BytesMut::new();
        loop {
            let line = self.line().await?;
            let length = usize::from_str_radix(&line, 16)
                .map_err(|_| malformed(format!("the length of a chunk {line:?}")))?;
            if length == 0 {
                // No trailers are sent, and a test that meets one should hear of it.
                return match self.line().await?.as_str() {
                    "" => Ok(body.freeze()),
                    trailer => Err(malformed(format!("the trailer {trailer:?}"))),
                };
            }
            body.extend_from_slice(&self.exactly(length).await?);
            if !self.line().await?.is_empty() {
                return Err(malformed("a chunk longer than it says"));
            }
        }
    }

    async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n") {
                let line = self.buffer.split_to(end);
                self.buffer.advance(2);
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
            self.more().await?;
        }
    }

    async fn exactly(&mut self, length: usize) -> io::Result<Bytes> {
        while self.buffer.len() < length {
            self.more().await?;
        }
        Ok(self.buffer.split_to(length).freeze())
    }

    /// Everything up to the end of the connection, however it ends.
    async fn rest(&mut self) -> Bytes {
        while self.more().await.is_ok() {}
        self.buffer.split().freeze()
    }

    async fn more(&mut self) -> io::Result<()> {
        match self.half.read_buf(&mut self.buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

fn malformed(what: impl Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("cannot read {what}"))
}
