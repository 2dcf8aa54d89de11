//! Headers, read-only mode and HTTP/2, as the file switches them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use wharf_oci::ErrorCode;

use crate::running::{LIMIT, Sections, start};

#[tokio::test]
async fn headers_are_added_and_a_browser_may_ask_in_advance() {
    let http = "headers: {X-Content-Type-Options: [nosniff], Access-Control-Allow-Origin: ['https://ui.example.com']}";
    let running = start(Sections { http, ..Sections::default() });

    let missing = running.server.get("/v2/acme/app/manifests/latest").send().await.expect(404);
    assert_eq!(missing.required("X-Content-Type-Options"), "nosniff");

    let preflight = running
        .server
        .request("OPTIONS", "/v2/acme/app/manifests/latest")
        .header("Origin", "https://ui.example.com")
        .header("Access-Control-Request-Method", "DELETE")
        .header("Access-Control-Request-Headers", "authorization")
        .send()
        .await
        .expect(200);
    assert_eq!(preflight.required("Access-Control-Allow-Origin"), "https://ui.example.com");
    assert!(preflight.required("Access-Control-Allow-Methods").contains("DELETE"));
    assert_eq!(preflight.required("Access-Control-Allow-Headers"), "authorization");
}

#[tokio::test]
async fn a_read_only_registry_refuses_every_write() {
    let running =
        start(Sections { storage: "maintenance: {readonly: {enabled: true}}", ..Sections::default() });
    let server = running.server;

    assert_eq!(server.get("/v2/").send().await.status, 200);
    assert_eq!(server.get("/v2/_catalog").send().await.status, 200);
    let writes = [
        server.post("/v2/acme/app/blobs/uploads/"),
        server.put("/v2/acme/app/manifests/latest").body("{}"),
        server.delete("/v2/acme/app/manifests/latest"),
    ];
    for write in writes {
        let refused = write.send().await.refused(405, ErrorCode::Unsupported);
        assert_eq!(refused.required("Allow"), "GET, HEAD");
    }
}

/// The first frame that a server sends to a client that speaks HTTP/2 without asking, if it is one.
fn first_frame(address: SocketAddr) -> Option<[u8; 9]> {
    const EMPTY_SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    stream.write_all(&EMPTY_SETTINGS).unwrap();
    let mut frame = [0; 9];
    stream.read_exact(&mut frame).ok().map(|()| frame)
}

#[tokio::test]
async fn pages_of_other_sites_write_nothing_to_a_registry_of_this_machine_that_asks_for_no_login() {
    let running = start(Sections::default());
    let server = &running.server;
    let begin = || server.post("/v2/a/blobs/uploads/");
    let rebound = server.request("DELETE", "/v2/a/manifests/v1").header("Host", "evil.example");
    for refused in [
        begin().header("Origin", "https://evil.example"),
        begin().header("Origin", "null"),
        begin().header("Sec-Fetch-Site", "cross-site"),
        rebound.header("Origin", "http://evil.example"),
    ] {
        let _ = refused.send().await.refused(403, ErrorCode::Denied);
    }
    // Clients that are no browsers say nothing of the kind, whatever name they have for this machine.
    for host in [server.address().to_string(), "localhost:5000".into(), "host.docker.internal:5000".into()] {
        assert_eq!(begin().header("Host", host.as_str()).send().await.status, 202, "{host}");
    }
    assert_eq!(begin().header("Origin", "http://localhost:8080").send().await.status, 202);
    let read = server.get("/v2/").header("Origin", "https://evil.example").send().await.expect(200);
    assert_eq!(read.required("X-Content-Type-Options"), "nosniff");
}

#[test]
fn http_2_without_tls_is_spoken_where_it_is_switched_on() {
    const SETTINGS: u8 = 4;
    let on = start(Sections { http: "h2c: {enabled: true}", ..Sections::default() });
    let frame = first_frame(on.server.address()).expect("a frame");
    assert_eq!((frame[3], &frame[5..]), (SETTINGS, [0; 4].as_slice()), "{frame:?}");

    let off = start(Sections::default());
    assert!(first_frame(off.server.address()).is_none_or(|frame| frame.starts_with(b"HTTP/1.1")));
}
