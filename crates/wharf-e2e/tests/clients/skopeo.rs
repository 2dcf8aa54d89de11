//! skopeo, and with it what podman, buildah and CRI-O do: one PATCH a blob, mounts, deletes by digest.

use std::process::Command;

use serde_json::Value;
use wharf_oci::Digest;
use wharf_testkit::process::{Output, run, run_to_failure};

use crate::layout::{Layer, Layout, digest, platform};
use crate::server::Server;
use crate::workbench::Workbench;

/// `--insecure-policy`: any image is trusted, whatever policy.json of the machine says.
fn skopeo(workbench: &Workbench) -> Command {
    let mut command = workbench.tool("skopeo");
    command.arg("--insecure-policy");
    command
}

/// `docker://127.0.0.1:<port>/<reference>`.
fn remote(server: &Server, reference: &str) -> String {
    format!("docker://{}", server.name(reference))
}

/// A copy that leaves every byte as it is.
#[track_caller]
fn copy(workbench: &Workbench, from: &str, to: &str) -> Output {
    copy_with(workbench, &["--all", "--preserve-digests"], from, to)
}

#[track_caller]
fn copy_with(workbench: &Workbench, options: &[&str], from: &str, to: &str) -> Output {
    let mut command = skopeo(workbench);
    // What it asks the registry for, and why, is only said with --debug.
    command.args(["--debug", "copy", "--src-tls-verify=false", "--dest-tls-verify=false"]);
    run(command.args(options).args([from, to]))
}

/// The manifest as the registry gives it.
#[track_caller]
fn raw(workbench: &Workbench, image: &str) -> Vec<u8> {
    run(skopeo(workbench).args(["inspect", "--tls-verify=false", "--raw", image])).stdout
}

#[track_caller]
fn tags(workbench: &Workbench, repository: &str) -> Vec<String> {
    let output = run(skopeo(workbench).args(["list-tags", "--tls-verify=false", repository]));
    let answer: Value = serde_json::from_slice(&output.stdout).expect("it answers in JSON");
    serde_json::from_value(answer["Tags"].clone()).expect("tags are texts")
}

#[test]
fn a_multi_platform_image_comes_back_as_it_went() {
    let workbench = Workbench::new();
    let server = Server::start();
    let image = Layout::multi_platform(&workbench, "pushed");
    let name = remote(&server, "acme/app:1");

    copy(&workbench, &image.name("1"), &name);
    assert_eq!(Digest::of(&raw(&workbench, &name)), image.root());
    assert_eq!(server.stored(), image.blobs().into_keys().collect());

    let pulled = Layout::open(workbench.path("pulled"));
    copy(&workbench, &name, &pulled.name("1"));
    assert_eq!(pulled.root(), image.root());
    assert_eq!(pulled.blobs(), image.blobs());
    server.stop();
}

#[test]
fn an_image_outlives_a_restart() {
    let workbench = Workbench::new();
    let server = Server::start();
    let image = Layout::single(&workbench, "pushed");
    let name = remote(&server, "acme/app:1");
    copy(&workbench, &image.name("1"), &name);

    let server = server.restart();

    let pulled = Layout::open(workbench.path("pulled"));
    copy(&workbench, &name, &pulled.name("1"));
    assert_eq!((pulled.root(), pulled.blobs()), (image.root(), image.blobs()));
    assert_eq!(tags(&workbench, &remote(&server, "acme/app")), ["1"]);
    server.stop();
}

#[test]
fn one_platform_of_an_index_is_copied_alone() {
    let workbench = Workbench::new();
    let server = Server::start();
    let image = Layout::multi_platform(&workbench, "pushed");
    copy(&workbench, &image.name("1"), &remote(&server, "acme/app:1"));

    let pulled = Layout::open(workbench.path("pulled"));
    let mut command = skopeo(&workbench);
    command.args(["--override-os=linux", "--override-arch=arm64", "--override-variant=v8"]);
    command.args(["copy", "--src-tls-verify=false", "--preserve-digests"]);
    run(command.args([remote(&server, "acme/app:1"), pulled.name("1")]));

    let members = &image.manifest(&image.root())["manifests"];
    assert_eq!(members[1]["platform"]["architecture"], "arm64");
    assert_eq!(pulled.root(), digest(&members[1]));
    // Manifest, config and the two layers of one platform.
    assert_eq!(pulled.blobs().len(), 4);
    server.stop();
}

