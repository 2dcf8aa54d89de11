//! `GET /v2/<name>/referrers/<digest>` (end-12).

use serde_json::{Value, json};
use wharf_http::{Limits, Options};
use wharf_oci::{Algorithm, Digest, ErrorCode, ManifestKind, MediaType, referrers_tag};
use wharf_testkit::images::{Blob, Image, ImageOptions, Manifest};
use wharf_testkit::push;
use wharf_testkit::registry::{ScratchRegistry, Setup};
use wharf_testkit::wire::{Response, Server};

use crate::NOBODYS;

const SBOM: &str = "application/vnd.example.sbom.v1+json";
const SIGNATURE: &str = "application/vnd.example.signature";

async fn list(server: &Server, subject: &Digest, query: &str) -> Response {
    let response = server.get(format!("/v2/a/referrers/{subject}{query}")).send().await.expect(200);
    // oras compares the type as a whole, so it has no parameters.
    assert_eq!(response.header("Content-Type"), Some("application/vnd.oci.image.index.v1+json"));
    let body = response.json();
    assert_eq!(body["schemaVersion"], 2);
    assert_eq!(body["mediaType"], "application/vnd.oci.image.index.v1+json");
    response
}

fn entries(response: &Response) -> Vec<Value> {
    response.json()["manifests"].as_array().expect("a list, even an empty one").clone()
}

fn digests(response: &Response) -> Vec<String> {
    entries(response).iter().map(|entry| entry["digest"].as_str().expect("a digest").to_owned()).collect()
}

/// Pushes a subject and so many signatures of it; gives the subject and their digests in order.
async fn signed(server: &Server, count: u64) -> (Manifest, Vec<String>) {
    let subject = Image::random(1);
    push::image(server, "a", "latest", &subject).await;
    let mut digests = Vec::new();
    for seed in 0..count {
        let artifact = Image::artifact(100 + seed, &subject.manifest, SIGNATURE);
        let digest = artifact.manifest.digest.to_string();
        push::image(server, "a", &digest, &artifact).await;
        digests.push(digest);
    }
    digests.sort();
    (subject.manifest, digests)
}

#[tokio::test]
async fn whoever_nobody_refers_to_has_an_empty_index() {
    for registry in [ScratchRegistry::start().await, ScratchRegistry::memory().await] {
        let nobodys: Digest = NOBODYS.parse().unwrap();
        // No such repository; oras asks like this for what the registry can do.
        assert_eq!(entries(&list(&registry, &nobodys, "").await), [] as [Value; 0]);
        let (subject, _) = signed(&registry, 0).await;
        for digest in [nobodys, subject.digest, Digest::of_with(Algorithm::Sha512, b"x")] {
            let response = list(&registry, &digest, "").await;
            assert_eq!(entries(&response), [] as [Value; 0]);
            assert_eq!(response.header("Link"), None);
            assert_eq!(response.header("Oci-Filters-Applied"), None);
        }
    }
}

#[tokio::test]
async fn an_entry_says_what_the_manifest_says_of_itself() {
    for registry in [ScratchRegistry::start().await, ScratchRegistry::memory().await] {
        let subject = Image::random(1).manifest;
        let artifact = Image::artifact(2, &subject, SBOM);
        push::image(&registry, "a", "artifact", &artifact).await;
        assert_eq!(
            entries(&list(&registry, &subject.digest, "").await),
            [json!({
                "mediaType": MediaType::OCI_MANIFEST,
                "digest": artifact.manifest.digest,
                "size": artifact.manifest.bytes.len(),
                "artifactType": SBOM,
                "annotations": { "org.example.seed": "2" },
            })]
        );
    }
}

#[tokio::test]
async fn the_artifact_type_is_the_configs_where_an_image_has_none_and_absent_where_an_index_has_none() {
    let registry = ScratchRegistry::start().await;
    let subject = Image::random(1).manifest;
    let image = Image::build(&ImageOptions {
        seed: 2,
        subject: Some(subject.descriptor()),
        ..ImageOptions::default()
    });
    push::image(&registry, "a", "image", &image).await;
    let found = entries(&list(&registry, &subject.digest, "").await);
    assert_eq!(found[0]["artifactType"], json!(MediaType::OCI_CONFIG));
    let _ = registry.delete(format!("/v2/a/manifests/{}", image.manifest.digest)).send().await.expect(202);

    let body = json!({
        "schemaVersion": 2,
        "mediaType": MediaType::OCI_INDEX,
        "manifests": [],
        "subject": subject.descriptor(),
        "annotations": { "a": "b" },
    });
    let index = Manifest::new(MediaType::OCI_INDEX, &body);
    let response = push::manifest(&registry, "a", "index", &index).await;
    assert_eq!(response.required("Oci-Subject"), subject.digest.to_string());
    let found = entries(&list(&registry, &subject.digest, "").await);
    assert_eq!(found[0].get("artifactType"), None, "{found:?}");
    assert_eq!(found[0]["mediaType"], json!(MediaType::OCI_INDEX));
    assert_eq!(found[0]["annotations"], json!({ "a": "b" }));
}

