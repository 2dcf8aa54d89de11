//! A collector, as small as it can be, over exactly the ports that a collector has; and clients beside whom it never
//! rests. Over files, it and two halves of the clients have stores of their own, as three processes on one directory.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::TryStreamExt;
use tokio::task::JoinSet;
use wharf_oci::{Digest, Manifest, RepositoryName};
use wharf_store::Page;

use super::client::{Client, OVER, Shared};
use super::{KINDS, Kind, World, gather, seeds};

/// How long the collector leaves alone what was published or renewed.
pub(super) const GRACE: Duration = Duration::from_secs(60 * 60);

/// Pages are small, so that much happens between two of them.
const PAGE: usize = 3;

/// What the clients do between the marking and the sweeping.
const STEPS_BETWEEN: usize = 40;

const CLIENTS: u64 = 6;

/// What keeps a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Roots {
    /// Manifests and what they reference, as the registries we succeed collect.
    Manifests,
    /// Also whatever a repository links.
    Links,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_collector_that_never_rests_takes_nothing_a_manifest_needs() {
    for kind in KINDS {
        for seed in seeds(1) {
            run(kind, Roots::Manifests, seed).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_collector_that_never_rests_takes_nothing_a_repository_holds() {
    for kind in KINDS {
        for seed in seeds(1) {
            run(kind, Roots::Links, seed).await;
        }
    }
}

async fn run(kind: Kind, roots: Roots, seed: u64) {
    let world = World::new(kind);
    let shared = Arc::new(Shared::new(seed));
    let mut clients = Vec::new();
    let processes = [Arc::clone(&world), world.beside()];
    for (number, process) in (0..CLIENTS).zip(processes.iter().cycle()) {
        clients.push(Client::new(Arc::clone(process), Arc::clone(&shared), roots, seed, number).await);
    }
    let collector = world.beside();
    let mut running = JoinSet::new();
    for client in clients {
        running.spawn(client.run());
    }
    let ended = async {
        let clients = running.join_all().await;
        shared.steps.send_replace(OVER);
        clients
    };
    let (mut clients, taken) = tokio::join!(ended, collect_until_over(&collector, roots, &shared));

    for client in &mut clients {
        client.verify_all().await;
    }
    // All that is garbage is old now, and what is not garbage is old, too.
    world.time.pass(3 * GRACE);
    let last = collect(&collector, roots).await;
    for client in &mut clients {
        client.verify_all().await;
    }
    let marked = mark(&world, roots).await;
    let left: Vec<_> = world.blobs.list(None).try_collect().await.unwrap();
    assert!(left.iter().all(|listed| marked.contains(&listed.digest)), "garbage is left: {kind:?}");
    eprintln!("{kind:?}, {roots:?}: {taken} taken beside the clients, {last} after them");
    assert!(taken > 0, "the collector found nothing to do beside the clients");
}

async fn collect_until_over(world: &World, roots: Roots, shared: &Shared) -> usize {
    let mut steps = shared.steps.subscribe();
    let mut taken = 0;
    while *steps.borrow() != OVER {
        let began = world.time.now();
        let marked = mark(world, roots).await;
        // On a large registry much happens between the one and the other.
        let enough = steps.borrow().saturating_add(STEPS_BETWEEN);
        let _ = steps.wait_for(|steps| *steps >= enough).await;
        taken += sweep(world, &marked, began - GRACE).await;
    }
    taken
}

async fn collect(world: &World, roots: Roots) -> usize {
    let began = world.time.now();
    let marked = mark(world, roots).await;
    sweep(world, &marked, began - GRACE).await
}

/// Takes everything that is not marked and was old, that is from before `than`, when the marking began.
async fn sweep(world: &World, marked: &HashSet<Digest>, than: SystemTime) -> usize {
    let mut taken = 0;
    let listed: Vec<_> = world.blobs.list(None).try_collect().await.unwrap();
    for listed in listed.iter().filter(|listed| !marked.contains(&listed.digest)) {
        let _moment = world.moment.read().await;
        let than = world.time.as_noted(than);
        taken += world.blobs.remove_if_older(&[listed.digest], than).await.unwrap().len();
    }
    taken
}

async fn mark(world: &World, roots: Roots) -> HashSet<Digest> {
    let metadata = &world.metadata;
    let mut marked = HashSet::new();
    let names = all(async |after: Option<&RepositoryName>| {
        metadata.repositories(None, after.map(RepositoryName::as_str), PAGE).await.unwrap()
    });
    for name in &names.await {
        let manifests =
            all(async |after: Option<&Digest>| metadata.manifests(name, after, PAGE).await.unwrap());
        for digest in manifests.await {
            let read = world.blobs.read(&digest, None).await.expect("a manifest's bytes outlive it");
            let manifest = Manifest::parse(&gather(read.body).await, None).unwrap();
            marked.extend(manifest.references().chain(manifest.children()).map(|found| found.digest));
            marked.insert(digest);
        }
        if roots == Roots::Links {
            let blobs = all(async |after: Option<&Digest>| metadata.blobs(name, after, PAGE).await.unwrap());
            marked.extend(blobs.await);
        }
    }
    marked
}

/// All pages of a list.
async fn all<T: Clone>(page: impl AsyncFn(Option<&T>) -> Page<T>) -> Vec<T> {
    let mut found: Vec<T> = Vec::new();
    loop {
        let next = page(found.last()).await;
        found.extend(next.items);
        if !next.more {
            return found;
        }
    }
}
