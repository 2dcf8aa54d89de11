//! What an operator reads on standard error.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use wharf_testkit::process::{Child, free_address};
use wharf_testkit::wire::Server;

use crate::running::{LIMIT, Sections, addr, registry, start, write_config};

#[tokio::test]
async fn logs_that_are_not_read_hold_up_neither_requests_nor_the_end() {
    let address = free_address();
    let scratch = tempfile::tempdir().unwrap();
    let config = write_config(scratch.path(), &addr(address), Sections::default());
    let mut child = Child::spawn_unread(&mut registry(&config));
    child.wait_for_port(address, LIMIT);

    let server = Server::at(address);
    let mut connection = server.connect().await;
    for number in 0..2000 {
        let get = server.get(format!("/v2/acme/app/manifests/{number}"));
        assert_eq!(connection.send(get).await.status, 404);
    }
    // Other connections are served, too.
    assert_eq!(server.get("/v2/").send().await.status, 200);

    assert_eq!(child.stop(LIMIT).code(), Some(0));
}

#[tokio::test]
async fn a_request_is_one_line_of_json_with_the_operators_fields() {
    let more = "log: {formatter: json, fields: {service: images}, accesslog: {disabled: true}}";
    let mut running = start(Sections { more, ..Sections::default() });

    assert_eq!(running.server.get("/v2/acme/app/manifests/latest").send().await.status, 404);
    running.wait_for_log("response completed");

    let said = running.child.last_words();
    let lines: Vec<serde_json::Value> =
        said.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let line = lines.iter().find(|line| line["msg"] == "response completed with error").unwrap();
    assert_eq!(line["level"], "info", "a client's mistake is no error of ours");
    assert_eq!(line["service"], "images");
    assert_eq!(line["http.request.method"], "GET");
    assert_eq!(line["http.request.uri"], "/v2/acme/app/manifests/latest");
    assert_eq!(line["http.request.remoteaddr"], "127.0.0.1");
    assert_eq!(line["http.response.status"], 404);
    assert_eq!(line["http.response.contenttype"], "application/json");
    assert_eq!(line["vars.name"], "acme/app");
    assert_eq!(line["vars.reference"], "latest");
    assert_eq!(line["err.code"], "MANIFEST_UNKNOWN");
    assert_eq!(line["err.detail"], "unknown tag=latest");
    assert!(lines.iter().all(|line| line["level"] != "error"), "{said}");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the file of a test, read by another process")]
fn files_with_secrets_that_every_user_may_read_are_named_in_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, mode| {
        let path = folder.path().join(name);
        fs::write(&path, "b4c1f0a2d9e877365be0c3f1a2967d48").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    };
    let exposed = write("exposed", 0o644);
    let private = write("private", 0o640);
    for (path, expected) in [(&exposed, true), (&private, false)] {
        let http = format!("secretfile: '{}'", path.display());
        let log = start(Sections { http: &http, ..Sections::default() }).stop_and_tell();
        assert_eq!(log.contains("http.secretfile: every user of this machine may read"), expected, "{log}");
    }
}

#[test]
fn the_limit_of_open_files_is_raised() {
    let mut running = start(Sections { more: "log: {level: debug}", ..Sections::default() });

    running.wait_for_log("raised the limit of open files");
    running.wait_for_log("from=256");
}

#[test]
fn the_first_line_of_the_log_names_the_configuration() {
    let more = "unknownkey: 1";
    let running = start(Sections { more, ..Sections::default() });

    let log = running.stop_and_tell();

    let first = log.lines().next().unwrap();
    assert!(first.contains("level=info") && first.contains("msg=\"using configuration\""), "{log}");
    assert!(first.contains("/config.yml"), "{log}");
    assert!(log.contains("unknown key"), "{log}");
}

#[tokio::test]
async fn a_forged_address_hides_the_peer_in_neither_log_and_secrets_of_a_query_are_in_none() {
    // The first address is what a client may have written, the last what the proxy saw.
    let forwarded = "203.0.113.66, 198.51.100.7";
    for (http, host, remote) in [
        ("", "127.0.0.1", "203.0.113.66"),
        ("trustedproxies: ['127.0.0.1']", "198.51.100.7", "198.51.100.7"),
        ("trustedproxies: []", "127.0.0.1", "127.0.0.1"),
    ] {
        let mut running = start(Sections { http, more: "log: {formatter: json}", ..Sections::default() });
        let get = running.server.get("/token?account=ci&password=hunter2&refresh_token=hunter3");
        let _ = get.header("X-Forwarded-For", forwarded).send().await.expect(404);
        running.wait_for_log("response completed");

        let log = running.stop_and_tell();
        assert!(!log.contains("hunter"), "{log}");
        let access = log.lines().find(|line| !line.starts_with('{')).unwrap();
        assert!(access.starts_with(&format!("{host} - - [")), "{http}: {access}");
        assert!(access.contains("/token?account=ci&password=***&refresh_token=***"), "{access}");
        let line = log.lines().find(|line| line.contains("response completed")).unwrap();
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["http.request.remoteaddr"], remote, "{http}");
        assert!(line["http.request.peeraddr"].as_str().unwrap().starts_with("127.0.0.1:"), "{line}");
    }
}