#[tokio::test]
async fn a_filter_gives_one_type_and_says_that_it_was_applied() {
    for registry in [ScratchRegistry::start().await, ScratchRegistry::memory().await] {
        let (subject, signatures) = signed(&registry, 2).await;
        let sbom = Image::artifact(2, &subject, SBOM);
        push::image(&registry, "a", "sbom", &sbom).await;
        let sbom = sbom.manifest.digest.to_string();
        for (query, expected) in [
            (format!("?artifactType={SIGNATURE}"), signatures.clone()),
            (format!("?artifactType={SBOM}"), vec![sbom.clone()]),
            ("?artifactType=application%2Fvnd.example.sbom.v1%2Bjson".to_owned(), vec![sbom.clone()]),
            ("?artifactType=application/vnd.example".to_owned(), vec![]),
        ] {
            let response = list(&registry, &subject.digest, &query).await;
            assert_eq!(digests(&response), expected, "{query}");
            assert_eq!(response.header("Oci-Filters-Applied"), Some("artifactType"));
        }
        let all = list(&registry, &subject.digest, "").await;
        assert_eq!(digests(&all).len(), 3);
        assert_eq!(all.header("Oci-Filters-Applied"), None);
    }
}

#[tokio::test]
async fn links_lead_through_all_referrers_and_keep_the_filter() {
    for registry in [ScratchRegistry::start().await, ScratchRegistry::memory().await] {
        let (subject, signatures) = signed(&registry, 5).await;
        for seed in 0..3 {
            push::image(&registry, "a", "sbom", &Image::artifact(seed, &subject, SBOM)).await;
        }
        for n in 1..=6 {
            let path = format!("/v2/a/referrers/{}?artifactType={SIGNATURE}&n={n}", subject.digest);
            let (mut target, mut found) = (Some(path), Vec::new());
            while let Some(page) = target {
                let response = registry.get(page).send().await.expect(200);
                assert_eq!(response.header("Oci-Filters-Applied"), Some("artifactType"));
                found.extend(digests(&response));
                let link = response.header("Link");
                assert_eq!(link.is_some(), found.len() < signatures.len(), "n={n}");
                target = link.map(|link| {
                    let target = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\""));
                    target.expect("a link to the next page").to_owned()
                });
            }
            assert_eq!(found, signatures, "n={n}");
        }
        let query = format!("?artifactType={SIGNATURE}&last={}", signatures[2]);
        let response = list(&registry, &subject.digest, &query).await;
        assert_eq!(digests(&response), signatures[3..]);
    }
}

