//! `GET` and `HEAD` of `/v2/<name>/blobs/<digest>` (end-2), but for ranges.

use wharf_oci::{Algorithm, ErrorCode};
use wharf_testkit::images::{Blob, noise};
use wharf_testkit::push;
use wharf_testkit::registry::ScratchRegistry;

use crate::NOBODYS;

#[tokio::test]
async fn blobs_of_every_size_come_back_as_they_went() {
    const MIB: usize = 1 << 20;
    for registry in [ScratchRegistry::start().await, ScratchRegistry::memory().await] {
        // Around the sizes of buffers, blocks and frames.
        for length in [0, 1, 65_535, 65_537, MIB / 4 + 1, MIB - 1, MIB + 1, 5 * MIB / 2] {
            let blob = Blob::random(length as u64, length);
            push::blob(&registry, "a/b", &blob).await;
            let response = registry.get(format!("/v2/a/b/blobs/{}", blob.digest)).send().await.expect(200);
            assert_eq!(response.header("Content-Length"), Some(length.to_string().as_str()));
            assert!(response.body == blob.bytes, "{length} bytes came back changed");
        }
    }
}

#[tokio::test]
async fn head_says_what_get_says() {
    let registry = ScratchRegistry::start().await;
    let blob = Blob::random(1, 3000);
    push::blob(&registry, "a", &blob).await;
    let path = format!("/v2/a/blobs/{}", blob.digest);
    for etag in [None, Some(format!("\"{}\"", blob.digest))] {
        let ask = |method: &str| {
            let request = registry.request(method, &path);
            match &etag {
                Some(etag) => request.header("If-None-Match", etag),
                None => request,
            }
        };
        let (get, head) = (ask("GET").send().await, ask("HEAD").send().await);
        assert_eq!(head.status, get.status);
        assert_eq!(without_date(head.headers), without_date(get.headers));
        assert!(head.body.is_empty());
    }
}

fn without_date(headers: Vec<(String, String)>) -> Vec<(String, String)> {
    headers.into_iter().filter(|(name, _)| name != "Date").collect()
}

#[tokio::test]
async fn a_blob_belongs_to_the_repositories_it_was_pushed_to() {
    let registry = ScratchRegistry::memory().await;
    let blob = Blob::random(1, 10);
    push::blob(&registry, "a", &blob).await;
    for repository in ["b", "a/b", "aa"] {
        let path = format!("/v2/{repository}/blobs/{}", blob.digest);
        let response = registry.get(&path).send().await.refused(404, ErrorCode::BlobUnknown);
        assert_eq!(response.json()["errors"][0]["detail"], blob.digest.to_string());
    }
}

#[tokio::test]
async fn a_digest_that_is_none_is_refused() {
    let registry = ScratchRegistry::memory().await;
    let long = "0".repeat(66);
    for digest in ["sha256:abc", &format!("sha256:{long}"), "md5:00", "latest", "sha256:", ":", "sha256"] {
        let path = format!("/v2/a/blobs/{digest}");
        let _ = registry.get(&path).send().await.refused(400, ErrorCode::DigestInvalid);
        let _ = registry.head(&path).send().await.expect(400);
    }
    let upper = NOBODYS.replacen('0', "A", 1);
    let _ = registry.get(format!("/v2/a/blobs/{upper}")).send().await.refused(400, ErrorCode::DigestInvalid);
}

#[tokio::test]
async fn a_client_that_has_the_blob_is_told_so() {
    let registry = ScratchRegistry::start().await;
    let blob = Blob::random(1, 10);
    push::blob(&registry, "a", &blob).await;
    let digest = blob.digest.to_string();
    let path = format!("/v2/a/blobs/{digest}");
    for (value, status) in [
        (format!("\"{digest}\""), 304),
        (digest.clone(), 304),
        (format!("W/\"{digest}\""), 304),
        (format!("\"x\", \"{digest}\""), 304),
        (format!("\"x\",{digest}"), 304),
        ("*".to_owned(), 304),
        ("\"x\"".to_owned(), 200),
        (NOBODYS.to_owned(), 200),
        (String::new(), 200),
    ] {
        for method in ["GET", "HEAD"] {
            let request = registry.request(method, &path).header("If-None-Match", &value);
            let response = request.send().await.expect(status);
            assert_eq!(response.header("Etag"), Some(format!("\"{digest}\"").as_str()), "{value}");
        }
    }
    let request = registry.get(&path).header("If-None-Match", "\"x\"").header("If-None-Match", &digest);
    let _ = request.send().await.expect(304);
}

