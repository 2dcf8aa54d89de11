//! oras: artifacts and what refers to them, as helm, notation and flux push them too, since all are oras-go.

#![expect(clippy::disallowed_methods, reason = "artifacts are made of files")]

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use wharf_oci::Digest;
use wharf_testkit::process::{Output, run, run_to_failure};

use crate::layout::{Layer, Layout, digest};
use crate::server::Server;
use crate::workbench::Workbench;

const THING: &str = "application/vnd.example.thing";
const SBOM: &str = "application/vnd.example.sbom";
const SIGNATURE: &str = "application/vnd.example.signature";

fn oras(workbench: &Workbench, arguments: &[&str]) -> Command {
    let mut command = workbench.tool("oras");
    command.args(arguments);
    command
}

/// One that speaks to one registry, in clear text.
fn plain(workbench: &Workbench, command: &[&str], arguments: &[&str]) -> Command {
    oras(workbench, &[command, &["--plain-http"], arguments].concat())
}

/// What it answers under `--format json`.
#[track_caller]
fn json(workbench: &Workbench, command: &[&str], arguments: &[&str]) -> Value {
    let output = run(plain(workbench, command, arguments).arg("--format=json"));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output}"))
}

/// Copies within one registry, or from and to a folder.
#[track_caller]
fn copy(workbench: &Workbench, options: &[&str], from: &str, to: &str) -> Output {
    run(&mut oras(workbench, &[&["cp", "--no-tty"], options, &[from, to]].concat()))
}

/// Pushes two files of their own types; gives their folder and the artifact's digest.
#[track_caller]
fn push(workbench: &Workbench, name: &str) -> (PathBuf, Digest) {
    let layer = Layer::make(workbench, "files", 2_000_000);
    let folder = layer.tar.parent().expect("a file is in a folder").to_owned();
    std::fs::write(folder.join("notes.txt"), "of interest\n").expect("a file can be written");
    let mut command =
        plain(workbench, &["push"], &["--no-tty", "--format=json", "--artifact-type", THING, name]);
    let pushed = run(command.args(["files.tar:application/x-tar", "notes.txt:text/plain"]));
    let pushed: Value = serde_json::from_slice(&pushed.stdout).expect("it answers in JSON");
    (folder, digest(&pushed))
}

/// Attaches a file to the artifact; gives the digest of what now refers to it.
#[track_caller]
fn attach(workbench: &Workbench, name: &str, kind: &str) -> Digest {
    std::fs::write(workbench.path("attached.txt"), kind).expect("a file can be written");
    let attach = ["--no-tty", "--artifact-type", kind, name, "attached.txt:text/plain"];
    digest(&json(workbench, &["attach"], &attach))
}

/// The type and digest of what refers to the artifact, in the order of their types.
#[track_caller]
fn discover(workbench: &Workbench, options: &[&str], name: &str) -> Vec<(String, Digest)> {
    let found = json(workbench, &["discover"], &[options, &[name]].concat());
    let referrers = found["referrers"].as_array().unwrap_or_else(|| panic!("no list: {found}"));
    let text = |value: &Value| value.as_str().expect("a type is text").to_owned();
    let mut referrers: Vec<_> =
        referrers.iter().map(|referrer| (text(&referrer["artifactType"]), digest(referrer))).collect();
    referrers.sort_by(|(one, _), (other, _)| one.cmp(other));
    referrers
}

#[test]
fn an_artifact_comes_back_as_it_went() {
    let workbench = Workbench::new();
    let server = Server::start();
    let name = server.name("acme/thing:1");
    let (folder, pushed) = push(&workbench, &name);

    for name in [&name, &server.name(format!("acme/thing@{pushed}"))] {
        let pulled = workbench.path("pulled");
        run(plain(&workbench, &["pull"], &["--no-tty", name, "--output"]).arg(&pulled));
        for file in ["files.tar", "notes.txt"] {
            let (sent, came) = (std::fs::read(folder.join(file)), std::fs::read(pulled.join(file)));
            assert!(sent.unwrap() == came.unwrap(), "{file} of {name} came back changed");
        }
        std::fs::remove_dir_all(pulled).unwrap();
    }
    let found = run(&mut plain(&workbench, &["resolve"], &[&name]));
    assert_eq!(found.text(), pushed.to_string());
    let manifest = run(&mut plain(&workbench, &["manifest", "fetch"], &[&name])).stdout;
    assert_eq!(Digest::of(&manifest), pushed);
    server.stop();
}

#[test]
fn a_multi_platform_image_comes_back_as_it_went() {
    let workbench = Workbench::new();
    let server = Server::start();
    let image = Layout::multi_platform(&workbench, "image");
    let name = server.name("acme/app:1");
    let from = format!("{}:1", image.folder().display());

    copy(&workbench, &["--from-oci-layout", "--to-plain-http"], &from, &name);

    assert_eq!(server.stored(), image.blobs().into_keys().collect());
    let pulled = Layout::open(workbench.path("pulled"));
    let to = format!("{}:1", pulled.folder().display());
    copy(&workbench, &["--from-plain-http", "--to-oci-layout"], &name, &to);
    let root = run(&mut oras(&workbench, &["resolve", "--oci-layout", &to]));
    assert_eq!((root.text(), pulled.blobs()), (image.root().to_string().as_str(), image.blobs()));
    server.stop();
}

