//! Programs that a test runs: a command that must succeed or fail within a limit, and a server that ends with its test.
//!
//! It knows signals, logs and deadlines, and nothing of what any program does.

#![expect(
    clippy::disallowed_methods,
    reason = "a program of another process obeys no Clock of ours and writes its log to a file"
)]

use std::fmt::{self, Write as _};
use std::fs::File;
use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How often we look whether something has happened.
const POLL_INTERVAL: Duration = Duration::from_millis(10);
/// How long a command may take: far more than any needs, far less than a suite's patience.
const COMMAND_LIMIT: Duration = Duration::from_secs(60);
/// How long a server that is dropped may take to end before it is killed.
const DROP_LIMIT: Duration = Duration::from_secs(15);
/// How many of the last lines of a log a failure shows.
const LAST_WORDS: usize = 60;

/// A server in a process of its own, with all it says in a file.
///
/// Dropping it ends it: asked first, killed if it does not listen. If the test is panicking, its last words are shown.
#[derive(Debug)]
pub struct Child {
    name: String,
    process: std::process::Child,
    log: PathBuf,
}

/// Whether the outputs of a server are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outputs {
    /// Both go to the file of its log.
    File,
    /// Both are pipes that stay open and are never read.
    Unread,
}

/// What a finished command said and how it ended.
#[derive(Debug)]
pub struct Output {
    /// The command line, for messages.
    pub command: String,
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
}

// === impl Child ===

impl Child {
    /// Starts `command`; what it says on either output goes to the new file `log`.
    #[track_caller]
    pub fn spawn(command: &mut Command, log: &Path) -> Self {
        Self::spawn_with(command, log, Outputs::File)
    }

    /// Starts `command` with pipes for its outputs that are not read, and are full when 64 KiB were written.
    #[track_caller]
    pub fn spawn_unread(command: &mut Command) -> Self {
        Self::spawn_with(command, Path::new("/dev/null"), Outputs::Unread)
    }

    #[track_caller]
    fn spawn_with(command: &mut Command, log: &Path, outputs: Outputs) -> Self {
        let name = line_of(command);
        command.stdin(Stdio::null());
        if outputs == Outputs::Unread {
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
        } else {
            let output =
                File::create(log).unwrap_or_else(|error| panic!("cannot create {}: {error}", log.display()));
            let errors = output.try_clone().expect("a file handle can be cloned");
            command.stdout(output).stderr(errors);
        }
        let process = command.spawn().unwrap_or_else(|error| panic!("{}", cannot_start(&name, &error)));
        Self { name, process, log: log.to_owned() }
    }

    /// Waits until somebody listens on `address`; panics if the process ends first or `limit` passes.
    #[track_caller]
    pub fn wait_for_port(&mut self, address: SocketAddr, limit: Duration) {
        let connects = || TcpStream::connect_timeout(&address, POLL_INTERVAL).is_ok();
        self.wait_until(&format!("it listens on {address}"), limit, connects);
    }

    /// Waits until `happened`, which `what` puts in words; panics if the process ends first or `limit` passes.
    #[track_caller]
    pub fn wait_until(&mut self, what: &str, limit: Duration, mut happened: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !happened() {
            if let Some(status) = self.ended() {
                panic!("`{}` ended before {what} ({status})", self.name);
            }
            assert!(begun.elapsed() < limit, "`{}`: not within {limit:?}: {what}", self.name);
            thread::sleep(POLL_INTERVAL);
        }
    }

    /// Asks the process to stop and returns how it ended; panics if `limit` passes.
    #[track_caller]
    pub fn stop(mut self, limit: Duration) -> ExitStatus {
        let gone = self.ended();
        assert!(gone.is_none(), "`{}` was gone before it was stopped: {gone:?}", self.name);
        self.signal(Signal::TERM);
        self.wait(limit).unwrap_or_else(|| panic!("`{}` did not stop within {limit:?}", self.name))
    }

    /// Waits until the process ends by itself and returns how it ended; panics if `limit` passes.
    #[track_caller]
    pub fn ends(mut self, limit: Duration) -> ExitStatus {
        self.wait(limit).unwrap_or_else(|| panic!("`{}` did not end within {limit:?}", self.name))
    }

