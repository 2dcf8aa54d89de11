//! A disk that takes writes and fails to keep them: what it has not kept is never acknowledged.

use wharf_oci::ErrorCode;
use wharf_testkit::images::Blob;
use wharf_testkit::push;

use crate::disk::{self, OvercommittedDisk};
use crate::server::Server;
use crate::tree;

/// More than the disk can hold, and less than it says it can.
const TOO_MUCH: usize = 40 << 20;

/// Starts an upload of `blob` and sends all of it; returns where to finish it.
async fn send(server: &Server, blob: &Blob) -> String {
    let location = push::begin(&server.wire(), "a").await;
    let patch = server.wire().patch(location).body(blob.bytes.clone());
    push::finish(patch.send().await.expect(202).location(), &blob.digest)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_whose_sync_failed_are_not_acknowledged_when_the_next_sync_says_success() {
    let disk = OvercommittedDisk::new();
    let (server, blob) = (Server::start(&disk.root()), Blob::random(1, TOO_MUCH));
    let put = send(&server, &blob).await;
    let answer = server.wire().put(&put).body("").send().await;
    assert!(answer.status >= 500, "{answer:?}");
    let _ = server.wire().put(&put).body("").send().await.refused(404, ErrorCode::BlobUploadUnknown);
    let _ = server.wire().get(format!("/v2/a/blobs/{}", blob.digest)).send().await.expect(404);
    server.kill();
}

/// The pages of the failed upload could be synced then, and would not be on the disk.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_whose_sync_failed_are_sent_again_when_the_disk_has_room() {
    let disk = OvercommittedDisk::new();
    let (server, blob) = (Server::start(&disk.root()), Blob::random(2, TOO_MUCH));
    // The repository's folders are on the disk: without a journal, ext4 would lose those that it cannot write.
    push::blob(&server.wire(), "a", &Blob::random(3, 1000)).await;
    disk::sync();
    let put = send(&server, &blob).await;
    let answer = server.wire().put(&put).body("").send().await;
    assert!(answer.status >= 500, "{answer:?}");
    disk.grow();

    let _ = server.wire().put(&put).body("").send().await.refused(404, ErrorCode::BlobUploadUnknown);
    let put = send(&server, &blob).await;
    let _ = server.wire().put(&put).body("").send().await.expect(201);
    server.stop();
    disk.remount();

    tree::assert_sound(&disk.root());
    let server = Server::start(&disk.root());
    let got = server.wire().get(format!("/v2/a/blobs/{}", blob.digest)).send().await.expect(200);
    assert!(got.body == blob.bytes);
    server.stop();
}