#[test]
fn what_is_attached_is_discovered() {
    let workbench = Workbench::new();
    let server = Server::start();
    let name = server.name("acme/thing:1");
    let (_, pushed) = push(&workbench, &name);
    assert_eq!(discover(&workbench, &[], &name), []);

    let (sbom, signature) = (attach(&workbench, &name, SBOM), attach(&workbench, &name, SIGNATURE));

    let expected = [(SBOM.to_owned(), sbom), (SIGNATURE.to_owned(), signature)];
    assert_eq!(discover(&workbench, &[], &name), expected);
    let by_digest = server.name(format!("acme/thing@{pushed}"));
    assert_eq!(discover(&workbench, &["--artifact-type", SIGNATURE], &by_digest), expected[1..]);
    // One of a kind that refers to one of another is found by going on.
    let deeper = attach(&workbench, &server.name(format!("acme/thing@{sbom}")), SIGNATURE);
    let found = json(&workbench, &["discover"], &[&name]);
    assert!(found.to_string().contains(&deeper.to_string()), "{found}");
    // Nobody had to fall back to a tag for referrers.
    let tags = run(&mut plain(&workbench, &["repo", "tags"], &[&server.name("acme/thing")]));
    assert_eq!(tags.text(), "1");
    server.stop();
}

#[test]
fn a_copy_takes_along_what_is_attached_and_sends_no_blob() {
    let workbench = Workbench::new();
    let server = Server::start();
    let (name, other) = (server.name("acme/thing:1"), server.name("else/where/thing:2"));
    let (_, pushed) = push(&workbench, &name);
    attach(&workbench, &name, SBOM);
    attach(&workbench, &name, SIGNATURE);
    let (stored, attached) = (server.stored(), discover(&workbench, &[], &name));

    let copied =
        copy(&workbench, &["--recursive", "--from-plain-http", "--to-plain-http"], &name, &other).said();

    // Two files, two attached ones, and the empty config of all three manifests.
    assert_eq!(copied.matches("Mounted ").count(), 5, "{copied}");
    assert_eq!(server.stored(), stored);
    assert_eq!(run(&mut plain(&workbench, &["resolve"], &[&other])).text(), pushed.to_string());
    assert_eq!(discover(&workbench, &[], &other), attached);
    server.stop();
}

#[test]
fn what_is_deleted_is_gone_and_what_is_elsewhere_stays() {
    let workbench = Workbench::new();
    let server = Server::start();
    let (name, other) = (server.name("acme/thing:1"), server.name("else/where/thing:2"));
    let (_, pushed) = push(&workbench, &name);
    let (sbom, signature) = (attach(&workbench, &name, SBOM), attach(&workbench, &name, SIGNATURE));
    copy(&workbench, &["--recursive", "--from-plain-http", "--to-plain-http"], &name, &other);

    let delete = |name: &str| run(&mut plain(&workbench, &["manifest", "delete"], &["--force", name]));
    delete(&server.name(format!("acme/thing@{sbom}")));

    let left = [(SIGNATURE.to_owned(), signature)];
    assert_eq!(discover(&workbench, &[], &name), left);
    delete(&name);
    for name in [&name, &server.name(format!("acme/thing@{pushed}"))] {
        let refused = run_to_failure(&mut plain(&workbench, &["manifest", "fetch"], &[name])).said();
        assert!(refused.contains("not found"), "{refused}");
    }
    assert_eq!(discover(&workbench, &[], &other).len(), 2);
    server.stop();
}

#[test]
fn tags_are_given_and_listed() {
    let workbench = Workbench::new();
    let server = Server::start_with("tags: {maxtags: 10}\ncatalog: {maxentries: 2}\n");
    let name = server.name("acme/thing:t00");
    push(&workbench, &name);
    server.put_empty_indexes(&workbench, "/v2/acme/thing/manifests/t[01-35]");
    server.put_empty_indexes(&workbench, "/v2/r/[1-5]/manifests/1");

    run(&mut plain(&workbench, &["tag"], &[&name, "t36", "t37"]));

    let tags = run(&mut plain(&workbench, &["repo", "tags"], &[&server.name("acme/thing")]));
    let expected: Vec<_> = (0..=37).map(|number| format!("t{number:02}")).collect();
    assert_eq!(tags.text().lines().collect::<Vec<_>>(), expected);
    let repositories = run(&mut plain(&workbench, &["repo", "ls"], &[&server.host()]));
    let expected = ["acme/thing", "r/1", "r/2", "r/3", "r/4", "r/5"];
    assert_eq!(repositories.text().lines().collect::<Vec<_>>(), expected);
    server.stop();
}

#[test]
fn a_blob_is_pushed_fetched_and_deleted_alone() {
    let workbench = Workbench::new();
    let server = Server::start();
    let layer = Layer::make(&workbench, "blob", 1_000_000);
    let blob = server.name(format!("acme/blobs@{}", layer.digest));
    let file = workbench.path("blob.tar.gz");

    run(plain(&workbench, &["blob", "push"], &["--no-tty", &blob]).arg(&file));

    let fetched = workbench.path("fetched");
    run(plain(&workbench, &["blob", "fetch"], &["--no-tty", &blob, "--output"]).arg(&fetched));
    assert!(std::fs::read(&fetched).unwrap() == std::fs::read(&file).unwrap());
    run(&mut plain(&workbench, &["blob", "delete"], &["--force", &blob]));
    let refused = run_to_failure(&mut plain(&workbench, &["blob", "fetch"], &["--descriptor", &blob])).said();
    assert!(refused.contains("not found"), "{refused}");
    server.stop();
}
