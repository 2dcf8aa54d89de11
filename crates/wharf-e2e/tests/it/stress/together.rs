//! Two things at the same time, over and over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::TryStreamExt;
use tokio::task::JoinSet;
use wharf_core::{Error, Placement};
use wharf_store::Announced;
use wharf_testkit::images::{Blob, Image};

use super::{KINDS, World, body, cause, name, seeds, tag};

const CLIENTS: usize = 50;
const PULLERS: usize = 4;
const ROUNDS: u64 = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_same_blob_pushed_by_fifty_clients_at_once_is_one_blob() {
    for kind in KINDS {
        for seed in seeds(2) {
            let (world, blob) = (World::new(kind), Blob::random(seed, 60_000));
            let mut pushes = JoinSet::new();
            for client in 0..CLIENTS {
                pushes.spawn(push(Arc::clone(&world), blob.clone(), client));
            }
            pushes.join_all().await;

            for client in 0..CLIENTS {
                let bytes = world.read_blob(&repository_of(client), &blob.digest).await.unwrap();
                assert!(bytes == blob.bytes, "client {client}");
            }
            let listed: Vec<_> = world.blobs.list(None).try_collect().await.unwrap();
            assert_eq!(listed.len(), 1);
            if let Some(root) = world.root() {
                let copies = files(root).into_iter().filter(|(_, length)| *length >= 1000).count();
                assert_eq!(copies, 1, "bytes of finished uploads are left");
            }
            let later = world.time.now() + std::time::Duration::from_secs(3600);
            let uploads: Vec<_> = world.blobs.uploads(later).try_collect().await.unwrap();
            assert!(uploads.is_empty(), "{uploads:?}");
        }
    }
}

/// Every second one into the same repository, every third one in chunks.
async fn push(world: Arc<World>, blob: Blob, client: usize) {
    let repository = repository_of(client);
    if !client.is_multiple_of(3) {
        return world.push_blob(&repository, &blob).await;
    }
    let registry = &world.registry;
    let id = registry.begin_upload(&repository, Announced::Digest(blob.digest)).await.unwrap().id;
    let first = body(blob.bytes.slice(..20_000));
    registry.append(&repository, &id, Placement::End, first).await.unwrap();
    let last = (Placement::End, body(blob.bytes.slice(20_000..)));
    registry.finish(&cause(), &repository, &id, &blob.digest, Some(last)).await.unwrap();
}

fn repository_of(client: usize) -> wharf_oci::RepositoryName {
    name(if client.is_multiple_of(2) { "shared/app".to_owned() } else { format!("client-{client}/app") })
}

