//! The Docker engine, with layers in its own store: a PATCH without a length, a HEAD after each push, mounts by memory.

pub(crate) mod engine;

use serde_json::Value;
use wharf_oci::Digest;
use wharf_testkit::process::{Output, run};

use self::engine::Engine;
use crate::layout::{Layer, Layout, digest, platform};
use crate::server::Server;
use crate::workbench::Workbench;

/// The digest that `docker push` names last: `1: digest: sha256:… size: 528`.
#[track_caller]
fn pushed_digest(pushed: &Output) -> Digest {
    let (_, rest) = pushed.text().rsplit_once(" digest: ").unwrap_or_else(|| panic!("no digest: {pushed}"));
    let digest = rest.split(' ').next().expect("a split has a first part");
    digest.parse().unwrap_or_else(|error| panic!("{error}: {pushed}"))
}

/// How many layers `docker push` reports so: `0123456789ab: Pushed`.
fn layers(pushed: &Output, what: &str) -> usize {
    let ending = format!(": {what}");
    pushed.text().lines().filter(|line| line.ends_with(&ending)).count()
}

#[track_caller]
fn push(engine: &Engine<'_>, name: &str) -> Output {
    engine.docker(["push", name])
}

#[track_caller]
fn image_id(engine: &Engine<'_>, name: &str) -> Digest {
    let id = engine.docker(["image", "inspect", "--format={{.Id}}", name]);
    id.text().parse().expect("an image's id is the digest of its config")
}

/// `<repository>@<digest>`, one for every registry the engine knows to hold the image.
#[track_caller]
fn repo_digests(engine: &Engine<'_>, name: &str) -> Vec<String> {
    let digests = engine.docker(["image", "inspect", "--format={{json .RepoDigests}}", name]);
    serde_json::from_slice(&digests.stdout).expect("it was to be JSON")
}

/// Takes every image away, layers and all, so that a pull has to fetch them.
#[track_caller]
fn forget_images(engine: &Engine<'_>) {
    let images = engine.docker(["image", "ls", "--quiet", "--no-trunc"]);
    let mut images: Vec<_> = images.text().lines().collect();
    images.dedup();
    engine.docker(["image", "rm", "--force"].iter().chain(&images));
    assert_eq!(engine.docker(["image", "ls", "--quiet", "--all"]).text(), "");
}

/// Loads what the layout has under `1` as `name`, with its config and so its id as they are.
#[track_caller]
fn load(workbench: &Workbench, engine: &Engine<'_>, image: &Layout, name: &str) {
    let archive = workbench.path(format!("{}.docker.tar", image.root().hex()));
    let to = format!("docker-archive:{}:{name}", archive.display());
    let mut skopeo = workbench.tool("skopeo");
    run(skopeo.args(["--insecure-policy", "copy", &image.name("1"), &to]));
    engine.docker(["load".as_ref(), "--input".as_ref(), archive.as_os_str()]);
    assert_eq!(image_id(engine, name), config_of(image));
}

fn config_of(image: &Layout) -> Digest {
    digest(&image.manifest(&image.root())["config"])
}

/// An image of the first `shared` layers and one of its own, under the tag `1`.
fn layered(workbench: &Workbench, name: &str, shared: &[Layer]) -> Layout {
    let layout = Layout::create(workbench.path(name));
    let own = Layer::make(workbench, &format!("{name}-own"), 200_000);
    let layers: Vec<_> = shared.iter().chain([&own]).collect();
    layout.tag("1", &layout.add_image(&platform("amd64", None), &layers));
    layout
}

fn shared_layers(workbench: &Workbench) -> Vec<Layer> {
    let sizes = [1_000, 100_000, 1_000_000, 4_000_000, 10_000, 2_000_000];
    let layer = |(number, size_bytes): (usize, &usize)| {
        Layer::make(workbench, &format!("shared-{number}"), *size_bytes)
    };
    sizes.iter().enumerate().map(layer).collect()
}

