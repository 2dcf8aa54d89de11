//! The three programs, each started over a given directory with a config of its own.

use std::net::SocketAddr;
use std::ops::Deref;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use wharf_testkit::process::{Child, Output, free_address, run};
use wharf_testkit::wire;

use crate::tree::Tree;
use crate::workbench::isolated;

/// Where the path of our binary is.
const BINARY: &str = "WHARF_REGISTRY";
/// How long a program may take until it listens.
const START_LIMIT: Duration = Duration::from_secs(20);
/// How long ours may take to stop.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// A registry that understands the v2 tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    /// Ours.
    Wharf,
    /// Debian's docker-registry 2.8.
    V2,
    /// distribution 3.1.1.
    V3,
}

/// A program that runs. It is used as the [`wire::Server`] it is; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) program: Program,
    child: Child,
    wire: wire::Server,
}

// === impl Program ===

impl Program {
    pub(crate) const OLD: [Self; 2] = [Self::V2, Self::V3];

    #[track_caller]
    pub(crate) fn start(self, tree: &Tree) -> Server {
        self.start_with(tree, "")
    }

    /// With more lines at the end of its config.
    #[track_caller]
    pub(crate) fn start_with(self, tree: &Tree, config: &str) -> Server {
        let address = free_address();
        let mut command = self.command();
        command.arg("serve").arg(self.config(tree, address, config));
        let log = tree.scratch(&format!("{self:?}-{}.log", address.port()));
        let mut child = Child::spawn(&mut command, &log);
        child.wait_for_port(address, START_LIMIT);
        Server { program: self, child, wire: wire::Server::at(address) }
    }

    /// Runs the collector of an old registry.
    #[track_caller]
    pub(crate) fn collect(self, tree: &Tree, options: &[&str]) -> Output {
        let config = self.config(tree, free_address(), "");
        run(self.command().arg("garbage-collect").args(options).arg(config))
    }

    fn command(self) -> Command {
        let mut command = match self {
            Self::Wharf => isolated(our_binary()),
            Self::V2 => isolated("docker-registry"),
            Self::V3 => isolated("distribution-registry"),
        };
        // Else distribution 3 sends its traces to somebody.
        command.env("OTEL_TRACES_EXPORTER", "none");
        command
    }

    /// No program may find the config of the machine, so all get one.
    #[track_caller]
    fn config(self, tree: &Tree, address: SocketAddr, more: &str) -> PathBuf {
        let path = tree.scratch(&format!("{self:?}-{}.yml", address.port()));
        let config = format!(
            "version: 0.1\n\
             log: {{level: info}}\n\
             storage:\n  filesystem:\n    rootdirectory: {}\n  delete:\n    enabled: true\n\
             http:\n  addr: {address}\n  relativeurls: true\n{more}",
            tree.root().display()
        );
        std::fs::write(&path, config).expect("the config can be written");
        path
    }
}

// === impl Server ===

impl Server {
    /// Ends it; ours must end in time and as a success.
    #[track_caller]
    pub(crate) fn stop(self) {
        if self.program == Program::Wharf {
            let status = self.child.stop(STOP_LIMIT);
            assert!(status.success(), "the registry was told to stop and ended with {status}");
        }
    }

    /// `127.0.0.1:<port>/<reference>`, as clients name an image.
    pub(crate) fn name(&self, reference: &str) -> String {
        format!("{}/{reference}", self.wire.address())
    }
}

impl Deref for Server {
    type Target = wire::Server;

    fn deref(&self) -> &wire::Server {
        &self.wire
    }
}

#[track_caller]
fn our_binary() -> PathBuf {
    let binary = std::env::var_os(BINARY)
        .unwrap_or_else(|| panic!("{BINARY} is not set: it names the release binary `registry` to test"));
    let binary = PathBuf::from(binary);
    // Tests run in the folder of their crate, which is hardly where a relative path was meant from.
    assert!(
        binary.is_absolute() && binary.is_file(),
        "{BINARY} is to be the absolute path of a file, not {}",
        binary.display()
    );
    binary
}
