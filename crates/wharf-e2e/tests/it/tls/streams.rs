//! Streams of HTTP/2 whose client does not read them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use wharf_http::{AccessEntry, AccessLog, Limits, Options};
use wharf_oci::ErrorCode;
use wharf_testkit::deadline::within;
use wharf_testkit::images::Blob;
use wharf_testkit::push::finish;
use wharf_testkit::registry::{ScratchRegistry, Setup};
use wharf_testkit::tls::{Answering, Http2};

use super::World;

/// Passes on what the access log says.
#[derive(Debug)]
struct Log(mpsc::UnboundedSender<AccessEntry>);

impl AccessLog for Log {
    fn record(&self, entry: &AccessEntry) {
        // A test that has seen enough is gone.
        let _ = self.0.send(entry.clone());
    }
}

#[tokio::test]
async fn a_stream_that_its_client_does_not_read_is_reset_and_the_others_go_on() {
    let (log, mut entries) = mpsc::unbounded_channel();
    let edge = Options {
        limits: Limits { write_idle_timeout: Duration::from_millis(400), ..Limits::default() },
        access_log: Some(Arc::new(Log(log))),
        ..Options::default()
    };
    let World { registry, client, .. } = World::with(Setup { edge, ..Setup::default() }).await;
    let mut connection = client.http2(&registry).await;
    // Longer than all that a client and a server buffer.
    let blob = Blob::random(1, 16 << 20);
    push(&mut connection, &registry, &blob).await;

    let unread = connection.begin(registry.get(format!("/v2/a/blobs/{}", blob.digest))).await;
    assert_eq!(unread.status(), 200);
    let cut = within("the stream to be reset", next_aborted(&mut entries)).await;
    assert_eq!(cut.method, "GET");
    assert!(cut.bytes < blob.bytes.len() as u64);

    let _ = connection.send(registry.get("/v2/")).await.expect(200);
    assert!(unread.broken().await < blob.bytes.len());
}

/// Clients that take a byte and no more: what is read for them stays in memory.
#[tokio::test]
async fn streams_with_a_window_of_one_byte_hold_the_budget_and_one_small_frame_a_connection() {
    const CONNECTIONS: u64 = 4;
    const STREAMS: usize = 16;
    const SMALL_FRAME_BYTES: u64 = 16 * 1024;
    let (log, mut entries) = mpsc::unbounded_channel();
    let limits = Limits {
        sending_bytes: 256 * 1024,
        sending_bytes_per_address: 128 * 1024,
        sending_bytes_per_connection: 64 * 1024,
        ..Limits::default()
    };
    let held_at_most = limits.sending_bytes_per_address as u64 + CONNECTIONS * SMALL_FRAME_BYTES;
    let edge = Options { limits, access_log: Some(Arc::new(Log(log))), ..Options::default() };
    let World { registry, client, .. } = World::with(Setup { edge, ..Setup::default() }).await;
    let blob = Blob::random(1, 1 << 20);
    push(&mut client.http2(&registry).await, &registry, &blob).await;
    let get = || registry.get(format!("/v2/a/blobs/{}", blob.digest));

    let mut slow = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut connection = client.http2_with_window(&registry, 1).await;
        let mut unread = Vec::new();
        for _ in 0..STREAMS {
            let answering = connection.begin(get()).await;
            assert_eq!(answering.status(), 200);
            unread.push(answering);
        }
        let _ = connection.send(registry.head("/v2/")).await.expect(200);
        slow.push((connection, unread));
    }
    // The budget is used up, and a client that reads comes to the end of every response.
    let mut reading = client.http2(&registry).await;
    let mut responses = Vec::new();
    for _ in 0..STREAMS {
        responses.push(reading.begin(get()).await);
    }
    let bodies = futures_util::future::join_all(responses.into_iter().map(Answering::finish)).await;
    assert!(bodies.iter().all(|response| response.body == blob.bytes));

    drop(slow);
    let mut held = 0;
    for _ in 0..CONNECTIONS as usize * STREAMS {
        held += within("a stream to end", next_aborted(&mut entries)).await.bytes;
    }
    assert!(held <= held_at_most, "{held} bytes were held, {held_at_most} may be");
}

async fn push(connection: &mut Http2, registry: &ScratchRegistry, blob: &Blob) {
    let begun = connection.send(registry.post("/v2/a/blobs/uploads/").body("")).await.expect(202);
    let put = registry.put(finish(begun.location(), &blob.digest)).body(blob.bytes.clone());
    let _ = connection.send(put).await.expect(201);
}

async fn next_aborted(entries: &mut mpsc::UnboundedReceiver<AccessEntry>) -> AccessEntry {
    loop {
        let entry = entries.recv().await.expect("the registry runs");
        if entry.aborted {
            return entry;
        }
    }
}

#[tokio::test]
async fn a_stream_that_is_refused_in_the_middle_of_a_body_has_its_response_and_the_others_go_on() {
    let World { registry, client, .. } = World::start().await;
    let mut connection = client.http2(&registry).await;
    for bytes in [100_000, 16 << 20] {
        let patch = registry.patch("/v2/a/blobs/uploads/none").body(vec![b'x'; bytes]);
        let refused = connection.send(patch).await.expect(404);
        assert_eq!(refused.codes().len(), 1);
        let _ = connection.send(registry.get("/v2/")).await.expect(200);
    }
}

/// A token for many repositories is as good over HTTP/2 as it is over HTTP/1.
#[tokio::test]
async fn heads_have_the_same_limit_as_over_http_1() {
    let World { registry, client, .. } = World::start().await;
    let mut connection = client.http2(&registry).await;
    let long = |bytes: usize| registry.get("/v2/").header("authorization", "t".repeat(bytes));
    let _ = connection.send(long(60_000)).await.expect(200);
    let _ = connection.send(long(66_000)).await.refused(431, ErrorCode::Unsupported);
    let _ = connection.send(long(120_000)).await.refused(431, ErrorCode::Unsupported);
    // Beyond twice the limit it is refused without being read.
    assert_eq!(connection.begin(long(140_000)).await.status(), 431);
    let _ = connection.send(registry.get("/v2/")).await.expect(200);
}
