//! regctl, which is regclient: chunks with their ranges, artifacts, tags deleted by name, and sha512 throughout.

#![expect(clippy::disallowed_methods, reason = "artifacts are made of files")]

use std::process::Command;

use serde_json::Value;
use wharf_oci::{Algorithm, Digest};
use wharf_testkit::process::{Output, run, run_to_failure};

use crate::layout::{Layout, digest};
use crate::server::Server;
use crate::workbench::Workbench;

const SBOM: &str = "application/vnd.example.sbom";
const SIGNATURE: &str = "application/vnd.example.signature";

fn regctl(workbench: &Workbench, server: &Server, arguments: &[&str]) -> Command {
    let mut command = workbench.tool("regctl");
    command.arg(format!("--host=reg={},tls=disabled", server.host())).args(arguments);
    command
}

#[track_caller]
fn text(workbench: &Workbench, server: &Server, arguments: &[&str]) -> String {
    run(&mut regctl(workbench, server, arguments)).text().to_owned()
}

#[track_caller]
fn copy(workbench: &Workbench, server: &Server, options: &[&str], from: &str, to: &str) -> Output {
    // Every request and answer is only shown so.
    let copy = ["--verbosity=trace", "image", "copy"];
    run(&mut regctl(workbench, server, &[&copy, options, &[from, to]].concat()))
}

/// The digest that a HEAD of the manifest gives.
#[track_caller]
fn head(workbench: &Workbench, server: &Server, name: &str) -> String {
    text(workbench, server, &["manifest", "head", name])
}

/// `ocidir://<folder>:1`.
fn folder(image: &Layout) -> String {
    format!("ocidir://{}:1", image.folder().display())
}

/// Brings the image there, into a folder, where every blob is compared with its name.
#[track_caller]
fn pull(workbench: &Workbench, server: &Server, name: &str) -> Layout {
    let pulled = Layout::open(workbench.path("pulled"));
    copy(workbench, server, &[], name, &folder(&pulled));
    pulled
}

/// How many requests of this method were answered so.
fn answered(said: &str, method: &str, status: &str) -> usize {
    let (method, status) = (format!("req-method={method} "), format!("resp-status=\"{status}\""));
    said.lines().filter(|line| line.contains(&method) && line.contains(&status)).count()
}

/// Attaches a file to the image; gives the digest of what now refers to it.
#[track_caller]
fn attach(workbench: &Workbench, server: &Server, name: &str, kind: &str) -> Digest {
    let file = workbench.path("attached.txt");
    std::fs::write(&file, kind).expect("a file can be written");
    let put = ["artifact", "put", "--format={{ .Manifest.GetDescriptor.Digest }}", "--artifact-type", kind];
    let attached = run(regctl(workbench, server, &put).args(["--subject", name, "--file"]).arg(file));
    attached.text().parse().unwrap_or_else(|error| panic!("{error}: {attached}"))
}

/// The digests of what refers to the image, in order.
#[track_caller]
fn list(workbench: &Workbench, server: &Server, options: &[&str], name: &str) -> Vec<Digest> {
    let list = ["artifact", "list", "--format={{ json .Descriptors }}"];
    let listed = text(workbench, server, &[&list, options, &[name]].concat());
    let listed: Value = serde_json::from_str(&listed).unwrap_or_else(|error| panic!("{error}: {listed}"));
    let mut digests: Vec<_> = listed.as_array().into_iter().flatten().map(digest).collect();
    digests.sort();
    digests
}

#[test]
fn layers_sent_in_chunks_come_back_as_they_went() {
    let workbench = Workbench::new();
    let server = Server::start();
    let image = Layout::single(&workbench, "image");
    let name = server.name("acme/app:1");
    let set =
        ["registry", "set", &server.host(), "--tls=disabled", "--blob-chunk=100000", "--blob-max=50000"];
    run(workbench.tool("regctl").args(set));

    let mut command = workbench.tool("regctl");
    let pushed = run(command.args(["--verbosity=trace", "image", "copy", &folder(&image), &name])).said();

    // Two of the layers are larger than 50,000 bytes, one of them than three million.
    assert!(answered(&pushed, "PATCH", "202 Accepted") > 30, "{pushed}");
    assert_eq!(answered(&pushed, "PATCH", "416 Requested Range Not Satisfiable"), 0, "{pushed}");
    assert!(pushed.contains("Content-Range:[100000-199999]"), "{pushed}");
    assert_eq!(server.stored(), image.blobs().into_keys().collect());
    let pulled = pull(&workbench, &server, &name);
    assert_eq!((pulled.root(), pulled.blobs()), (image.root(), image.blobs()));
    server.stop();
}

