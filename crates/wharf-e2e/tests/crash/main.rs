//! Acknowledged is durable: a registry under load is killed, or its power is cut, and everything it has said yes to must
//! be there when it comes back. And it gets over what else a machine does to it: full disks, no file descriptors left.
//!
//! Run with the release binary: `WHARF_REGISTRY=… cargo test -p wharf-e2e --features crash --test crash`. The power cuts
//! need root and ext4 on a loop device. More rounds than CI runs: `WHARF_KILLS=200`, `WHARF_POWER_CUTS=200`,
//! `WHARF_STOPS=200`, and `WHARF_ROUNDS=1000` of two processes; a longer upload: `WHARF_LARGE_GIB=20`, for which the disk
//! needs that much and some more; and `WHARF_FSYNC=none` shows that the power cuts find what they are looking for, by
//! failing.

mod crowd;
mod disk;
mod failed_syncs;
mod hang_ups;
mod large;
mod ledger;
mod load;
mod procfs;
mod server;
mod stop;
mod together;
mod tree;
mod weather;

use std::time::Duration;

use disk::{Folder, LoopDisk};
use ledger::Ledger;
use load::{End, Load};
use server::Server;
use wharf_testkit::images::{Blob, Image};
use wharf_testkit::push;

/// Clients that push and delete at the same time, each in a repository of its own.
const CLIENTS: u64 = 4;

/// Rounds of each loop unless the environment says otherwise.
const ROUNDS: u64 = 20;

fn rounds(variable: &str) -> u64 {
    number(variable).unwrap_or(ROUNDS)
}

fn number(variable: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "how long a test runs is for whoever runs it to say")]
    let asked = std::env::var(variable).ok()?;
    Some(asked.parse().expect("a number"))
}

/// When the end comes: at any moment between the first answers and a good deal of work.
fn moment(round: u64) -> Duration {
    Duration::from_millis(20 + round.wrapping_mul(0x9e37_79b9_7f4a_7c15) % 380)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_registry_has_lost_nothing_it_acknowledged() {
    let folder = Folder::new();
    let mut ledgers: Vec<Ledger> = (0..CLIENTS).map(Ledger::new).collect();
    let mut acknowledged = 0;
    for round in 0..rounds("WHARF_KILLS") {
        let server = Server::start(folder.root());
        for ledger in &mut ledgers {
            ledger.verify(server.wire(), true).await;
        }
        let load = Load::begin(server.wire(), ledgers, round, End::Violent);
        load.run_for(moment(round)).await;
        server.kill();
        ledgers = load.end().await;
        tree::assert_sound(folder.root());
        acknowledged = ledgers.iter().map(Ledger::acknowledged).sum();
    }
    let server = Server::start(folder.root());
    for ledger in &mut ledgers {
        ledger.verify(server.wire(), true).await;
    }
    assert!(acknowledged > rounds("WHARF_KILLS"), "the load did next to nothing: {acknowledged} changes");
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_cut_under_load_loses_nothing_acknowledged() {
    let mut disk = LoopDisk::new();
    let mut ledgers: Vec<Ledger> = (0..CLIENTS).map(Ledger::new).collect();
    for round in 0..rounds("WHARF_POWER_CUTS") {
        let server = Server::start(&disk.root());
        for ledger in &mut ledgers {
            ledger.verify(server.wire(), false).await;
        }
        let load = Load::begin(server.wire(), ledgers, round + 1000, End::Violent);
        load.run_for(moment(round)).await;
        disk.cut_power();
        server.kill();
        ledgers = load.end().await;
        disk.restore_power();
        tree::assert_sound(&disk.root());
    }
    let server = Server::start(&disk.root());
    for ledger in &mut ledgers {
        ledger.verify(server.wire(), false).await;
    }
    server.stop();
}

/// What is acknowledged last, directly before the cut.
#[derive(Debug, Clone, Copy)]
enum Last {
    Blob,
    Manifest,
    Tag,
    MovedTag,
    DeletedTag,
    DeletedManifest,
}

const LAST: [Last; 6] =
    [Last::Blob, Last::Manifest, Last::Tag, Last::MovedTag, Last::DeletedTag, Last::DeletedManifest];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_just_before_a_power_cut_is_there() {
    let mut disk = LoopDisk::new();
    for round in 0..rounds("WHARF_POWER_CUTS") {
        let last = LAST[usize::try_from(round).expect("few rounds") % LAST.len()];
        let server = Server::start(&disk.root());
        // A repository that did not exist before: all its folders are new, too.
        let name = format!("round-{round}/app");
        let image = Image::random(round + 1);
        prepare(&server, &name, &image, last).await;
        do_last(&server, &name, &image, last).await;
        disk.cut_power();
        server.kill();
        disk.restore_power();
        tree::assert_sound(&disk.root());

        let server = Server::start(&disk.root());
        assert_last(&server, &name, &image, last).await;
        server.stop();
    }
}

/// Everything before the last step, on a disk that has had the time to write it down.
async fn prepare(server: &Server, name: &str, image: &Image, last: Last) {
    let wire = server.wire();
    match last {
        Last::Blob => {}
        Last::Manifest | Last::Tag => {
            for blob in image.blobs() {
                push::blob(&wire, name, blob).await;
            }
        }
        Last::MovedTag => {
            let _ = push::image(&wire, name, "v1", &Image::random(7_000_000)).await;
            for blob in image.blobs() {
                push::blob(&wire, name, blob).await;
            }
        }
        Last::DeletedTag | Last::DeletedManifest => {
            let _ = push::image(&wire, name, "v1", image).await;
        }
    }
    disk::sync();
}

async fn do_last(server: &Server, name: &str, image: &Image, last: Last) {
    let wire = server.wire();
    let digest = image.manifest.digest.to_string();
    match last {
        Last::Blob => push::blob(&wire, name, last_blob(image)).await,
        Last::Manifest => drop(push::manifest(&wire, name, &digest, &image.manifest).await),
        Last::Tag | Last::MovedTag => drop(push::manifest(&wire, name, "v1", &image.manifest).await),
        Last::DeletedTag => drop(wire.delete(format!("/v2/{name}/manifests/v1")).send().await.expect(202)),
        Last::DeletedManifest => {
            drop(wire.delete(format!("/v2/{name}/manifests/{digest}")).send().await.expect(202));
        }
    }
}

async fn assert_last(server: &Server, name: &str, image: &Image, last: Last) {
    let wire = server.wire();
    let manifest = |reference: &str| {
        let request = wire.get(format!("/v2/{name}/manifests/{reference}"));
        async move { request.send().await }
    };
    let digest = image.manifest.digest.to_string();
    match last {
        Last::Blob => {
            let blob = last_blob(image);
            let got = wire.get(format!("/v2/{name}/blobs/{}", blob.digest)).send().await.expect(200);
            assert_eq!(got.body, blob.bytes, "{last:?}");
        }
        Last::Manifest => {
            assert_eq!(manifest(&digest).await.expect(200).body, image.manifest.bytes, "{last:?}");
        }
        Last::Tag | Last::MovedTag => {
            assert_eq!(manifest("v1").await.expect(200).body, image.manifest.bytes, "{last:?}");
        }
        Last::DeletedTag => {
            drop(manifest("v1").await.expect(404));
            assert_eq!(manifest(&digest).await.expect(200).body, image.manifest.bytes, "{last:?}");
        }
        Last::DeletedManifest => {
            drop(manifest(&digest).await.expect(404));
            drop(manifest("v1").await.expect(404));
        }
    }
}

fn last_blob(image: &Image) -> &Blob {
    image.layers.last().expect("a layer")
}