#[test]
fn a_copy_between_repositories_mounts_the_layers() {
    let workbench = Workbench::new();
    let server = Server::start();
    let image = Layout::multi_platform(&workbench, "pushed");
    let (name, other) = (remote(&server, "acme/app:1"), remote(&server, "else/where/app:2"));
    copy(&workbench, &image.name("1"), &name);
    // skopeo mounts what it remembers to be compressed, and it remembers that of a layer it has read to the end. A push
    // may be answered before it has looked for the end of the layer that it sent; a pull it reads to the end.
    copy(&workbench, &name, &Layout::open(workbench.path("read")).name("1"));
    let stored = server.stored();

    let copied = copy(&workbench, &name, &other).said();

    // Three layers, each mounted once. Configs skopeo sends again.
    assert_eq!(copied.matches("... mount OK").count(), 3, "{copied}");
    assert_eq!(copied.matches("Downloading /v2/").count(), 2, "{copied}");
    assert_eq!(server.stored(), stored);
    assert_eq!(Digest::of(&raw(&workbench, &other)), image.root());

    let pulled = Layout::open(workbench.path("pulled"));
    copy(&workbench, &other, &pulled.name("1"));
    assert_eq!(pulled.blobs(), image.blobs());
    server.stop();
}

#[test]
fn a_repeated_copy_sends_no_blob() {
    let workbench = Workbench::new();
    let server = Server::start();
    let image = Layout::single(&workbench, "pushed");
    let name = remote(&server, "acme/app:1");
    let first = copy(&workbench, &image.name("1"), &name).said();
    assert_eq!(first.matches("PATCH http").count(), 4, "{first}");

    let second = copy(&workbench, &image.name("1"), &name).said();

    assert_eq!(second.matches("PATCH http").count(), 0, "{second}");
    assert_eq!(second.matches("... already exists").count(), 4, "{second}");
    assert_eq!(Digest::of(&raw(&workbench, &name)), image.root());
    server.stop();
}

#[test]
fn a_deleted_image_is_gone_and_its_neighbour_stays() {
    let workbench = Workbench::new();
    let server = Server::start();
    let (gone, stays) = (Layout::single(&workbench, "gone"), Layout::multi_platform(&workbench, "stays"));
    let repository = remote(&server, "acme/app");
    copy(&workbench, &gone.name("1"), &format!("{repository}:gone"));
    copy(&workbench, &gone.name("1"), &format!("{repository}:gone-too"));
    copy(&workbench, &stays.name("1"), &format!("{repository}:stays"));
    assert_eq!(tags(&workbench, &repository), ["gone", "gone-too", "stays"]);

    // skopeo resolves the tag and deletes the digest, and with it every tag of that digest.
    run(skopeo(&workbench).args(["delete", "--tls-verify=false", &format!("{repository}:gone")]));

    assert_eq!(tags(&workbench, &repository), ["stays"]);
    for reference in [":gone", ":gone-too", &format!("@{}", gone.root())] {
        let image = format!("{repository}{reference}");
        let refused =
            run_to_failure(skopeo(&workbench).args(["inspect", "--tls-verify=false", "--raw", &image]));
        assert!(refused.said().contains("manifest unknown"), "{refused}");
    }
    assert_eq!(Digest::of(&raw(&workbench, &format!("{repository}:stays"))), stays.root());
    server.stop();
}

#[test]
fn an_image_deleted_and_copied_again_is_back() {
    let workbench = Workbench::new();
    let server = Server::start();
    let image = Layout::single(&workbench, "pushed");
    let name = remote(&server, "acme/app:1");
    copy(&workbench, &image.name("1"), &name);
    run(skopeo(&workbench).args(["delete", "--tls-verify=false", &name]));

    copy(&workbench, &image.name("1"), &name);

    let pulled = Layout::open(workbench.path("pulled"));
    copy(&workbench, &name, &pulled.name("1"));
    assert_eq!((pulled.root(), pulled.blobs()), (image.root(), image.blobs()));
    server.stop();
}

