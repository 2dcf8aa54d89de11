//! Repositories' locks between two processes, and what becomes of them where `flock` does not work.
//!
//! The clock is paused: it goes on to the next pause when nothing else is left to be done.

mod files;

use std::time::{Duration, SystemTime};

use futures_util::FutureExt;
use rustix::io::Errno;
use tokio::time::{Instant, timeout};
use wharf_store::suite::repository;
use wharf_store::{
    Change, Expect, LockMode, ManifestFacts, MetadataStore, Objects, RepositoryLock, Result, TagWrite,
};

use super::*;
use crate::ProcessLocks;
use crate::disk::Scope;

const CHANGE: Change<'static> = Change { actor: None, request_id: "r", at: SystemTime::UNIX_EPOCH };

/// Longer than all pauses of a waiter, and shorter than it waits.
const MOMENT: Duration = Duration::from_secs(2);

async fn acquire(store: &FsStore, mode: LockMode) -> Result<RepositoryLock> {
    store.lock(&repository("a"), mode).await
}

async fn is_free(store: &FsStore, mode: LockMode) -> bool {
    timeout(MOMENT, acquire(store, mode)).await.is_ok_and(|lock| lock.unwrap().excludes())
}

fn two_processes() -> (TempDir, FsStore, FsStore) {
    let directory = tempfile::tempdir().unwrap();
    let (one, two) = (reopened(&directory, "boot"), reopened(&directory, "boot"));
    (directory, one, two)
}

