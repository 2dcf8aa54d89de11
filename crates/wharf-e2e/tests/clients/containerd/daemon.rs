//! A containerd for one test: Debian's own, with its data, state and socket in the scratch folder.

#![expect(clippy::disallowed_methods, reason = "the daemon reads a settings file, which is written for it")]

use std::path::PathBuf;
use std::time::Duration;

use wharf_testkit::process::{Child, Output, run, run_to_failure};

use crate::workbench::Workbench;

/// How long it may take until it answers.
const START_LIMIT: Duration = Duration::from_secs(30);
/// How long it may take to stop.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// What a test has no use for, and what reaches outside of the scratch folder (`opt` makes a folder of the machine).
const DISABLED: &str = r#"[
    "io.containerd.grpc.v1.cri",
    "io.containerd.internal.v1.opt",
    "io.containerd.internal.v1.tracing",
    "io.containerd.snapshotter.v1.aufs",
    "io.containerd.snapshotter.v1.blockfile",
    "io.containerd.snapshotter.v1.btrfs",
    "io.containerd.snapshotter.v1.devmapper",
    "io.containerd.snapshotter.v1.zfs",
]"#;

/// A running daemon. Dropping it ends it, and shows its log if the test is panicking.
#[derive(Debug)]
pub(crate) struct Daemon<'a> {
    workbench: &'a Workbench,
    child: Child,
    socket: PathBuf,
}

// === impl Daemon ===

impl<'a> Daemon<'a> {
    /// Starts one, which takes the superuser: it unpacks layers with the owners of their files.
    #[track_caller]
    pub(crate) fn start(workbench: &'a Workbench) -> Self {
        let folder = workbench.path("containerd");
        std::fs::create_dir(&folder).expect("a folder for the daemon");
        let (settings, socket) = (folder.join("config.toml"), folder.join("socket"));
        let text = format!(
            "version = 2\nroot = {:?}\nstate = {:?}\ndisabled_plugins = {DISABLED}\n[grpc]\naddress = {socket:?}\n",
            folder.join("root"),
            folder.join("state")
        );
        std::fs::write(&settings, text).expect("settings can be written");
        let mut command = workbench.tool("containerd");
        let mut child = Child::spawn(command.arg("--config").arg(&settings), &folder.join("log"));
        let listens = || std::os::unix::net::UnixStream::connect(&socket).is_ok();
        child.wait_until("it listens on its socket", START_LIMIT, listens);
        Self { workbench, child, socket }
    }

    /// Runs `ctr` with these arguments; panics unless it succeeds.
    #[track_caller]
    pub(crate) fn ctr(&self, arguments: &[&str]) -> Output {
        run(self.workbench.tool("ctr").arg("--address").arg(&self.socket).args(arguments))
    }

    /// Runs `ctr` with these arguments; panics unless it fails.
    #[track_caller]
    pub(crate) fn ctr_fails(&self, arguments: &[&str]) -> Output {
        run_to_failure(self.workbench.tool("ctr").arg("--address").arg(&self.socket).args(arguments))
    }

    /// Asks the daemon to stop, which it must do in time and as a success.
    #[track_caller]
    pub(crate) fn stop(self) {
        let status = self.child.stop(STOP_LIMIT);
        assert!(status.success(), "containerd was told to stop and ended with {status}");
    }
}
