//! `Accept` on manifests (end-3): what is sent to whom. Nothing is ever converted.

use wharf_oci::{ErrorCode, ManifestKind};
use wharf_testkit::images::{Image, Manifest};
use wharf_testkit::push;
use wharf_testkit::registry::ScratchRegistry;
use wharf_testkit::wire::{Response, Server};

const OCI: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";
const LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const SCHEMA1: &str = "application/vnd.docker.distribution.manifest.v1+prettyjws";

/// One of each kind, under a tag of that name. `list` has a linux/amd64 child, `arms` has not.
struct Shelf {
    registry: ScratchRegistry,
    oci: Manifest,
    docker: Manifest,
    index: Manifest,
    list: Manifest,
    arms: Manifest,
}

impl Shelf {
    async fn filled() -> Self {
        let registry = ScratchRegistry::memory().await;
        let (oci, docker, other) = (Image::random(1), Image::docker(2), Image::docker(3));
        push::image(&registry, "a", "oci", &oci).await;
        push::image(&registry, "a", "docker", &docker).await;
        push::image(&registry, "a", "other", &other).await;
        let (oci, docker, other) = (oci.manifest, docker.manifest, other.manifest);
        let index = Manifest::index(ManifestKind::OciIndex, &[(&oci, "linux/amd64")]);
        let list = [(&other, "linux/arm64"), (&other, "windows/amd64"), (&docker, "linux/amd64")];
        let list = Manifest::index(ManifestKind::DockerList, &list);
        let arms = Manifest::index(ManifestKind::DockerList, &[(&other, "linux/arm64")]);
        push::manifest(&registry, "a", "index", &index).await;
        push::manifest(&registry, "a", "list", &list).await;
        push::manifest(&registry, "a", "arms", &arms).await;
        Self { registry, oci, docker, index, list, arms }
    }
}

/// Asks with these `Accept` lines.
async fn ask(server: &Server, method: &str, reference: &str, accept: &[&str]) -> Response {
    let mut request = server.request(method, format!("/v2/a/manifests/{reference}"));
    for line in accept {
        request = request.header("Accept", *line);
    }
    request.send().await
}

async fn assert_sent(server: &Server, reference: &str, accept: &[&str], expected: &Manifest) {
    for method in ["GET", "HEAD"] {
        let response = ask(server, method, reference, accept).await;
        assert_eq!(response.status, 200, "{reference} with {accept:?}: {response:?}");
        let digest = response.required("Docker-Content-Digest");
        assert_eq!(digest, expected.digest.to_string(), "{reference} with {accept:?}");
        assert_eq!(response.header("Content-Type"), Some(expected.media_type.as_str()));
        assert_eq!(response.header("Content-Length"), Some(expected.bytes.len().to_string().as_str()));
        assert_eq!(response.required("Etag"), format!("\"{}\"", expected.digest));
        assert!(method == "HEAD" || response.body == expected.bytes);
    }
}

#[tokio::test]
async fn whoever_takes_anything_or_says_nothing_gets_what_there_is() {
    let shelf = Shelf::filled().await;
    let all_lines = [OCI, INDEX, DOCKER, LIST];
    let joined = all_lines.join(", ");
    let containerd = format!("{DOCKER}, {LIST}, {OCI}, {INDEX}, */*");
    let accepts: [&[&str]; 9] = [
        &[],
        &[""],
        &["*/*"],
        &["application/*"],
        &[DOCKER, "*/*;q=0.1"],
        &["text/html, */*"],
        &all_lines,
        &[&joined],
        &[&containerd],
    ];
    for accept in accepts {
        for (tag, manifest) in [
            ("oci", &shelf.oci),
            ("docker", &shelf.docker),
            ("index", &shelf.index),
            ("list", &shelf.list),
            ("arms", &shelf.arms),
        ] {
            assert_sent(&shelf.registry, tag, accept, manifest).await;
            assert_sent(&shelf.registry, &manifest.digest.to_string(), accept, manifest).await;
        }
    }
}

#[tokio::test]
async fn whoever_names_the_type_gets_it() {
    let shelf = Shelf::filled().await;
    for (tag, manifest) in [
        ("oci", &shelf.oci),
        ("docker", &shelf.docker),
        ("index", &shelf.index),
        ("list", &shelf.list),
        ("arms", &shelf.arms),
    ] {
        let media_type = manifest.media_type.as_str();
        for accept in [
            media_type.to_owned(),
            format!("{media_type}; charset=utf-8"),
            format!("text/html,{media_type};q=0.5"),
        ] {
            assert_sent(&shelf.registry, tag, &[&accept], manifest).await;
        }
        assert_sent(&shelf.registry, tag, &["text/html", media_type], manifest).await;
    }
}

