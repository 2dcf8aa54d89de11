//! A `redis-server` of a test's own: on the loopback, keeping nothing on disk, ended with the test.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpStream;
use wharf_testkit::process::{Child, free_address};

const LIMIT: Duration = Duration::from_secs(20);

/// A Redis that can be taken away and brought back under the same address.
#[derive(Debug)]
pub(super) struct Redis {
    address: SocketAddr,
    arguments: Vec<String>,
    folder: TempDir,
    child: Option<Child>,
    starts: usize,
}

// === impl Redis ===

impl Redis {
    /// An empty one.
    pub(super) fn start() -> Self {
        Self::start_with(&[])
    }

    /// An empty one with more arguments.
    pub(super) fn start_with(arguments: &[&str]) -> Self {
        let mut redis = Self::away();
        redis.arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        redis.bring_back();
        redis
    }

    /// One that is not there yet.
    pub(super) fn away() -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        Self { address: free_address(), arguments: Vec::new(), folder, child: None, starts: 0 }
    }

    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Kills it, as a machine that goes would.
    pub(super) fn take_away(&mut self) {
        self.child.take().expect("it is there").kill(LIMIT);
    }

    /// Starts it, empty, where it was.
    pub(super) fn bring_back(&mut self) {
        self.starts += 1;
        let log = self.folder.path().join(format!("log-{}", self.starts));
        let port = self.address.port().to_string();
        let mut command = Command::new("redis-server");
        command.current_dir(self.folder.path()).args([
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ]);
        let encrypted = self.arguments.iter().any(|argument| argument.starts_with("--tls"));
        // The other kind of port is closed.
        let ports = if encrypted { ["0", port.as_str()] } else { [port.as_str(), "0"] };
        command.args(["--port", ports[0]]);
        if encrypted {
            command.args(["--tls-port", ports[1]]);
        }
        command.args(&self.arguments);
        let mut child = Child::spawn(&mut command, &log);
        child.wait_for_port(self.address, LIMIT);
        self.child = Some(child);
    }

    /// What `redis-cli` says to these words.
    pub(super) fn say(&self, words: &[&str]) -> String {
        let port = self.port().to_string();
        let output = wharf_testkit::process::run(Command::new("redis-cli").args(["-p", &port]).args(words));
        output.text().trim().to_owned()
    }

    /// As long as an attempt to reach it takes: a loop that asks again and again leaves the processor to others.
    pub(super) async fn pause(&self) {
        drop(TcpStream::connect(self.address).await);
        tokio::task::yield_now().await;
    }
}
