//! crane: what ko, kaniko, Tekton and cosign do too, since all are go-containerregistry.

use std::process::Command;

use serde_json::Value;
use wharf_oci::Digest;
use wharf_testkit::process::{Output, run, run_to_failure};

use crate::layout::{Layer, Layout, digest};
use crate::server::Server;
use crate::workbench::Workbench;

/// `--insecure`: plain HTTP is fine.
fn crane(workbench: &Workbench, arguments: &[&str]) -> Command {
    let mut command = workbench.tool("crane");
    command.arg("--insecure").args(arguments);
    command
}

#[track_caller]
fn push(workbench: &Workbench, layout: &Layout, name: &str) -> Output {
    let folder = layout.folder().to_str().expect("a path of ours is text");
    run(&mut crane(workbench, &["push", folder, name]))
}

#[track_caller]
fn pull(workbench: &Workbench, name: &str, folder: &str) -> Layout {
    let layout = Layout::open(workbench.path(folder));
    run(crane(workbench, &["pull", "--format=oci", name]).arg(layout.folder()));
    layout
}

#[track_caller]
fn digest_of(workbench: &Workbench, name: &str) -> Digest {
    let output = run(&mut crane(workbench, &["digest", name]));
    output.text().parse().expect("crane prints a digest")
}

#[track_caller]
fn lines(command: &mut Command) -> Vec<String> {
    run(command).text().lines().map(str::to_owned).collect()
}

#[track_caller]
fn json(command: &mut Command) -> Value {
    serde_json::from_slice(&run(command).stdout).expect("crane prints JSON")
}

#[test]
fn an_image_comes_back_as_it_went() {
    let workbench = Workbench::new();
    let server = Server::start();
    let image = Layout::single(&workbench, "pushed");
    let name = server.name("acme/app:1");

    let pushed = push(&workbench, &image, &name);

    let by_digest = server.name(format!("acme/app@{}", image.root()));
    assert_eq!(pushed.text(), by_digest);
    assert_eq!(digest_of(&workbench, &name), image.root());
    assert_eq!(server.stored(), image.blobs().into_keys().collect());
    for name in [&name, &by_digest] {
        let manifest = run(&mut crane(&workbench, &["manifest", name])).stdout;
        assert_eq!(Digest::of(&manifest), image.root());
        run(&mut crane(&workbench, &["validate", "--remote", name]));
    }
    let pulled = pull(&workbench, &name, "pulled");
    assert_eq!((pulled.root(), pulled.blobs()), (image.root(), image.blobs()));
    server.stop();
}

#[test]
fn a_multi_platform_image_comes_back_as_it_went() {
    let workbench = Workbench::new();
    let server = Server::start();
    let image = Layout::multi_platform(&workbench, "pushed");
    let name = server.name("acme/app:1");

    push(&workbench, &image, &name);

    assert_eq!(digest_of(&workbench, &name), image.root());
    run(&mut crane(&workbench, &["validate", "--remote", &name]));
    let pulled = pull(&workbench, &name, "pulled");
    assert_eq!((pulled.root(), pulled.blobs()), (image.root(), image.blobs()));

    let members = &image.manifest(&image.root())["manifests"];
    for (platform, member) in [("linux/amd64", &members[0]), ("linux/arm64/v8", &members[1])] {
        let found = run(&mut crane(&workbench, &["digest", "--platform", platform, &name]));
        assert_eq!(found.text(), digest(member).to_string());
    }
    server.stop();
}

#[test]
fn a_blob_is_fetched_by_its_digest() {
    let workbench = Workbench::new();
    let server = Server::start();
    let image = Layout::single(&workbench, "pushed");
    push(&workbench, &image, &server.name("acme/app:1"));

    for (digest, size) in image.blobs() {
        if digest == image.root() {
            continue;
        }
        let name = server.name(format!("acme/app@{digest}"));
        let blob = run(&mut crane(&workbench, &["blob", &name])).stdout;
        assert_eq!((Digest::of(&blob), blob.len() as u64), (digest, size));
    }

    let config = json(&mut crane(&workbench, &["config", &server.name("acme/app:1")]));
    assert_eq!(config["architecture"], "amd64");
    server.stop();
}

#[test]
fn a_copy_to_another_repository_mounts_every_blob() {
    let workbench = Workbench::new();
    let server = Server::start();
    let image = Layout::multi_platform(&workbench, "pushed");
    let (name, other) = (server.name("acme/app:1"), server.name("else/where/app:2"));
    push(&workbench, &image, &name);
    let stored = server.stored();

    let copied = run(&mut crane(&workbench, &["copy", &name, &other])).said();

    // Two configs and three layers.
    assert_eq!(copied.matches("mounted blob: ").count(), 5, "{copied}");
    assert_eq!(copied.matches("pushed blob: ").count(), 0, "{copied}");
    assert_eq!(server.stored(), stored);
    assert_eq!(digest_of(&workbench, &other), image.root());
    let pulled = pull(&workbench, &other, "pulled");
    assert_eq!(pulled.blobs(), image.blobs());
    server.stop();
}