    /// Kills the process, as nothing it could do would prevent, and waits until it is gone; panics if `limit` passes.
    #[track_caller]
    pub fn kill(mut self, limit: Duration) {
        let gone = self.ended();
        assert!(gone.is_none(), "`{}` was gone before it was killed: {gone:?}", self.name);
        self.signal(Signal::KILL);
        assert!(self.wait(limit).is_some(), "`{}` outlived its killing by {limit:?}", self.name);
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// The end of what the process said so far.
    pub fn last_words(&self) -> String {
        let said = std::fs::read(&self.log).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        let lines: Vec<_> = said.lines().collect();
        lines[lines.len().saturating_sub(LAST_WORDS)..].join("\n")
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        self.process.try_wait().expect("a process of ours can be waited for")
    }

    fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        let begun = Instant::now();
        loop {
            let status = self.ended();
            if status.is_some() || begun.elapsed() >= limit {
                return status;
            }
            thread::sleep(POLL_INTERVAL);
        }
    }

    /// By its own id, which stays its own until it has been waited for.
    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw);
        // It fails when the process has just ended, which is what is wanted.
        let _ = kill_process(id.expect("a process has an id"), signal);
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("--- the end of the log of `{}`:\n{}\n---", self.name, self.last_words());
        }
        if matches!(self.process.try_wait(), Ok(None)) {
            self.signal(Signal::TERM);
            if self.wait(DROP_LIMIT).is_none() {
                eprintln!("`{}` did not stop within {DROP_LIMIT:?} and is killed", self.name);
                self.signal(Signal::KILL);
                let _ = self.process.wait();
            }
        }
    }
}

// === impl Output ===

impl Output {
    /// The standard output as text, without the line break at its end.
    #[track_caller]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout)
            .unwrap_or_else(|error| panic!("not text ({error}): {self}"))
            .trim_end_matches('\n')
    }

    /// Both outputs, for a program that chooses between them as it likes.
    pub fn said(&self) -> String {
        let (out, err) = (String::from_utf8_lossy(&self.stdout), String::from_utf8_lossy(&self.stderr));
        format!("{out}{err}")
    }
}

impl fmt::Display for Output {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "`{}` ended with {}", self.command, self.status)?;
        for (name, bytes) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            writeln!(formatter, "--- {name}:\n{}", String::from_utf8_lossy(bytes))?;
        }
        formatter.write_str("---")
    }
}

/// Runs `command` to its end; panics unless it succeeds.
#[track_caller]
pub fn run(command: &mut Command) -> Output {
    let output = finish(command);
    assert!(output.status.success(), "{output}");
    output
}

/// Runs `command` to its end; panics unless it ends by itself and says that it failed.
#[track_caller]
pub fn run_to_failure(command: &mut Command) -> Output {
    let output = finish(command);
    assert!(!output.status.success(), "it was to fail: {output}");
    assert!(output.status.signal().is_none(), "it did not end by itself: {output}");
    output
}

/// Runs `command` again and again until it succeeds; panics if it does not within the limit for commands.
#[track_caller]
pub fn run_until_success(command: &mut Command) {
    let begun = Instant::now();
    loop {
        let output = finish(command);
        if output.status.success() {
            return;
        }
        assert!(begun.elapsed() < COMMAND_LIMIT, "not within {COMMAND_LIMIT:?}: {output}");
        thread::sleep(POLL_INTERVAL);
    }
}

/// Lets a load run for `time`: when it is to end is chosen by chance, not by what happens.
pub async fn let_run(time: Duration) {
    tokio::time::sleep(time).await;
}

/// An address of the loopback that nobody listens on, as far as can be known before listening oneself.
#[track_caller]
pub fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .unwrap_or_else(|error| panic!("the loopback has no free port: {error}"))
}

