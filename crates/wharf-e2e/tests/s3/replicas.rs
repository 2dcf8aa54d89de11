//! Three registries on one bucket, none of which knows of the others, behind a proxy that asks each in turn.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use wharf_testkit::images::{Blob, Image};
use wharf_testkit::process::{let_run, run};
use wharf_testkit::push;
use wharf_testkit::s3::{BUCKET, Operation, S3Server};
use wharf_testkit::wire::{Request, Response, Server};

use crate::clients::{docker_there_and_back, large_image, skopeo_command, skopeo_there_and_back};
use crate::engine::Engine;
use crate::layout::Layout;
use crate::programs::{Program, Registry, Settings};
use crate::proxy::Proxy;
use crate::served::{assert_blob, assert_image};
use crate::uploads::{in_chunks, patch};
use crate::workbench::Workbench;

/// How often a client asks again before it gives up: more than there are replicas.
const TRIES: usize = 5;
/// How long a registry may take to get to the middle of a push.
const LIMIT: Duration = Duration::from_secs(30);

/// Registries with secrets of their own. The old one cannot do without a shared one.
fn replicas(server: &S3Server) -> Vec<Registry> {
    ["one", "two", "three"]
        .map(|secret| {
            let secret = match Program::tested() {
                Program::Wharf => format!("secret-of-replica-{secret}"),
                Program::V3 => "secret-of-all".to_owned(),
            };
            let settings = Settings { secret: &secret, driver: "chunksize: 5242880", ..Settings::default() };
            Program::tested().start_with(server, settings)
        })
        .into()
}

fn before(replicas: &[Registry]) -> Proxy {
    Proxy::before(replicas.iter().map(Registry::address).collect())
}

#[test]
fn clients_push_and_pull_through_three_replicas() {
    let (server, workbench) = (S3Server::start(), Workbench::new());
    let engine = Engine::start(&workbench);
    let replicas = replicas(&server);
    let proxy = before(&replicas);
    let host = proxy.address().to_string();

    skopeo_there_and_back(&workbench, &host, "skopeo");
    docker_there_and_back(&workbench, &engine, &host, "docker");

    assert!(proxy.asked().iter().all(|count| *count > 5), "{:?}", proxy.asked());
    assert_eq!(server.unfinished(BUCKET), [""; 0]);
    engine.stop();
    replicas.into_iter().for_each(Registry::stop);
}

#[tokio::test]
async fn an_upload_goes_on_wherever_its_next_chunk_lands() {
    let server = S3Server::start();
    let replicas = replicas(&server);
    let wires: Vec<&Server> = replicas.iter().map(|replica| &**replica).collect();
    for (number, (size, chunk)) in
        [(300_000, 64 << 10), (17 << 20, 3 << 20), (12 << 20, 5 << 20), (11 << 20, 640 << 10)]
            .into_iter()
            .enumerate()
    {
        let blob = Blob::random(number as u64, size);
        in_chunks(&wires, "acme/app", &blob, chunk).await;
        for wire in &wires {
            assert_blob(wire, "acme/app", &blob).await;
        }
    }
    assert_eq!(server.unfinished(BUCKET), [""; 0]);
    assert_eq!(server.keys(BUCKET, "docker/registry/v2/repositories/acme/app/_uploads/"), [""; 0]);
    replicas.into_iter().for_each(Registry::stop);
}

#[tokio::test]
async fn an_upload_whose_replica_was_killed_goes_on_in_another() {
    let server = S3Server::start();
    let mut replicas = replicas(&server);
    let blob = Blob::random(20, 16 << 20);
    let half = 9 << 20;
    let doomed = replicas.remove(0);
    let location = push::begin(&doomed, "acme/app").await;
    let accepted = patch(&doomed, &location, 0, blob.bytes.slice(..half)).await.expect(202);
    let location = accepted.location().to_owned();

    doomed.kill();

    let status = replicas[0].get(&location).send().await.expect(204);
    assert_eq!(status.required("Range"), format!("0-{}", half - 1));
    let accepted = patch(&replicas[1], &location, half, blob.bytes.slice(half..)).await.expect(202);
    let finish = push::finish(accepted.location(), &blob.digest);
    let _ = replicas[0].put(finish).body("").send().await.expect(201);
    assert_blob(&replicas[1], "acme/app", &blob).await;
    replicas.into_iter().for_each(Registry::stop);
}

