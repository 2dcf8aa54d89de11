//! Lock files that are removed or replaced while processes run, and locks that fail for a moment.

use std::path::Path;

use super::*;

type Loss = fn(&Path);

/// Ways in which the lock file of repository `a` stops being the one that a process has open.
const LOSSES: [(&str, Loss); 4] = [
    ("the folder was removed", |root| std::fs::remove_dir_all(root.join("wharf")).unwrap()),
    ("the folder was moved away", |root| {
        std::fs::rename(root.join("wharf/locks"), root.join("wharf/moved")).unwrap();
    }),
    ("the lock file was removed", |root| std::fs::remove_file(root.join("wharf/locks/0a")).unwrap()),
    ("the lock file was replaced", |root| {
        let (path, new) = (root.join("wharf/locks/0a"), root.join("wharf/locks/new"));
        std::fs::write(&new, "").unwrap();
        std::fs::rename(new, path).unwrap();
    }),
];

#[tokio::test(start_paused = true)]
async fn processes_exclude_each_other_after_the_lock_files_were_removed() {
    for (loss, lose) in LOSSES {
        let (directory, one, two) = two_processes();
        for store in [&one, &two] {
            assert!(is_free(store, LockMode::Exclusive).await, "opened once");
        }
        lose(directory.path());
        let fresh = reopened(&directory, "boot");
        for (mode, other) in
            [(LockMode::Exclusive, LockMode::Shared), (LockMode::Shared, LockMode::Exclusive)]
        {
            for (holder, store) in [(&one, &two), (&two, &fresh), (&fresh, &one)] {
                let lock = acquire(holder, mode).await.unwrap();
                assert!(!is_free(store, other).await, "{loss}: {other:?} beside {mode:?}");
                drop(lock);
                assert!(is_free(store, other).await, "{loss}: {other:?} after {mode:?}");
            }
        }
    }
}

/// A shared user that comes to others of its process must not rest on the file that they have locked.
#[tokio::test(start_paused = true)]
async fn a_shared_user_beside_one_of_a_removed_lock_file_locks_the_new_file() {
    let (directory, one, _) = two_processes();
    let old = acquire(&one, LockMode::Shared).await.unwrap();
    std::fs::remove_dir_all(directory.path().join("wharf/locks")).unwrap();
    let new = acquire(&one, LockMode::Shared).await.unwrap();
    let two = reopened(&directory, "boot");
    assert!(!is_free(&two, LockMode::Exclusive).await);
    drop(old);
    assert!(!is_free(&two, LockMode::Exclusive).await);
    drop(new);
    assert!(is_free(&two, LockMode::Exclusive).await);
    assert!(is_free(&one, LockMode::Exclusive).await);
}

#[tokio::test(start_paused = true)]
async fn a_waiter_for_a_lock_file_that_is_removed_meanwhile_locks_the_new_file() {
    let (directory, one, two) = two_processes();
    let held = acquire(&one, LockMode::Exclusive).await.unwrap();
    let mut waiter = Box::pin(acquire(&two, LockMode::Exclusive));
    assert!(timeout(MOMENT, &mut waiter).await.is_err(), "it waits");
    std::fs::remove_dir_all(directory.path().join("wharf/locks")).unwrap();
    let fresh = reopened(&directory, "boot");
    drop(held);
    let held = waiter.await.unwrap();
    assert!(!is_free(&fresh, LockMode::Exclusive).await);
    drop(held);
    assert!(is_free(&fresh, LockMode::Exclusive).await);
}

/// A turnstile of its own would let shared users of this process overlap for ever beside an exclusive one of another.
#[tokio::test(start_paused = true)]
async fn a_turnstile_that_was_removed_is_opened_anew() {
    let (directory, one, _) = two_processes();
    assert!(is_free(&one, LockMode::Exclusive).await, "opened once");
    std::fs::remove_file(directory.path().join("wharf/locks/0a.turnstile")).unwrap();
    let two = reopened(&directory, "boot");
    let first = acquire(&one, LockMode::Shared).await.unwrap();
    let mut exclusive = Box::pin(acquire(&two, LockMode::Exclusive));
    assert!(timeout(MOMENT, &mut exclusive).await.is_err(), "it waits");
    assert!(!is_free(&one, LockMode::Shared).await, "it came later");
    drop(first);
    drop(exclusive.await.unwrap());
    assert!(is_free(&one, LockMode::Shared).await);
}

/// The kernel, or a server, has no room for a lock at this moment.
#[tokio::test]
async fn a_lock_that_fails_for_a_moment_fails_one_request_and_not_the_next() {
    for (errno, mode) in [
        (Errno::NOLCK, LockMode::Shared),
        (Errno::NOLCK, LockMode::Exclusive),
        (Errno::STALE, LockMode::Exclusive),
        (Errno::NOMEM, LockMode::Shared),
    ] {
        let (_directory, one, two) = two_processes();
        drop(acquire(&one, mode).await.unwrap());
        *one.disk.locking.pretended.lock().unwrap() = Some(errno);
        for _ in 0..100 {
            let error = acquire(&one, mode).await.unwrap_err();
            assert!(error.may_succeed_later(), "{errno:?}: {error:?}");
        }
        *one.disk.locking.pretended.lock().unwrap() = None;
        let lock = acquire(&one, mode).await.unwrap();
        tokio::time::pause();
        assert!(!is_free(&two, LockMode::Exclusive).await, "{errno:?}");
        drop(lock);
        assert!(is_free(&two, LockMode::Exclusive).await, "{errno:?}");
        assert_eq!(one.disk.locking.scope(), Scope::Everywhere);
        tokio::time::resume();
    }
}

/// As a client of NFS answers whose server has no lock daemon.
#[tokio::test]
async fn a_file_system_that_never_has_room_for_a_lock_has_no_locks() {
    let (_directory, store) = scratch(Fsync::Full);
    *store.disk.locking.pretended.lock().unwrap() = Some(Errno::NOLCK);
    let metadata = LayoutMetadata::new(Arc::new(store.clone()));
    let mut refused = 0;
    while let Err(error) = push(&metadata, Expect::Any).await {
        assert!(error.may_succeed_later(), "{error:?}");
        refused += 1;
        assert!(refused < 20, "{error}");
    }
    assert!(refused > 1, "one failure says nothing");
    assert_eq!(store.disk.locking.scope(), Scope::Uncertain);
    let error = push(&metadata, Expect::Absent).await.unwrap_err();
    assert!(error.to_string().contains("storage.filesystem.locks: none"), "{error}");
}

#[tokio::test]
async fn a_lock_that_is_interrupted_is_tried_again() {
    let (_directory, store) = scratch(Fsync::None);
    store.disk.locking.interrupt(3);
    assert!(acquire(&store, LockMode::Exclusive).await.unwrap().excludes());
}