/// Runs `command` until it ends, or kills it and panics when that takes too long.
#[track_caller]
fn finish(command: &mut Command) -> Output {
    let line = line_of(command);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap_or_else(|error| panic!("{}", cannot_start(&line, &error)));
    // Both pipes are drained while it runs, or a talkative program would wait for us for ever.
    let stdout = drain(process.stdout.take());
    let stderr = drain(process.stderr.take());
    let begun = Instant::now();
    let mut in_time = true;
    let status = loop {
        if let Some(status) = process.try_wait().expect("a process of ours can be waited for") {
            break status;
        }
        if in_time && begun.elapsed() >= COMMAND_LIMIT {
            in_time = false;
            let _ = process.kill();
        }
        thread::sleep(POLL_INTERVAL);
    };
    let output = Output {
        command: line,
        status,
        stdout: stdout.join().expect("the reader does not panic"),
        stderr: stderr.join().expect("the reader does not panic"),
    };
    assert!(in_time, "killed after {COMMAND_LIMIT:?}: {output}");
    output
}

fn drain(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What came before a broken pipe is still worth showing.
        let _ = pipe.map(|mut pipe| pipe.read_to_end(&mut bytes));
        bytes
    })
}

fn line_of(command: &Command) -> String {
    let mut line = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        let _ = write!(line, " {}", argument.to_string_lossy());
    }
    line
}

fn cannot_start(line: &str, error: &io::Error) -> String {
    let hint = match error.kind() {
        io::ErrorKind::NotFound => {
            "; is it installed and on PATH? `.ci/tools.sh` installs the tools of the tests"
        }
        _ => "",
    };
    format!("cannot start `{line}`: {error}{hint}")
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn message(panicking: impl FnOnce() + std::panic::UnwindSafe) -> String {
        let cause = catch_unwind(panicking).unwrap_err();
        *cause.downcast::<String>().unwrap()
    }

    #[test]
    fn a_command_gives_what_it_said() {
        let output = run(&mut shell("echo one; echo two >&2"));

        assert_eq!(output.text(), "one");
        assert_eq!(output.said(), "one\ntwo\n");
    }

    #[test]
    fn a_failing_command_is_shown_whole() {
        let message = message(|| drop(run(&mut shell("echo out; echo err >&2; exit 3"))));

        for part in ["exit 3`", "exit status: 3", "out\n", "err\n"] {
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn a_command_that_was_to_fail_and_did_not_is_a_failure() {
        assert!(message(|| drop(run_to_failure(&mut shell("true")))).contains("it was to fail"));
        assert_eq!(run_to_failure(&mut shell("exit 3")).status.code(), Some(3));
    }

    #[test]
    fn a_missing_program_says_how_to_get_it() {
        let message = message(|| drop(run(&mut Command::new("no-such-program"))));

        assert!(message.contains("no-such-program") && message.contains(".ci/tools.sh"), "{message}");
    }

    #[test]
    fn a_server_is_stopped_by_its_own_signal_handler() {
        let scratch = tempfile::tempdir().unwrap();
        let mut command = shell("trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done");
        let mut child = Child::spawn(&mut command, &scratch.path().join("log"));
        let log = child.log.clone();
        child.wait_until("it says so", DROP_LIMIT, || std::fs::read(&log).unwrap() == b"ready\n");

        assert_eq!(child.last_words(), "ready");
        assert_eq!(child.stop(DROP_LIMIT).code(), Some(7));
    }

    #[test]
    fn a_dropped_server_is_gone() {
        let scratch = tempfile::tempdir().unwrap();
        let child = Child::spawn(shell("exec sleep 1000").arg("sh"), &scratch.path().join("log"));
        let id = Pid::from_raw(i32::try_from(child.process.id()).unwrap()).unwrap();

        drop(child);

        assert!(rustix::process::test_kill_process(id).is_err());
    }

    #[test]
    fn a_server_that_ends_too_early_is_a_failure() {
        let message = message(|| {
            let scratch = tempfile::tempdir().unwrap();
            let mut child = Child::spawn(&mut shell("exit 4"), &scratch.path().join("log"));
            child.wait_for_port(free_address(), DROP_LIMIT);
        });

        assert!(
            message.contains("ended before it listens") && message.contains("exit status: 4"),
            "{message}"
        );
    }
}