#[tokio::test(start_paused = true)]
async fn an_exclusive_lock_keeps_off_both_kinds_in_both_processes() {
    let (_directory, one, two) = two_processes();
    for (held, asked, free) in [
        (LockMode::Exclusive, LockMode::Exclusive, false),
        (LockMode::Exclusive, LockMode::Shared, false),
        (LockMode::Shared, LockMode::Exclusive, false),
        (LockMode::Shared, LockMode::Shared, true),
    ] {
        for (holder, other) in [(&one, &one), (&one, &two), (&two, &one)] {
            let lock = acquire(holder, held).await.unwrap();
            assert_eq!(is_free(other, asked).await, free, "{asked:?} beside {held:?}");
            drop(lock);
            assert!(is_free(other, asked).await, "{asked:?} after {held:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_lock_is_held_until_its_last_shared_user_has_gone() {
    let (_directory, one, two) = two_processes();
    let first = acquire(&one, LockMode::Shared).await.unwrap();
    let second = acquire(&one, LockMode::Shared).await.unwrap();
    drop(first);
    assert!(!is_free(&two, LockMode::Exclusive).await);
    drop(second);
    assert!(is_free(&two, LockMode::Exclusive).await);
}

#[tokio::test(start_paused = true)]
async fn shared_users_that_overlap_do_not_keep_another_process_waiting_for_ever() {
    let (_directory, one, two) = two_processes();
    let first = acquire(&one, LockMode::Shared).await.unwrap();
    let mut exclusive = Box::pin(acquire(&two, LockMode::Exclusive));
    assert!(timeout(MOMENT, &mut exclusive).await.is_err(), "it waits");
    assert!(!is_free(&one, LockMode::Shared).await, "it came later");
    drop(first);
    let exclusive = exclusive.await.unwrap();
    assert!(!is_free(&one, LockMode::Shared).await);
    drop(exclusive);
    assert!(is_free(&one, LockMode::Shared).await);
}

/// As a delete of many tags does.
#[tokio::test(start_paused = true)]
async fn an_exclusive_user_that_locks_again_and_again_lets_a_shared_one_of_another_process_in() {
    let (_directory, one, two) = two_processes();
    let exclusive = acquire(&one, LockMode::Exclusive).await.unwrap();
    let mut shared = Box::pin(acquire(&two, LockMode::Shared));
    assert!(timeout(MOMENT, &mut shared).await.is_err(), "it waits");
    drop(exclusive);
    let mut again = Box::pin(acquire(&one, LockMode::Exclusive));
    assert!(again.as_mut().now_or_never().is_none(), "the exclusive user was first again");
    let shared = shared.await.unwrap();
    drop(shared);
    again.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_waiter_that_gives_up_keeps_no_one_off() {
    let (_directory, one, two) = two_processes();
    let lock = acquire(&one, LockMode::Shared).await.unwrap();
    assert!(!is_free(&two, LockMode::Exclusive).await);
    assert!(is_free(&one, LockMode::Shared).await);
    assert!(is_free(&two, LockMode::Shared).await);
    drop(lock);
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_is_not_free_in_time_is_named_in_the_error() {
    let (_directory, one, two) = two_processes();
    for other in [&one, &two] {
        let lock = acquire(&one, LockMode::Exclusive).await.unwrap();
        let begun = Instant::now();
        let error = acquire(other, LockMode::Shared).await.unwrap_err();
        assert_eq!(begun.elapsed().as_secs(), 30);
        assert!(error.may_succeed_later() && error.to_string().contains("wharf/locks/0a of a"), "{error}");
        drop(lock);
        assert!(is_free(other, LockMode::Shared).await);
    }
}

#[tokio::test(start_paused = true)]
async fn repositories_of_different_locks_do_not_wait_for_each_other() {
    let (_directory, one, two) = two_processes();
    let _lock = one.lock(&repository("a"), LockMode::Exclusive).await.unwrap();
    for store in [&one, &two] {
        assert!(store.lock(&repository("b"), LockMode::Exclusive).await.unwrap().excludes());
    }
}

#[tokio::test(start_paused = true)]
async fn locks_of_a_remote_file_system_are_asked_for_where_that_may_take_its_time() {
    let (_directory, mut one) = scratch(Fsync::None);
    Arc::get_mut(&mut one.disk).unwrap().locking.remote = true;
    for mode in [LockMode::Shared, LockMode::Exclusive, LockMode::Exclusive] {
        let lock = acquire(&one, mode).await.unwrap();
        assert!(!is_free(&one, LockMode::Exclusive).await);
        drop(lock);
    }
    assert!(is_free(&one, LockMode::Exclusive).await);
}

#[tokio::test]
async fn a_registry_that_is_only_read_makes_no_lock() {
    let (directory, store) = scratch(Fsync::Full);
    let metadata = LayoutMetadata::new(Arc::new(store));
    let _ = metadata.tags(&repository("a"), None, 10).await.unwrap();
    assert!(metadata.delete_tag(&CHANGE, &repository("a"), &"v1".parse().unwrap()).await.unwrap().is_none());
    assert!(directory.path().join("wharf/locks/0a").exists());
    let (directory, store) = scratch(Fsync::Full);
    let metadata = LayoutMetadata::new(Arc::new(store));
    let reference = wharf_oci::Reference::Tag("v1".parse().unwrap());
    assert!(metadata.manifest(&repository("a"), &reference).await.unwrap().is_none());
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

async fn push(metadata: &LayoutMetadata, expect: Expect) -> Result<()> {
    let tags = [TagWrite { tag: "v1".parse().unwrap(), expect }];
    let facts = ManifestFacts { digest: &Digest::of(b"m"), references: &[], subject: None, tags: &tags };
    metadata.put_manifest(&CHANGE, &repository("a"), &facts).await.map(drop)
}

/// What rests on excluding other processes is refused; everything else goes on.
#[tokio::test]
async fn where_flock_does_not_work_only_what_needs_it_is_refused() {
    for errno in [Errno::NOTSUP, Errno::NOSYS, Errno::INVAL] {
        let (_directory, store) = scratch(Fsync::Full);
        *store.disk.locking.pretended.lock().unwrap() = Some(errno);
        let metadata = LayoutMetadata::new(Arc::new(store.clone()));
        let (name, digest) = (repository("a"), Digest::of(b"m"));
        push(&metadata, Expect::Any).await.unwrap();
        metadata.link_blob(&CHANGE, &name, &digest, &digest).await.unwrap();
        for refused in [
            push(&metadata, Expect::Absent).await,
            metadata.delete_tag(&CHANGE, &name, &"v1".parse().unwrap()).await.map(drop),
            metadata.delete_manifest(&CHANGE, &name, &digest, None).await.map(drop),
            metadata.unlink_blob(&CHANGE, &name, &digest).await.map(drop),
        ] {
            let error = refused.unwrap_err();
            assert!(error.may_succeed_later(), "{error:?}");
            assert!(error.to_string().contains("storage.filesystem.locks: none"), "{error}");
        }
        let reference = wharf_oci::Reference::Tag("v1".parse().unwrap());
        assert_eq!(metadata.manifest(&name, &reference).await.unwrap(), Some(digest), "nothing changed");
    }
}

#[tokio::test]
async fn where_there_is_one_process_only_no_file_is_locked() {
    let directory = tempfile::tempdir().unwrap();
    let options = FsOptions { locks: ProcessLocks::None, ..FsOptions::new(directory.path()) };
    let store = FsStore::open(options).unwrap();
    *store.disk.locking.pretended.lock().unwrap() = Some(Errno::NOTSUP);
    let metadata = LayoutMetadata::new(Arc::new(store.clone()));
    push(&metadata, Expect::Absent).await.unwrap();
    metadata.delete_manifest(&CHANGE, &repository("a"), &Digest::of(b"m"), None).await.unwrap().unwrap();
    let key = key("a", "u1");
    store.begin(&key, Announced::Nothing).await.unwrap();
    store.append(&key, 0, once(b"x")).await.unwrap();
    store.commit(&key, &Digest::of(b"x")).await.unwrap();
    assert_eq!(store.disk.locking.scope(), Scope::OneProcess);
    assert!(!directory.path().join("wharf").exists());
    tokio::time::pause();
    let lock = acquire(&store, LockMode::Exclusive).await.unwrap();
    assert!(!is_free(&store, LockMode::Shared).await);
    drop(lock);
    assert!(is_free(&store, LockMode::Shared).await);
}

/// Two processes could not be kept from mixing their bytes.
#[tokio::test]
async fn where_flock_does_not_work_a_commit_hashes_what_is_stored() {
    for works in [true, false] {
        let directory = tempfile::tempdir().unwrap();
        let bytes = noise(300_000);
        let key = unfinished(&directory, &bytes).await;
        let path = directory.path().join(Key::UploadData(&key).path());
        let mut other = bytes.clone();
        other[7] ^= 1;
        std::fs::write(&path, &other).unwrap();
        let store = reopened(&directory, "first");
        if !works {
            *store.disk.locking.pretended.lock().unwrap() = Some(Errno::NOTSUP);
        }
        let committed = store.commit(&key, &Digest::of(&bytes)).await;
        assert_eq!(committed.is_ok(), works, "{committed:?}");
    }
}
