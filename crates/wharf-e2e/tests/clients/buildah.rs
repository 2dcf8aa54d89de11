//! buildah: images built without a daemon, out of what a registry has, and sent back to it.

#![expect(clippy::disallowed_methods, reason = "what an image is built of are files")]

use serde_json::Value;
use wharf_oci::Digest;
use wharf_testkit::process::run;

use crate::layout::{Layer, Layout};
use crate::server::Server;
use crate::storage::{Storage, digest_of_id};
use crate::workbench::Workbench;

/// The id of the one image of this name, which is the digest of its config.
#[track_caller]
fn image_id(buildah: &Storage<'_>, name: &str) -> Digest {
    digest_of_id(buildah.run(&["images", "--quiet", "--no-trunc", name]).text())
}

#[track_caller]
fn diff_ids(buildah: &Storage<'_>, name: &str) -> Vec<Digest> {
    let found = buildah.run(&["inspect", "--type=image", name]);
    let found: Value = serde_json::from_slice(&found.stdout).expect("it answers in JSON");
    serde_json::from_value(found["OCIv1"]["rootfs"]["diff_ids"].clone()).expect("digests")
}

#[test]
fn an_image_made_from_scratch_comes_back_with_its_id_and_digest() {
    let workbench = Workbench::new();
    let server = Server::start();
    let buildah = Storage::new(&workbench, "buildah");
    let layer = Layer::make(&workbench, "content", 3_000_000);
    let name = server.name("acme/app:1");
    let container = buildah.run(&["from", "scratch"]);
    buildah.run(&["copy", container.text(), layer.tar.to_str().unwrap(), "/content.tar"]);
    buildah.run(&["config", "--label", "colour=blue", container.text()]);
    buildah.run(&["commit", "--rm", container.text(), "localhost/built:1"]);
    let (id, layers) = (image_id(&buildah, "localhost/built:1"), diff_ids(&buildah, "localhost/built:1"));

    let (pushed, _) = buildah.push("localhost/built:1", &name);

    let manifest = server.get(&workbench, "/v2/acme/app/manifests/1");
    assert_eq!(Digest::of(&manifest), pushed);
    // Manifest, config and the one layer.
    assert_eq!((server.stored().len(), layers.len()), (3, 1));
    for name in [name, server.name(format!("acme/app@{pushed}"))] {
        buildah.forget_images();
        buildah.pull(&name);
        assert_eq!((image_id(&buildah, &name), diff_ids(&buildah, &name)), (id, layers.clone()));
    }
    server.stop();
}

#[test]
fn an_image_built_on_a_pulled_one_sends_only_its_new_layer() {
    let workbench = Workbench::new();
    let server = Server::start();
    let buildah = Storage::new(&workbench, "buildah");
    let base = Layout::single(&workbench, "base");
    let (name, other) = (server.name("acme/app:1"), server.name("acme/app:2"));
    let mut skopeo = workbench.tool("skopeo");
    skopeo.args(["--insecure-policy", "copy", "--preserve-digests", "--dest-tls-verify=false"]);
    run(skopeo.args([base.name("1"), format!("docker://{name}")]));
    assert_eq!(server.stored(), base.blobs().into_keys().collect());
    let context = workbench.path("context");
    std::fs::create_dir(&context).unwrap();
    std::fs::write(context.join("file"), "built\n").unwrap();
    std::fs::write(context.join("Containerfile"), format!("FROM {name}\nCOPY file /file\n")).unwrap();

    let context = context.to_str().unwrap();
    buildah.run(&["build", "--isolation=chroot", "--tls-verify=false", "--tag=localhost/built:2", context]);
    let (pushed, _) = buildah.push("localhost/built:2", &other);

    let before = base.blobs().into_keys().collect();
    // A layer, a config, a manifest.
    assert_eq!(server.stored().difference(&before).count(), 3);
    let (id, layers) = (image_id(&buildah, "localhost/built:2"), diff_ids(&buildah, "localhost/built:2"));
    buildah.forget_images();
    buildah.pull(&other);
    assert_eq!((image_id(&buildah, &other), diff_ids(&buildah, &other)), (id, layers.clone()));
    assert_eq!(layers.len(), 4);
    assert_eq!(Digest::of(&server.get(&workbench, "/v2/acme/app/manifests/2")), pushed);
    server.stop();
}