/// A very old Docker shows the message, which tells its user what is wrong.
#[tokio::test]
async fn an_oci_image_is_not_shown_to_who_takes_only_other_types() {
    let shelf = Shelf::filled().await;
    for reference in ["oci".to_owned(), shelf.oci.digest.to_string()] {
        for accept in [
            &[DOCKER] as &[&str],
            &[DOCKER, LIST],
            &[LIST],
            &["text/html"],
            &[SCHEMA1, DOCKER],
            &["application/vnd.oci.image.manifest.v1+json;q=0, */*"],
        ] {
            let _ = ask(&shelf.registry, "HEAD", &reference, accept).await.expect(404);
            let response = ask(&shelf.registry, "GET", &reference, accept).await;
            let response = response.refused(404, ErrorCode::ManifestUnknown);
            assert_eq!(
                response.json()["errors"][0]["message"],
                "OCI manifest found, but accept header does not support OCI manifests"
            );
        }
    }
}

#[tokio::test]
async fn other_kinds_are_sent_to_whoever_asks() {
    let shelf = Shelf::filled().await;
    for accept in [&[OCI] as &[&str], &["text/html"], &[LIST]] {
        assert_sent(&shelf.registry, "docker", accept, &shelf.docker).await;
        assert_sent(&shelf.registry, &shelf.docker.digest.to_string(), accept, &shelf.docker).await;
    }
    for accept in [&[DOCKER] as &[&str], &[DOCKER, LIST], &[OCI], &["text/html"]] {
        assert_sent(&shelf.registry, "index", accept, &shelf.index).await;
        assert_sent(&shelf.registry, &shelf.index.digest.to_string(), accept, &shelf.index).await;
    }
}

#[tokio::test]
async fn a_list_by_tag_is_its_amd64_child_to_who_knows_only_docker_images() {
    let shelf = Shelf::filled().await;
    for accept in [&[DOCKER] as &[&str], &[DOCKER, SCHEMA1], &[DOCKER, OCI], &[DOCKER, "text/html"]] {
        assert_sent(&shelf.registry, "list", accept, &shelf.docker).await;
        // Who says the digest means exactly that.
        assert_sent(&shelf.registry, &shelf.list.digest.to_string(), accept, &shelf.list).await;
        let response = ask(&shelf.registry, "GET", "arms", accept).await;
        let _ = response.refused(404, ErrorCode::ManifestUnknown);
    }
    let digest = shelf.docker.digest.to_string();
    let request = shelf.registry.get("/v2/a/manifests/list").header("Accept", DOCKER);
    let _ = request.header("If-None-Match", format!("\"{digest}\"")).send().await.expect(304);
}

#[tokio::test]
async fn a_list_by_tag_is_refused_to_who_knows_neither_lists_nor_docker_images() {
    let shelf = Shelf::filled().await;
    for accept in [&[OCI] as &[&str], &[OCI, INDEX], &[SCHEMA1], &["text/html"]] {
        let response = ask(&shelf.registry, "GET", "list", accept).await;
        let _ = response.refused(400, ErrorCode::ManifestInvalid);
        assert_sent(&shelf.registry, &shelf.list.digest.to_string(), accept, &shelf.list).await;
    }
}

#[tokio::test]
async fn a_client_that_has_the_manifest_is_told_so() {
    let shelf = Shelf::filled().await;
    let digest = shelf.oci.digest.to_string();
    for (value, status) in [
        (format!("\"{digest}\""), 304),
        (digest.clone(), 304),
        (format!("W/\"{digest}\""), 304),
        (format!("\"x\", \"{digest}\""), 304),
        ("*".to_owned(), 304),
        (format!("\"{}\"", shelf.docker.digest), 200),
        ("\"latest\"".to_owned(), 200),
    ] {
        for reference in ["oci", &digest] {
            for method in ["GET", "HEAD"] {
                let request = shelf.registry.request(method, format!("/v2/a/manifests/{reference}"));
                let response = request.header("If-None-Match", &value).send().await.expect(status);
                assert_eq!(response.required("Docker-Content-Digest"), digest);
                assert_eq!(response.required("Etag"), format!("\"{digest}\""));
                assert!(status == 200 || response.body.is_empty());
            }
        }
    }
    // The old registry says 304 of what it does not have.
    let request = shelf.registry.get(format!("/v2/a/manifests/{}", crate::NOBODYS));
    let _ = request.header("If-None-Match", "*").send().await.refused(404, ErrorCode::ManifestUnknown);
}
