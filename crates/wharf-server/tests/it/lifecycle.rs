//! Starts that fail, and ends.

use std::net::TcpListener;

use rustix::process::Signal;
use wharf_testkit::deadline::eventually;
use wharf_testkit::process::{free_address, run_to_failure};

use crate::running::{Sections, addr, failure, fifo, registry, spawn, start, write_config};

#[test]
fn a_port_that_is_taken_is_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let config = write_config(scratch.path(), &addr(address), Sections::default());

    let output = run_to_failure(&mut registry(&config));

    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        failure(&output),
        format!(
            "error: could not listen on {address}; http.addr (REGISTRY_HTTP_ADDR) chooses another address: \
             Address already in use (os error 98)\n"
        )
    );
}

#[test]
fn a_bad_file_is_one_line_a_mistake() {
    let scratch = tempfile::tempdir().unwrap();
    let more = "log: {level: loud}\nauth: {htpaswd: {}}";
    let config = write_config(scratch.path(), "addr: here", Sections { more, ..Sections::default() });

    let output = run_to_failure(&mut registry(&config));

    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        output.said(),
        format!(
            "error: {config}:5:8: auth.htpaswd: unknown auth type; did you mean htpasswd?\n\
             error: {config}:3:14: http.addr: expected an address such as :5000 or 127.0.0.1:5000, got \"here\"\n\
             error: {config}:4:14: log.level: expected error, warn, info or debug, got \"loud\"\n"
        )
    );
}

#[tokio::test]
async fn told_to_stop_it_finishes_what_it_has_begun() {
    let running = start(Sections::default());
    let server = running.server;
    let begun = server.post("/v2/acme/app/blobs/uploads/").send().await.expect(202);
    let mut upload = server.connect().await;
    let patch =
        server.patch(begun.location()).header("Content-Length", "10").header("Expect", "100-continue");
    upload.begin(&patch).await;
    assert_eq!(upload.response("PATCH").await.status, 100);

    let stopping = tokio::task::spawn_blocking(|| running.stop());
    eventually("the port is closed", async || server.try_connect().await.err()).await;
    upload.write(b"0123456789").await;

    assert_eq!(upload.response("PATCH").await.status, 202);
    assert_eq!(stopping.await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn a_signal_to_reload_changes_nothing() {
    let mut running = start(Sections::default());

    running.signal(Signal::HUP);

    running.wait_for_log("nothing to reload");
    assert_eq!(running.server.get("/v2/").send().await.status, 200);
    assert_eq!(running.stop().code(), Some(0));
}

/// Supervisors and operators send a second signal when they will not wait any longer.
#[tokio::test]
async fn a_second_signal_ends_the_drain_at_once() {
    for (first, second) in
        [(Signal::TERM, Signal::TERM), (Signal::INT, Signal::INT), (Signal::TERM, Signal::INT)]
    {
        let running = start(Sections { http: "draintimeout: 1h", ..Sections::default() });
        let server = running.server;
        let begun = server.post("/v2/acme/app/blobs/uploads/").send().await.expect(202);
        let mut upload = server.connect().await;
        let patch =
            server.patch(begun.location()).header("Content-Length", "10").header("Expect", "100-continue");
        upload.begin(&patch).await;
        assert_eq!(upload.response("PATCH").await.status, 100);
        running.signal(first);
        eventually("the port is closed", async || server.try_connect().await.err()).await;

        running.signal(second);

        assert_eq!(running.ended().code(), Some(0));
        upload.closed().await;
    }
}

#[test]
fn signals_are_answered_from_the_first_line_of_the_log_on_however_long_the_start_takes() {
    let scratch = tempfile::tempdir().unwrap();
    let address = free_address();
    let certificate = scratch.path().join("never.pem");
    fifo(&certificate);
    let http = format!("tls: {{certificate: '{0}', key: '{0}'}}", certificate.display());
    let config =
        write_config(scratch.path(), &addr(address), Sections { http: &http, ..Sections::default() });
    let mut running = spawn(&config, address, scratch);
    running.wait_for_log("using configuration");

    running.signal(Signal::HUP);

    assert_eq!(running.stop().code(), Some(0));
}
