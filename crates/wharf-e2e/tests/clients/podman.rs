//! podman: images from its own store, sent as containers/image does it, one PATCH a blob.

use std::process::Command;

use serde_json::{Value, json};
use wharf_oci::Digest;
use wharf_testkit::process::run;

use crate::layout::{Layer, Layout, digest};
use crate::server::Server;
use crate::storage::{Storage, digest_of_id};
use crate::workbench::Workbench;

/// What podman knows of an image.
#[track_caller]
fn inspect(podman: &Storage<'_>, name: &str) -> Value {
    let found = podman.run(&["image", "inspect", name]);
    let mut found: Vec<Value> = serde_json::from_slice(&found.stdout).expect("it answers in JSON");
    found.pop().expect("one image was asked for")
}

#[track_caller]
fn image_id(podman: &Storage<'_>, name: &str) -> Digest {
    digest_of_id(inspect(podman, name)["Id"].as_str().expect("an id is text"))
}

/// Loads what the layout has under `1`, and gives the name by which podman has it.
#[track_caller]
fn load(workbench: &Workbench, podman: &Storage<'_>, image: &Layout) -> &'static str {
    const NAME: &str = "localhost/loaded:1";
    let archive = workbench.path("loaded.tar");
    let to = format!("docker-archive:{}:{NAME}", archive.display());
    run(workbench.tool("skopeo").args(["--insecure-policy", "copy", &image.name("1"), &to]));
    run(podman.command().args(["load", "--input"]).arg(&archive));
    assert_eq!(image_id(podman, NAME), config_of(image, &image.root()));
    NAME
}

fn config_of(image: &Layout, manifest: &Digest) -> Digest {
    digest(&image.manifest(manifest)["config"])
}

#[test]
fn an_imported_image_comes_back_with_its_id_and_digest() {
    let workbench = Workbench::new();
    let server = Server::start();
    let podman = Storage::new(&workbench, "podman");
    let layer = Layer::make(&workbench, "imported", 3_000_000);
    let name = server.name("acme/app:1");
    podman.run(&["import", layer.tar.to_str().unwrap(), "localhost/imported:1"]);
    let id = image_id(&podman, "localhost/imported:1");

    let (pushed, _) = podman.push("localhost/imported:1", &name);

    assert_eq!(Digest::of(&server.get(&workbench, "/v2/acme/app/manifests/1")), pushed);
    podman.forget_images();
    podman.pull(&name);
    assert_eq!(image_id(&podman, &name), id);
    let found = inspect(&podman, &name);
    assert_eq!(found["Digest"], pushed.to_string());
    // The layer was unpacked, and is packed into the same tar again.
    assert_eq!(found["RootFS"]["Layers"], json!([layer.diff_id]));
    server.stop();
}

#[test]
fn a_loaded_image_is_pulled_by_its_digest() {
    let workbench = Workbench::new();
    let server = Server::start();
    let podman = Storage::new(&workbench, "podman");
    let image = Layout::single(&workbench, "image");
    let loaded = load(&workbench, &podman, &image);

    let (pushed, _) = podman.push(loaded, &server.name("acme/app:1"));

    // Manifest, config and three layers.
    assert_eq!(server.stored().len(), 5);
    let by_digest = server.name(format!("acme/app@{pushed}"));
    podman.forget_images();
    podman.pull(&by_digest);
    assert_eq!(image_id(&podman, &by_digest), config_of(&image, &image.root()));
    assert_eq!(inspect(&podman, &by_digest)["RepoDigests"], json!([by_digest]));
    server.stop();
}

#[test]
fn a_push_to_a_second_repository_mounts_the_layers() {
    let workbench = Workbench::new();
    let server = Server::start();
    let podman = Storage::new(&workbench, "podman");
    let image = Layout::single(&workbench, "image");
    let loaded = load(&workbench, &podman, &image);
    let (first, _) = podman.push(loaded, &server.name("acme/app:1"));
    let stored = server.stored();

    let (second, pushed) = podman.push(loaded, &server.name("else/where/app:2"));

    let pushed = pushed.said();
    assert_eq!(pushed.matches("... mount OK").count(), 3, "{pushed}");
    assert_eq!((second, server.stored()), (first, stored));
    podman.forget_images();
    podman.pull(&server.name("else/where/app:2"));
    assert_eq!(image_id(&podman, &server.name("else/where/app:2")), config_of(&image, &image.root()));
    server.stop();
}

#[test]
fn a_list_is_pushed_with_all_its_members() {
    let workbench = Workbench::new();
    let server = Server::start();
    let podman = Storage::new(&workbench, "podman");
    let image = Layout::multi_platform(&workbench, "pushed");
    let name = server.name("acme/app:1");
    podman.run(&["manifest", "create", "localhost/list:1"]);
    podman.run(&["manifest", "add", "--all", "localhost/list:1", &image.name("1")]);

    let (pushed, _) = podman.push_with(&["manifest", "push", "--all"], "localhost/list:1", &name);

    let list = server.get(&workbench, "/v2/acme/app/manifests/1");
    assert_eq!(Digest::of(&list), pushed);
    let list: Value = serde_json::from_slice(&list).unwrap();
    let members: Vec<_> = list["manifests"].as_array().unwrap().iter().map(digest).collect();
    let expected = image.manifest(&image.root())["manifests"].clone();
    assert_eq!(members, expected.as_array().unwrap().iter().map(digest).collect::<Vec<_>>());

    for (architecture, member) in [("amd64", members[0]), ("arm64", members[1])] {
        podman.forget_images();
        pull_for(&podman, architecture, &name);
        assert_eq!(image_id(&podman, &name), config_of(&image, &member));
    }
    server.stop();
}

#[track_caller]
fn pull_for(podman: &Storage<'_>, architecture: &str, name: &str) {
    let mut command: Command = podman.command();
    command.args(["pull", "--tls-verify=false", "--arch", architecture]);
    if architecture == "arm64" {
        command.args(["--variant", "v8"]);
    }
    run(command.arg(name));
}

#[test]
fn tags_are_listed_by_a_search() {
    let workbench = Workbench::new();
    let server = Server::start_with("tags: {maxtags: 10}\n");
    let podman = Storage::new(&workbench, "podman");
    server.put_empty_indexes(&workbench, "/v2/acme/app/manifests/t[01-35]");

    let found =
        podman.run(&["search", "--tls-verify=false", "--list-tags", "--limit=100", &server.name("acme/app")]);

    // Under a heading: the repository, and a tag.
    let tags = found.text().lines().skip(1).filter_map(|line| line.split_whitespace().nth(1));
    assert_eq!(tags.collect::<Vec<_>>(), (1..=35).map(|number| format!("t{number:02}")).collect::<Vec<_>>());
    server.stop();
}
