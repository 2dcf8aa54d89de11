//! A Docker engine for one test: Debian's own, with its data, state and socket in the scratch folder.
//!
//! It never touches the machine's network: no bridge, no firewall rules, no forwarding.

#![expect(
    clippy::disallowed_methods,
    reason = "the engine reads a settings file, and the mounts of a killed one are looked up"
)]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use wharf_testkit::process::{Child, Output, run, run_to_failure};

use crate::workbench::{Workbench, find};

/// How long the engine and the containerd it starts may take until they answer.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How long both may take to stop.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// A running engine. Dropping it ends it, and shows its log if the test is panicking.
#[derive(Debug)]
pub(crate) struct Engine<'a> {
    workbench: &'a Workbench,
    /// Ended before `_mounts` looks at what it left.
    child: Child,
    client: PathBuf,
    socket: PathBuf,
    _mounts: Mounts,
}

/// Takes away what an engine that had to be killed has left mounted, so that the scratch folder can go.
#[derive(Debug)]
struct Mounts {
    below: PathBuf,
}

// === impl Engine ===

impl<'a> Engine<'a> {
    /// Starts one, which takes the superuser: it mounts and unpacks layers.
    #[track_caller]
    pub(crate) fn start(workbench: &'a Workbench) -> Self {
        Self::spawn(workbench, workbench.tool("dockerd"))
    }

    /// One that has `settings` in place of `/etc/docker`, the only folder where it looks for certificates.
    #[track_caller]
    pub(crate) fn start_with(workbench: &'a Workbench, settings: &str) -> Self {
        let mut command = workbench.tool("unshare");
        // Nobody else sees that mount, and it goes with the engine.
        let script = "mkdir -p /etc/docker && mount --bind \"$0\" /etc/docker && exec dockerd \"$@\"";
        command.args(["--mount", "sh", "-c", script, settings]);
        Self::spawn(workbench, command)
    }

    #[track_caller]
    fn spawn(workbench: &'a Workbench, mut command: Command) -> Self {
        let folder = workbench.path("engine");
        std::fs::create_dir(&folder).expect("a folder for the engine");
        // Without a file of its own the engine would read the machine's.
        std::fs::write(folder.join("daemon.json"), "{}").expect("settings can be written");
        let socket = folder.join("socket");

        for (option, name) in [
            ("config-file", "daemon.json"),
            ("data-root", "data"),
            ("exec-root", "state"),
            ("pidfile", "pid"),
        ] {
            command.arg(format!("--{option}={}", folder.join(name).display()));
        }
        command.arg(format!("--host=unix://{}", socket.display()));
        command.args(["--bridge=none", "--iptables=false", "--ip6tables=false"]);
        command.args(["--ip-forward=false", "--ip-masq=false", "--userland-proxy=false"]);
        // The one driver that works on every file system, inside containers too.
        command.arg("--storage-driver=vfs");

        let mut engine = Self {
            workbench,
            _mounts: Mounts { below: folder.clone() },
            child: Child::spawn(&mut command, &folder.join("log")),
            client: client(),
            socket: socket.clone(),
        };
        let limit = START_LIMIT;
        // The socket is there, and in use, only when the engine is ready.
        let listens = || std::os::unix::net::UnixStream::connect(&socket).is_ok();
        engine.child.wait_until("it listens on its socket", limit, listens);
        engine
    }

    /// Runs `docker` with these arguments; panics unless it succeeds.
    #[track_caller]
    pub(crate) fn docker<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Output {
        run(self.command().args(arguments))
    }

    /// Runs `docker` with these arguments; panics unless it fails.
    #[track_caller]
    pub(crate) fn docker_fails<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Output {
        run_to_failure(self.command().args(arguments))
    }

    /// Asks the engine to stop, which it must do in time and as a success.
    #[track_caller]
    pub(crate) fn stop(self) {
        let status = self.child.stop(STOP_LIMIT);
        assert!(status.success(), "the engine was told to stop and ended with {status}");
    }

    fn command(&self) -> Command {
        let mut command = self.workbench.tool(&self.client);
        command.arg(format!("--host=unix://{}", self.socket.display()));
        command
    }
}

impl Drop for Mounts {
    fn drop(&mut self) {
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let targets = mounts.lines().filter_map(|line| line.split(' ').nth(1));
        // The innermost was mounted last.
        for target in targets.filter(|target| Path::new(target).starts_with(&self.below)).rev() {
            let _ = Command::new("umount").args(["--lazy", target]).status();
        }
    }
}

/// The client packaged with the engine, else the first on PATH.
///
/// A machine may have a newer client under another prefix, in front of Debian's. Clients from 29 on refuse to
/// speak the API of the 20.10 engine, and what `push` prints differs too; the one beside the engine always fits.
#[track_caller]
fn client() -> PathBuf {
    let engine = find("dockerd").expect("dockerd was just started");
    let prefix = engine.parent().and_then(Path::parent);
    prefix
        .map(|prefix| prefix.join("bin/docker"))
        .filter(|beside| beside.is_file())
        .unwrap_or_else(|| "docker".into())
}
