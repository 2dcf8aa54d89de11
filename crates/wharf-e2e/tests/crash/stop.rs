//! SIGTERM in the middle of the work.

use wharf_testkit::images::{Blob, Image};
use wharf_testkit::push;

use crate::disk::Folder;
use crate::ledger::Ledger;
use crate::load::{End, Load};
use crate::server::Server;
use crate::{CLIENTS, moment, rounds, tree};

/// Requests in flight are finished, those after them are not answered with anything wrong, and the process says that all
/// went well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_told_to_stop_under_load_has_finished_what_it_began_and_lost_nothing() {
    let folder = Folder::new();
    let mut ledgers: Vec<Ledger> = (0..CLIENTS).map(Ledger::new).collect();
    for round in 0..rounds("WHARF_STOPS") {
        let server = Server::start(folder.root());
        let wire = server.wire();
        for ledger in &mut ledgers {
            ledger.verify(wire, true).await;
        }
        let load = Load::begin(wire, ledgers, round + 2000, End::Orderly);
        load.run_for(moment(round)).await;
        let stopped = tokio::task::spawn_blocking(|| server.stop_with_nothing_left()).await;
        stopped.expect("it stops as it should");
        assert!(wire.try_connect().await.is_err(), "somebody still listens");
        ledgers = load.end().await;
        tree::assert_sound(folder.root());
    }
    let server = Server::start(folder.root());
    for ledger in &mut ledgers {
        ledger.verify(server.wire(), true).await;
    }
    assert!(ledgers.iter().map(Ledger::acknowledged).sum::<u64>() > rounds("WHARF_STOPS"));
    server.stop();
}

/// An upload whose client is slow is cut when the time to drain is over: what came of it is kept, and told truly.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_cut_off_by_a_stop_goes_on_after_the_next_start() {
    let (folder, blob, image) = (Folder::new(), Blob::random(1, 400_000), Image::random(1));
    let server = Server::start(folder.root());
    let wire = server.wire();
    let _ = push::image(&wire, "a", "v1", &image).await;
    let location = push::begin(&wire, "a").await;
    let mut slow = wire.connect().await;
    let patch = wire.patch(&location).header("Content-Length", blob.bytes.len().to_string());
    slow.begin(&patch.header("Expect", "100-continue")).await;
    let _ = slow.response("PATCH").await.expect(100);
    slow.write(&blob.bytes[..300_000]).await;
    // It stops in its time however long the client keeps it waiting, and with success: it was asked to.
    tokio::task::spawn_blocking(|| server.stop()).await.expect("it stops as it should");
    drop(slow);

    let server = Server::start(folder.root());
    let status = server.wire().get(location.clone()).send().await.expect(204);
    let last = status.required("Range").strip_prefix("0-").and_then(|last| last.parse::<usize>().ok());
    let stored = last.map_or(0, |last| if last == 0 { 0 } else { last + 1 });
    assert!(stored <= 300_000, "{stored} bytes of 300000");
    let target = push::finish(status.location(), &blob.digest);
    let _ = server.wire().put(target).body(blob.bytes.slice(stored..)).send().await.expect(201);
    server.stop_with_nothing_left();
}
