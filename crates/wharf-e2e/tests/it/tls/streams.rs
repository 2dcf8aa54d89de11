//! Streams of HTTP/2 whose client does not read them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use wharf_http::{AccessEntry, AccessLog, Limits, Options};
use wharf_testkit::deadline::within;
use wharf_testkit::images::Blob;
use wharf_testkit::push::finish;
use wharf_testkit::registry::Setup;

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
    let begun = connection.send(registry.post("/v2/a/blobs/uploads/").body("")).await.expect(202);
    let put = registry.put(finish(begun.location(), &blob.digest)).body(blob.bytes.clone());
    let _ = connection.send(put).await.expect(201);

    let unread = connection.begin(registry.get(format!("/v2/a/blobs/{}", blob.digest))).await;
    assert_eq!(unread.status(), 200);
    let cut = async {
        loop {
            let entry = entries.recv().await.expect("the registry runs");
            if entry.aborted {
                return entry;
            }
        }
    };
    let cut = within("the stream to be reset", cut).await;
    assert_eq!(cut.method, "GET");
    assert!(cut.bytes < blob.bytes.len() as u64);

    let _ = connection.send(registry.get("/v2/")).await.expect(200);
    assert!(unread.broken().await < blob.bytes.len());
}