#[test]
fn an_imported_image_comes_back_with_its_id_and_digest() {
    let workbench = Workbench::new();
    let server = Server::start();
    let engine = Engine::start(&workbench);
    let layer = Layer::make(&workbench, "imported", 3_000_000);
    let name = server.name("acme/app:1");
    engine.docker(["import".as_ref(), layer.tar.as_os_str(), "imported:1".as_ref()]);
    engine.docker(["tag", "imported:1", &name]);
    let id = image_id(&engine, &name);

    let digest = pushed_digest(&push(&engine, &name));

    let known = [server.name(format!("acme/app@{digest}"))];
    assert_eq!(repo_digests(&engine, &name), known);
    let manifest = server.get(&workbench, "/v2/acme/app/manifests/1");
    assert_eq!(Digest::of(&manifest), digest);

    forget_images(&engine);
    engine.docker(["pull", &name]);
    assert_eq!(image_id(&engine, &name), id);
    assert_eq!(repo_digests(&engine, &name), known);
    // The layer was unpacked: the engine has checked what it hashes to.
    let layers = engine.docker(["image", "inspect", "--format={{json .RootFS.Layers}}", &name]);
    let layers: Vec<Digest> = serde_json::from_slice(&layers.stdout).unwrap();
    assert_eq!(layers, [layer.diff_id]);

    engine.stop();
    server.stop();
}

#[test]
fn an_image_of_many_layers_is_pulled_by_digest() {
    let workbench = Workbench::new();
    let server = Server::start();
    let engine = Engine::start(&workbench);
    let image = layered(&workbench, "image", &shared_layers(&workbench));
    let name = server.name("acme/app:1");
    load(&workbench, &engine, &image, &name);

    let pushed = push(&engine, &name);
    assert_eq!(layers(&pushed, "Pushed"), 7, "{pushed}");
    let by_digest = server.name(format!("acme/app@{}", pushed_digest(&pushed)));

    forget_images(&engine);
    let pulled = engine.docker(["pull", &by_digest]);
    assert_eq!(layers(&pulled, "Pull complete"), 7, "{pulled}");
    assert_eq!(image_id(&engine, &by_digest), config_of(&image));
    assert_eq!(repo_digests(&engine, &by_digest), [by_digest]);

    engine.stop();
    server.stop();
}

#[test]
fn a_push_to_a_second_repository_mounts_the_layers() {
    let workbench = Workbench::new();
    let server = Server::start();
    let engine = Engine::start(&workbench);
    let image = layered(&workbench, "image", &shared_layers(&workbench));
    let (name, other) = (server.name("acme/app:1"), server.name("else/where/app:2"));
    load(&workbench, &engine, &image, &name);
    let digest = pushed_digest(&push(&engine, &name));
    let stored = server.stored();

    engine.docker(["tag", &name, &other]);
    let pushed = push(&engine, &other);

    assert_eq!(layers(&pushed, "Mounted from acme/app"), 7, "{pushed}");
    assert_eq!(pushed_digest(&pushed), digest);
    assert_eq!(server.stored(), stored);

    forget_images(&engine);
    engine.docker(["pull", &other]);
    assert_eq!(image_id(&engine, &other), config_of(&image));

    engine.stop();
    server.stop();
}

#[test]
fn a_changed_image_sends_only_its_new_layer() {
    let workbench = Workbench::new();
    let server = Server::start();
    let engine = Engine::start(&workbench);
    let shared = shared_layers(&workbench);
    let (before, after) = (layered(&workbench, "before", &shared), layered(&workbench, "after", &shared));
    let (old, new) = (server.name("acme/app:1"), server.name("acme/app:2"));
    load(&workbench, &engine, &before, &old);
    load(&workbench, &engine, &after, &new);
    push(&engine, &old);
    let stored = server.stored();

    let pushed = push(&engine, &new);

    assert_eq!(layers(&pushed, "Layer already exists"), 6, "{pushed}");
    assert_eq!(layers(&pushed, "Pushed"), 1, "{pushed}");
    // A layer, a config, a manifest.
    assert_eq!(server.stored().difference(&stored).count(), 3);

    forget_images(&engine);
    engine.docker(["pull", &old]);
    let pulled = engine.docker(["pull", &new]);
    assert_eq!(layers(&pulled, "Already exists"), 6, "{pulled}");
    assert_eq!(image_id(&engine, &old), config_of(&before));
    assert_eq!(image_id(&engine, &new), config_of(&after));

    engine.stop();
    server.stop();
}

