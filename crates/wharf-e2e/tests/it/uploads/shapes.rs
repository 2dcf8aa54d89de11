//! Every shape of a push that clients are known to use gives the same blob.

use wharf_oci::{Algorithm, ErrorCode};
use wharf_testkit::images::{Blob, noise};
use wharf_testkit::push::{begin, finish};
use wharf_testkit::registry::ScratchRegistry;

use super::{assert_at, assert_created, assert_pulled};

#[tokio::test]
async fn the_first_answer_has_all_that_clients_look_for() {
    let registry = ScratchRegistry::start().await;
    for path in ["/v2/a/blobs/uploads/", "/v2/a/blobs/uploads"] {
        for request in [registry.post(path), registry.post(path).body("")] {
            let response = request.send().await.expect(202);
            assert_at(&response, 0);
            assert!(response.location().starts_with("/v2/a/blobs/uploads/"));
            assert_eq!(response.header("Content-Length"), Some("0"));
        }
    }
}

#[tokio::test]
async fn one_post_with_digest_and_bytes() {
    let registry = ScratchRegistry::start().await;
    for length in [0, 1, 100_000] {
        for chunked in [false, true] {
            let blob = Blob::random(length as u64 + u64::from(chunked), length);
            let request = registry.post(finish("/v2/a/blobs/uploads/", &blob.digest));
            let request =
                if chunked { request.chunks([blob.bytes.clone()]) } else { request.body(blob.bytes.clone()) };
            assert_created(request.send().await, "a", &blob);
            assert_pulled(&registry, "a", &blob).await;
        }
    }
}

#[tokio::test]
async fn one_post_with_other_bytes_than_the_digest_leaves_nothing() {
    let registry = ScratchRegistry::start().await;
    let (promised, sent) = (Blob::new("promised"), Blob::new("sent"));
    let request = registry.post(finish("/v2/a/blobs/uploads/", &promised.digest)).body(sent.bytes);
    let _ = request.send().await.refused(400, ErrorCode::DigestInvalid);
    for digest in [promised.digest, sent.digest] {
        let _ = registry.head(format!("/v2/a/blobs/{digest}")).send().await.expect(404);
    }
}

/// Where a single POST is not known, clients go on with what it answers; so one without bytes opens an upload.
#[tokio::test]
async fn one_post_with_a_digest_and_no_bytes_opens_an_upload() {
    let registry = ScratchRegistry::start().await;
    let blob = Blob::new("bytes come later");
    let request = registry.post(finish("/v2/a/blobs/uploads/", &blob.digest)).body("");
    let location = assert_at(&request.send().await.expect(202), 0);
    let put = registry.put(finish(&location, &blob.digest)).body(blob.bytes.clone());
    assert_created(put.send().await, "a", &blob);
}

/// containerd, oras.
#[tokio::test]
async fn a_post_and_a_put_with_all_bytes() {
    let registry = ScratchRegistry::start().await;
    for length in [1, 64 * 1024, 3_000_000] {
        let blob = Blob::random(length as u64, length);
        let location = begin(&registry, "a/b").await;
        let put = registry
            .put(finish(&location, &blob.digest))
            .header("Content-Type", "Application/Octet-Stream")
            .body(blob.bytes.clone());
        assert_created(put.send().await, "a/b", &blob);
        assert_pulled(&registry, "a/b", &blob).await;
    }
}

/// The Docker engine: neither a length nor a range, then an empty PUT.
#[tokio::test]
async fn a_patch_of_unknown_length_and_an_empty_put() {
    let registry = ScratchRegistry::start().await;
    let blob = Blob::random(1, 300_000);
    let location = begin(&registry, "a").await;
    let pieces = blob.bytes.chunks(32 * 1024).map(bytes::Bytes::copy_from_slice);
    let response = registry.patch(&location).chunks(pieces).send().await.expect(202);
    let location = assert_at(&response, 300_000);
    assert_eq!(response.header("Content-Length"), Some("0"));
    let put = registry.put(finish(&location, &blob.digest)).body("");
    assert_created(put.send().await, "a", &blob);
    assert_pulled(&registry, "a", &blob).await;
}

