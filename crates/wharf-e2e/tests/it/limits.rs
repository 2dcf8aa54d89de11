//! How much is taken, and how long is waited.

use std::time::Duration;

use wharf_http::{Addresses, Limits, Options, TrustedProxies};
use wharf_oci::{ErrorCode, MediaType};
use wharf_testkit::deadline::{eventually, within};
use wharf_testkit::images::{Blob, Image, Manifest};
use wharf_testkit::push;
use wharf_testkit::registry::{ScratchRegistry, Setup};

/// The size of a manifest that every client and registry takes.
const MANIFEST_BYTES: usize = 4 * 1024 * 1024;

async fn limited(limits: Limits) -> ScratchRegistry {
    let edge = Options { limits, ..Options::default() };
    ScratchRegistry::memory_with(Setup { edge, ..Setup::default() }).await
}

/// An empty index, filled up with blanks to this length.
fn padded(length: usize) -> Manifest {
    let text = r#"{"schemaVersion":2,"manifests":[]}"#;
    let blanks = " ".repeat(length - text.len());
    Manifest::from_bytes(MediaType::OCI_INDEX, format!("{text}{blanks}"))
}

#[tokio::test]
async fn a_manifest_of_exactly_the_limit_is_taken() {
    let registry = ScratchRegistry::start().await;
    let manifest = padded(MANIFEST_BYTES);
    push::manifest(&registry, "a", "large", &manifest).await;
    let response = registry.get("/v2/a/manifests/large").send().await.expect(200);
    assert!(response.body == manifest.bytes);
    let chunked = registry.put("/v2/a/manifests/again").header("Content-Type", manifest.media_type.as_str());
    let _ = chunked.chunks([manifest.bytes]).send().await.expect(201);
}

#[tokio::test]
async fn a_manifest_beyond_the_limit_is_too_large() {
    let registry = ScratchRegistry::start().await;
    let put = || {
        let request = registry.put("/v2/a/manifests/large");
        request.header("Content-Type", MediaType::OCI_INDEX.as_str())
    };
    for length in [MANIFEST_BYTES + 1, 3 * MANIFEST_BYTES] {
        let manifest = padded(length);
        let _ = put().body(manifest.bytes.clone()).send().await.refused(413, ErrorCode::ManifestInvalid);
        let _ = put().chunks([manifest.bytes]).send().await.refused(413, ErrorCode::ManifestInvalid);
    }
    let _ = registry.get("/v2/a/manifests/large").send().await.expect(404);
}

#[tokio::test]
async fn a_client_that_asks_first_need_not_send_what_is_too_large() {
    let registry = ScratchRegistry::start().await;
    let mut connection = registry.connect().await;
    let put = registry
        .put("/v2/a/manifests/large")
        .header("Content-Type", MediaType::OCI_INDEX.as_str())
        .header("Content-Length", (MANIFEST_BYTES + 1).to_string())
        .header("Expect", "100-continue");
    connection.begin(&put).await;
    let _ = connection.response("PUT").await.refused(413, ErrorCode::ManifestInvalid);
}

/// Clients that mount from many repositories send tokens with very long lists of scopes.
#[tokio::test]
async fn a_head_of_64_kib_is_taken() {
    let registry = ScratchRegistry::start().await;
    let image = Image::random(1);
    push::image(&registry, "a", "latest", &image).await;
    let token = format!("Bearer {}", "t".repeat(60_000));
    let response =
        registry.get("/v2/a/manifests/latest").header("Authorization", token).send().await.expect(200);
    assert_eq!(response.body, image.manifest.bytes);
    let mut request = registry.head("/v2/a/manifests/latest");
    for index in 0..64 {
        request = request.header(format!("X-Header-{index}"), "x".repeat(1000));
    }
    let _ = request.send().await.expect(200);
}

#[tokio::test]
async fn a_head_above_64_kib_is_refused_in_the_form_of_the_specification() {
    let registry = ScratchRegistry::memory().await;
    let mut connection = registry.connect().await;
    let long = |bytes: usize| registry.get("/v2/").header("Authorization", "t".repeat(bytes));
    let refused = connection.send(long(66_000)).await.refused(431, ErrorCode::Unsupported);
    let detail = refused.json()["errors"][0]["detail"].as_str().unwrap().to_owned();
    assert!(detail.ends_with("`http.limits.headerbytes` is 65536"), "{detail}");
    let _ = connection.send(long(120_000)).await.refused(431, ErrorCode::Unsupported);
    let _ = connection.send(long(60_000)).await.expect(200);
}

