//! containerd by its own `ctr`: what nerdctl, Kubernetes and newer Docker engines do, one PUT a blob.

pub(crate) mod daemon;

use std::collections::BTreeSet;

use wharf_oci::Digest;
use wharf_testkit::process::{Output, run};

use self::daemon::Daemon;
use crate::layout::Layout;
use crate::server::Server;
use crate::workbench::Workbench;

/// Every platform of it, not only that of this machine.
const ALL: &str = "--all-platforms";

/// Imports what the layout has as `<name>:1`; nothing is unpacked.
#[track_caller]
fn import(workbench: &Workbench, containerd: &Daemon<'_>, image: &Layout, name: &str) {
    // An archive of a layout is its tar.
    let archive = workbench.path(format!("{}.tar", image.root().hex()));
    let mut command = workbench.tool("tar");
    run(command.arg("--create").arg("--file").arg(&archive).arg("--directory").arg(image.folder()).arg("."));
    let archive = archive.to_str().expect("a path of ours is text");
    containerd.ctr(&["images", "import", ALL, "--no-unpack", "--base-name", name, archive]);
}

/// Sends an image, and gives what was said, every request and answer included.
#[track_caller]
fn push(containerd: &Daemon<'_>, name: &str) -> String {
    containerd.ctr(&["images", "push", "--plain-http", "--http-dump", name]).said()
}

#[track_caller]
fn pull(containerd: &Daemon<'_>, options: &[&str], name: &str) -> Output {
    let pull = ["images", "pull", "--plain-http", "--snapshotter=native"];
    containerd.ctr(&[&pull, options, &[name]].concat())
}

/// The digests of all content that the daemon has.
#[track_caller]
fn content(containerd: &Daemon<'_>) -> BTreeSet<Digest> {
    let listed = containerd.ctr(&["content", "ls", "--quiet"]);
    listed.text().lines().map(|line| line.parse().expect("it lists digests")).collect()
}

/// Takes every image away, and waits until its content is gone too.
#[track_caller]
fn forget_images(containerd: &Daemon<'_>) {
    let images = containerd.ctr(&["images", "ls", "--quiet"]);
    for image in images.text().lines() {
        containerd.ctr(&["images", "rm", "--sync", image]);
    }
    assert_eq!(content(containerd), BTreeSet::new());
}

fn digests(image: &Layout) -> BTreeSet<Digest> {
    image.blobs().into_keys().collect()
}

/// How many requests there were of this method for a path with this in it.
fn requests(said: &str, method: &str, path: &str) -> usize {
    let line = format!("{method} /v2/");
    said.lines()
        .filter(|said| said.contains(&line) && said.contains(path) && said.ends_with("HTTP/1.1\""))
        .count()
}

#[test]
fn an_imported_image_comes_back_as_it_went_and_is_unpacked() {
    let workbench = Workbench::new();
    let server = Server::start();
    let containerd = Daemon::start(&workbench);
    let image = Layout::single(&workbench, "image");
    let name = server.name("acme/app:1");
    import(&workbench, &containerd, &image, &server.name("acme/app"));

    let pushed = push(&containerd, &name);

    assert_eq!(requests(&pushed, "PUT", "/blobs/uploads/"), 4, "{pushed}");
    assert_eq!(server.stored(), digests(&image));
    for name in [name, server.name(format!("acme/app@{}", image.root()))] {
        forget_images(&containerd);
        pull(&containerd, &[], &name);
        assert_eq!(content(&containerd), digests(&image));
        let listed = containerd.ctr(&["images", "ls", &format!("name=={name}")]);
        assert!(listed.text().contains(&image.root().to_string()), "{listed}");
    }
    // A layer of the native snapshotter is a folder, so all three were unpacked.
    let snapshots = containerd.ctr(&["snapshots", "--snapshotter=native", "ls"]);
    assert_eq!(snapshots.text().lines().count(), 1 + 3, "{snapshots}");

    containerd.stop();
    server.stop();
}

#[test]
fn a_multi_platform_image_comes_back_as_it_went() {
    let workbench = Workbench::new();
    let server = Server::start();
    let containerd = Daemon::start(&workbench);
    let image = Layout::multi_platform(&workbench, "image");
    let name = server.name("acme/app:1");
    import(&workbench, &containerd, &image, &server.name("acme/app"));

    push(&containerd, &name);

    assert_eq!(server.stored(), digests(&image));
    forget_images(&containerd);
    let fetch = ["content", "fetch", "--plain-http", ALL, &name];
    containerd.ctr(&fetch);
    assert_eq!(content(&containerd), digests(&image));

    // Of one platform: the index, and a manifest, a config and two layers.
    forget_images(&containerd);
    pull(&containerd, &["--platform=linux/amd64"], &name);
    assert_eq!(content(&containerd).len(), 5);
    containerd.stop();
    server.stop();
}

#[test]
fn a_push_to_a_second_repository_mounts_every_blob() {
    let workbench = Workbench::new();
    let server = Server::start();
    let containerd = Daemon::start(&workbench);
    let image = Layout::single(&workbench, "image");
    let (name, other) = (server.name("acme/app:1"), server.name("else/where/app:2"));
    import(&workbench, &containerd, &image, &server.name("acme/app"));
    push(&containerd, &name);
    // It notes where content is from only when it has fetched it.
    forget_images(&containerd);
    pull(&containerd, &[], &name);
    let stored = server.stored();

    containerd.ctr(&["images", "tag", &name, &other]);
    let pushed = push(&containerd, &other);

    assert_eq!(requests(&pushed, "POST", "from=acme/app"), 4, "{pushed}");
    assert_eq!(requests(&pushed, "PUT", "/blobs/uploads/"), 0, "{pushed}");
    assert_eq!(server.stored(), stored);
    forget_images(&containerd);
    pull(&containerd, &[], &other);
    assert_eq!(content(&containerd), digests(&image));
    containerd.stop();
    server.stop();
}

#[test]
fn a_repeated_push_sends_nothing() {
    let workbench = Workbench::new();
    let server = Server::start();
    let containerd = Daemon::start(&workbench);
    let image = Layout::single(&workbench, "image");
    let name = server.name("acme/app:1");
    import(&workbench, &containerd, &image, &server.name("acme/app"));
    push(&containerd, &name);

    let pushed = push(&containerd, &name);

    assert_eq!(requests(&pushed, "POST", ""), 0, "{pushed}");
    assert_eq!(requests(&pushed, "PUT", ""), 0, "{pushed}");
    assert_eq!(requests(&pushed, "HEAD", "/manifests/1"), 1, "{pushed}");
    containerd.stop();
    server.stop();
}
