//! Where bytes belong: a chunk is added once, at the end, or not at all.

use wharf_oci::ErrorCode;
use wharf_testkit::deadline::eventually;
use wharf_testkit::images::Blob;
use wharf_testkit::push::{begin, finish};
use wharf_testkit::registry::ScratchRegistry;
use wharf_testkit::wire::{LAST_CHUNK, Response, chunk};

use super::{assert_at, assert_created, assert_pulled};

/// Refused for its place, with all a client needs to go on. Gives the location.
fn assert_misplaced(response: Response, end: u64) -> String {
    assert_at(&response.refused(416, ErrorCode::RangeInvalid), end)
}

#[tokio::test]
async fn a_chunk_out_of_order_is_refused_and_changes_nothing() {
    for registry in [ScratchRegistry::start().await, ScratchRegistry::memory().await] {
        let blob = Blob::random(1, 100);
        let first = begin(&registry, "a").await;
        let ahead = registry.patch(&first).header("Content-Range", "10-19").body(blob.bytes.slice(10..20));
        assert_misplaced(ahead.send().await, 0);
        let patch = registry.patch(&first).body(blob.bytes.slice(..50));
        let location = assert_at(&patch.send().await.expect(202), 50);
        for (range, bytes) in [("60-99", 60..100), ("0-49", 0..50), ("49-99", 49..100), ("51-99", 51..100)] {
            let patch = registry
                .patch(&location)
                .header("Content-Range", range)
                .body(blob.bytes.slice(bytes.clone()));
            assert_misplaced(patch.send().await, 50);
            let put = registry.put(finish(&location, &blob.digest)).header("Content-Range", range);
            let location = assert_misplaced(put.body(blob.bytes.slice(bytes)).send().await, 50);
            assert_at(&registry.get(&location).send().await.expect(204), 50);
        }
        let put = registry.put(finish(&location, &blob.digest)).body(blob.bytes.slice(50..));
        assert_created(put.send().await, "a", &blob);
        assert_pulled(&registry, "a", &blob).await;
    }
}

#[tokio::test]
async fn a_range_that_is_not_the_length_of_its_bytes_is_refused() {
    let registry = ScratchRegistry::start().await;
    let location = begin(&registry, "a").await;
    for range in ["0-3", "0-5"] {
        let patch = registry.patch(&location).header("Content-Range", range).body("abcde");
        let _ = patch.send().await.refused(400, ErrorCode::SizeInvalid);
    }
    for range in ["5-2", "a-b", "0", "bytes 0-4/3"] {
        let patch = registry.patch(&location).header("Content-Range", range).body("abcde");
        let _ = patch.send().await.refused(416, ErrorCode::RangeInvalid);
    }
    assert_at(&registry.get(&location).send().await.expect(204), 0);
}

/// jib sends its PATCH again after a timeout, to the location it knows, into the session that may have got it.
#[tokio::test]
async fn a_patch_repeated_to_the_first_location_starts_over() {
    for registry in [ScratchRegistry::start().await, ScratchRegistry::memory().await] {
        let blob = Blob::random(1, 1000);
        let first = begin(&registry, "a").await;
        for _ in 0..3 {
            let patch = registry.patch(&first).body(blob.bytes.clone());
            assert_at(&patch.send().await.expect(202), 1000);
        }
        let location = assert_at(&registry.get(&first).send().await.expect(204), 1000);
        assert_created(registry.put(finish(&location, &blob.digest)).send().await, "a", &blob);
        assert_pulled(&registry, "a", &blob).await;
    }
}

/// containerd sends its one PUT again when the first one broke in the middle.
#[tokio::test]
async fn a_put_of_all_bytes_repeated_to_the_first_location_starts_over() {
    for registry in [ScratchRegistry::start().await, ScratchRegistry::memory().await] {
        let blob = Blob::random(1, 1000);
        let first = begin(&registry, "a").await;
        let patch = registry.patch(&first).body(blob.bytes.slice(..400));
        assert_at(&patch.send().await.expect(202), 400);
        let put = registry.put(finish(&first, &blob.digest)).body(blob.bytes.clone());
        assert_created(put.send().await, "a", &blob);
        assert_pulled(&registry, "a", &blob).await;
    }
}

/// Nothing is not a repetition of something.
#[tokio::test]
async fn an_empty_patch_to_the_first_location_costs_nothing() {
    for registry in [ScratchRegistry::start().await, ScratchRegistry::memory().await] {
        let blob = Blob::random(1, 1000);
        let first = begin(&registry, "a").await;
        let _ = registry.patch(&first).body(blob.bytes.clone()).send().await.expect(202);
        let empty: [bytes::Bytes; 0] = [];
        for patch in [registry.patch(&first).body(""), registry.patch(&first).chunks(empty)] {
            assert_at(&patch.send().await.expect(202), 1000);
        }
        assert_created(registry.put(finish(&first, &blob.digest)).body("").send().await, "a", &blob);
    }
}

#[tokio::test]
async fn a_chunk_repeated_to_a_later_location_is_refused() {
    let registry = ScratchRegistry::start().await;
    let blob = Blob::random(1, 300);
    let first = begin(&registry, "a").await;
    let patch = registry.patch(&first).body(blob.bytes.slice(..100));
    let second = assert_at(&patch.send().await.expect(202), 100);
    let patch = registry.patch(&second).body(blob.bytes.slice(100..200));
    assert_at(&patch.send().await.expect(202), 200);
    let patch = registry.patch(&second).body(blob.bytes.slice(100..200));
    let location = assert_misplaced(patch.send().await, 200);
    let put = registry.put(finish(&second, &blob.digest)).body(blob.bytes.slice(100..));
    assert_misplaced(put.send().await, 200);
    let put = registry.put(finish(&location, &blob.digest)).body(blob.bytes.slice(200..));
    assert_created(put.send().await, "a", &blob);
}

