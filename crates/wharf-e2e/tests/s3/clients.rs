//! docker and skopeo through our registry on three kinds of S3.

use wharf_oci::Digest;
use wharf_testkit::process::{Output, run};
use wharf_testkit::s3::S3Server;

use crate::engine::Engine;
use crate::layout::{Layer, Layout, platform};
use crate::programs::{Program, Settings};
use crate::stores::{Moto, Store};
use crate::workbench::Workbench;

/// Copies between whatever skopeo has a name for; nothing is converted.
#[track_caller]
pub(crate) fn skopeo(workbench: &Workbench, from: &str, to: &str) -> Output {
    run(&mut skopeo_command(workbench, from, to))
}

pub(crate) fn skopeo_command(workbench: &Workbench, from: &str, to: &str) -> std::process::Command {
    let mut command = workbench.tool("skopeo");
    // `--insecure-policy`: any image is trusted, whatever policy.json of the machine says.
    command.args(["--insecure-policy", "copy", "--src-tls-verify=false", "--dest-tls-verify=false"]);
    command.args(["--all", "--preserve-digests", from, to]);
    command
}

/// An image with a layer that takes several parts.
pub(crate) fn large_image(workbench: &Workbench, name: &str) -> Layout {
    let image = Layout::create(workbench.path(name));
    let small = Layer::make(workbench, &format!("{name}-small"), 20_000);
    let large = Layer::make(workbench, &format!("{name}-large"), 45 << 20);
    image.tag("1", &image.add_image(&platform("amd64", None), &[&small, &large]));
    image
}

/// There and back with skopeo: an index, and an image with a layer of 45 MiB.
#[track_caller]
pub(crate) fn skopeo_there_and_back(workbench: &Workbench, registry: &str, turn: &str) {
    for (tag, image) in [
        ("index", Layout::multi_platform(workbench, &format!("{turn}-index"))),
        ("large", large_image(workbench, &format!("{turn}-image"))),
    ] {
        let name = format!("docker://{registry}/acme/app:{tag}");
        skopeo(workbench, &image.name("1"), &name);
        let pulled = Layout::open(workbench.path(format!("{turn}-{tag}-pulled")));
        skopeo(workbench, &name, &pulled.name("1"));
        assert_eq!((pulled.root(), pulled.blobs()), (image.root(), image.blobs()), "{tag}");
    }
}

/// There and back with the engine, which takes an image away before it pulls it.
#[track_caller]
pub(crate) fn docker_there_and_back(workbench: &Workbench, engine: &Engine<'_>, registry: &str, turn: &str) {
    let layer = Layer::make(workbench, &format!("{turn}-imported"), 12_000_000);
    let name = format!("{registry}/acme/docker:{turn}");
    engine.docker(["import".as_ref(), layer.tar.as_os_str(), name.as_ref()]);
    let id = |engine: &Engine<'_>| -> Digest {
        let id = engine.docker(["image", "inspect", "--format={{.Id}}", &name]);
        id.text().parse().expect("an image's id is a digest")
    };
    let pushed = id(engine);
    engine.docker(["push", &name]);
    engine.docker(["image", "rm", "--force", &name]);
    assert_eq!(engine.docker(["image", "ls", "--quiet", "--all"]).text(), "");
    engine.docker(["pull", &name]);
    assert_eq!(id(engine), pushed);
    engine.docker(["image", "rm", "--force", &name]);
}

#[track_caller]
fn push_and_pull(store: &impl Store) {
    let workbench = Workbench::new();
    let engine = Engine::start(&workbench);
    for redirect in [false, true] {
        let settings = Settings { redirect, driver: "chunksize: 5242880", ..Settings::default() };
        let registry = Program::tested().start_with(store, settings);
        let (host, turn) = (registry.address().to_string(), format!("redirect-{redirect}"));
        skopeo_there_and_back(&workbench, &host, &turn);
        docker_there_and_back(&workbench, &engine, &host, &turn);
        registry.stop();
    }
    engine.stop();
}

#[test]
fn clients_push_and_pull_through_a_bucket() {
    let server = S3Server::start();
    push_and_pull(&server);
    assert_eq!(server.unfinished(wharf_testkit::s3::BUCKET), [""; 0]);
}

#[test]
fn clients_push_and_pull_through_a_bucket_that_ignores_conditions() {
    let server = S3Server::start();
    server.ignore_conditions();
    push_and_pull(&server);
}

#[test]
fn clients_push_and_pull_through_moto() {
    push_and_pull(&Moto::start());
}