#[tokio::test]
async fn a_list_is_never_longer_than_the_limit() {
    let limits = Limits { referrers_page: 2, ..Limits::default() };
    let edge = Options { limits, ..Options::default() };
    let registry = ScratchRegistry::memory_with(Setup { edge, ..Setup::default() }).await;
    let (subject, signatures) = signed(&registry, 3).await;
    for query in ["", "?n=3", "?n=99999999999999999999999"] {
        let response = list(&registry, &subject.digest, query).await;
        assert_eq!(digests(&response), signatures[..2], "{query}");
        assert!(response.header("Link").is_some());
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let registry = ScratchRegistry::memory().await;
    for subject in ["sha256:abc", "latest", "md5:00"] {
        let request = registry.get(format!("/v2/a/referrers/{subject}"));
        let _ = request.send().await.refused(400, ErrorCode::DigestInvalid);
    }
    let request = registry.get(format!("/v2/a/referrers/{NOBODYS}?n=x"));
    let _ = request.send().await.refused(400, ErrorCode::PaginationNumberInvalid);
    for method in ["HEAD", "POST", "DELETE"] {
        let response =
            registry.request(method, format!("/v2/a/referrers/{NOBODYS}")).send().await.expect(405);
        assert_eq!(response.header("Allow"), Some("GET"));
    }
}

#[tokio::test]
async fn a_deleted_referrer_refers_to_nothing() {
    for registry in [ScratchRegistry::start().await, ScratchRegistry::memory().await] {
        let (subject, signatures) = signed(&registry, 3).await;
        let _ = registry.delete(format!("/v2/a/manifests/{}", signatures[1])).send().await.expect(202);
        let left = [signatures[0].clone(), signatures[2].clone()];
        assert_eq!(digests(&list(&registry, &subject.digest, "").await), left);
        // The subject's going changes nothing: it need not exist.
        let _ = registry.delete(format!("/v2/a/manifests/{}", subject.digest)).send().await.expect(202);
        assert_eq!(digests(&list(&registry, &subject.digest, "").await), left);
    }
}

#[tokio::test]
async fn referrers_belong_to_their_repository_and_to_their_subject() {
    let registry = ScratchRegistry::start().await;
    let (subject, signatures) = signed(&registry, 2).await;
    let first: Digest = signatures[0].parse().unwrap();
    assert_eq!(entries(&list(&registry, &first, "").await), [] as [Value; 0]);
    let elsewhere = registry.get(format!("/v2/b/referrers/{}", subject.digest)).send().await.expect(200);
    assert_eq!(entries(&elsewhere), [] as [Value; 0]);
}

#[tokio::test]
async fn a_subject_may_be_named_by_any_algorithm() {
    let registry = ScratchRegistry::start().await;
    let mut subject = Image::random(1).manifest;
    subject.digest = Digest::of_with(Algorithm::Sha512, &subject.bytes);
    let artifact = Image::artifact(2, &subject, SBOM);
    push::image(&registry, "a", "artifact", &artifact).await;
    let expected = [artifact.manifest.digest.to_string()];
    assert_eq!(digests(&list(&registry, &subject.digest, "").await), expected);
}

/// A tree that an old registry wrote, into which clients put the referrers as an index under a tag of its own.
#[tokio::test]
async fn referrers_of_an_old_tree_are_found_through_their_tag() {
    let directory = tempfile::tempdir().unwrap();
    let registry = ScratchRegistry::over(directory.path(), Setup::default()).await;
    let (subject, old) = signed(&registry, 2).await;
    let noted = directory.path().join("docker/registry/v2/repositories/a/_manifests/referrers");
    std::fs::remove_dir_all(noted).unwrap();
    assert_eq!(entries(&list(&registry, &subject.digest, "").await), [] as [Value; 0]);

    let config = Blob::empty_config();
    push::blob(&registry, "a", &config).await;
    let members: Vec<Manifest> =
        (0..2).map(|seed| Image::artifact(100 + seed, &subject, SIGNATURE).manifest).collect();
    let index =
        Manifest::index(ManifestKind::OciIndex, &[(&members[0], ""), (&members[1], ""), (&subject, "")]);
    push::manifest(&registry, "a", referrers_tag(&subject.digest).as_str(), &index).await;
    let response = list(&registry, &subject.digest, "").await;
    assert_eq!(digests(&response), old);
    assert_eq!(entries(&response)[0]["artifactType"], SIGNATURE);

    // One that is pushed now, and one of both kinds, come once and in their places.
    let new = Image::artifact(200, &subject, SIGNATURE);
    push::image(&registry, "a", "new", &new).await;
    push::manifest(&registry, "a", "again", &members[0]).await;
    let mut all = [old, vec![new.manifest.digest.to_string()]].concat();
    all.sort();
    assert_eq!(digests(&list(&registry, &subject.digest, "").await), all);
}

/// A filter that excludes nearly everything: each page examines so many and the links lead to the end.
#[tokio::test]
async fn links_lead_past_what_a_filter_excludes() {
    let limits = wharf_core::Limits { referrers_scan: 4, ..wharf_core::Limits::default() };
    let options = wharf_core::Options { limits, ..wharf_core::Options::default() };
    let registry = ScratchRegistry::start_with(Setup { registry: options, ..Setup::default() }).await;
    let (subject, _) = signed(&registry, 10).await;
    let sbom = Image::artifact(2, &subject, SBOM);
    push::image(&registry, "a", "sbom", &sbom).await;

    let mut target = Some(format!("/v2/a/referrers/{}?artifactType={SBOM}&n=2", subject.digest));
    let (mut pages, mut found) = (0, Vec::new());
    while let Some(page) = target {
        let response = registry.get(page).send().await.expect(200);
        pages += 1;
        found.extend(digests(&response));
        target = response.header("Link").map(|link| {
            let target = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\""));
            target.expect("a link to the next page").to_owned()
        });
    }
    assert_eq!((pages, found), (3, vec![sbom.manifest.digest.to_string()]));
}
