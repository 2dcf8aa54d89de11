//! Registries on a bucket: ours, and distribution 3.1.1.

use std::net::SocketAddr;
use std::ops::Deref;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;
use wharf_testkit::process::{Child, free_address};
use wharf_testkit::wire;

use crate::procfs::Process;
use crate::stores::Store;
use crate::workbench::isolated;

/// Where the path of our binary is.
const BINARY: &str = "WHARF_REGISTRY";
/// Set, the other registry takes the place of ours: whether a test asks for what cannot be.
const PEER: &str = "WHARF_S3_PEER";
/// How long a program may take until it listens, and until it has stopped.
const LIMIT: Duration = Duration::from_secs(20);

/// A registry that understands the v2 tree in a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    /// Ours.
    Wharf,
    /// distribution 3.1.1.
    V3,
}

/// What a registry is configured with beside its bucket.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Settings<'a> {
    /// Parameters of the driver, a line each.
    pub(crate) driver: &'a str,
    /// More lines at the end of the configuration.
    pub(crate) more: &'a str,
    /// `http.secret`; a registry that has none makes up its own.
    pub(crate) secret: &'a str,
    /// Send readers to the bucket.
    pub(crate) redirect: bool,
}

/// A program that runs. It is used as the [`wire::Server`] it is; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Registry {
    program: Program,
    child: Child,
    wire: wire::Server,
    _folder: TempDir,
}

// === impl Program ===

impl Program {
    /// Ours, unless the environment says otherwise.
    pub(crate) fn tested() -> Self {
        if std::env::var_os(PEER).is_some() { Self::V3 } else { Self::Wharf }
    }

    #[track_caller]
    pub(crate) fn start(self, store: &impl Store) -> Registry {
        self.start_with(store, Settings::default())
    }

    #[track_caller]
    pub(crate) fn start_with(self, store: &impl Store, settings: Settings<'_>) -> Registry {
        let folder = tempfile::tempdir().expect("a folder for the registry");
        let address = free_address();
        let config = folder.path().join("config.yml");
        std::fs::write(&config, configuration(store, settings, address)).expect("the config can be written");
        let mut command = match self {
            Self::Wharf => isolated(our_binary()),
            Self::V3 => isolated("distribution-registry"),
        };
        // Else distribution 3 sends its traces to somebody.
        command.env("OTEL_TRACES_EXPORTER", "none");
        command.arg("serve").arg(&config).current_dir(folder.path());
        let mut child = Child::spawn(&mut command, &folder.path().join("log"));
        child.wait_for_port(address, LIMIT);
        Registry { program: self, child, wire: wire::Server::at(address), _folder: folder }
    }
}

fn configuration(store: &impl Store, settings: Settings<'_>, address: SocketAddr) -> String {
    let Settings { driver, more, secret, redirect } = settings;
    let secret = if secret.is_empty() { String::new() } else { format!("  secret: {secret}\n") };
    format!(
        "version: 0.1\nlog: {{level: warn, accesslog: {{disabled: true}}}}\nstorage:\n{storage}  delete:\n    enabled: true\n  \
         redirect:\n    disable: {disable}\nhttp:\n  addr: {address}\n  relativeurls: true\n{secret}{more}",
        storage = store.storage(driver),
        disable = !redirect,
    )
}

// === impl Registry ===

impl Registry {
    pub(crate) fn address(&self) -> SocketAddr {
        self.wire.address()
    }

    /// Ends it; ours must end in time and as a success.
    #[track_caller]
    pub(crate) fn stop(self) {
        if self.program == Program::Wharf {
            let status = self.child.stop(LIMIT);
            assert!(status.success(), "the registry was told to stop and ended with {status}");
        }
    }

    /// As the out-of-memory killer does it.
    #[track_caller]
    pub(crate) fn kill(self) {
        self.child.kill(LIMIT);
    }

    /// Waits until something has happened while it runs.
    #[track_caller]
    pub(crate) fn wait_until(&mut self, what: &str, limit: Duration, happened: impl FnMut() -> bool) {
        self.child.wait_until(what, limit, happened);
    }

    pub(crate) fn process(&self) -> Process {
        Process::of(self.child.id())
    }
}

impl Deref for Registry {
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