#[test]
fn a_repository_is_copied_with_all_its_tags() {
    let workbench = Workbench::new();
    let server = Server::start();
    let (one, two) = (Layout::single(&workbench, "one"), Layout::multi_platform(&workbench, "two"));
    push(&workbench, &one, &server.name("acme/app:one"));
    push(&workbench, &two, &server.name("acme/app:two"));

    run(&mut crane(&workbench, &["copy", "--all-tags", &server.name("acme/app"), &server.name("mirror")]));

    assert_eq!(lines(&mut crane(&workbench, &["ls", &server.name("mirror")])), ["one", "two"]);
    assert_eq!(digest_of(&workbench, &server.name("mirror:one")), one.root());
    assert_eq!(digest_of(&workbench, &server.name("mirror:two")), two.root());
    server.stop();
}

#[test]
fn tags_and_repositories_are_listed() {
    let workbench = Workbench::new();
    let server = Server::start();
    let (first, second) = (Layout::single(&workbench, "first"), Layout::single(&workbench, "second"));
    assert!(lines(&mut crane(&workbench, &["catalog", &server.host()])).is_empty());
    push(&workbench, &first, &server.name("acme/app:1.0"));
    push(&workbench, &second, &server.name("acme:latest"));

    for tag in ["1.0.1", "1.0-alpine", "1"] {
        run(&mut crane(&workbench, &["tag", &server.name("acme/app:1.0"), tag]));
    }

    let tags = lines(&mut crane(&workbench, &["ls", &server.name("acme/app")]));
    assert_eq!(tags, ["1", "1.0", "1.0-alpine", "1.0.1"]);
    for tag in tags {
        assert_eq!(digest_of(&workbench, &server.name(format!("acme/app:{tag}"))), first.root());
    }
    let repositories = lines(&mut crane(&workbench, &["catalog", &server.host()]));
    assert_eq!(repositories, ["acme", "acme/app"]);
    server.stop();
}

#[test]
fn more_than_a_page_is_listed_whole() {
    let workbench = Workbench::new();
    // crane asks for 1000 at once, gets a page, and follows the link to the next.
    let server = Server::start_with("tags: {maxtags: 10}\ncatalog: {maxentries: 10}\n");
    server.put_empty_indexes(&workbench, "/v2/tags/manifests/t[01-35]");
    server.put_empty_indexes(&workbench, "/v2/r/[01-35]/manifests/1");

    let tags = lines(&mut crane(&workbench, &["ls", &server.name("tags")]));
    assert_eq!(tags, (1..=35).map(|number| format!("t{number:02}")).collect::<Vec<_>>());

    let repositories = lines(&mut crane(&workbench, &["catalog", &server.host()]));
    let expected = (1..=35).map(|number| format!("r/{number:02}"));
    assert_eq!(repositories, expected.chain(["tags".to_owned()]).collect::<Vec<_>>());
    server.stop();
}

#[test]
fn a_tag_moves_and_what_it_was_stays_by_digest() {
    let workbench = Workbench::new();
    let server = Server::start();
    let (old, new) = (Layout::single(&workbench, "old"), Layout::single(&workbench, "new"));
    let name = server.name("acme/app:1");

    push(&workbench, &old, &name);
    push(&workbench, &new, &name);

    assert_eq!(digest_of(&workbench, &name), new.root());
    let before = server.name(format!("acme/app@{}", old.root()));
    assert_eq!(digest_of(&workbench, &before), old.root());
    run(&mut crane(&workbench, &["validate", "--remote", &before]));
    server.stop();
}

#[test]
fn a_manifest_deleted_by_digest_is_gone_with_its_tags() {
    let workbench = Workbench::new();
    let server = Server::start();
    let (gone, stays) = (Layout::single(&workbench, "gone"), Layout::single(&workbench, "stays"));
    push(&workbench, &gone, &server.name("acme/app:gone"));
    push(&workbench, &stays, &server.name("acme/app:stays"));
    let by_digest = server.name(format!("acme/app@{}", gone.root()));

    run(&mut crane(&workbench, &["delete", &by_digest]));

    for name in [&by_digest, &server.name("acme/app:gone")] {
        let refused = run_to_failure(&mut crane(&workbench, &["manifest", name])).said();
        assert!(refused.contains("MANIFEST_UNKNOWN"), "{refused}");
    }
    // Deleting what is not there is an error, as the specification has it.
    let refused = run_to_failure(&mut crane(&workbench, &["delete", &by_digest])).said();
    assert!(refused.contains("MANIFEST_UNKNOWN"), "{refused}");
    assert_eq!(lines(&mut crane(&workbench, &["ls", &server.name("acme/app")])), ["stays"]);
    run(&mut crane(&workbench, &["validate", "--remote", &server.name("acme/app:stays")]));
    server.stop();
}

