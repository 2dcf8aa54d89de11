//! Large blobs: as many bytes as come in a window, or, for a cold cache, every blob once.

use std::fs::File;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::{Cost, Load, Meter, join, nanoseconds};
use crate::proc::Processes;
use crate::wire::{Connection, Endpoint, Request};

/// Downloads that go on until they are cut off.
///
/// So that a window ends when it ends: waiting for the last of sixteen large blobs would measure one connection.
#[derive(Debug, Default)]
pub(crate) struct Endless {
    bytes: AtomicU64,
    over: AtomicBool,
}

// === impl Endless ===

impl Endless {
    /// Downloads `requests` round and round on a connection of its own; what it returns cuts it off.
    pub(crate) fn start<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        endpoint: &Endpoint,
        requests: &'scope [Request],
        first: usize,
    ) -> Result<Running<'scope>> {
        let mut connection = Connection::open(endpoint)?;
        let stream = connection.another_hand()?;
        let thread = scope.spawn(move || self.download(&mut connection, requests, first));
        Ok(Running { stream, thread, endless: self })
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    fn download(&self, connection: &mut Connection, requests: &[Request], first: usize) -> Result<Vec<u64>> {
        let mut latencies = Vec::new();
        for request in requests.iter().cycle().skip(first) {
            let begun = Instant::now();
            let count = &mut |part: &[u8]| {
                self.bytes.fetch_add(part.len() as u64, Ordering::Relaxed);
            };
            let answer = connection.exchange_into(request, count);
            if self.over.load(Ordering::Relaxed) {
                break;
            }
            answer?.expect(200).context("a large blob")?;
            latencies.push(nanoseconds(begun.elapsed()));
        }
        Ok(latencies)
    }
}

/// One of the downloads that go on.
#[derive(Debug)]
pub(crate) struct Running<'scope> {
    stream: TcpStream,
    thread: thread::ScopedJoinHandle<'scope, Result<Vec<u64>>>,
    endless: &'scope Endless,
}

// === impl Running ===

impl Running<'_> {
    /// Cuts it off; the latencies of the downloads that were whole.
    pub(crate) fn stop(self) -> Result<Vec<u64>> {
        self.endless.over.store(true, Ordering::Relaxed);
        // It fails when the server has closed the connection, of which the thread knows more.
        let _ = self.stream.shutdown(Shutdown::Both);
        join(self.thread)
    }
}

/// `requests` round and round on each connection, for as long as `window`.
pub(crate) fn warm(
    endpoint: &Endpoint,
    server: &Processes,
    requests: &[Request],
    connections: usize,
    window: Duration,
) -> Result<Load> {
    let endless = Endless::default();
    thread::scope(|scope| {
        let running: Vec<_> = (0..connections)
            .map(|index| endless.start(scope, endpoint, requests, index % requests.len()))
            .collect::<Result<_>>()?;
        // What passes before the meter runs is the filling of the sockets.
        thread::sleep(window / 10);
        let (meter, before) = (Meter::start(server)?, endless.bytes());
        thread::sleep(window);
        let (bytes, cost) = (endless.bytes() - before, meter.stop()?);
        let latencies: Vec<Vec<u64>> = running.into_iter().map(Running::stop).collect::<Result<_>>()?;
        let latencies = latencies.concat();
        Ok(Load { operations: latencies.len() as u64, bytes, latencies, cost, ..Load::default() })
    })
}

/// Every blob once, dropped from the page cache before; again until `window` has passed.
///
/// The connections share the blobs between them; where there are more connections than blobs, several take the same.
pub(crate) fn cold(
    address: SocketAddr,
    server: &Processes,
    blobs: &[(Request, &Path)],
    connections: usize,
    window: Duration,
) -> Result<Load> {
    let mut load = Load::default();
    let mut opened: Vec<_> = (0..connections).map(|_| Connection::open(address)).collect::<Result<_>>()?;
    while load.cost.seconds < window.as_secs_f64() {
        for (_, file) in blobs {
            drop_from_cache(file)?;
        }
        let meter = Meter::start(server)?;
        let latencies = every_blob_once(&mut opened, blobs, &mut load.bytes)?;
        load.cost = Cost::and(load.cost, meter.stop()?);
        load.operations += latencies.len() as u64;
        load.latencies.extend(latencies);
    }
    Ok(load)
}

fn every_blob_once(
    connections: &mut [Connection],
    blobs: &[(Request, &Path)],
    bytes: &mut u64,
) -> Result<Vec<u64>> {
    let count = connections.len();
    let parts: Vec<Vec<(u64, u64)>> = thread::scope(|scope| {
        let threads: Vec<_> = connections
            .iter_mut()
            .enumerate()
            .map(|(index, connection)| {
                let own = blobs.iter().skip(index % blobs.len()).step_by(count);
                scope.spawn(move || {
                    own.map(|(request, _)| {
                        let begun = Instant::now();
                        let answer = connection.exchange(request)?.expect(200).context("a cold blob")?;
                        Ok((answer.body_bytes, nanoseconds(begun.elapsed())))
                    })
                    .collect()
                })
            })
            .collect();
        threads.into_iter().map(join).collect::<Result<_>>()
    })?;
    *bytes += parts.iter().flatten().map(|(bytes, _)| bytes).sum::<u64>();
    Ok(parts.into_iter().flatten().map(|(_, latency)| latency).collect())
}

/// Takes a file's pages out of the page cache; they must be clean, and nobody may have them mapped.
fn drop_from_cache(file: &Path) -> Result<()> {
    let opened = File::open(file).with_context(|| format!("cannot open {}", file.display()))?;
    let length = opened.metadata()?.len();
    ensure!(length > 0, "{} is empty", file.display());
    rustix::fs::fadvise(&opened, 0, None, rustix::fs::Advice::DontNeed)
        .with_context(|| format!("cannot drop {} from the page cache", file.display()))
}