/// Asks until there is an answer that is not the fault of somebody's death.
async fn persistently(request: Request) -> Response {
    for _ in 1..TRIES {
        match request.clone().try_send().await {
            Ok(answer) if answer.status < 500 => return answer,
            Ok(_) | Err(_) => {}
        }
    }
    request.send().await
}

/// A push by a client that asks again, and begins an upload again that has gone.
async fn push_persistently(server: &Server, repository: &str, tag: &str, image: &Image) {
    for blob in image.blobs() {
        let begin = server.post(format!("/v2/{repository}/blobs/uploads/")).body("");
        let location = persistently(begin).await.expect(202).location().to_owned();
        let put = server.put(push::finish(&location, &blob.digest)).body(blob.bytes.clone());
        if persistently(put).await.status != 201 {
            push::blob(server, repository, blob).await;
        }
    }
    let put = server
        .put(format!("/v2/{repository}/manifests/{tag}"))
        .header("Content-Type", image.manifest.media_type.as_str())
        .body(image.manifest.bytes.clone());
    let _ = persistently(put).await.expect(201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_outlives_the_replica_that_did_it() {
    let server = S3Server::start();
    let mut replicas = replicas(&server);
    let proxy = before(&replicas);
    let wire = Server::at(proxy.address());
    let killed = AtomicBool::new(false);
    let lane = async |lane: u64| {
        let mut pushed = Vec::new();
        // Some before the kill, some after it, and whatever is under way when it comes.
        while !killed.load(Ordering::Relaxed) || pushed.len() < 8 {
            let seed = 100 * (lane + 1) + pushed.len() as u64;
            let image = Image::random(seed);
            push_persistently(&wire, "acme/app", &format!("t{seed}"), &image).await;
            pushed.push((seed, image));
        }
        pushed
    };
    let doomed = replicas.remove(1);
    let kill = async {
        let_run(Duration::from_millis(150)).await;
        doomed.kill();
        killed.store(true, Ordering::Relaxed);
    };

    let (one, two, three, ()) = tokio::join!(lane(0), lane(1), lane(2), kill);

    for (seed, image) in one.iter().chain(&two).chain(&three) {
        for replica in &replicas {
            assert_image(replica, "acme/app", &format!("t{seed}"), image).await;
        }
    }
    replicas.into_iter().for_each(Registry::stop);
}

/// The replica is killed when the bucket has seen a part of the layer; the client is asked once more.
#[test]
fn a_client_whose_push_met_a_kill_succeeds_when_it_tries_again() {
    let (server, workbench) = (S3Server::start(), Workbench::new());
    let mut replicas = replicas(&server);
    let proxy = before(&replicas);
    let image = large_image(&workbench, "image");
    let name = format!("docker://{}/acme/app:1", proxy.address());
    // So that a push takes long enough to be met in its middle.
    server.set_latency(Duration::from_millis(50));

    std::thread::scope(|scope| {
        let mut first = skopeo_command(&workbench, &image.name("1"), &name);
        let push = scope.spawn(move || first.output().expect("skopeo can be started"));
        let in_the_middle = || server.count(Operation::UploadPart) + server.count(Operation::PutObject) > 3;
        replicas[0].wait_until("a part of the layer is in the bucket", LIMIT, in_the_middle);
        replicas.remove(0).kill();
        // Whether it got over it by itself is its own business.
        let _ = push.join();
    });
    server.set_latency(Duration::ZERO);

    run(&mut skopeo_command(&workbench, &image.name("1"), &name));
    let pulled = Layout::open(workbench.path("pulled"));
    run(&mut skopeo_command(&workbench, &name, &pulled.name("1")));
    assert_eq!((pulled.root(), pulled.blobs()), (image.root(), image.blobs()));
    replicas.into_iter().for_each(Registry::stop);
}
