//! The life of an upload: how it ends, what may be said again, and who may go on with it.

use wharf_oci::{Digest, ErrorCode};
use wharf_testkit::images::Blob;
use wharf_testkit::push::{begin, finish};
use wharf_testkit::registry::{ScratchRegistry, Setup};

use super::{assert_at, assert_created, assert_pulled};

#[tokio::test]
async fn a_wrong_digest_is_refused_and_the_right_one_still_works() {
    for registry in [ScratchRegistry::start().await, ScratchRegistry::memory().await] {
        let blob = Blob::random(1, 1000);
        let wrong = Digest::of(b"something else");
        let location = begin(&registry, "a").await;
        let put = registry.put(finish(&location, &wrong)).body(blob.bytes.clone());
        let _ = put.send().await.refused(400, ErrorCode::DigestInvalid);
        let put = registry.put(finish(&location, &wrong)).body("");
        let _ = put.send().await.refused(400, ErrorCode::DigestInvalid);
        for digest in [wrong, blob.digest] {
            let _ = registry.head(format!("/v2/a/blobs/{digest}")).send().await.expect(404);
        }
        assert_at(&registry.get(&location).send().await.expect(204), 1000);
        assert_created(registry.put(finish(&location, &blob.digest)).body("").send().await, "a", &blob);
        assert_pulled(&registry, "a", &blob).await;
    }
}

/// The answer got lost, and the client asks again.
#[tokio::test]
async fn a_final_put_said_again_is_answered_the_same() {
    for registry in [ScratchRegistry::start().await, ScratchRegistry::memory().await] {
        let blob = Blob::random(1, 1000);
        let first = begin(&registry, "a").await;
        let patch = registry.patch(&first).body(blob.bytes.slice(..400));
        let location = assert_at(&patch.send().await.expect(202), 400);
        for _ in 0..3 {
            let put = registry.put(finish(&location, &blob.digest)).body(blob.bytes.slice(400..));
            assert_created(put.send().await, "a", &blob);
        }
        assert_created(registry.put(finish(&first, &blob.digest)).send().await, "a", &blob);
        assert_pulled(&registry, "a", &blob).await;

        let other = Digest::of(b"something else");
        for request in [
            registry.put(finish(&location, &other)),
            registry.patch(&location).body("more"),
            registry.get(&location),
            registry.delete(&location),
        ] {
            let _ = request.send().await.refused(404, ErrorCode::BlobUploadUnknown);
        }
    }
}

#[tokio::test]
async fn a_cancelled_upload_is_gone() {
    for registry in [ScratchRegistry::start().await, ScratchRegistry::memory().await] {
        let blob = Blob::random(1, 100);
        let location = begin(&registry, "a").await;
        let id = registry.get(&location).send().await.required("Docker-Upload-Uuid").to_owned();
        let _ = registry.patch(&location).body(blob.bytes.clone()).send().await.expect(202);
        let bare = location.split('?').next().unwrap_or_default();
        let response = registry.delete(bare).send().await.expect(204);
        assert_eq!(response.header("Docker-Upload-Uuid"), Some(id.as_str()));
        for request in [
            registry.delete(&location),
            registry.get(&location),
            registry.patch(&location).body("x"),
            registry.put(finish(&location, &blob.digest)).body(""),
            registry.put(finish(&location, &blob.digest)).body(blob.bytes.clone()),
        ] {
            let _ = request.send().await.refused(404, ErrorCode::BlobUploadUnknown);
        }
        let _ = registry.head(format!("/v2/a/blobs/{}", blob.digest)).send().await.expect(404);
    }
}

#[tokio::test]
async fn an_upload_is_its_repositorys_and_its_ids() {
    let registry = ScratchRegistry::start().await;
    let location = begin(&registry, "a").await;
    let elsewhere = location.replace("/v2/a/", "/v2/b/");
    let never = "/v2/a/blobs/uploads/0197b6a0-0000-7000-8000-000000000000".to_owned();
    let nonsense = "/v2/a/blobs/uploads/no_such.id".to_owned();
    for target in [&elsewhere, &never, &nonsense] {
        for request in [
            registry.get(target),
            registry.patch(target).body("x"),
            registry.put(finish(target, &Digest::of(b"x"))).body("x"),
            registry.delete(target),
        ] {
            let _ = request.send().await.refused(404, ErrorCode::BlobUploadUnknown);
        }
        let _ = registry.head(target).send().await.expect(404);
    }
    assert_at(&registry.get(&location).send().await.expect(204), 0);
    let head = registry.head(&location).send().await.expect(204);
    assert_at(&head, 0);
}

#[tokio::test]
async fn a_final_put_needs_a_digest() {
    let registry = ScratchRegistry::start().await;
    let location = begin(&registry, "a").await;
    for (query, detail) in
        [("", Some("digest missing")), ("&digest=", Some("digest missing")), ("&digest=x", None)]
    {
        let response = registry.put(format!("{location}{query}")).body("x").send().await;
        let response = response.refused(400, ErrorCode::DigestInvalid);
        if let Some(detail) = detail {
            assert_eq!(response.json()["errors"][0]["detail"], detail);
        }
    }
    assert_at(&registry.get(&location).send().await.expect(204), 0);
}

#[tokio::test]
async fn where_uploads_begin_there_is_no_upload() {
    let registry = ScratchRegistry::start().await;
    for method in ["GET", "PUT", "PATCH", "DELETE"] {
        let request = registry.request(method, "/v2/a/blobs/uploads/");
        let _ = request.send().await.refused(404, ErrorCode::BlobUploadUnknown);
    }
}

/// Replicas on one tree: a client's requests land anywhere.
#[tokio::test]
async fn an_upload_is_carried_on_by_another_replica() {
    let directory = tempfile::tempdir().unwrap();
    let one = ScratchRegistry::over(directory.path(), Setup::default()).await;
    let two = ScratchRegistry::over(directory.path(), Setup::default()).await;
    let blob = Blob::random(1, 300_000);

    let location = begin(&one, "a").await;
    let patch = two.patch(&location).body(blob.bytes.slice(..100_000));
    let location = assert_at(&patch.send().await.expect(202), 100_000);
    let patch = one.patch(&location).body(blob.bytes.slice(100_000..200_000));
    let location = assert_at(&patch.send().await.expect(202), 200_000);
    let put = two.put(finish(&location, &blob.digest)).body(blob.bytes.slice(200_000..));
    assert_created(put.send().await, "a", &blob);
    // The final PUT may be said again to anybody, too.
    let put = one.put(finish(&location, &blob.digest)).body("");
    assert_created(put.send().await, "a", &blob);
    assert_pulled(&one, "a", &blob).await;
    assert_pulled(&two, "a", &blob).await;
}

#[tokio::test]
async fn the_same_blob_may_be_pushed_by_many_at_once() {
    let registry = ScratchRegistry::start().await;
    let blob = Blob::random(1, 500_000);
    let mut locations = Vec::new();
    for _ in 0..4 {
        locations.push(begin(&registry, "a").await);
    }
    let put =
        |location: &String| registry.put(finish(location, &blob.digest)).body(blob.bytes.clone()).send();
    let answers =
        tokio::join!(put(&locations[0]), put(&locations[1]), put(&locations[2]), put(&locations[3]));
    for answer in [answers.0, answers.1, answers.2, answers.3] {
        assert_created(answer, "a", &blob);
    }
    assert_pulled(&registry, "a", &blob).await;
}
