//! What a program serves, over its socket: every tag, manifest and blob, each byte of it hashed.

use serde_json::Value;
use wharf_oci::{Digest, MediaType};
use wharf_testkit::wire::{Response, Server};

use crate::programs::{self, Program};
use crate::tree::{Contents, Repository};

/// All that a manifest can be, so that nothing is withheld or converted.
const ACCEPT: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json";

/// Finds that the program serves exactly this: every tag, manifest and blob, whole.
pub(crate) async fn assert_serves(server: &programs::Server, contents: &Contents) {
    let expected: Vec<_> = contents.repositories.keys().cloned().collect();
    let mut listed = catalog(server).await;
    if server.program != Program::Wharf {
        // They list in the order of folders, and what holds no manifest any more.
        listed.retain(|name| contents.repositories.contains_key(name));
        listed.sort();
    }
    assert_eq!(listed, expected, "{:?}: the catalog", server.program);
    for (name, repository) in &contents.repositories {
        assert_repository(server, name, repository).await;
    }
}

async fn assert_repository(server: &programs::Server, name: &str, repository: &Repository) {
    let expected: Vec<_> = repository.tags.keys().cloned().collect();
    let mut listed = tags(server, name).await;
    if server.program != Program::Wharf {
        // In no order, the older one.
        listed.sort();
    }
    assert_eq!(listed, expected, "{:?}: the tags of {name}", server.program);
    for (tag, digest) in &repository.tags {
        assert_manifest(server, name, tag, digest).await;
    }
    for digest in &repository.manifests {
        assert_manifest(server, name, &digest.to_string(), digest).await;
    }
    for digest in &repository.blobs {
        assert_blob(server, name, digest).await;
    }
}

/// Finds that the reference leads to the bytes of this digest, by GET and by HEAD.
pub(crate) async fn assert_manifest(server: &Server, repository: &str, reference: &str, digest: &Digest) {
    let found = manifest(server, repository, reference).await.expect(200);
    assert_eq!(&Digest::of_with(digest.algorithm(), &found.body), digest, "{repository} {reference}");
    assert_eq!(found.required("Docker-Content-Digest"), digest.to_string(), "{repository} {reference}");
    let body: Value = found.json();
    if let Some(media_type) = body["mediaType"].as_str() {
        assert_eq!(found.required("Content-Type"), media_type, "{repository} {reference}");
    }

    let target = format!("/v2/{repository}/manifests/{reference}");
    let head = server.head(target).header("Accept", ACCEPT).send().await.expect(200);
    for name in ["Docker-Content-Digest", "Content-Type"] {
        assert_eq!(head.required(name), found.required(name), "{repository} {reference}");
    }
    assert_eq!(head.required("Content-Length"), found.body.len().to_string(), "{repository} {reference}");
}

/// Finds that a blob is served whole, by GET and by HEAD.
pub(crate) async fn assert_blob(server: &Server, repository: &str, digest: &Digest) {
    let target = format!("/v2/{repository}/blobs/{digest}");
    let found = server.get(&target).send().await.expect(200);
    assert_eq!(&Digest::of_with(digest.algorithm(), &found.body), digest, "{target}");
    let head = server.head(&target).send().await.expect(200);
    assert_eq!(head.required("Content-Length"), found.body.len().to_string(), "{target}");
}

/// The answer to a GET of a manifest, whatever it is.
pub(crate) async fn manifest(server: &Server, repository: &str, reference: &str) -> Response {
    server.get(format!("/v2/{repository}/manifests/{reference}")).header("Accept", ACCEPT).send().await
}

/// The answer to a GET of a blob, whatever it is.
pub(crate) async fn blob(server: &Server, repository: &str, digest: &Digest) -> Response {
    server.get(format!("/v2/{repository}/blobs/{digest}")).send().await
}

/// The tags as they are listed.
pub(crate) async fn tags(server: &Server, repository: &str) -> Vec<String> {
    let answer = server.get(format!("/v2/{repository}/tags/list")).send().await.expect(200).json();
    texts(&answer["tags"])
}

/// The repositories as they are listed.
pub(crate) async fn catalog(server: &Server) -> Vec<String> {
    let answer = server.get("/v2/_catalog?n=1000").send().await.expect(200).json();
    texts(&answer["repositories"])
}

/// The digests of the referrers as they are listed.
pub(crate) async fn referrers(server: &Server, repository: &str, subject: &Digest) -> Vec<String> {
    let answer = server.get(format!("/v2/{repository}/referrers/{subject}")).send().await.expect(200);
    assert_eq!(answer.required("Content-Type"), MediaType::OCI_INDEX.as_str());
    let index = answer.json();
    let entries = index["manifests"].as_array().expect("an index has manifests");
    entries.iter().map(|entry| entry["digest"].as_str().expect("a digest").to_owned()).collect()
}

/// An old registry says `null` for a list of nothing.
fn texts(list: &Value) -> Vec<String> {
    serde_json::from_value::<Option<_>>(list.clone()).expect("a list of texts").unwrap_or_default()
}
