//! The release binary on a given folder, to be killed.

#![expect(
    clippy::disallowed_methods,
    reason = "the binary and the way it syncs are named by the environment"
)]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use wharf_testkit::process::{Child, free_address};
use wharf_testkit::wire;

use crate::procfs::Process;

/// How long a start or a stop may take.
const LIMIT: Duration = Duration::from_secs(20);

/// What is not as usual.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Options<'a> {
    /// The program that starts it, with its arguments, as in `prlimit --nofile=64 registry …`.
    pub(crate) wrapper: &'a [&'a str],
    /// `storage.filesystem.fsync`; `full`, or what the environment says.
    pub(crate) fsync: Option<&'a str>,
}

pub(crate) struct Server {
    child: Child,
    wire: wire::Server,
    /// Holds the config and the log, on a disk that keeps its power.
    scratch: TempDir,
}

impl Server {
    pub(crate) fn start(root: &Path) -> Self {
        Self::start_with(Options::default(), root)
    }

    /// One that another program starts.
    pub(crate) fn start_under(wrapper: &[&str], root: &Path) -> Self {
        Self::start_with(Options { wrapper, ..Options::default() }, root)
    }

    pub(crate) fn start_with(options: Options<'_>, root: &Path) -> Self {
        let Options { wrapper, fsync } = options;
        let binary = std::env::var("WHARF_REGISTRY").expect("WHARF_REGISTRY names the release binary");
        let usual = || std::env::var("WHARF_FSYNC").unwrap_or_else(|_| "full".to_owned());
        let fsync = fsync.map_or_else(usual, str::to_owned);
        let scratch = tempfile::tempdir().expect("a folder for the config");
        let address = free_address();
        let config = scratch.path().join("config.yml");
        let text = format!(
            "version: 0.1\nlog: {{level: warn, accesslog: {{disabled: true}}}}\n\
             storage: {{filesystem: {{rootdirectory: {}, fsync: {fsync}}}, delete: {{enabled: true}}}}\n\
             http: {{addr: '{address}'}}\n",
            root.display()
        );
        std::fs::write(&config, text).expect("the config can be written");
        let line: Vec<&str> = wrapper.iter().copied().chain([binary.as_str(), "serve"]).collect();
        let mut command = Command::new(line[0]);
        let mut child = Child::spawn(command.args(&line[1..]).arg(&config), &scratch.path().join("log"));
        child.wait_for_port(address, LIMIT);
        Self { child, wire: wire::Server::at(address), scratch }
    }

    pub(crate) fn wire(&self) -> wire::Server {
        self.wire
    }

    /// As the out-of-memory killer does it.
    pub(crate) fn kill(self) {
        self.child.kill(LIMIT);
    }

    pub(crate) fn stop(self) {
        let status = self.child.stop(LIMIT);
        assert!(status.success(), "{status}");
    }

    /// As [`stop`](Self::stop), and finds that nothing had to be cut off or left undone.
    pub(crate) fn stop_with_nothing_left(self) {
        let log = self.scratch.path().join("log");
        let status = self.child.stop(LIMIT);
        let said = std::fs::read_to_string(log).expect("the log can be read");
        assert!(status.success() && !said.contains("in flight"), "{status}: {said}");
    }

    pub(crate) fn process(&self) -> Process {
        Process::of(self.child.id())
    }
}
