//! What stands before several replicas: each request goes to the next of them.
//!
//! Every connection carries one request, which is said to both sides, so that none is kept to one replica.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// No head of a request is longer.
const HEAD_LIMIT: usize = 64 << 10;

/// A proxy that lives as long as this does.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    replicas: Arc<Replicas>,
    /// On threads of its own: clients are programs that a test waits for.
    runtime: Option<Runtime>,
}

#[derive(Debug)]
struct Replicas {
    addresses: Vec<SocketAddr>,
    turn: AtomicUsize,
    asked: Vec<AtomicUsize>,
}

// === impl Proxy ===

impl Proxy {
    #[track_caller]
    pub(crate) fn before(addresses: Vec<SocketAddr>) -> Self {
        let asked = addresses.iter().map(|_| AtomicUsize::new(0)).collect();
        let replicas = Arc::new(Replicas { addresses, turn: AtomicUsize::new(0), asked });
        let runtime = Runtime::new().expect("a runtime for the proxy");
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("it listens");
        listener.set_nonblocking(true).expect("a socket can be told");
        let serving = Arc::clone(&replicas);
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).expect("it listens");
            while let Ok((client, _)) = listener.accept().await {
                let replicas = Arc::clone(&serving);
                // Who hangs up in the middle has nothing to be told.
                tokio::spawn(async move { drop(replicas.carry(client).await) });
            }
        });
        Self { address, replicas, runtime: Some(runtime) }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many requests each of the replicas has got.
    pub(crate) fn asked(&self) -> Vec<usize> {
        self.replicas.asked.iter().map(|count| count.load(Ordering::Relaxed)).collect()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // It may be dropped inside another runtime, where nobody may wait for this one.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

// === impl Replicas ===

impl Replicas {
    async fn carry(&self, mut client: TcpStream) -> std::io::Result<()> {
        client.set_nodelay(true)?;
        let mut head = Vec::new();
        let end = loop {
            if let Some(end) = head.windows(4).position(|window| window == b"\r\n\r\n") {
                break end;
            }
            if head.len() > HEAD_LIMIT || client.read_buf(&mut head).await? == 0 {
                return Ok(());
            }
            // Clients try TLS first, and wait long for somebody who waits for the end of a line.
            if !head[0].is_ascii_uppercase() {
                return Ok(());
            }
        };
        let Some(mut replica) = self.next().await else {
            let answer = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            return client.write_all(answer).await;
        };
        replica.set_nodelay(true)?;
        replica.write_all(&one_request(&head, end)).await?;
        copy_bidirectional(&mut client, &mut replica).await?;
        Ok(())
    }

    /// The next that takes connections.
    async fn next(&self) -> Option<TcpStream> {
        for _ in &self.addresses {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed) % self.addresses.len();
            if let Ok(stream) = TcpStream::connect(self.addresses[turn]).await {
                self.asked[turn].fetch_add(1, Ordering::Relaxed);
                return Some(stream);
            }
        }
        None
    }
}

/// The bytes that came, with a head that says that this request is the connection's last.
fn one_request(bytes: &[u8], end: usize) -> Vec<u8> {
    let head = String::from_utf8_lossy(&bytes[..end]);
    let kept = head.split("\r\n").filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
    let mut request: Vec<u8> = kept.flat_map(|line| [line.as_bytes(), b"\r\n"]).flatten().copied().collect();
    request.extend_from_slice(b"Connection: close");
    request.extend_from_slice(&bytes[end..]);
    request
}