#[test]
fn a_copy_to_another_repository_mounts_every_blob() {
    let workbench = Workbench::new();
    let server = Server::start();
    let image = Layout::multi_platform(&workbench, "image");
    let (name, other) = (server.name("acme/app:1"), server.name("else/where/app:2"));
    copy(&workbench, &server, &[], &folder(&image), &name);
    assert_eq!(server.stored(), image.blobs().into_keys().collect());

    let copied = copy(&workbench, &server, &[], &name, &other).said();

    // Two configs and three layers; the index and its members are all that is sent.
    assert_eq!(answered(&copied, "POST", "201 Created"), 5, "{copied}");
    assert_eq!(answered(&copied, "PUT", "201 Created"), 3, "{copied}");
    for name in [&name, &other] {
        assert_eq!(head(&workbench, &server, name), image.root().to_string());
        assert_eq!(text(&workbench, &server, &["image", "digest", name]), image.root().to_string());
    }
    let pulled = pull(&workbench, &server, &other);
    assert_eq!((pulled.root(), pulled.blobs()), (image.root(), image.blobs()));
    server.stop();
}

#[test]
fn artifacts_are_put_listed_and_copied_along() {
    let workbench = Workbench::new();
    let server = Server::start();
    let image = Layout::single(&workbench, "image");
    let (name, other) = (server.name("acme/app:1"), server.name("else/where/app:2"));
    copy(&workbench, &server, &[], &folder(&image), &name);
    assert_eq!(list(&workbench, &server, &[], &name), []);

    let sbom = attach(&workbench, &server, &name, SBOM);
    let signature = attach(&workbench, &server, &name, SIGNATURE);

    let mut both = [sbom, signature];
    both.sort();
    assert_eq!(list(&workbench, &server, &[], &name), both);
    assert_eq!(list(&workbench, &server, &["--filter-artifact-type", SIGNATURE], &name), [signature]);
    copy(&workbench, &server, &["--referrers"], &name, &other);
    for name in [&name, &other] {
        assert_eq!(list(&workbench, &server, &[], name), both);
        let tree = text(&workbench, &server, &["artifact", "tree", name]);
        for line in [format!("{sbom}: {SBOM}"), format!("{signature}: {SIGNATURE}")] {
            assert!(tree.contains(&line), "{tree}");
        }
        let got = text(
            &workbench,
            &server,
            &["artifact", "get", "--subject", name, "--filter-artifact-type", SBOM],
        );
        assert_eq!(got, SBOM);
    }
    // Nobody had to fall back to a tag for referrers.
    assert_eq!(text(&workbench, &server, &["tag", "ls", &server.name("acme/app")]), "1");
    server.stop();
}

#[test]
fn a_deleted_tag_leaves_the_manifest_and_its_other_tags() {
    let workbench = Workbench::new();
    let server = Server::start();
    let image = Layout::single(&workbench, "image");
    let (gone, stays) = (server.name("acme/app:gone"), server.name("acme/app:stays"));
    copy(&workbench, &server, &[], &folder(&image), &gone);
    copy(&workbench, &server, &[], &gone, &stays);

    text(&workbench, &server, &["tag", "delete", &gone]);

    assert_eq!(text(&workbench, &server, &["tag", "ls", &server.name("acme/app")]), "stays");
    run_to_failure(&mut regctl(&workbench, &server, &["manifest", "head", &gone]));
    let by_digest = server.name(format!("acme/app@{}", image.root()));
    for name in [&stays, &by_digest] {
        assert_eq!(head(&workbench, &server, name), image.root().to_string());
    }

    text(&workbench, &server, &["manifest", "delete", &by_digest]);
    for name in [&stays, &by_digest] {
        run_to_failure(&mut regctl(&workbench, &server, &["manifest", "head", name]));
    }
    server.stop();
}

#[test]
fn an_image_known_by_sha512_comes_back_by_it() {
    let workbench = Workbench::new();
    let server = Server::start();
    let image = Layout::single(&workbench, "image");
    let (name, made) = (server.name("acme/app:1"), server.name("acme/app:512"));
    copy(&workbench, &server, &[], &folder(&image), &name);

    let mut command =
        regctl(&workbench, &server, &["--verbosity=trace", "image", "mod", "--digest-algo=sha512"]);
    let pushed = run(command.args(["--create", &made, &name])).said();

    // The manifest goes by its digest, and has its tag in the query.
    assert!(pushed.contains("?tag=512\"") && pushed.contains("Oci-Tag:[512]"), "{pushed}");
    let digest: Digest = head(&workbench, &server, &made).parse().unwrap();
    assert_eq!(digest.algorithm(), Algorithm::Sha512);
    let by_digest = server.name(format!("acme/app@{digest}"));
    let get = ["manifest", "get", "--format=raw-body"];
    for name in [&made, &by_digest] {
        let manifest = run(regctl(&workbench, &server, &get).arg(name)).stdout;
        assert_eq!(Digest::of_with(Algorithm::Sha512, &manifest), digest, "{pushed}");
        let manifest: Value = serde_json::from_slice(&manifest).unwrap();
        for descriptor in manifest["layers"].as_array().unwrap().iter().chain([&manifest["config"]]) {
            assert_eq!(self::digest(descriptor).algorithm(), Algorithm::Sha512);
        }
    }
    // Layers and config are read by their digests, and compared with them.
    let other = server.name("else/where/app:512");
    copy(&workbench, &server, &[], &by_digest, &other);
    let exported = workbench.path("exported.tar");
    run(regctl(&workbench, &server, &["image", "export", &other]).arg(&exported));
    assert_eq!(head(&workbench, &server, &other), digest.to_string());
    assert_eq!(head(&workbench, &server, &name), image.root().to_string());
    server.stop();
}
