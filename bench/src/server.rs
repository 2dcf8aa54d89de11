//! A peer that runs: a process on a free port of the loopback, over one tree, until it is dropped.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use wharf_testkit::process::free_address;

use crate::peer::{Addresses, Peer, Programs, Site};
use crate::proc::Processes;
use crate::setup::{Secrets, Setup};
use crate::wire::{Connection, Endpoint, Request};

/// How long a server may take until it answers.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How often we ask whether it does: well below the budget of 50 ms.
const START_POLL: Duration = Duration::from_micros(500);
/// How long one that was asked to stop may take before it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(3);

/// What a server serves.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// The tree below a folder.
    Tree(PathBuf),
    /// A bucket, as the lines below `storage:` have it.
    Bucket(String),
}

/// A server; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) peer: Peer,
    pub(crate) setup: Setup,
    /// HTTP/1.1.
    pub(crate) http1: Endpoint,
    /// HTTP/2.
    pub(crate) http2: Endpoint,
    /// What it serves.
    pub(crate) place: Place,
    /// From its start to its first answer.
    pub(crate) first_answer: Duration,
    child: Child,
    log: PathBuf,
    processes: Processes,
}

// === impl Server ===

impl Server {
    /// Starts `peer` over `place` and waits for its first answer; `folder` takes config and log.
    pub(crate) fn start(
        peer: Peer,
        setup: Setup,
        programs: &Programs,
        secrets: &Secrets,
        place: &Place,
        folder: &Path,
    ) -> Result<Self> {
        let program = peer.program(programs).map_err(anyhow::Error::msg)?;
        let http1 = free_address();
        let http2 = if peer.is_registry() { http1 } else { free_address() };
        let addresses = Addresses { http1, http2 };
        fs::create_dir_all(folder)?;
        let stem = format!("{}-{}", peer.name(), http1.port());
        let (config, log) = (folder.join(format!("{stem}.conf")), folder.join(format!("{stem}.log")));
        fs::write(&config, peer.config(&Site { place, addresses, folder, setup, secrets }))?;
        let output = File::create(&log)?;
        let mut command = peer.command(&program, &config);
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);

        let begun = Instant::now();
        let child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let mut server = Self {
            peer,
            setup,
            http1: secrets.http1(setup, http1),
            http2: secrets.http2(setup, http2),
            place: place.clone(),
            first_answer: Duration::ZERO,
            processes: Processes::of(child.id()),
            child,
            log,
        };
        server.wait_for_an_answer(begun)?;
        // Workers are there by the time one of them answers.
        server.processes = Processes::of(server.child.id());
        Ok(server)
    }

    /// Its processes, for what they cost.
    pub(crate) fn processes(&self) -> &Processes {
        &self.processes
    }

    fn wait_for_an_answer(&mut self, begun: Instant) -> Result<()> {
        loop {
            let Err(error) = ask(&self.http1) else {
                self.first_answer = begun.elapsed();
                return Ok(());
            };
            if begun.elapsed() > START_LIMIT {
                let name = self.peer.name();
                return Err(error.context(format!(
                    "{name} did not answer within {START_LIMIT:?}: {}",
                    self.last_words()
                )));
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended before it answered ({status}): {}", self.peer.name(), self.last_words());
            }
            sleep(START_POLL);
        }
    }

    /// The end of its log.
    fn last_words(&self) -> String {
        let said = fs::read(&self.log).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        let lines: Vec<_> = said.lines().collect();
        lines[lines.len().saturating_sub(10)..].join("\n")
    }

    /// nginx must be asked, or its workers stay; the registries have nothing left to do that anybody would miss.
    fn ask_to_stop(&mut self) {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let (Peer::Nginx, Some(id)) = (self.peer, id) {
            // It fails when the process has just ended, which is what is wanted.
            let _ = kill_process(id, Signal::TERM);
            let asked = Instant::now();
            while asked.elapsed() < STOP_LIMIT && matches!(self.child.try_wait(), Ok(None)) {
                sleep(Duration::from_millis(5));
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ask_to_stop();
        // Both fail when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Fails unless `GET /v2/` gets any answer; a static server's is 404, a guarded one's 401.
fn ask(endpoint: &Endpoint) -> Result<()> {
    if endpoint.tls.is_some() {
        Connection::open(endpoint)?.exchange(&Request::get("/v2/", &[]))?;
        return Ok(());
    }
    let address = endpoint.address;
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(START_LIMIT))?;
    write!(stream, "GET /v2/ HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = [0; 9];
    stream.read_exact(&mut answer)?;
    ensure!(&answer == b"HTTP/1.1 ", "what answers is no HTTP/1.1");
    Ok(())
}
