//! What bytes go through: a socket, or TLS on one.

use std::io::{self, BufRead as _, BufReader, IoSlice, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::{BUFFER_BYTES, PATIENCE};

/// Where a server listens, and how it is spoken to.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    pub(crate) address: SocketAddr,
    /// Nothing where there is no TLS.
    pub(crate) tls: Option<Arc<ClientConfig>>,
}

/// One connection to it.
#[derive(Debug)]
pub(super) enum Transport {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, Ciphertext>>),
}

/// A socket that is read in large pieces: TLS itself asks for 4 KiB at a time, and system calls would be most of what a
/// client costs.
#[derive(Debug)]
pub(super) struct Ciphertext(BufReader<TcpStream>);

// === impl Endpoint ===

impl Endpoint {
    pub(crate) fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// Under which name it has a certificate.
    pub(crate) fn server_name(&self) -> ServerName<'static> {
        ServerName::from(self.address.ip())
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Self { address, tls: None }
    }
}

impl From<&Endpoint> for Endpoint {
    fn from(endpoint: &Self) -> Self {
        endpoint.clone()
    }
}

// === impl Transport ===

impl Transport {
    pub(super) fn open(endpoint: &Endpoint) -> Result<Self> {
        let address = endpoint.address;
        let stream = TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let Some(config) = &endpoint.tls else { return Ok(Self::Plain(stream)) };
        let mut client = ClientConnection::new(config.clone(), endpoint.server_name())?;
        client.set_buffer_limit(Some(BUFFER_BYTES));
        let mut socket = Ciphertext(BufReader::with_capacity(BUFFER_BYTES, stream));
        // Here and not with the first request, whose time it is not.
        while client.is_handshaking() {
            client.complete_io(&mut socket).with_context(|| format!("no TLS with {address}"))?;
        }
        Ok(Self::Tls(Box::new(StreamOwned::new(client, socket))))
    }

    /// The socket.
    pub(super) fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.sock.0.get_ref(),
        }
    }

    /// The socket alone, for who reads and writes at a pace of its own.
    pub(super) fn into_socket(self) -> Result<TcpStream> {
        match self {
            Self::Plain(stream) => Ok(stream),
            Self::Tls(_) => bail!("a connection with TLS cannot be handed on as a socket"),
        }
    }
}

impl Read for Transport {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Transport {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(buffer),
            Self::Tls(stream) => stream.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

impl Read for Ciphertext {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // Never past the buffer, or a large read would be a small one's system call.
        let read = self.0.fill_buf()?.read(buffer)?;
        self.0.consume(read);
        Ok(read)
    }
}

impl Write for Ciphertext {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.0.get_mut().write(buffer)
    }

    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.get_mut().write_vectored(buffers)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.get_mut().flush()
    }
}