#[test]
fn a_push_after_its_tag_was_deleted_brings_it_back() {
    let workbench = Workbench::new();
    let server = Server::start();
    let engine = Engine::start(&workbench);
    let image = layered(&workbench, "image", &shared_layers(&workbench));
    let name = server.name("acme/app:1");
    load(&workbench, &engine, &image, &name);
    let digest = pushed_digest(&push(&engine, &name));

    server.delete(&workbench, "/v2/acme/app/manifests/1");
    let refused = engine.docker_fails(["pull", &name]).said();
    assert!(refused.contains("manifest unknown"), "{refused}");

    let pushed = push(&engine, &name);
    assert_eq!(layers(&pushed, "Layer already exists"), 7, "{pushed}");
    assert_eq!(pushed_digest(&pushed), digest);

    forget_images(&engine);
    engine.docker(["pull", &name]);
    assert_eq!(image_id(&engine, &name), config_of(&image));

    engine.stop();
    server.stop();
}

#[test]
fn a_push_after_its_manifest_was_deleted_brings_it_back() {
    let workbench = Workbench::new();
    let server = Server::start();
    let engine = Engine::start(&workbench);
    let image = layered(&workbench, "image", &[]);
    let name = server.name("acme/app:1");
    load(&workbench, &engine, &image, &name);
    let digest = pushed_digest(&push(&engine, &name));

    server.delete(&workbench, &format!("/v2/acme/app/manifests/{digest}"));
    let refused = engine.docker_fails(["pull", &name]).said();
    assert!(refused.contains("manifest unknown"), "{refused}");

    assert_eq!(pushed_digest(&push(&engine, &name)), digest);

    forget_images(&engine);
    engine.docker(["pull", &name]);
    assert_eq!(image_id(&engine, &name), config_of(&image));

    engine.stop();
    server.stop();
}

#[test]
fn the_platform_asked_for_is_pulled_out_of_an_index() {
    let workbench = Workbench::new();
    let server = Server::start();
    let engine = Engine::start(&workbench);
    let image = Layout::multi_platform(&workbench, "pushed");
    let name = server.name("acme/app:1");
    let mut skopeo = workbench.tool("skopeo");
    skopeo.args(["--insecure-policy", "copy", "--all", "--dest-tls-verify=false"]);
    run(skopeo.args([image.name("1"), format!("docker://{name}")]));

    let members = &image.manifest(&image.root())["manifests"];
    for (platform, member) in [("linux/amd64", &members[0]), ("linux/arm64/v8", &members[1])] {
        engine.docker(["pull", "--platform", platform, &name]);

        let manifest = image.manifest(&digest(member));
        assert_eq!(image_id(&engine, &name), digest(&manifest["config"]));
        // What is pinned is the index, so that another machine gets its own platform.
        let index = server.name(format!("acme/app@{}", image.root()));
        assert_eq!(repo_digests(&engine, &name), [index]);
        forget_images(&engine);
    }

    engine.stop();
    server.stop();
}

#[test]
fn what_the_engine_pushed_is_well_formed_to_other_clients() {
    let workbench = Workbench::new();
    let server = Server::start();
    let engine = Engine::start(&workbench);
    let image = layered(&workbench, "image", &shared_layers(&workbench));
    let name = server.name("acme/app:1");
    load(&workbench, &engine, &image, &name);
    let digest = pushed_digest(&push(&engine, &name));
    engine.stop();

    run(workbench.tool("crane").args(["--insecure", "validate", "--remote", &name]));
    let mut skopeo = workbench.tool("skopeo");
    let output = run(skopeo.args(["inspect", "--tls-verify=false", &format!("docker://{name}")]));
    let inspected: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(inspected["Digest"], digest.to_string());
    assert_eq!(inspected["Layers"].as_array().unwrap().len(), 7);
    server.stop();
}
