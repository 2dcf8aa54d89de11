//! Unix sockets, and those that systemd opens for us.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{self, Command, Stdio};

use wharf_testkit::process::{Child, run_to_failure};

use crate::running::{LIMIT, Sections, addr, failure, registry, write_config};

/// The answer to `GET /v2/`.
fn ask(mut stream: impl Read + Write) -> String {
    stream.write_all(b"GET /v2/ HTTP/1.1\r\nHost: registry\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_socket_is_listened_on_and_taken_away_at_the_end() {
    let scratch = tempfile::tempdir().unwrap();
    let socket = scratch.path().join("registry.sock");
    // As a process that was killed leaves it.
    drop(UnixListener::bind(&socket).unwrap());
    let listen = format!("net: unix, addr: '{}'", socket.display());
    let config = write_config(scratch.path(), &listen, Sections::default());
    let mut child = Child::spawn(&mut registry(&config), &scratch.path().join("log"));
    child.wait_until("it listens on its socket", LIMIT, || UnixStream::connect(&socket).is_ok());

    let stream = UnixStream::connect(&socket).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let answer = ask(stream);

    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert_eq!(child.stop(LIMIT).code(), Some(0));
    assert!(!socket.exists());
}

#[test]
fn a_file_in_the_place_of_the_socket_is_left_alone() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("data");
    std::fs::create_dir(&path).unwrap();
    let listen = format!("net: unix, addr: '{}'", path.display());
    let config = write_config(scratch.path(), &listen, Sections::default());

    let output = run_to_failure(&mut registry(&config));

    assert_eq!(output.status.code(), Some(1));
    let path = path.display();
    assert_eq!(
        failure(&output),
        format!(
            "error: could not listen on unix:{path}; http.addr chooses another path: \
             there is something that is not a socket\n"
        )
    );
}

/// A registry that was handed its socket, killed at the end.
struct Activated(process::Child);

impl Drop for Activated {
    fn drop(&mut self) {
        // It may have ended by itself, which is the test's business to say.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `registry serve` as systemd starts it, with `count` sockets that are all standard input.
fn activated(config: &str, count: u32) -> Command {
    let mut command = Command::new("/bin/sh");
    let script = r#"exec 3<&0 4<&0 </dev/null; LISTEN_FDS="$2" LISTEN_PID=$$ exec "$0" serve "$1""#;
    let count = count.to_string();
    command.args(["-c", script, env!("CARGO_BIN_EXE_registry"), config, &count]).env_clear();
    command
}

#[test]
fn the_socket_of_systemd_goes_before_that_of_the_file() {
    let scratch = tempfile::tempdir().unwrap();
    let config = write_config(scratch.path(), "addr: 'no.such.host.invalid:1'", Sections::default());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut command = activated(&config, 1);
    command.stdin(OwnedFd::from(listener)).stdout(Stdio::null()).stderr(Stdio::null());
    let _registry = Activated(command.spawn().unwrap());

    // The kernel takes the connection at once and keeps it until somebody accepts.
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let answer = ask(stream);

    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
}

#[test]
fn more_than_one_socket_of_systemd_is_an_error() {
    let scratch = tempfile::tempdir().unwrap();
    let address = wharf_testkit::process::free_address();
    let config = write_config(scratch.path(), &addr(address), Sections::default());

    let output = run_to_failure(&mut activated(&config, 2));

    assert_eq!(output.status.code(), Some(1));
    assert_eq!(failure(&output), "error: systemd passed 2 sockets (LISTEN_FDS); expected one\n");
}
