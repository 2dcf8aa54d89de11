//! Handshakes that succeed beside those that do not.

use std::cell::Cell;
use std::time::Duration;

use wharf_http::Limits;
use wharf_testkit::deadline::eventually;
use wharf_testkit::images::Blob;
use wharf_testkit::push::finish;
use wharf_testkit::wire::Connection;

use super::World;

/// The head of a record that says it is a handshake of 512 bytes, and nothing of them.
const BEGINNING: &[u8] = b"\x16\x03\x01\x02\x00\x01";

#[tokio::test]
async fn http_in_the_clear_is_told_so() {
    let World { registry, client, .. } = World::start().await;
    for request in [registry.get("/v2/"), registry.post("/v2/a/blobs/uploads/").body(vec![b'x'; 10_000])] {
        let refused = request.send().await.expect(400);
        assert_eq!(refused.text(), "Client sent an HTTP request to an HTTPS server.\n");
        assert_eq!(refused.required("Content-Type"), "text/plain; charset=utf-8");
    }
    let _ = client.connect(&registry).await.send(registry.get("/v2/")).await.expect(200);
}

#[tokio::test]
async fn what_is_no_handshake_ends_its_own_connection_and_nothing_else() {
    let World { registry, client, .. } = World::start().await;
    for bytes in [b"\x16\x03\x01\x00\x05hello".as_slice(), b"\0\0\0\0", b"\x80\x2e\x01\x03\x01", b"\xff"] {
        let mut connection = registry.connect().await;
        connection.write(bytes).await;
        if bytes.len() < 5 {
            // Not yet a whole head of a record: let it hear that there is no more.
            drop(connection);
        } else {
            connection.closed().await;
        }
    }
    let _ = client.connect(&registry).await.send(registry.get("/v2/")).await.expect(200);
}

#[tokio::test]
async fn a_slow_handshake_is_cut_off() {
    let limits = Limits { handshake_timeout: Duration::from_millis(50), ..Limits::default() };
    let World { registry, .. } = World::limited(limits).await;
    for beginning in [b"".as_slice(), b"\x16", BEGINNING] {
        let mut connection = registry.connect().await;
        connection.write(beginning).await;
        connection.closed().await;
    }
}

#[tokio::test]
async fn slow_handshakes_hold_up_nobody() {
    let World { registry, client, .. } = World::start().await;
    let mut slow: Vec<Connection> = Vec::new();
    for _ in 0..64 {
        let mut connection = registry.connect().await;
        connection.write(BEGINNING).await;
        slow.push(connection);
    }
    let _ = client.connect(&registry).await.send(registry.get("/v2/")).await.expect(200);
    assert_eq!(slow.len(), 64);
}

#[tokio::test]
async fn a_handshake_counts_as_a_connection() {
    let limits = Limits { connections: 1, handshake_timeout: Duration::from_millis(50), ..Limits::default() };
    let World { registry, client, .. } = World::limited(limits).await;
    let mut slow = registry.connect().await;
    slow.write(BEGINNING).await;

    // It is let in when the slow one has had its time.
    let _ = client.connect(&registry).await.send(registry.get("/v2/")).await.expect(200);
    slow.closed().await;
}

#[tokio::test]
async fn a_head_that_does_not_come_is_not_waited_for() {
    let limits = Limits { head_timeout: Duration::from_millis(50), ..Limits::default() };
    let World { registry, client, .. } = World::limited(limits).await;
    for beginning in ["", "GET /v2/ HTTP/1.1\r\nX-Slow: "] {
        let mut connection = client.connect(&registry).await;
        connection.write(beginning).await;
        connection.closed().await;
    }
}

#[tokio::test]
async fn an_idle_connection_of_http_2_is_closed_after_the_idle_timeout() {
    let limits = Limits { idle_timeout: Duration::from_millis(50), ..Limits::default() };
    let World { registry, client, .. } = World::limited(limits).await;
    let mut idle = client.http2(&registry).await;
    let _ = idle.send(registry.get("/v2/")).await.expect(200);
    idle.closed().await;
}

#[tokio::test]
async fn a_client_that_takes_no_bytes_is_given_up() {
    let limits =
        Limits { connections: 1, write_idle_timeout: Duration::from_millis(50), ..Limits::default() };
    let World { registry, client, .. } = World::limited(limits).await;
    let blob = Blob::random(1, 32 << 20);
    let mut pushing = client.connect(&registry).await;
    let begun = pushing.send(registry.post("/v2/a/blobs/uploads/").body("")).await.expect(202);
    let put = registry.put(finish(begun.location(), &blob.digest)).body(blob.bytes.clone());
    let _ = pushing.send(put).await.expect(201);
    drop(pushing);

    let mut deaf = client.connect(&registry).await;
    deaf.begin(&registry.get(format!("/v2/a/blobs/{}", blob.digest))).await;

    let _ = client.connect(&registry).await.send(registry.get("/v2/")).await.expect(200);
}

#[tokio::test]
async fn a_certificate_is_renewed_under_load_without_a_failure() {
    let World { registry, client, authority, source } = World::start().await;
    let server = *registry;
    let is_over = Cell::new(false);
    let ask = async || {
        let mut answers = 0;
        while !is_over.get() {
            let _ = client.connect(&server).await.send(server.get("/v2/")).await.expect(200);
            answers += 1;
        }
        answers
    };
    let renew = async || {
        for turn in 0..20 {
            let pair = authority.server(&format!("number {turn}"));
            source.swap(&pair);
            eventually("the new certificate", async || {
                let agreed = client.agree(&server, &["h2"]).await.unwrap();
                (agreed.certificate == pair.der().as_ref()).then_some(())
            })
            .await;
        }
        is_over.set(true);
    };

    let (first, second, third, ()) = tokio::join!(ask(), ask(), ask(), renew());

    assert!(first > 0 && second > 0 && third > 0, "{first} {second} {third}");
}
