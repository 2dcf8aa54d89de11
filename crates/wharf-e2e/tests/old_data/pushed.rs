//! What is pushed into a directory, by clients and by hand, before somebody else is to serve it.

use serde_json::json;
use wharf_oci::{Algorithm, Digest, ManifestKind, MediaType};
use wharf_testkit::images::{Blob, Image, Manifest, noise};
use wharf_testkit::{push, wire};

use crate::copy::{crane, remote, skopeo};
use crate::layout::{self, Layout};
use crate::programs::Server;
use crate::tree::Tree;
use crate::workbench::Workbench;

/// The upload that was left in the middle, and what it is to become.
#[derive(Debug)]
pub(crate) struct Unfinished {
    pub(crate) location: String,
    pub(crate) blob: Blob,
}

/// What clients of all kinds pushed.
#[derive(Debug)]
pub(crate) struct Pushed {
    pub(crate) single: Layout,
    pub(crate) index: Layout,
    /// The manifest that a tag has left.
    pub(crate) untagged: Digest,
    /// The manifest that was deleted.
    pub(crate) deleted: Digest,
    /// The one that is a subject, and the digest of its referrer.
    pub(crate) subject: Digest,
    pub(crate) referrer: Digest,
    /// A blob and its name by sha512.
    pub(crate) sha512: Blob,
}

/// Fills a directory through one program: four repositories, and an upload left in the middle.
pub(crate) async fn everything(workbench: &Workbench, server: &Server) -> (Pushed, Unfinished) {
    let single = Layout::single(workbench, "single");
    let index = Layout::multi_platform(workbench, "index");
    by_skopeo(workbench, server, &single, &index);
    mounted(workbench, server, &index).await;
    let (untagged, deleted) = by_crane(workbench, server, &single, &index);
    let sha512 = sha512_layer(server).await;
    let (subject, referrer) = referrer(server).await;
    let unfinished = unfinished(server, "acme/app").await;
    (Pushed { single, index, untagged, deleted, subject, referrer, sha512 }, unfinished)
}

/// OCI and Docker, one platform and two.
fn by_skopeo(workbench: &Workbench, server: &Server, single: &Layout, index: &Layout) {
    skopeo(workbench, &[], &single.name("1"), &remote(server, "acme/app:oci"));
    skopeo(workbench, &["--format=v2s2"], &single.name("1"), &remote(server, "acme/app:docker"));
    skopeo(workbench, &[], &index.name("1"), &remote(server, "acme/app:index"));
}

/// A repository that is sent no blob: all it has is mounted from another.
async fn mounted(workbench: &Workbench, server: &Server, index: &Layout) {
    for digest in index.blobs().into_keys().filter(|digest| !is_manifest(index, digest)) {
        let mount = format!("/v2/acme/mounted/blobs/uploads/?mount={digest}&from=acme%2Fapp");
        let _ = server.post(mount).body("").send().await.expect(201);
    }
    let copied =
        skopeo(workbench, &[], &remote(server, "acme/app:index"), &remote(server, "acme/mounted:1")).said();
    assert_eq!(copied.matches("PATCH http").count(), 0, "{copied}");
}

/// Whether a blob of an index is the index or a member of it.
fn is_manifest(index: &Layout, digest: &Digest) -> bool {
    let root = index.root();
    let members = index.manifest(&root)["manifests"].as_array().cloned().unwrap_or_default();
    *digest == root || members.iter().any(|member| layout::digest(member) == *digest)
}

/// A tag that moves, one that is added and a manifest that is deleted.
fn by_crane(workbench: &Workbench, server: &Server, single: &Layout, index: &Layout) -> (Digest, Digest) {
    let doomed = Layout::single(workbench, "doomed");
    let moves = server.name("by/crane:moves");
    for image in [single, index] {
        crane(workbench, &["push", image.folder().to_str().expect("a path of ours is text"), &moves]);
    }
    crane(workbench, &["tag", &moves, "added"]);
    let name = server.name("by/crane:doomed");
    crane(workbench, &["push", doomed.folder().to_str().expect("a path of ours is text"), &name]);
    crane(workbench, &["delete", &server.name(&format!("by/crane@{}", doomed.root()))]);
    (single.root(), doomed.root())
}

