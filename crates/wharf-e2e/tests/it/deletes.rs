//! `DELETE` of tags, manifests and blobs (end-9, end-10).

use wharf_core::Options;
use wharf_oci::ErrorCode;
use wharf_testkit::images::{Blob, Image};
use wharf_testkit::push;
use wharf_testkit::registry::{ScratchRegistry, Setup};
use wharf_testkit::rounds::tags_that_move_beside_a_delete;
use wharf_testkit::wire::Response;

use crate::NOBODYS;

fn assert_deleted(response: Response) {
    let response = response.expect(202);
    assert_eq!(response.header("Content-Length"), Some("0"));
    assert!(response.body.is_empty());
}

#[tokio::test]
async fn a_deleted_tag_leaves_its_manifest_and_other_tags() {
    for registry in [ScratchRegistry::start().await, ScratchRegistry::memory().await] {
        let image = Image::random(1);
        push::image(&registry, "a", "one", &image).await;
        push::manifest(&registry, "a", "two", &image.manifest).await;
        assert_deleted(registry.delete("/v2/a/manifests/one").send().await);
        let _ = registry.get("/v2/a/manifests/one").send().await.refused(404, ErrorCode::ManifestUnknown);
        let _ = registry.get("/v2/a/manifests/two").send().await.expect(200);
        let _ = registry.get(format!("/v2/a/manifests/{}", image.manifest.digest)).send().await.expect(200);
        assert_eq!(registry.get("/v2/a/tags/list").send().await.json()["tags"], serde_json::json!(["two"]));
        let _ = registry.delete("/v2/a/manifests/one").send().await.refused(404, ErrorCode::ManifestUnknown);
    }
}

#[tokio::test]
async fn a_deleted_manifest_takes_its_tags_along() {
    for registry in [ScratchRegistry::start().await, ScratchRegistry::memory().await] {
        let (image, other) = (Image::random(1), Image::random(2));
        push::image(&registry, "a", "one", &image).await;
        push::manifest(&registry, "a", "two", &image.manifest).await;
        push::image(&registry, "a", "other", &other).await;
        let path = format!("/v2/a/manifests/{}", image.manifest.digest);
        assert_deleted(registry.delete(&path).send().await);
        for gone in [path.as_str(), "/v2/a/manifests/one", "/v2/a/manifests/two"] {
            for method in ["GET", "HEAD", "DELETE"] {
                let _ = registry.request(method, gone).send().await.expect(404);
            }
        }
        assert_eq!(registry.get("/v2/a/tags/list").send().await.json()["tags"], serde_json::json!(["other"]));
        // Its blobs are the repository's still.
        let _ = registry.head(format!("/v2/a/blobs/{}", image.config.digest)).send().await.expect(200);
        // And it may come back, without its old tags.
        push::manifest(&registry, "a", "back", &image.manifest).await;
        let _ = registry.get("/v2/a/manifests/one").send().await.expect(404);
    }
}

#[tokio::test]
async fn a_deleted_blob_is_gone_from_this_repository_only() {
    for registry in [ScratchRegistry::start().await, ScratchRegistry::memory().await] {
        let blob = Blob::random(1, 100);
        push::blob(&registry, "a", &blob).await;
        push::blob(&registry, "b", &blob).await;
        let path = format!("/v2/a/blobs/{}", blob.digest);
        assert_deleted(registry.delete(&path).send().await);
        for method in ["GET", "HEAD", "DELETE"] {
            let _ = registry.request(method, &path).send().await.expect(404);
        }
        let response = registry.get(format!("/v2/b/blobs/{}", blob.digest)).send().await.expect(200);
        assert_eq!(response.body, blob.bytes);
        push::blob(&registry, "a", &blob).await;
        assert_eq!(registry.get(&path).send().await.expect(200).body, blob.bytes);
    }
}

/// The old registry names a path of its storage here.
#[tokio::test]
async fn deleting_what_is_absent_is_not_found_and_says_nothing_of_the_store() {
    for registry in [ScratchRegistry::start().await, ScratchRegistry::memory().await] {
        push::image(&registry, "a", "latest", &Image::random(1)).await;
        for repository in ["a", "no/such"] {
            for (path, code) in [
                ("manifests/nope".to_owned(), ErrorCode::ManifestUnknown),
                (format!("manifests/{NOBODYS}"), ErrorCode::ManifestUnknown),
                (format!("blobs/{NOBODYS}"), ErrorCode::BlobUnknown),
            ] {
                let response =
                    registry.delete(format!("/v2/{repository}/{path}")).send().await.refused(404, code);
                assert!(!response.text().contains("docker/registry"), "{response:?}");
            }
        }
        let _ = registry.delete("/v2/a/manifests/-bad").send().await.refused(400, ErrorCode::TagInvalid);
        let _ = registry.delete("/v2/a/blobs/sha256:1").send().await.refused(400, ErrorCode::DigestInvalid);
    }
}

#[tokio::test]
async fn a_registry_whose_deletes_are_off_deletes_nothing() {
    let setup = Setup { registry: Options { deletes: false, ..Options::default() }, ..Setup::default() };
    let registry = ScratchRegistry::start_with(setup).await;
    let image = Image::random(1);
    push::image(&registry, "a", "latest", &image).await;
    for path in [
        "/v2/a/manifests/latest".to_owned(),
        format!("/v2/a/manifests/{}", image.manifest.digest),
        format!("/v2/a/blobs/{}", image.config.digest),
    ] {
        let response = registry.delete(&path).send().await.refused(405, ErrorCode::Unsupported);
        assert_eq!(response.json()["errors"][0]["message"], "The operation is unsupported.");
        assert!(response.required("Allow").starts_with("GET, HEAD"), "{response:?}");
        let _ = registry.get(&path).send().await.expect(200);
    }
    // What is absent is not told either: nothing was looked for.
    let response = registry.delete(format!("/v2/a/manifests/{NOBODYS}")).send().await;
    let _ = response.refused(405, ErrorCode::Unsupported);
    // An upload may be cancelled all the same: whoever may push may stop pushing.
    let location = push::begin(&registry, "a").await;
    let _ = registry.delete(location).send().await.expect(204);
}

/// The delete comes to a thousand tags one after the other. What is pushed to one of them meanwhile stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tags_that_move_while_the_manifest_they_meant_is_deleted_stay() {
    let directory = tempfile::tempdir().unwrap();
    // Two stores on one directory know nothing of each other, as two processes.
    let one = ScratchRegistry::over(directory.path(), Setup::default()).await;
    let other = ScratchRegistry::over(directory.path(), Setup::default()).await;
    let memory = ScratchRegistry::memory().await;
    for (deletes, pushes) in [(*one, *other), (*memory, *memory)] {
        let _ = tags_that_move_beside_a_delete(deletes, pushes, 1000).await;
    }
}