/// A connection of HTTP/2 has many heads at once.
#[tokio::test]
async fn long_heads_have_the_budget_of_bodies_that_are_collected() {
    let limits = Limits {
        collected_bytes: 50_000,
        collected_bytes_per_address: 50_000,
        collect_wait: Duration::from_millis(50),
        ..Limits::default()
    };
    let registry = limited(limits).await;
    let long = |bytes: usize| registry.get("/v2/").header("Authorization", "t".repeat(bytes));
    let refused = long(60_000).send().await.refused(503, ErrorCode::Unavailable);
    assert!(refused.header("Retry-After").is_some());
    let _ = long(40_000).send().await.expect(200);
}

#[tokio::test]
async fn a_body_that_falls_silent_is_given_up_and_what_came_is_kept() {
    let limits = Limits { body_idle_timeout: Duration::from_millis(50), ..Limits::default() };
    let registry = limited(limits).await;
    let location = push::begin(&registry, "a").await;
    let mut connection = registry.connect().await;
    connection.begin(&registry.patch(&location).header("Content-Length", "10")).await;
    connection.write("12345").await;
    let response = connection.response("PATCH").await.expect(408);
    assert_eq!(response.codes().len(), 1);
    // What it sends next may be meant as another request.
    assert_eq!(response.header("Connection"), Some("close"));
    let response = registry.get(&location).send().await.expect(204);
    assert_eq!(response.header("Range"), Some("0-4"));
}

#[tokio::test]
async fn a_head_that_does_not_come_is_not_waited_for() {
    let limits = Limits { head_timeout: Duration::from_millis(50), ..Limits::default() };
    let registry = limited(limits).await;
    for beginning in ["", "GET /v2/ HTTP/1.1\r\nX-Slow: "] {
        let mut connection = registry.connect().await;
        connection.write(beginning).await;
        connection.closed().await;
    }
    let _ = registry.get("/v2/").send().await.expect(200);
}

