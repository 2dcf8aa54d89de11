//! Rough weather: what a machine does to a registry when nobody pulls a plug.

use std::net::TcpStream;

use wharf_oci::{Digest, ErrorCode};
use wharf_testkit::deadline;
use wharf_testkit::images::{Blob, Image, noise};
use wharf_testkit::push;

use crate::disk::{Folder, LoopDisk, Mounted};
use crate::server::Server;
use crate::tree;

async fn assert_serves(server: &Server, repository: &str, reference: &str, image: &Image) {
    let wire = server.wire();
    let got = wire.get(format!("/v2/{repository}/manifests/{reference}")).send().await.expect(200);
    assert_eq!(got.body, image.manifest.bytes);
    for blob in image.blobs() {
        let got = wire.get(format!("/v2/{repository}/blobs/{}", blob.digest)).send().await.expect(200);
        assert!(got.body == blob.bytes);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_said_and_loses_nothing() {
    let disk = LoopDisk::of_size("24M");
    let server = Server::start(&disk.root());
    let (wire, image) = (server.wire(), Image::random(1));
    let _ = push::image(&wire, "a", "v1", &image).await;
    let location = push::begin(&wire, "a").await;

    let refused = wire.patch(location.clone()).body(noise(7, 40 << 20)).send().await;

    assert!(refused.header("Retry-After").is_some(), "{refused:?}");
    let _ = refused.refused(503, ErrorCode::Unavailable);
    let _ = wire.get(location.clone()).send().await.expect(204);
    tree::assert_sound(&disk.root());
    assert_serves(&server, "a", "v1", &image).await;
    let _ = wire.delete(location).send().await.expect(204);
    let _ = push::image(&wire, "a", "v2", &Image::random(2)).await;
    server.stop();
}

/// What is left of the disk is taken, and given back: pushes that failed meanwhile go on where they were.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pushes_go_on_when_a_full_disk_has_room_again() {
    let disk = LoopDisk::of_size("24M");
    let server = Server::start(&disk.root());
    let (wire, image, blob) = (server.wire(), Image::random(1), Blob::random(2, 3 << 20));
    for each in image.blobs() {
        push::blob(&wire, "a", each).await;
    }
    let location = push::begin(&wire, "a").await;
    let patch = wire.patch(location).body(blob.bytes.slice(..1 << 20));
    let location = patch.send().await.expect(202).location().to_owned();
    let filler = disk.fill();

    let refused = wire.patch(&location).body(blob.bytes.slice(1 << 20..)).send().await;
    let _ = refused.refused(503, ErrorCode::Unavailable);
    let put = || {
        let put = wire.put("/v2/a/manifests/v1").header("Content-Type", image.manifest.media_type.as_str());
        put.body(image.manifest.bytes.clone())
    };
    let _ = put().send().await.refused(503, ErrorCode::Unavailable);
    let _ = wire.get("/v2/a/manifests/v1").send().await.expect(404);
    drop(filler);

    let status = wire.get(&location).send().await.expect(204);
    let last = status.required("Range").strip_prefix("0-").and_then(|last| last.parse::<usize>().ok());
    let stored = last.expect("a range") + 1;
    assert!((1 << 20..=blob.bytes.len()).contains(&stored), "{stored}");
    let finish = wire.put(push::finish(status.location(), &blob.digest)).body(blob.bytes.slice(stored..));
    let _ = finish.send().await.expect(201);
    let _ = put().send().await.expect(201);
    assert_serves(&server, "a", "v1", &image).await;
    tree::assert_sound(&disk.root());
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_cannot_be_written_to_still_serves_pulls() {
    let disk = LoopDisk::of_size("24M");
    let image = Image::random(1);
    let server = Server::start(&disk.root());
    let _ = push::image(&server.wire(), "a", "v1", &image).await;
    server.stop();
    disk.make_read_only();

    let server = Server::start(&disk.root());
    assert_serves(&server, "a", "v1", &image).await;
    let refused = server.wire().post("/v2/a/blobs/uploads/").body("").send().await;
    assert!(refused.status >= 500, "{refused:?}");
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_out_of_file_descriptors_gets_over_it() {
    let folder = Folder::new();
    let server = Server::start_under(&["prlimit", "--nofile=64:64"], folder.root());
    let (wire, image) = (server.wire(), Image::random(1));
    let _ = push::image(&wire, "a", "v1", &image).await;
    // More than it can have. Those beyond its limit wait in the kernel.
    let many: Vec<TcpStream> =
        (0..100).map(|_| TcpStream::connect(wire.address()).expect("a connection")).collect();
    drop(many);
    let answer = async || wire.get("/v2/").try_send().await.ok().filter(|answer| answer.status == 200);
    let _ = deadline::eventually("it answers again", answer).await;
    assert_serves(&server, "a", "v1", &image).await;
    server.stop();
}

/// Connections and downloads that nothing is read from leave files for everything else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn downloads_do_not_use_up_the_file_descriptors() {
    let folder = Folder::new();
    let server = Server::start_under(&["prlimit", "--nofile=128:128"], folder.root());
    let (wire, image, blob) = (server.wire(), Image::random(1), Blob::random(2, 16 << 20));
    let _ = push::image(&wire, "a", "v1", &image).await;
    push::blob(&wire, "a", &blob).await;
    // From as many addresses as it takes to use up what all have. Those beyond the limit wait in the kernel.
    let mut unread = Vec::new();
    for last in 2..10 {
        for _ in 0..7 {
            let mut connection = wire.connect_from([127, 0, 0, last].into()).await;
            connection.begin(&wire.get(format!("/v2/a/blobs/{}", blob.digest))).await;
            unread.push(connection);
        }
    }
    for connection in &mut unread[..28] {
        assert_eq!(connection.head().await.status, 200);
    }
    let open = server.process().open().len();
    assert!((28 * 2..100).contains(&open), "{open} files are open");
    drop(unread);
    let answer = async || wire.get("/v2/").try_send().await.ok().filter(|answer| answer.status == 200);
    let _ = deadline::eventually("it answers again", answer).await;
    assert_serves(&server, "a", "v1", &image).await;
    server.stop();
}

/// What cannot be opened for want of a file descriptor is not absent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_called_absent_for_want_of_a_file_descriptor() {
    let folder = Folder::new();
    let server = Server::start(folder.root());
    // After the start, at which the registry would have allowed fewer connections.
    server.process().limit_open_files(64);
    let (wire, image) = (server.wire(), Image::random(1));
    let _ = push::image(&wire, "a", "v1", &image).await;
    let mut first = wire.connect().await;
    let _ = first.send(wire.get("/v2/")).await.expect(200);
    let many: Vec<TcpStream> =
        (0..100).map(|_| TcpStream::connect(wire.address()).expect("a connection")).collect();
    let taken = async || {
        let answer = first.send(wire.get("/v2/a/manifests/v1")).await;
        assert!(matches!(answer.status, 200 | 503), "{answer:?}");
        (answer.status == 503).then_some(())
    };
    deadline::eventually("all are taken", taken).await;
    let blob = format!("/v2/a/blobs/{}", image.config.digest);
    for target in ["/v2/a/manifests/v1", &blob, "/v2/a/tags/list"] {
        let _ = first.send(wire.get(target)).await.refused(503, ErrorCode::Unavailable);
    }
    let post = wire.post("/v2/a/blobs/uploads/").body("");
    let _ = first.send(post).await.refused(503, ErrorCode::Unavailable);
    drop(many);
    let answer = async || wire.get("/v2/").try_send().await.ok().filter(|answer| answer.status == 200);
    let _ = deadline::eventually("it answers again", answer).await;
    assert_serves(&server, "a", "v1", &image).await;
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_on_one_directory_is_not_noticed() {
    let folder = Folder::new();
    let (old, image, blob) = (Server::start(folder.root()), Image::random(1), Blob::random(2, 300_000));
    let _ = push::image(&old.wire(), "a", "v1", &image).await;
    let location = push::begin(&old.wire(), "a").await;
    let patch = old.wire().patch(location).body(blob.bytes.slice(..200_000));
    let location = patch.send().await.expect(202).location().to_owned();

    let new = Server::start(folder.root());
    assert_serves(&new, "a", "v1", &image).await;
    old.stop();
    let put = new.wire().put(push::finish(&location, &blob.digest)).body(blob.bytes.slice(200_000..));
    let _ = put.send().await.expect(201);
    let _ = push::image(&new.wire(), "a", "v1", &Image::random(3)).await;
    assert_serves(&new, "a", "v1", &Image::random(3)).await;
    new.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tmpfs_and_overlayfs_are_as_good_as_a_disk() {
    let disk = LoopDisk::new();
    for mounted in [Mounted::tmpfs(), Mounted::overlay(&disk)] {
        let server = Server::start(&mounted.root());
        let (wire, image) = (server.wire(), Image::random(1));
        let _ = push::image(&wire, "a", "v1", &image).await;
        // Longer than anything that is read at once.
        let large = Blob::random(9, 5 << 20);
        push::blob(&wire, "a", &large).await;
        assert_serves(&server, "a", "v1", &image).await;
        let target = format!("/v2/a/blobs/{}", large.digest);
        let got = wire.get(target.clone()).send().await.expect(200);
        assert_eq!(Digest::of(&got.body), large.digest);
        let part = wire.get(target).header("Range", "bytes=1000000-3999999").send().await.expect(206);
        assert!(part.body == large.bytes.slice(1_000_000..4_000_000));
        let _ = wire.delete("/v2/a/manifests/v1").send().await.expect(202);
        server.stop();
    }
}