#[tokio::test]
async fn what_is_not_there_is_not_called_unchanged() {
    let registry = ScratchRegistry::memory().await;
    let path = format!("/v2/a/blobs/{NOBODYS}");
    for value in [NOBODYS, "*"] {
        let request = registry.get(&path).header("If-None-Match", value);
        let _ = request.send().await.refused(404, ErrorCode::BlobUnknown);
    }
}

/// containerd offers several codings; lengths, ranges and digests would be wrong with any of them.
#[tokio::test]
async fn a_blob_is_never_compressed() {
    let registry = ScratchRegistry::start().await;
    let blob = Blob::new(vec![b'a'; 100_000]);
    push::blob(&registry, "a", &blob).await;
    let request = registry.get(format!("/v2/a/blobs/{}", blob.digest));
    let response = request.header("Accept-Encoding", "zstd;q=1.0, gzip;q=0.8, deflate;q=0.5").send().await;
    assert_eq!(response.header("Content-Encoding"), None);
    assert_eq!(response.body, blob.bytes);
}

#[tokio::test]
async fn every_algorithm_is_first_class() {
    for registry in [ScratchRegistry::start().await, ScratchRegistry::memory().await] {
        for algorithm in Algorithm::ALL {
            let blob = Blob::with(algorithm, noise(1, 1000));
            push::blob(&registry, "a", &blob).await;
            let digest = blob.digest.to_string();
            let response = registry.get(format!("/v2/a/blobs/{digest}")).send().await.expect(200);
            assert_eq!(response.required("Docker-Content-Digest"), digest);
            assert_eq!(response.required("Etag"), format!("\"{digest}\""));
            assert_eq!(response.body, blob.bytes);
        }
        // Each name was pushed on its own; none of them stands for another.
        let other = Blob::with(Algorithm::Sha512, "pushed as sha512 only");
        push::blob(&registry, "a", &other).await;
        let as_sha256 = Blob::new(other.bytes).digest;
        let _ = registry.head(format!("/v2/a/blobs/{as_sha256}")).send().await.expect(404);
    }
}

#[tokio::test]
async fn a_percent_encoded_digest_is_that_digest() {
    let registry = ScratchRegistry::memory().await;
    let blob = Blob::random(1, 10);
    let encoded = blob.digest.to_string().replace(':', "%3A");
    let location = push::begin(&registry, "a").await;
    let put = registry.put(format!("{location}&digest={encoded}")).body(blob.bytes.clone());
    assert_eq!(put.send().await.expect(201).location(), format!("/v2/a/blobs/{}", blob.digest));
    for path in [format!("/v2/a/blobs/{encoded}"), format!("/v2/%61/blobs/{}", encoded.to_lowercase())] {
        let response = registry.get(path).send().await.expect(200);
        assert_eq!(response.required("Docker-Content-Digest"), blob.digest.to_string());
    }
}

#[tokio::test]
async fn a_repository_may_be_called_by_the_words_of_the_api() {
    let registry = ScratchRegistry::start().await;
    for (seed, name) in [
        "manifests",
        "blobs",
        "a/manifests",
        "a/blobs",
        "a/blobs/uploads",
        "blobs/uploads",
        "tags/list",
        "a/tags/list",
        "a/referrers",
        "v2",
        "push/pull",
    ]
    .into_iter()
    .enumerate()
    {
        let blob = Blob::random(seed as u64, 10);
        push::blob(&registry, name, &blob).await;
        let response = registry.get(format!("/v2/{name}/blobs/{}", blob.digest)).send().await.expect(200);
        assert_eq!(response.body, blob.bytes, "{name}");
    }
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let registry = ScratchRegistry::start().await;
    let blob = Blob::random(1, 100_000);
    push::blob(&registry, "a", &blob).await;
    let path = format!("/v2/a/blobs/{}", blob.digest);
    let mut connection = registry.connect().await;
    for _ in 0..3 {
        assert_eq!(connection.send(registry.get(&path)).await.expect(200).body, blob.bytes);
        let _ = connection.send(registry.head(&path)).await.expect(200);
        let _ = connection.send(registry.get(&path).header("If-None-Match", "*")).await.expect(304);
        let _ = connection.send(registry.get(&path).header("Range", "bytes=9999999-")).await.expect(416);
        let _ = connection.send(registry.get(format!("/v2/a/blobs/{NOBODYS}"))).await.expect(404);
    }
}