/// Load balancers keep connections for ten minutes, and send a request on one at any time.
#[tokio::test]
async fn an_idle_connection_is_kept_for_longer_than_a_head_may_take() {
    let limits = Limits { head_timeout: Duration::from_millis(50), ..Limits::default() };
    let registry = limited(limits).await;
    let mut kept = registry.connect().await;
    let _ = kept.send(registry.get("/v2/")).await.expect(200);
    // A connection that is opened after it and sends nothing is closed after the same time, twice.
    for _ in 0..2 {
        registry.connect().await.closed().await;
    }
    let _ = kept.send(registry.get("/v2/")).await.expect(200);

    // The head of its next request has no more time than the first one.
    kept.write("GET /v2/ HTTP/1.1\r\nX-Slow: ").await;
    kept.closed().await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_the_idle_timeout() {
    let limits = Limits { idle_timeout: Duration::from_millis(50), ..Limits::default() };
    let registry = limited(limits).await;
    let mut idle = registry.connect().await;
    let _ = idle.send(registry.get("/v2/")).await.expect(200);
    assert_eq!(idle.closed().await, "");
}

#[tokio::test]
async fn one_connection_too_many_waits_its_turn() {
    let registry = limited(Limits { connections: 1, ..Limits::default() }).await;
    let mut first = registry.connect().await;
    let _ = first.send(registry.get("/v2/")).await.expect(200);
    let mut second = registry.connect().await;
    second.begin(&registry.get("/v2/")).await;
    let _ = first.send(registry.get("/v2/")).await.expect(200);
    drop(first);
    let _ = second.response("GET").await.expect(200);
}

/// Manifests that do not come to their end hold memory; those of one address no more than its share.
#[tokio::test]
async fn bodies_that_are_collected_have_one_budget_and_an_address_has_its_share_of_it() {
    let limits = Limits {
        collected_bytes: 200_000,
        collected_bytes_per_address: 100_000,
        collect_wait: Duration::from_millis(500),
        ..Limits::default()
    };
    let registry = limited(limits).await;
    let put = |length: usize| {
        let put = registry.put("/v2/a/manifests/large");
        put.header("Content-Type", MediaType::OCI_INDEX.as_str()).body(padded(length).bytes)
    };
    let (bytes, head) = put(90_000).parts();
    let mut unfinished = registry.connect().await;
    unfinished.write(&bytes[..head + 80_000]).await;
    // Refused as soon as the bytes of the first one have been received, which themselves always fit beside a part of this.
    let refused = async {
        loop {
            let response = put(20_500).send().await;
            if response.status != 201 {
                return response;
            }
        }
    };
    let response = within("a refusal", refused).await.refused(503, ErrorCode::Unavailable);
    assert!(response.header("Retry-After").is_some());
    let mut other = registry.connect_from([127, 0, 0, 2].into()).await;
    let _ = other.send(put(20_500)).await.expect(201);

    unfinished.write(&bytes[head + 80_000..]).await;
    let _ = unfinished.response("PUT").await.expect(201);
    let _ = put(20_500).send().await.expect(201);
}

#[tokio::test]
async fn a_manifest_that_comes_byte_by_byte_is_given_up() {
    let limits = Limits { collect_timeout: Duration::from_millis(50), ..Limits::default() };
    let registry = limited(limits).await;
    let mut connection = registry.connect().await;
    let put = registry.put("/v2/a/manifests/slow").header("Content-Type", MediaType::OCI_INDEX.as_str());
    connection.begin(&put.header("Content-Length", "100")).await;
    connection.write("{").await;
    let _ = connection.response("PUT").await.expect(408);
}

#[tokio::test]
async fn a_head_that_does_not_end_is_refused_at_128_kib() {
    let registry = ScratchRegistry::start().await;
    let mut connection = registry.connect().await;
    connection.write(format!("GET /v2/ HTTP/1.1\r\nX: {}", "x".repeat(130 * 1024))).await;
    let _ = connection.response("GET").await.expect(431);
}

#[tokio::test]
async fn one_address_takes_its_share_of_connections_and_no_more() {
    let registry = limited(Limits { connections_per_address: 2, ..Limits::default() }).await;
    let mut taken = [registry.connect().await, registry.connect().await];
    for connection in &mut taken {
        let _ = connection.send(registry.get("/v2/")).await.expect(200);
    }
    assert_eq!(registry.connect().await.closed().await, "");
    let mut other = registry.connect_from([127, 0, 0, 2].into()).await;
    let _ = other.send(registry.get("/v2/")).await.expect(200);
    for connection in &mut taken {
        let _ = connection.send(registry.get("/v2/")).await.expect(200);
    }
    drop(taken);
    let again = async { while registry.get("/v2/").try_send().await.is_err() {} };
    within("a place to become free", again).await;
}

#[tokio::test]
async fn connections_of_a_named_proxy_are_not_counted_as_one_address() {
    let trusted = TrustedProxies::Only(vec!["127.0.0.0/8".parse().expect("a network")]);
    let edge = Options {
        limits: Limits { connections_per_address: 1, ..Limits::default() },
        addresses: Addresses { trusted, ..Addresses::default() },
        ..Options::default()
    };
    let registry = ScratchRegistry::memory_with(Setup { edge, ..Setup::default() }).await;
    let mut both = [registry.connect().await, registry.connect().await];
    for connection in &mut both {
        let _ = connection.send(registry.get("/v2/")).await.expect(200);
    }
}

/// Idle connections cannot shut other clients out.
#[tokio::test]
async fn when_connections_run_out_the_one_idle_longest_is_closed_for_a_new_one() {
    let limits = Limits { connections: 10, connections_per_address: 10, ..Limits::default() };
    let registry = limited(limits).await;
    let mut idle = Vec::new();
    for _ in 0..9 {
        let mut connection = registry.connect().await;
        let _ = connection.send(registry.get("/v2/")).await.expect(200);
        idle.push(connection);
    }
    // The first one is used once more, so the second is idle longest.
    let _ = idle[0].send(registry.get("/v2/")).await.expect(200);
    idle.rotate_left(1);
    for _ in 0..20 {
        let mut one_more = registry.connect().await;
        let _ = one_more.send(registry.get("/v2/")).await.expect(200);
        assert_eq!(idle.remove(0).closed().await, "");
        idle.push(one_more);
    }
}

#[tokio::test]
async fn a_head_that_does_not_come_is_waited_for_less_when_connections_run_out() {
    let limits = Limits {
        connections: 10,
        connections_per_address: 10,
        crowded_head_timeout: Duration::from_millis(50),
        ..Limits::default()
    };
    let registry = limited(limits).await;
    let mut silent = Vec::new();
    for _ in 0..10 {
        silent.push(registry.connect().await);
    }
    // The last one: it was opened in the last tenth.
    silent.remove(9).closed().await;
}

/// Each blob on its way has a file open, of which a process has so many and no more.
#[tokio::test]
async fn blobs_in_transfer_are_bounded_for_an_address_and_for_all() {
    let limits = Limits { transfers: 3, transfers_per_address: 2, ..Limits::default() };
    let edge = Options { limits, ..Options::default() };
    let registry = ScratchRegistry::start_with(Setup { edge, ..Setup::default() }).await;
    // Longer than what sockets and the server buffer.
    let blob = Blob::random(1, 16 << 20);
    push::blob(&registry, "a", &blob).await;
    let location = push::begin(&registry, "a").await;
    let get = || registry.get(format!("/v2/a/blobs/{}", blob.digest));
    let patch = || registry.patch(&location).header("Content-Length", "2");

    let mut unread = registry.connect().await;
    unread.begin(&get()).await;
    let _ = unread.head().await;
    let mut unfinished = registry.connect().await;
    unfinished.begin(&patch()).await;
    unfinished.write("1").await;
    let full = async {
        loop {
            let response = registry
                .get(format!("/v2/a/blobs/{}", blob.digest))
                .header("Range", "bytes=0-0")
                .send()
                .await;
            if response.status == 503 {
                return response;
            }
        }
    };
    let refused = within("the limit of an address", full).await.refused(503, ErrorCode::Unavailable);
    assert_eq!(refused.header("Retry-After"), Some("5"));
    let _ = registry.patch(&location).body("x").send().await.refused(503, ErrorCode::Unavailable);
    // What opens no blob is answered.
    let _ = registry.head(format!("/v2/a/blobs/{}", blob.digest)).send().await.expect(200);

    let mut other = [
        registry.connect_from([127, 0, 0, 2].into()).await,
        registry.connect_from([127, 0, 0, 3].into()).await,
    ];
    other[0].begin(&get()).await;
    let _ = other[0].head().await;
    let _ = other[1].send(get()).await.refused(503, ErrorCode::Unavailable);

    unfinished.write("2").await;
    let _ = unfinished.response("PATCH").await.expect(202);
    drop((unread, other));
    let free = async || {
        (registry.get(format!("/v2/a/blobs/{}", blob.digest)).send().await.status == 200).then_some(())
    };
    eventually("places to become free", free).await;
}

#[tokio::test]
async fn a_blob_is_of_any_size() {
    let registry = ScratchRegistry::start().await;
    let blob = Blob::random(1, 4 * MANIFEST_BYTES);
    push::blob(&registry, "a", &blob).await;
    let response = registry.get(format!("/v2/a/blobs/{}", blob.digest)).send().await.expect(200);
    assert!(response.body == blob.bytes);
}

/// An index of so many members, none of which is there.
fn index_of_absent(members: usize) -> Manifest {
    let members: Vec<String> =
        (0..members).map(|number| format!(r#"{{"digest":"sha256:{number:064x}"}}"#)).collect();
    let text = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, members.join(","));
    Manifest::from_bytes(MediaType::OCI_INDEX, text)
}

#[tokio::test]
async fn a_manifest_with_too_many_references_is_refused_with_the_name_of_the_limit() {
    let registry = ScratchRegistry::start().await;
    for (members, code) in [
        (10_000, ErrorCode::ManifestBlobUnknown),
        (10_001, ErrorCode::ManifestInvalid),
        // As many as fit into a manifest.
        (48_000, ErrorCode::ManifestInvalid),
    ] {
        let manifest = index_of_absent(members);
        let put = registry.put("/v2/a/manifests/large").header("Content-Type", manifest.media_type.as_str());
        let response = put.body(manifest.bytes).send().await.expect(400);
        assert_eq!(response.codes()[0], code);
        if code == ErrorCode::ManifestInvalid {
            let expected =
                format!("the manifest has {members} references; the limit `manifest_references` is 10000");
            assert_eq!(response.json()["errors"][0]["detail"], expected);
        }
    }
}

#[tokio::test]
async fn an_error_lists_a_hundred_missing_references_and_counts_the_rest() {
    let registry = ScratchRegistry::start().await;
    let manifest = index_of_absent(10_000);
    let put = registry.put("/v2/a/manifests/large").header("Content-Type", manifest.media_type.as_str());
    let response = put.body(manifest.bytes).send().await.expect(400);
    assert!(response.body.len() < 32 * 1024, "{} bytes", response.body.len());
    let body = response.json();
    let errors = body["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 101);
    for (number, error) in errors[..100].iter().enumerate() {
        assert_eq!(error["detail"], format!("sha256:{number:064x}"));
    }
    assert_eq!(errors[100]["code"], "MANIFEST_BLOB_UNKNOWN");
    assert_eq!(errors[100]["message"], "9900 more references of the manifest were not checked");
}
