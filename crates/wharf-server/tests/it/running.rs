//! A registry in a process of its own, with a directory that ends with the test.

#![expect(clippy::disallowed_methods, reason = "the file of a test, read by another process")]

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use wharf_testkit::process::{Child, Output, free_address, run};
use wharf_testkit::wire::Server;

/// How long a start or an end may take on a machine that compiles beside it.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// The file's sections that a test has something to say about, in flow style and without their braces.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sections<'a> {
    pub(crate) http: &'a str,
    pub(crate) storage: &'a str,
    /// Whole lines.
    pub(crate) more: &'a str,
}

/// A server and what belongs to it.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) server: Server,
    pub(crate) child: Child,
    scratch: TempDir,
}

/// Starts a registry on a port of its own and waits until it listens.
#[track_caller]
pub(crate) fn start(sections: Sections<'_>) -> Running {
    let address = free_address();
    let scratch = tempfile::tempdir().unwrap();
    let config = write_config(scratch.path(), &addr(address), sections);
    serve(&config, address, scratch)
}

/// Starts a registry on a file that is written whole, and waits until it listens at `address`.
#[track_caller]
pub(crate) fn serve(config: &str, address: SocketAddr, scratch: TempDir) -> Running {
    let mut running = spawn(config, address, scratch);
    running.child.wait_for_port(address, LIMIT);
    running
}

/// Starts a registry on a file that is written whole, and does not wait.
#[track_caller]
pub(crate) fn spawn(config: &str, address: SocketAddr, scratch: TempDir) -> Running {
    let child = Child::spawn(&mut registry(config), &scratch.path().join("log"));
    Running { server: Server::at(address), child, scratch }
}

/// Makes a FIFO. A process that opens it to read is stuck in that call, as on a disk that does not answer, until another
/// process opens it to write.
#[track_caller]
pub(crate) fn fifo(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    run(Command::new("mkfifo").arg(path));
}

/// Writes `config.yml` into a directory and says what serves it.
pub(crate) fn write_config(directory: &Path, listen: &str, sections: Sections<'_>) -> String {
    let Sections { http, storage, more } = sections;
    let root = directory.join("data");
    let text = format!(
        "version: 0.1\nstorage: {{filesystem: {{rootdirectory: '{}'}}, {storage}}}\nhttp: {{{listen}, {http}}}\n{more}\n",
        root.display()
    );
    let path = directory.join("config.yml");
    fs::write(&path, text).unwrap();
    path.into_os_string().into_string().unwrap()
}

/// `registry serve <config>`, in an environment without variables. Its id is in a file beside the config, and it
/// starts with few open files.
pub(crate) fn registry(config: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    let script = r#"echo $$ > "$1.pid"; ulimit -Sn 256; exec "$0" serve "$1""#;
    command.args(["-c", script, env!("CARGO_BIN_EXE_registry"), config]).env_clear();
    command
}

/// All output of a start that failed, after the first lines of the log, which name the configuration and a root directory
/// that is new.
#[track_caller]
pub(crate) fn failure(output: &Output) -> String {
    let said = output.said();
    let (first, rest) = said.split_once('\n').unwrap();
    assert!(first.contains("using configuration"), "{said}");
    match rest.split_once('\n') {
        Some((second, rest)) if second.contains(": creating it") => rest.to_owned(),
        _ => rest.to_owned(),
    }
}

/// An address as it stands in a file.
pub(crate) fn addr(address: SocketAddr) -> String {
    format!("addr: '{address}'")
}

// === impl Running ===

impl Running {
    /// Waits until it has ended by itself, and gives how.
    #[track_caller]
    pub(crate) fn ended(self) -> ExitStatus {
        self.child.ends(LIMIT)
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let id = fs::read_to_string(self.scratch.path().join("config.yml.pid")).unwrap();
        let id = Pid::from_raw(id.trim().parse().unwrap()).unwrap();
        kill_process(id, signal).unwrap();
    }

    /// Waits until the log says so.
    #[track_caller]
    pub(crate) fn wait_for_log(&mut self, words: &str) {
        let log = self.scratch.path().join("log");
        let said = || fs::read_to_string(&log).unwrap().contains(words);
        self.child.wait_until(&format!("it logs {words:?}"), LIMIT, said);
    }

    /// Asks it to stop, waits, and gives all that it has said.
    #[track_caller]
    pub(crate) fn stop_and_tell(self) -> String {
        let Self { child, scratch, .. } = self;
        assert!(child.stop(LIMIT).success());
        fs::read_to_string(scratch.path().join("log")).unwrap()
    }

    /// Asks it to stop, waits, and says how it ended.
    #[track_caller]
    pub(crate) fn stop(self) -> ExitStatus {
        self.child.stop(LIMIT)
    }
}