/// Load balancers and old clients lose it; a PUT without bytes belongs nowhere in particular.
#[tokio::test]
async fn a_location_without_its_state_goes_on_at_the_end() {
    let registry = ScratchRegistry::start().await;
    let blob = Blob::random(1, 300);
    let location = begin(&registry, "a").await;
    let bare = location.split('?').next().unwrap_or_default().to_owned();
    let foreign = format!("{bare}?_state=Zm9yZWlnbg%3D%3D");
    let patch = registry.patch(&bare).body(blob.bytes.slice(..100));
    assert_at(&patch.send().await.expect(202), 100);
    let patch = registry.patch(&foreign).body(blob.bytes.slice(100..200));
    assert_at(&patch.send().await.expect(202), 200);
    let put = registry.put(finish(&bare, &blob.digest)).body(blob.bytes.slice(200..));
    assert_created(put.send().await, "a", &blob);

    let location = begin(&registry, "b").await;
    let _ = registry.patch(&location).body(blob.bytes.clone()).send().await.expect(202);
    assert_created(registry.put(finish(&location, &blob.digest)).send().await, "b", &blob);
}

#[tokio::test]
async fn an_upload_goes_on_after_a_hang_up_where_its_status_says() {
    for registry in [ScratchRegistry::start().await, ScratchRegistry::memory().await] {
        let blob = Blob::random(1, 200_000);
        let location = begin(&registry, "a").await;
        let mut connection = registry.connect().await;
        let patch = registry.patch(&location).header("Content-Length", "200000");
        connection.begin(&patch).await;
        connection.write(&blob.bytes[..70_000]).await;
        drop(connection);

        // All that was sent is kept, once the server has seen the end of the connection.
        let location = eventually("what was sent to be kept", async || {
            let response = registry.get(&location).send().await.expect(204);
            (response.header("Range") == Some("0-69999")).then(|| response.location().to_owned())
        })
        .await;
        // Until the first request has let go, this one is told where the upload is; that cannot be anywhere else.
        let rest = eventually("the broken request to let go", async || {
            let patch = registry
                .patch(&location)
                .header("Content-Range", "70000-199999")
                .body(blob.bytes.slice(70_000..));
            let response = patch.send().await;
            assert!(matches!(response.status, 202 | 416), "{response:?}");
            (response.status == 202).then(|| assert_at(&response, 200_000))
        })
        .await;
        assert_created(registry.put(finish(&rest, &blob.digest)).send().await, "a", &blob);
        assert_pulled(&registry, "a", &blob).await;
    }
}

#[tokio::test]
async fn a_final_put_that_is_cut_short_publishes_nothing() {
    for registry in [ScratchRegistry::start().await, ScratchRegistry::memory().await] {
        let blob = Blob::random(1, 1000);
        let part = Blob::new(blob.bytes.slice(..400));
        let location = begin(&registry, "a").await;
        let mut connection = registry.connect().await;
        // What arrives is exactly what the digest says, and yet it is not what the client meant to send.
        connection
            .begin(&registry.put(finish(&location, &part.digest)).header("Content-Length", "1000"))
            .await;
        connection.write(&part.bytes).await;
        drop(connection);
        let location = eventually("the upload to be as far as what was sent", async || {
            let response = registry.get(&location).send().await.expect(204);
            (response.header("Range") == Some("0-399")).then(|| response.location().to_owned())
        })
        .await;
        let _ = registry.head(format!("/v2/a/blobs/{}", part.digest)).send().await.expect(404);
        eventually("the broken request to let go", async || {
            let put = registry.put(finish(&location, &blob.digest)).body(blob.bytes.slice(400..));
            (put.send().await.status == 201).then_some(())
        })
        .await;
        assert_pulled(&registry, "a", &blob).await;
    }
}

#[tokio::test]
async fn the_second_of_two_writers_is_told_where_the_first_one_is() {
    for registry in [ScratchRegistry::start().await, ScratchRegistry::memory().await] {
        let blob = Blob::random(1, 2000);
        let location = begin(&registry, "a").await;
        let mut first = registry.connect().await;
        let patch =
            registry.patch(&location).header("Transfer-Encoding", "chunked").header("Expect", "100-continue");
        first.begin(&patch).await;
        // The server asks for the bytes, so the upload is this request's now.
        let _ = first.response("PATCH").await.expect(100);

        let other = Blob::random(2, 2000);
        for request in [
            registry.patch(&location).body(other.bytes.clone()),
            registry.patch(&location).header("Content-Range", "0-1999").body(other.bytes.clone()),
            registry.put(finish(&location, &other.digest)).body(other.bytes.clone()),
        ] {
            let response = request.send().await.refused(416, ErrorCode::RangeInvalid);
            assert!(response.location().starts_with("/v2/a/blobs/uploads/"));
            assert!(response.header("Range").is_some());
        }
        first.write(chunk(&blob.bytes)).await;
        first.write(LAST_CHUNK).await;
        let location = assert_at(&first.response("PATCH").await.expect(202), 2000);
        assert_created(registry.put(finish(&location, &blob.digest)).send().await, "a", &blob);
        assert_pulled(&registry, "a", &blob).await;
        let _ = registry.head(format!("/v2/a/blobs/{}", other.digest)).send().await.expect(404);
    }
}