/// podman and crane.
#[tokio::test]
async fn a_patch_with_a_length_and_no_range_and_an_empty_put() {
    let registry = ScratchRegistry::start().await;
    let blob = Blob::random(1, 300_000);
    let location = begin(&registry, "a").await;
    let response = registry.patch(&location).body(blob.bytes.clone()).send().await.expect(202);
    let location = assert_at(&response, 300_000);
    for put in [
        registry.put(finish(&location, &blob.digest)),
        registry.put(finish(&location, &blob.digest)).body(""),
    ] {
        assert_created(put.send().await, "a", &blob);
    }
    assert_pulled(&registry, "a", &blob).await;
}

/// regclient in the spec's form; others in the forms of RFC 9110.
#[tokio::test]
async fn many_patches_with_ranges_in_every_form() {
    let registry = ScratchRegistry::start().await;
    let blob = Blob::random(1, 1000);
    let forms: [fn(usize, usize) -> String; 5] = [
        |first, last| format!("{first}-{last}"),
        |first, last| format!("bytes {first}-{last}/*"),
        |first, last| format!("bytes {first}-{last}/1000"),
        |first, last| format!("bytes={first}-{last}"),
        |first, last| format!("bytes {first}-{last}"),
    ];
    for form in forms {
        let mut location = begin(&registry, "a").await;
        for first in (0..1000).step_by(300) {
            let end = (first + 300).min(1000);
            let patch = registry
                .patch(&location)
                .header("Content-Type", "Application/Octet-Stream")
                .header("Content-Range", form(first, end - 1))
                .body(blob.bytes.slice(first..end));
            location = assert_at(&patch.send().await.expect(202), end as u64);
        }
        assert_created(registry.put(finish(&location, &blob.digest)).send().await, "a", &blob);
        assert_pulled(&registry, "a", &blob).await;
    }
}

#[tokio::test]
async fn many_patches_without_ranges() {
    let registry = ScratchRegistry::start().await;
    let blob = Blob::random(1, 1000);
    let mut location = begin(&registry, "a").await;
    for (index, piece) in blob.bytes.chunks(300).enumerate() {
        let patch = registry.patch(&location).chunks([bytes::Bytes::copy_from_slice(piece)]);
        let end = (index as u64 * 300 + 300).min(1000);
        location = assert_at(&patch.send().await.expect(202), end);
    }
    assert_created(registry.put(finish(&location, &blob.digest)).send().await, "a", &blob);
}

/// The .NET SDK: pieces of 64 KiB, and a look at the status in between.
#[tokio::test]
async fn many_small_patches_with_looks_at_the_status() {
    const PIECE: usize = 64 * 1024;
    let registry = ScratchRegistry::start().await;
    let blob = Blob::random(1, 5 * PIECE + 17);
    let mut location = begin(&registry, "a").await;
    let mut connection = registry.connect().await;
    for (index, piece) in blob.bytes.chunks(PIECE).enumerate() {
        let (first, end) = (index * PIECE, index * PIECE + piece.len());
        let patch = registry
            .patch(&location)
            .header("Content-Range", format!("{first}-{}", end - 1))
            .body(bytes::Bytes::copy_from_slice(piece));
        assert_at(&connection.send(patch).await.expect(202), end as u64);
        location = assert_at(&connection.send(registry.get(&location)).await.expect(204), end as u64);
    }
    assert_created(connection.send(registry.put(finish(&location, &blob.digest))).await, "a", &blob);
    assert_pulled(&registry, "a", &blob).await;
}

#[tokio::test]
async fn the_last_bytes_in_the_put() {
    let registry = ScratchRegistry::start().await;
    for (seed, range) in [None, Some("600-999"), Some("bytes 600-999/1000")].into_iter().enumerate() {
        let blob = Blob::random(seed as u64, 1000);
        let location = begin(&registry, "a").await;
        let patch = registry.patch(&location).body(blob.bytes.slice(..600));
        let location = assert_at(&patch.send().await.expect(202), 600);
        let mut put = registry.put(finish(&location, &blob.digest)).body(blob.bytes.slice(600..));
        if let Some(range) = range {
            put = put.header("Content-Range", range);
        }
        assert_created(put.send().await, "a", &blob);
        assert_pulled(&registry, "a", &blob).await;
    }
}