/// All files below `folder`, with their lengths.
fn files(folder: &std::path::Path) -> Vec<(std::path::PathBuf, u64)> {
    let mut found = Vec::new();
    let entries = std::fs::read_dir(folder).unwrap();
    for entry in entries.map(Result::unwrap) {
        let meta = entry.metadata().unwrap();
        if meta.is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push((entry.path(), meta.len()));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_tag_that_moves_while_it_is_pulled_is_the_old_image_or_the_new_one() {
    for kind in KINDS {
        for seed in seeds(1) {
            let (world, repository) = (World::new(kind), name("a"));
            let images: Arc<[Image; 2]> = Arc::new([Image::random(2 * seed), Image::random(2 * seed + 1)]);
            for image in images.iter() {
                world.push_image(&repository, tag("latest"), image).await;
            }
            let mut running = JoinSet::new();
            for _ in 0..PULLERS {
                running.spawn(pull(Arc::clone(&world), Arc::clone(&images)));
            }
            for round in 0..5 * ROUNDS {
                let image = &images[usize::try_from(round % 2).unwrap()];
                world.put_manifest(&repository, tag("latest"), &image.manifest).await.unwrap();
            }
            running.join_all().await;
        }
    }
}

/// As a client does that keeps the newest image alone: the tag moves, and what it meant before is deleted.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_tag_that_moves_before_its_old_image_is_deleted_is_never_absent() {
    for kind in KINDS {
        for seed in seeds(1) {
            let (world, repository) = (World::new(kind), name("a"));
            let images: Arc<[Image; 2]> = Arc::new([Image::random(2 * seed), Image::random(2 * seed + 1)]);
            for image in images.iter() {
                world.push_image(&repository, tag("latest"), image).await;
            }
            let over = Arc::new(AtomicBool::new(false));
            let mut running = JoinSet::new();
            for _ in 0..PULLERS {
                let (world, images, over) = (world.beside(), Arc::clone(&images), Arc::clone(&over));
                running.spawn(async move {
                    while !over.load(Ordering::SeqCst) {
                        let found = world.registry.manifest(&name("a"), &tag("latest")).await.unwrap();
                        assert!(images.iter().any(|image| image.manifest.bytes == found.bytes));
                        // Over memory nothing else makes a reader wait.
                        tokio::task::yield_now().await;
                    }
                });
            }
            for round in 0..5 * ROUNDS {
                let (new, old) = if round.is_multiple_of(2) { (0, 1) } else { (1, 0) };
                world.put_manifest(&repository, tag("latest"), &images[new].manifest).await.unwrap();
                let old = images[old].manifest.digest.into();
                world.registry.delete_manifest(&cause(), &repository, &old).await.unwrap();
            }
            over.store(true, Ordering::SeqCst);
            running.join_all().await;
        }
    }
}

async fn pull(world: Arc<World>, images: Arc<[Image; 2]>) {
    let repository = name("a");
    for _ in 0..5 * ROUNDS {
        let found = world.registry.manifest(&repository, &tag("latest")).await.unwrap();
        let image = images.iter().find(|image| image.manifest.digest == found.digest);
        let image = image.expect("the tag is one of the two");
        assert_eq!(found.bytes, image.manifest.bytes);
        world.assert_whole(&repository, image).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_image_deleted_while_it_is_pushed_is_whole_or_gone() {
    for kind in KINDS {
        for seed in seeds(1) {
            let (world, repository) = (World::new(kind), name("a"));
            let image = Image::random(seed);
            for round in 0..ROUNDS {
                let push = world.push_image(&repository, tag("latest"), &image);
                let (cause, reference) = (cause(), image.manifest.digest.into());
                let delete = world.registry.delete_manifest(&cause, &repository, &reference);
                let ((), deleted) = tokio::join!(push, delete);
                assert!(matches!(deleted, Ok(()) | Err(Error::ManifestUnknown { .. })), "{deleted:?}");

                let by_digest = world.registry.manifest(&repository, &reference).await;
                let by_tag = world.registry.manifest(&repository, &tag("latest")).await;
                match by_digest {
                    Ok(_) => world.assert_whole(&repository, &image).await,
                    Err(Error::ManifestUnknown { .. }) => assert!(by_tag.is_err(), "round {round}"),
                    Err(error) => panic!("{error:?}"),
                }
                let tags = world.registry.tags(&repository, None, 10).await;
                let listed = tags.is_ok_and(|page| !page.items.is_empty());
                assert_eq!(listed, by_tag.is_ok(), "round {round}: a tag that means nothing is listed");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_blob_mounted_while_its_source_is_deleted_is_there_or_was_not_mounted() {
    for kind in KINDS {
        for seed in seeds(1) {
            let (world, from, to) = (World::new(kind), name("from"), name("to"));
            let cause = cause();
            for round in 0..ROUNDS {
                let blob = Blob::random(seed * 1000 + round, 2000);
                world.push_blob(&from, &blob).await;
                let mount = world.registry.mount(&cause, &to, &blob.digest, Some(&from));
                let delete = world.registry.delete_blob(&cause, &from, &blob.digest);
                let (mounted, deleted) = match round % 2 {
                    0 => tokio::join!(mount, delete),
                    _ => {
                        let (deleted, mounted) = tokio::join!(delete, mount);
                        (mounted, deleted)
                    }
                };
                deleted.unwrap();
                match (mounted.unwrap(), world.read_blob(&to, &blob.digest).await) {
                    (Some(_), Ok(bytes)) => assert!(bytes == blob.bytes),
                    (None, Err(Error::BlobUnknown { .. })) => {}
                    other => panic!("round {round}: {other:?}"),
                }
            }
        }
    }
}
