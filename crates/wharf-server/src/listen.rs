//! Where connections come in: a port, a Unix socket, or a socket that systemd opened for us.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use listenfd::ListenFd;
use tokio::net::{TcpListener, UnixListener};
use wharf_http::Listener;

use crate::config::{Listen, ListenAddress};

/// A listener that is open, and what must be tidied up after it.
pub(crate) struct Bound {
    pub(crate) listener: Listener,
    pub(crate) place: Place,
    pub(crate) socket: Option<SocketFile>,
}

/// Where clients reach us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Port(SocketAddr),
    Socket(PathBuf),
}

/// A Unix socket that we made.
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Device and inode: another process may have put its own socket there since.
    identity: (u64, u64),
}

/// Opens what the configuration says, unless systemd handed a socket over, which goes before it as it always did.
pub(crate) async fn bind(listen: &Listen) -> anyhow::Result<Bound> {
    let mut passed = ListenFd::from_env();
    match passed.len() {
        0 => {}
        1 => return take(&mut passed),
        count => bail!("systemd passed {count} sockets (LISTEN_FDS); expected one"),
    }
    match listen {
        Listen::Tcp(address) => port(address).await,
        Listen::Unix(path) => socket(path)
            .with_context(|| format!("could not listen on {listen}; http.addr chooses another path")),
    }
}

fn take(passed: &mut ListenFd) -> anyhow::Result<Bound> {
    const WHAT: &str = "could not use the socket that systemd passed";
    if let Ok(Some(listener)) = passed.take_tcp_listener(0) {
        listener.set_nonblocking(true).context(WHAT)?;
        let listener = TcpListener::from_std(listener).context(WHAT)?;
        return Bound::tcp(listener);
    }
    let listener = passed.take_unix_listener(0).context(WHAT)?.context(WHAT)?;
    listener.set_nonblocking(true).context(WHAT)?;
    let listener = UnixListener::from_std(listener).context(WHAT)?;
    let address = listener.local_addr().context(WHAT)?;
    let path = address.as_pathname().map_or_else(PathBuf::new, Path::to_owned);
    // It is systemd's, and stays for the next process.
    Ok(Bound { listener: listener.into(), place: Place::Socket(path), socket: None })
}

async fn port(address: &ListenAddress) -> anyhow::Result<Bound> {
    let mut failure = None;
    for candidate in address.candidates() {
        match TcpListener::bind(&candidate).await {
            Ok(listener) => return Bound::tcp(listener),
            Err(error) => failure = Some(error),
        }
    }
    let error = failure.map_or_else(|| anyhow::anyhow!("it names no address"), anyhow::Error::new);
    Err(error.context(format!(
        "could not listen on {address}; http.addr (REGISTRY_HTTP_ADDR) chooses another address"
    )))
}

fn socket(path: &Path) -> anyhow::Result<Bound> {
    clear(path)?;
    let listener = UnixListener::bind(path)?;
    let socket = SocketFile { path: path.to_owned(), identity: identity(path)? };
    Ok(Bound { listener: listener.into(), place: Place::Socket(path.to_owned()), socket: Some(socket) })
}

/// Removes a socket that an earlier process left. Anything else was put there by somebody for some reason.
fn clear(path: &Path) -> anyhow::Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => Ok(std::fs::remove_file(path)?),
        Ok(_) => bail!("there is something that is not a socket"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    std::fs::symlink_metadata(path).map(|found| (found.dev(), found.ino()))
}

// === impl Bound ===

impl Bound {
    fn tcp(listener: TcpListener) -> anyhow::Result<Self> {
        let address = listener.local_addr().context("could not find out where we listen")?;
        Ok(Self { listener: listener.into(), place: Place::Port(address), socket: None })
    }
}

// === impl Place ===

impl Place {
    /// For people: where clients reach us, and that it is with TLS where it is.
    pub(crate) fn shown(&self, tls: bool) -> String {
        match self {
            Self::Port(address) if tls => format!("https://{address}"),
            Self::Socket(_) if tls => format!("{self} (https)"),
            Self::Port(_) | Self::Socket(_) => self.to_string(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port(address) => address.fmt(formatter),
            Self::Socket(path) => write!(formatter, "unix:{}", path.display()),
        }
    }
}

// === impl SocketFile ===

impl SocketFile {
    /// Takes the socket away, unless it is no longer ours.
    pub(crate) fn remove(self) {
        let is_ours = identity(&self.path).is_ok_and(|found| found == self.identity);
        if is_ours && let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(
                path = %self.path.display(),
                error = &error as &dyn std::error::Error,
                "could not remove our socket"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_left_behind_gives_way_and_nothing_else_does() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("socket");
        drop(socket(&path).unwrap());
        assert!(path.exists(), "a process that was killed leaves its socket");

        let bound = socket(&path).unwrap();
        bound.socket.unwrap().remove();

        assert!(!path.exists());
        std::fs::create_dir(&path).unwrap();
        let error = socket(&path).err().unwrap();
        assert_eq!(error.to_string(), "there is something that is not a socket");
    }

    #[tokio::test]
    async fn the_socket_of_a_successor_is_not_ours_to_remove() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("socket");
        let ours = socket(&path).unwrap();
        let _successor = socket(&path).unwrap();

        ours.socket.unwrap().remove();

        assert!(path.exists());
    }
}