/// containerd sends an empty blob without any length.
#[tokio::test]
async fn the_empty_blob_in_every_shape() {
    let registry = ScratchRegistry::start().await;
    let blob = Blob::new("");
    let no_bytes: [bytes::Bytes; 0] = [];
    for repository in ["a", "b", "c", "d"] {
        let location = begin(&registry, repository).await;
        let target = finish(&location, &blob.digest);
        let put = match repository {
            "a" => registry.put(target),
            "b" => registry.put(target).body(""),
            "c" => registry.put(target).chunks(no_bytes.clone()),
            _ => {
                let _ = registry.patch(&location).body("").send().await.expect(202);
                registry.put(target)
            }
        };
        assert_created(put.send().await, repository, &blob);
        assert_pulled(&registry, repository, &blob).await;
    }
}

/// curl says that of whatever it sends, and means bytes.
#[tokio::test]
async fn a_body_called_a_form_is_bytes() {
    let registry = ScratchRegistry::start().await;
    let blob = Blob::new("digest=sha256:0&mount=x");
    let location = begin(&registry, "a").await;
    for request in [
        registry.put(finish(&location, &blob.digest)),
        registry.post(finish("/v2/a/blobs/uploads/", &blob.digest)),
    ] {
        let request = request.header("Content-Type", "application/x-www-form-urlencoded");
        assert_created(request.body(blob.bytes.clone()).send().await, "a", &blob);
    }
    assert_pulled(&registry, "a", &blob).await;
}

/// It is no number of bytes the old registry failed at, but the type.
#[tokio::test]
async fn a_chunk_of_another_type_is_refused() {
    let registry = ScratchRegistry::start().await;
    let location = begin(&registry, "a").await;
    let patch = registry.patch(&location).header("Content-Type", "text/plain").body("x");
    let _ = patch.send().await.expect(400).codes();
    assert_at(&registry.get(&location).send().await.expect(204), 0);
}

#[tokio::test]
async fn an_announced_algorithm_is_the_one_the_blob_is_known_by() {
    let registry = ScratchRegistry::start().await;
    for algorithm in Algorithm::ALL {
        let blob = Blob::with(algorithm, noise(1, 1000));
        let path = format!("/v2/a/blobs/uploads/?digest-algorithm={algorithm}");
        let location = assert_at(&registry.post(path).body("").send().await.expect(202), 0);
        let patch = registry.patch(&location).body(blob.bytes.slice(..500));
        let location = assert_at(&patch.send().await.expect(202), 500);
        let put = registry.put(finish(&location, &blob.digest)).body(blob.bytes.slice(500..));
        assert_created(put.send().await, "a", &blob);
        assert_pulled(&registry, "a", &blob).await;
    }
    for algorithm in ["md5", "sha1024", "SHA256"] {
        let request = registry.post(format!("/v2/a/blobs/uploads/?digest-algorithm={algorithm}"));
        let _ = request.send().await.refused(400, ErrorCode::DigestInvalid);
    }
}

#[tokio::test]
async fn an_announced_algorithm_binds_nobody() {
    let registry = ScratchRegistry::start().await;
    let blob = Blob::with(Algorithm::Sha256, noise(2, 1000));
    let request = registry.post("/v2/a/blobs/uploads/?digest-algorithm=sha512").body("");
    let location = assert_at(&request.send().await.expect(202), 0);
    let put = registry.put(finish(&location, &blob.digest)).body(blob.bytes.clone());
    assert_created(put.send().await, "a", &blob);
}

#[tokio::test]
async fn a_client_that_waits_for_our_word_gets_it() {
    let registry = ScratchRegistry::start().await;
    let blob = Blob::new("after you");
    let location = begin(&registry, "a").await;
    let mut connection = registry.connect().await;
    let put = registry
        .put(finish(&location, &blob.digest))
        .header("Expect", "100-continue")
        .header("Content-Length", blob.bytes.len().to_string());
    connection.begin(&put).await;
    let _ = connection.response("PUT").await.expect(100);
    connection.write(&blob.bytes).await;
    assert_created(connection.response("PUT").await, "a", &blob);
}