#[test]
fn a_tag_deleted_by_name_leaves_the_manifest_and_its_other_tags() {
    let workbench = Workbench::new();
    let server = Server::start();
    let image = Layout::single(&workbench, "pushed");
    push(&workbench, &image, &server.name("acme/app:gone"));
    run(&mut crane(&workbench, &["tag", &server.name("acme/app:gone"), "stays"]));

    run(&mut crane(&workbench, &["delete", &server.name("acme/app:gone")]));

    assert_eq!(lines(&mut crane(&workbench, &["ls", &server.name("acme/app")])), ["stays"]);
    let refused = run_to_failure(&mut crane(&workbench, &["manifest", &server.name("acme/app:gone")])).said();
    assert!(refused.contains("MANIFEST_UNKNOWN"), "{refused}");
    assert_eq!(digest_of(&workbench, &server.name("acme/app:stays")), image.root());
    server.stop();
}

#[test]
fn an_appended_layer_is_the_only_one_sent() {
    let workbench = Workbench::new();
    let server = Server::start();
    let image = Layout::single(&workbench, "pushed");
    let layer = Layer::make(&workbench, "appended", 500_000);
    let (base, name) = (server.name("acme/app:1"), server.name("acme/app:2"));
    push(&workbench, &image, &base);
    let before = server.stored();

    let tar = layer.tar.to_str().unwrap();
    run(&mut crane(&workbench, &["append", "--base", &base, "--new_layer", tar, "--new_tag", &name]));

    // A layer, a config, a manifest.
    assert_eq!(server.stored().difference(&before).count(), 3);
    run(&mut crane(&workbench, &["validate", "--remote", &name]));
    let config = json(&mut crane(&workbench, &["config", &name]));
    let diff_ids = config["rootfs"]["diff_ids"].as_array().unwrap();
    assert_eq!(diff_ids.len(), 4);
    assert_eq!(diff_ids[3], layer.diff_id.to_string());
    assert_eq!(digest_of(&workbench, &base), image.root());
    server.stop();
}

#[test]
fn a_changed_config_is_pushed_beside_the_old_one() {
    let workbench = Workbench::new();
    let server = Server::start();
    let image = Layout::single(&workbench, "pushed");
    let (base, name) = (server.name("acme/app:1"), server.name("acme/app:labelled"));
    push(&workbench, &image, &base);
    let before = server.stored();

    run(&mut crane(&workbench, &["mutate", "--label", "colour=blue", "--tag", &name, &base]));

    // A config, a manifest.
    assert_eq!(server.stored().difference(&before).count(), 2);
    let config = json(&mut crane(&workbench, &["config", &name]));
    assert_eq!(config["config"]["Labels"]["colour"], "blue");
    run(&mut crane(&workbench, &["validate", "--remote", &name]));
    server.stop();
}

#[test]
fn an_index_is_made_of_pushed_images_and_narrowed() {
    let workbench = Workbench::new();
    let server = Server::start();
    let image = Layout::multi_platform(&workbench, "pushed");
    let members = image.manifest(&image.root())["manifests"].clone();
    push(&workbench, &image, &server.name("acme/app:1"));
    let member = |number: usize| server.name(format!("acme/app@{}", digest(&members[number])));
    let (made, narrowed) = (server.name("acme/app:made"), server.name("acme/app:narrowed"));

    run(&mut crane(&workbench, &["index", "append", "-m", &member(0), "-m", &member(1), "-t", &made]));
    run(&mut crane(&workbench, &["index", "filter", &made, "--platform", "linux/arm64/v8", "-t", &narrowed]));

    let found = |name: &str| {
        let index = json(&mut crane(&workbench, &["manifest", name]));
        let members = index["manifests"].as_array().unwrap();
        members.iter().map(digest).collect::<Vec<_>>()
    };
    assert_eq!(found(&made), [digest(&members[0]), digest(&members[1])]);
    assert_eq!(found(&narrowed), [digest(&members[1])]);
    run(&mut crane(&workbench, &["validate", "--remote", &made]));
    server.stop();
}