#[test]
fn an_image_in_dockers_own_types_comes_back_as_it_went() {
    let workbench = Workbench::new();
    let server = Server::start();
    let image = Layout::single(&workbench, "pushed");
    let (name, other) = (remote(&server, "acme/app:docker"), remote(&server, "acme/app:other"));

    copy_with(&workbench, &["--format=v2s2"], &image.name("1"), &name);
    let manifest = raw(&workbench, &name);
    let parsed: Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(parsed["mediaType"], "application/vnd.docker.distribution.manifest.v2+json");

    // Through skopeo's own folder format, which keeps manifests of any type.
    let folder = format!("dir:{}", workbench.path("folder").display());
    copy(&workbench, &name, &folder);
    copy(&workbench, &folder, &other);
    assert_eq!(Digest::of(&raw(&workbench, &other)), Digest::of(&manifest));
    server.stop();
}

#[test]
fn layers_compressed_with_zstd_come_back_as_they_went() {
    let workbench = Workbench::new();
    let server = Server::start();
    let image = Layout::single(&workbench, "pushed");
    let name = remote(&server, "acme/app:zstd");

    copy_with(
        &workbench,
        &["--dest-compress-format=zstd", "--format=oci"],
        // Only what is not compressed yet is compressed by skopeo's choice.
        &unpacked(&workbench, &image),
        &name,
    );

    let manifest = raw(&workbench, &name);
    let pulled = Layout::open(workbench.path("pulled"));
    copy(&workbench, &name, &pulled.name("1"));
    assert_eq!(pulled.root(), Digest::of(&manifest));
    let layers = &pulled.manifest(&pulled.root())["layers"];
    assert_eq!(layers.as_array().unwrap().len(), 3);
    for layer in layers.as_array().unwrap() {
        assert_eq!(layer["mediaType"], "application/vnd.oci.image.layer.v1.tar+zstd");
    }
    // Manifest, config, layers: each was read and hashes to its name.
    assert_eq!(pulled.blobs().len(), 5);
    server.stop();
}

/// The same image with plain tars for layers.
fn unpacked(workbench: &Workbench, image: &Layout) -> String {
    let folder = format!("dir:{}", workbench.path("unpacked").display());
    copy_with(workbench, &["--dest-decompress"], &image.name("1"), &folder);
    folder
}

#[test]
fn a_repository_is_synchronised_with_all_its_tags() {
    let workbench = Workbench::new();
    let server = Server::start();
    let (one, two) = (Layout::single(&workbench, "one"), Layout::multi_platform(&workbench, "two"));
    copy(&workbench, &one.name("1"), &remote(&server, "acme/app:one"));
    copy(&workbench, &two.name("1"), &remote(&server, "acme/app:two"));

    let mut command = skopeo(&workbench);
    command.args(["sync", "--all", "--src-tls-verify=false", "--dest-tls-verify=false"]);
    command.args(["--src=docker", "--dest=docker", &server.name("acme/app")]);
    run(command.arg(server.name("mirror")));

    let mirror = remote(&server, "mirror/app");
    assert_eq!(tags(&workbench, &mirror), ["one", "two"]);
    for (tag, image) in [("one", one), ("two", two)] {
        let copied = raw(&workbench, &format!("{mirror}:{tag}"));
        assert_eq!(Digest::of(&copied), image.root());
    }
    server.stop();
}

#[test]
fn a_layer_of_many_megabytes_comes_back_as_it_went() {
    let workbench = Workbench::new();
    let server = Server::start();
    let image = Layout::create(workbench.path("pushed"));
    let layer = Layer::make(&workbench, "big", 32 << 20);
    image.tag("1", &image.add_image(&platform("amd64", None), &[&layer]));
    let name = remote(&server, "acme/app:big");

    copy(&workbench, &image.name("1"), &name);

    let pulled = Layout::open(workbench.path("pulled"));
    copy(&workbench, &name, &pulled.name("1"));
    let blobs = pulled.blobs();
    assert_eq!(blobs, image.blobs());
    assert!(blobs[&layer.digest] > 32 << 20);
    server.stop();
}

#[test]
fn more_tags_than_a_page_are_all_listed() {
    let workbench = Workbench::new();
    let server = Server::start_with("tags: {maxtags: 10}\n");
    server.put_empty_indexes(&workbench, "/v2/acme/app/manifests/t[01-35]");

    let listed = tags(&workbench, &remote(&server, "acme/app"));

    assert_eq!(listed, (1..=35).map(|number| format!("t{number:02}")).collect::<Vec<_>>());
    server.stop();
}
