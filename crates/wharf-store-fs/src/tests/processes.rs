//! Two processes on one directory. Each test runs many times what must go well however the two fall together.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use wharf_oci::Tag;
use wharf_store::suite::{collect, repository};
use wharf_store::{Grace, Held, MetadataStore, Objects, PutIf, PutOutcome};

use super::*;

const ROUNDS: usize = 150;

/// Two stores that share nothing but the directory.
fn two_processes() -> (TempDir, FsStore, FsStore) {
    let directory = tempfile::tempdir().unwrap();
    let (one, two) = (reopened(&directory, "boot"), reopened(&directory, "boot"));
    (directory, one, two)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_published_blob_is_not_written_to_by_who_was_late() {
    let (_directory, one, two) = two_processes();
    for round in 0..ROUNDS {
        let (key, bytes) = (key("a", &format!("u{round}")), format!("the bytes of round {round}"));
        let (digest, end) = (Digest::of(bytes.as_bytes()), bytes.len() as u64);
        one.begin(&key, Announced::Nothing).await.unwrap();
        one.append(&key, 0, once(&bytes)).await.unwrap();
        let late = async {
            match round % 3 {
                0 => two.append(&key, end, once(b" and more")).await.map(drop),
                1 => two.begin(&key, Announced::Nothing).await,
                _ => two.abort(&key).await,
            }
        };
        let (committed, _) = tokio::join!(one.commit(&key, &digest), late);
        if committed.is_err() {
            continue;
        }
        let read = one.read(&digest, None).await.unwrap();
        assert_eq!(collect(read.body).await, bytes.as_bytes(), "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_is_being_closed_is_never_seen_empty() {
    let (_directory, one, two) = two_processes();
    for round in 0..ROUNDS {
        let key = key("a", &format!("u{round}"));
        one.begin(&key, Announced::Nothing).await.unwrap();
        one.append(&key, 0, once(b"bytes")).await.unwrap();
        let watch = async {
            loop {
                match two.status(&key).await {
                    Ok(status) => assert_eq!(status.offset, 5, "round {round}"),
                    Err(Error::UploadNotFound { .. }) => return,
                    Err(error) => panic!("{error:?}"),
                }
            }
        };
        let digest = Digest::of(b"bytes");
        let finish = async {
            one.commit(&key, &digest).await.unwrap();
            one.close(&key).await.unwrap();
        };
        tokio::join!(finish, watch);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_that_remove_the_same_thing_one_has_removed_it() {
    let (_directory, one, two) = two_processes();
    let (repository, tag): (_, Tag) = (repository("a"), "v1".parse().unwrap());
    let digest = Digest::of(b"x");
    for round in 0..ROUNDS {
        for key in [Key::TagLink(&repository, &tag), Key::LayerLink(&repository, &digest)] {
            Objects::put(&one, &key, Bytes::from_static(b"x"), PutIf::Any).await.unwrap();
            let (first, second) = tokio::join!(Objects::remove(&one, &key), Objects::remove(&two, &key));
            assert!(first.unwrap() != second.unwrap(), "round {round}: {key:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_conditional_writes_one_is_refused_also_while_a_third_removes() {
    let (_directory, one, two) = two_processes();
    let (repository, tag): (_, Tag) = (repository("a"), "v1".parse().unwrap());
    let key = Key::TagLink(&repository, &tag);
    let third = one.clone();
    let put = |store: FsStore| {
        let key = &key;
        async move { Objects::put(&store, key, Bytes::from_static(b"x"), PutIf::Absent).await.unwrap() }
    };
    for round in 0..ROUNDS {
        let (first, second, removed) = tokio::join!(put(one.clone()), put(two.clone()), async {
            Objects::remove(&third, &key).await.unwrap()
        });
        let written = [first, second].iter().filter(|outcome| **outcome == PutOutcome::Written).count();
        assert!(written <= 1 + usize::from(removed), "round {round}");
        assert!(written >= 1, "round {round}");
        Objects::remove(&one, &key).await.unwrap();
    }
}

/// To look at a blob's age and then to remove it, as two steps, loses here what is held between them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blob_held_while_a_collector_takes_it_is_kept_or_was_gone_when_held() {
    const HOUR: Duration = Duration::from_secs(3600);
    let (_directory, one, two) = two_processes();
    let metadata = LayoutMetadata::new(Arc::new(one.clone())).with_grace(Grace::new(HOUR));
    for round in 0..4 * ROUNDS {
        let content = format!("the bytes of round {round}");
        let digest = Digest::of(content.as_bytes());
        let batch = [digest];
        BlobStore::put(&one, &digest, Bytes::from(content)).await.unwrap();
        let data = std::fs::File::open(one.disk.path(&Key::BlobData(&digest).path())).unwrap();
        data.set_modified(SystemTime::now() - 2 * HOUR).unwrap();
        let collect = two.remove_if_older(&batch, SystemTime::now() - HOUR);
        let hold = async {
            let Ok(seen) = one.stat(&digest).await else { return false };
            metadata.hold(&Held { content: &digest, seen: &seen, link: None }).await.unwrap().is_some()
        };
        let (collected, there) = match round % 2 {
            0 => tokio::join!(collect, hold),
            _ => {
                let (there, collected) = tokio::join!(hold, collect);
                (collected, there)
            }
        };
        assert!(collected.unwrap().is_empty() == there, "round {round}");
        assert_eq!(one.stat(&digest).await.is_ok(), there, "round {round}");
    }
}