/// An image one layer of which is named by its sha512.
pub(crate) async fn sha512_layer(server: &wire::Server) -> Blob {
    let layer = Blob::with(Algorithm::Sha512, noise(512, 5000));
    let config = Blob::new(r#"{"architecture":"amd64","os":"linux"}"#);
    for blob in [&layer, &config] {
        push::blob(server, "by/wire", blob).await;
    }
    let manifest = image_of(&config, &layer);
    let _ = push::manifest(server, "by/wire", "sha512-layer", &manifest).await;
    layer
}

/// The manifest of an image of one layer.
pub(crate) fn image_of(config: &Blob, layer: &Blob) -> Manifest {
    let body = json!({
        "schemaVersion": 2,
        "mediaType": MediaType::OCI_MANIFEST,
        "config": config.descriptor(MediaType::OCI_CONFIG),
        "layers": [layer.descriptor(MediaType::new("application/vnd.oci.image.layer.v1.tar"))],
    });
    Manifest::new(MediaType::OCI_MANIFEST, &body)
}

/// A manifest, one that refers to it, and the index under the fallback tag by which clients of registries without the
/// referrers API find the second by the first.
async fn referrer(server: &wire::Server) -> (Digest, Digest) {
    let image = Image::random(700);
    let artifact = Image::artifact(701, &image.manifest, "application/vnd.example.sbom");
    let _ = push::image(server, "by/wire", "subject", &image).await;
    let _ = push::image(server, "by/wire", &artifact.manifest.digest.to_string(), &artifact).await;
    let index = Manifest::index(ManifestKind::OciIndex, &[(&artifact.manifest, "")]);
    let fallback = format!("sha256-{}", image.manifest.digest.hex());
    let _ = push::manifest(server, "by/wire", &fallback, &index).await;
    (image.manifest.digest, artifact.manifest.digest)
}

/// Begins an upload and sends the first part of it.
pub(crate) async fn unfinished(server: &wire::Server, repository: &str) -> Unfinished {
    let blob = Blob::random(4711, 200_000);
    let location = push::begin(server, repository).await;
    let part = server
        .patch(&location)
        .header("Content-Type", "application/octet-stream")
        .header("Content-Range", "0-123455")
        .body(blob.bytes.slice(..123_456));
    let location = part.send().await.expect(202).location().to_owned();
    Unfinished { location, blob }
}

// === impl Unfinished ===

impl Unfinished {
    /// Sends the rest of it.
    pub(crate) async fn finish(self, server: &wire::Server) {
        let rest = server
            .patch(&self.location)
            .header("Content-Type", "application/octet-stream")
            .header("Content-Range", "123456-199999")
            .body(self.blob.bytes.slice(123_456..));
        let location = rest.send().await.expect(202).location().to_owned();
        let _ = server.put(push::finish(&location, &self.blob.digest)).body("").send().await.expect(201);
    }
}

// === impl Pushed ===

impl Pushed {
    /// Finds by the files alone that the directory holds what was pushed, by whomever.
    #[track_caller]
    pub(crate) fn assert_held(&self, tree: &Tree) {
        let contents = tree.contents();
        let names: Vec<_> = contents.repositories.keys().map(String::as_str).collect();
        assert_eq!(names, ["acme/app", "acme/mounted", "by/crane", "by/wire"]);
        let app = contents.of("acme/app");
        assert_eq!((app.tags["oci"], app.tags["index"]), (self.single.root(), self.index.root()));
        assert!(app.tags.contains_key("docker"));
        // One image in two forms, and an index of two.
        assert_eq!(app.manifests.len(), 5);
        let mounted = contents.of("acme/mounted");
        assert_eq!(mounted.tags["1"], self.index.root());
        assert!(mounted.blobs.is_subset(&app.blobs));
        let crane = contents.of("by/crane");
        assert_eq!((crane.tags["moves"], crane.tags["added"]), (self.index.root(), self.index.root()));
        assert!(crane.manifests.contains(&self.untagged) && !crane.manifests.contains(&self.deleted));
        let wire = contents.of("by/wire");
        assert!(wire.blobs.contains(&self.sha512.digest));
        assert!(wire.manifests.contains(&self.subject) && wire.manifests.contains(&self.referrer));
        assert_eq!(tree.uploads("acme/app").len(), 1);
    }
}
