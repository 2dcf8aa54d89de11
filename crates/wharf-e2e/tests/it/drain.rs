//! Stopping: nothing new is begun, what was begun is finished, and what was not is told.

use std::time::Duration;

use wharf_http::{Limits, Options};
use wharf_testkit::deadline::eventually;
use wharf_testkit::flaky::{Call, Faults};
use wharf_testkit::images::Blob;
use wharf_testkit::push::{begin, finish};
use wharf_testkit::registry::{ScratchRegistry, Setup};
use wharf_testkit::wire::Server;

async fn refused(server: &Server) {
    eventually("new connections to be refused", async || server.try_connect().await.err()).await;
}

#[tokio::test]
async fn an_upload_in_flight_is_finished_and_a_new_request_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let mut registry = ScratchRegistry::over(directory.path(), Setup::default()).await;
    let server = *registry;
    let blob = Blob::random(1, 100_000);
    let location = begin(&registry, "a").await;
    let mut connection = registry.connect().await;
    let put = registry.put(finish(&location, &blob.digest)).header("Content-Length", "100000");
    connection.begin(&put.header("Expect", "100-continue")).await;
    let _ = connection.response("PUT").await.expect(100);
    connection.write(&blob.bytes[..50_000]).await;

    registry.ask_to_stop();
    refused(&server).await;
    connection.write(&blob.bytes[50_000..]).await;
    let _ = connection.response("PUT").await.expect(201);
    // The connection takes no further request.
    assert!(connection.closed().await.is_empty());
    assert!(registry.stop().await.is_clean());

    let next = ScratchRegistry::over(directory.path(), Setup::default()).await;
    let response = next.get(format!("/v2/a/blobs/{}", blob.digest)).send().await.expect(200);
    assert!(response.body == blob.bytes);
}

#[tokio::test]
async fn a_download_in_flight_is_finished() {
    let mut registry = ScratchRegistry::start().await;
    // More than the buffers of a connection hold, so that it is really in flight; in pieces, each with its own deadline.
    let blob = Blob::new(vec![b'x'; 12 << 20]);
    let mut location = begin(&registry, "a").await;
    for piece in 0..12 {
        let bytes = blob.bytes.slice(piece << 20..(piece + 1) << 20);
        let response = registry.patch(&location).body(bytes).send().await.expect(202);
        location = response.location().to_owned();
    }
    let _ = registry.put(finish(&location, &blob.digest)).body("").send().await.expect(201);
    let server = *registry;
    let mut connection = registry.connect().await;
    connection.begin(&registry.get(format!("/v2/a/blobs/{}", blob.digest))).await;
    let _ = connection.head().await.expect(200);
    registry.ask_to_stop();
    refused(&server).await;
    assert!(connection.read(blob.bytes.len()).await == blob.bytes);
    assert!(registry.stop().await.is_clean());
}

#[tokio::test]
async fn idle_connections_are_closed_at_once() {
    let registry = ScratchRegistry::memory().await;
    let mut fresh = registry.connect().await;
    let mut used = registry.connect().await;
    let _ = used.send(registry.get("/v2/")).await.expect(200);
    assert!(registry.stop().await.is_clean());
    fresh.closed().await;
    used.closed().await;
}

/// A registry that gives requests in flight this long.
async fn hurried(setup: Setup) -> ScratchRegistry {
    let limits = Limits { drain_timeout: Duration::from_millis(50), ..Limits::default() };
    let edge = Options { limits, ..Options::default() };
    ScratchRegistry::memory_with(Setup { edge, ..setup }).await
}

#[tokio::test]
async fn a_connection_that_does_not_end_in_time_is_closed() {
    let registry = hurried(Setup::default()).await;
    let location = begin(&registry, "a").await;
    let mut connection = registry.connect().await;
    let patch = registry.patch(&location).header("Content-Length", "10").header("Expect", "100-continue");
    connection.begin(&patch).await;
    let _ = connection.response("PATCH").await.expect(100);

    let stopped = registry.stop().await;

    // The upload's task has ended with the bytes of its client.
    assert_eq!((stopped.connections_cut, stopped.tasks_left), (1, 0));
    connection.closed().await;
}

#[tokio::test]
async fn a_task_that_does_not_end_in_time_is_counted_and_its_connection_closed() {
    let faults = Faults::default();
    let registry = hurried(Setup { faults: Some(faults.clone()), ..Setup::default() }).await;
    let blob = Blob::random(1, 1000);
    let location = begin(&registry, "a").await;
    let _ = registry.patch(&location).body(blob.bytes.clone()).send().await.expect(202);
    let mut gate = faults.bar(Call::Commit);
    let mut connection = registry.connect().await;
    connection.begin(&registry.put(finish(&location, &blob.digest)).header("Content-Length", "0")).await;
    gate.reached().await;

    let stopped = registry.stop().await;

    assert_eq!((stopped.connections_cut, stopped.tasks_left), (1, 1));
    connection.closed().await;
    gate.open();
}

/// Tasks of a registry are not those of one server: another one may be served by the same registry.
#[tokio::test]
async fn a_server_that_stops_does_not_wait_for_the_tasks_of_another_one() {
    let faults = Faults::default();
    let mut registry =
        ScratchRegistry::memory_with(Setup { faults: Some(faults.clone()), ..Setup::default() }).await;
    let blob = Blob::random(1, 1000);
    let location = begin(&registry, "a").await;
    let _ = registry.patch(&location).body(blob.bytes.clone()).send().await.expect(202);
    let mut gate = faults.bar(Call::Commit);
    let mut connection = registry.connect().await;
    connection.begin(&registry.put(finish(&location, &blob.digest)).header("Content-Length", "0")).await;
    gate.reached().await;
    // No connection of the server waits for the task any more.
    drop(connection);

    let drained = registry.stop_serving().await;

    assert_eq!(drained.connections_cut, 0);
    gate.open();
    assert!(registry.stop().await.is_clean());
}

#[tokio::test]
async fn dropping_a_server_closes_its_listener_and_its_connections() {
    let registry = ScratchRegistry::memory().await;
    let server = *registry;
    let location = begin(&registry, "a").await;
    let mut busy = registry.connect().await;
    let patch = registry.patch(&location).header("Content-Length", "10").header("Expect", "100-continue");
    busy.begin(&patch).await;
    let _ = busy.response("PATCH").await.expect(100);
    let mut idle = registry.connect().await;

    registry.abort().await;

    refused(&server).await;
    busy.closed().await;
    idle.closed().await;
}

/// The client is gone, the work is not: what was begun to be published is published.
#[tokio::test]
async fn a_commit_whose_client_hung_up_is_finished() {
    let directory = tempfile::tempdir().unwrap();
    let faults = Faults::default();
    let setup = Setup { faults: Some(faults.clone()), ..Setup::default() };
    let mut registry = ScratchRegistry::over(directory.path(), setup).await;
    let server = *registry;
    let blob = Blob::random(1, 1000);
    let location = begin(&registry, "a").await;
    let _ = registry.patch(&location).body(blob.bytes.clone()).send().await.expect(202);

    let mut gate = faults.bar(Call::Commit);
    let mut connection = registry.connect().await;
    connection.begin(&registry.put(finish(&location, &blob.digest)).header("Content-Length", "0")).await;
    gate.reached().await;
    drop(connection);
    registry.ask_to_stop();
    refused(&server).await;
    gate.open();
    assert!(registry.stop().await.is_clean());

    let next = ScratchRegistry::over(directory.path(), Setup::default()).await;
    let _ = next.head(format!("/v2/a/blobs/{}", blob.digest)).send().await.expect(200);
}
