//! Promises about the floor of the tree.

use std::pin::pin;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::FutureExt;
use wharf_oci::{Algorithm, Digest, Tag};

use super::repository;
use crate::clock::{Clock, SystemClock};
use crate::layout::{Dir, Key};
use crate::objects::{LockMode, Objects, PutIf, PutOutcome, RemoveOutcome};

const ONE: Bytes = Bytes::from_static(b"one");
const TWO: Bytes = Bytes::from_static(b"two");

fn tag(name: &str) -> Tag {
    name.parse().unwrap()
}

/// A put as the layout does it: a condition under the exclusive lock.
async fn put(store: &dyn Objects, key: &Key<'_>, condition: PutIf) -> PutOutcome {
    let mode = if condition == PutIf::Any { LockMode::Shared } else { LockMode::Exclusive };
    let _lock = store.lock(&repository("a"), mode).await.unwrap();
    store.put(key, ONE, condition).await.unwrap()
}

pub async fn what_was_put_is_got(store: &dyn Objects) {
    let (repo, digest) = (repository("a"), Digest::of(b"x"));
    let key = Key::LayerLink(&repo, &digest);
    assert_eq!(store.get(&key).await.unwrap(), None);
    assert_eq!(put(store, &key, PutIf::Any).await, PutOutcome::Written);
    assert_eq!(store.get(&key).await.unwrap(), Some(ONE));
    assert_eq!(store.get(&Key::RevisionLink(&repo, &digest)).await.unwrap(), None);
}

/// A foreign file may have any length.
pub async fn of_what_is_too_long_for_its_key_the_beginning_is_read(store: &dyn Objects) {
    let (repo, digest, tag) = (repository("a"), Digest::of(b"x"), tag("v1"));
    let long = Bytes::from(vec![b'x'; 3 << 20]);
    for key in [Key::LayerLink(&repo, &digest), Key::TagLink(&repo, &tag)] {
        store.put(&key, long.clone(), PutIf::Any).await.unwrap();
        let beginning = long.slice(..=key.most_bytes());
        assert!(store.get(&key).await.unwrap() == Some(beginning.clone()), "{key:?}");
        let seen = store.get_with_age(&key).await.unwrap().unwrap();
        assert!(seen.bytes == beginning);
        assert_eq!(store.remove_if(&key, &seen).await.unwrap(), RemoveOutcome::Removed);
        // As long as is allowed, it is whole.
        store.put(&key, long.slice(..key.most_bytes()), PutIf::Any).await.unwrap();
        assert!(store.get(&key).await.unwrap() == Some(long.slice(..key.most_bytes())));
    }
    let entry = Key::Referrer(&repo, &digest, &digest);
    store.put(&entry, long.clone(), PutIf::Any).await.unwrap();
    assert!(store.get(&entry).await.unwrap() == Some(long));
}

pub async fn the_last_put_wins(store: &dyn Objects) {
    let (repo, tag) = (repository("a"), tag("v1"));
    let key = Key::TagLink(&repo, &tag);
    store.put(&key, ONE, PutIf::Any).await.unwrap();
    store.put(&key, TWO, PutIf::Any).await.unwrap();
    assert_eq!(store.get(&key).await.unwrap(), Some(TWO));
}

pub async fn one_of_two_puts_if_absent_is_refused(store: &dyn Objects) {
    let (repo, tag) = (repository("a"), tag("v1"));
    let key = Key::TagLink(&repo, &tag);
    let (first, second) = tokio::join!(put(store, &key, PutIf::Absent), put(store, &key, PutIf::Absent));
    assert_ne!(first, second, "one wrote and one was refused");
    assert_eq!(store.get(&key).await.unwrap(), Some(ONE));
}

pub async fn a_put_may_demand_what_it_replaces(store: &dyn Objects) {
    let (repo, tag) = (repository("a"), tag("v1"));
    let key = Key::TagLink(&repo, &tag);
    assert_eq!(put(store, &key, PutIf::Is(TWO)).await, PutOutcome::Refused);
    assert_eq!(store.get(&key).await.unwrap(), None);
    store.put(&key, TWO, PutIf::Any).await.unwrap();
    let (first, second) = tokio::join!(put(store, &key, PutIf::Is(TWO)), put(store, &key, PutIf::Is(TWO)));
    assert_ne!(first, second, "one wrote and one was refused");
    assert_eq!(store.get(&key).await.unwrap(), Some(ONE));
}

pub async fn a_removed_object_is_absent(store: &dyn Objects) {
    let (repo, digest) = (repository("a"), Digest::of(b"x"));
    let key = Key::RevisionLink(&repo, &digest);
    assert!(!store.remove(&key).await.unwrap());
    put(store, &key, PutIf::Any).await;
    assert!(store.remove(&key).await.unwrap());
    assert_eq!(store.get(&key).await.unwrap(), None);
    assert!(!store.remove(&key).await.unwrap());
    assert_eq!(store.have_children(&[Dir::Revisions(&repo, Algorithm::Sha256)]).await.unwrap(), [false]);
}

pub async fn an_object_is_read_with_its_age(store: &dyn Objects) {
    let (repo, digest) = (repository("a"), Digest::of(b"x"));
    let key = Key::RevisionLink(&repo, &digest);
    assert_eq!(store.get_with_age(&key).await.unwrap(), None);
    put(store, &key, PutIf::Any).await;
    let object = store.get_with_age(&key).await.unwrap().unwrap();
    assert_eq!(object.bytes, ONE);
    let age = SystemClock.now().duration_since(object.modified).unwrap_or_default();
    assert!(age < Duration::from_mins(10), "{age:?}");
}

pub async fn only_what_was_seen_is_removed(store: &dyn Objects) {
    let (repo, tag) = (repository("a"), tag("v1"));
    let key = Key::TagLink(&repo, &tag);
    put(store, &key, PutIf::Any).await;
    let seen = store.get_with_age(&key).await.unwrap().unwrap();
    store.put(&key, TWO, PutIf::Any).await.unwrap();
    let lock = store.lock(&repo, LockMode::Exclusive).await.unwrap();
    assert_eq!(store.remove_if(&key, &seen).await.unwrap(), RemoveOutcome::Changed);
    assert_eq!(store.get(&key).await.unwrap(), Some(TWO));
    let seen = store.get_with_age(&key).await.unwrap().unwrap();
    assert_eq!(store.remove_if(&key, &seen).await.unwrap(), RemoveOutcome::Removed);
    assert_eq!(store.get(&key).await.unwrap(), None);
    assert_eq!(store.get_with_age(&key).await.unwrap(), None);
    assert!(store.children(&Dir::Tags(&repo), None, 10).await.unwrap().is_empty());
    assert_eq!(store.remove_if(&key, &seen).await.unwrap(), RemoveOutcome::Absent);
    drop(lock);
    // What is gone may be made anew, on any condition.
    assert_eq!(put(store, &key, PutIf::Absent).await, PutOutcome::Written);
    assert_eq!(store.get(&key).await.unwrap(), Some(ONE));
}

pub async fn of_two_conditional_removals_one_removes(store: &dyn Objects) {
    let (repo, tag) = (repository("a"), tag("v1"));
    let key = Key::TagLink(&repo, &tag);
    for _ in 0..20 {
        put(store, &key, PutIf::Any).await;
        let seen = store.get_with_age(&key).await.unwrap().unwrap();
        let remove = || async {
            let _lock = store.lock(&repo, LockMode::Exclusive).await.unwrap();
            store.remove_if(&key, &seen).await.unwrap()
        };
        let outcomes = tokio::join!(remove(), remove());
        let removed = [outcomes.0, outcomes.1].map(|outcome| outcome == RemoveOutcome::Removed);
        assert_ne!(removed[0], removed[1], "{outcomes:?}");
    }
}

pub async fn an_exclusive_lock_excludes_others(store: &dyn Objects) {
    let repo = repository("a");
    let shared = store.lock(&repo, LockMode::Shared).await.unwrap();
    if !shared.excludes() {
        return;
    }
    let beside = store.lock(&repo, LockMode::Shared).await.unwrap();
    let mut exclusive = pin!(store.lock(&repo, LockMode::Exclusive));
    assert!(exclusive.as_mut().now_or_never().is_none(), "an exclusive lock beside shared ones");
    drop(shared);
    assert!(exclusive.as_mut().now_or_never().is_none(), "an exclusive lock beside a shared one");
    drop(beside);
    let exclusive = exclusive.await.unwrap();
    let mut another = pin!(store.lock(&repo, LockMode::Shared));
    assert!(another.as_mut().now_or_never().is_none(), "a shared lock beside an exclusive one");
    drop(exclusive);
    another.await.unwrap();
}

pub async fn what_is_renewed_is_there(store: &dyn Objects) {
    let (repo, digest) = (repository("a"), Digest::of(b"x"));
    let key = Key::LayerLink(&repo, &digest);
    let (old, hour) = (SystemTime::UNIX_EPOCH, Duration::from_hours(1));
    assert!(!store.renew(&key, old, hour).await.unwrap());
    put(store, &key, PutIf::Any).await;
    let _lock = store.lock(&repo, LockMode::Shared).await.unwrap();
    let before = store.get_with_age(&key).await.unwrap().unwrap();
    assert!(store.renew(&key, old, hour).await.unwrap());
    let after = store.get_with_age(&key).await.unwrap().unwrap();
    assert!(after.bytes == ONE && after.modified >= before.modified);
    assert!(!store.renew(&Key::BlobData(&digest), old, hour).await.unwrap());
}

pub async fn children_are_in_byte_order_and_hold_what_they_must(store: &dyn Objects) {
    let (repo, digest) = (repository("a"), Digest::of(b"x"));
    for name in ["b", "a.1", "a", "a-1"] {
        put(store, &Key::TagLink(&repo, &tag(name)), PutIf::Any).await;
    }
    // A tag whose link is gone, as an interrupted delete leaves it.
    put(store, &Key::TagIndexLink(&repo, &tag("aa"), &digest), PutIf::Any).await;
    let dir = Dir::Tags(&repo);

    assert_eq!(store.children(&dir, None, 10).await.unwrap(), ["a", "a-1", "a.1", "b"]);
    assert_eq!(store.children(&dir, Some("a"), 2).await.unwrap(), ["a-1", "a.1"]);
    assert_eq!(store.children(&dir, Some("aaa"), usize::MAX).await.unwrap(), ["b"]);
    assert!(store.children(&dir, None, 0).await.unwrap().is_empty());
    let none = repository("none");
    assert!(store.children(&Dir::Tags(&none), None, 10).await.unwrap().is_empty());
    let dirs = [Dir::Tags(&none), dir, Dir::Tags(&none)];
    assert_eq!(store.have_children(&dirs).await.unwrap(), [false, true, false]);
    assert!(store.have_children(&[]).await.unwrap().is_empty());
    let each = store.children_of_each(&dirs, 2).await.unwrap();
    assert_eq!(each, [vec![], vec!["a".to_owned(), "a-1".to_owned()], vec![]]);
}

pub async fn removing_a_level_leaves_its_neighbours(store: &dyn Objects) {
    let (repo, digest) = (repository("a"), Digest::of(b"x"));
    let (one, two) = (tag("v1"), tag("v1.2"));
    for tag in [&one, &two] {
        put(store, &Key::TagIndexLink(&repo, tag, &digest), PutIf::Any).await;
        put(store, &Key::TagLink(&repo, tag), PutIf::Any).await;
    }
    store.remove_all(&Dir::TagIndex(&repo, &one)).await.unwrap();
    store.remove_all(&Dir::TagIndex(&repo, &one)).await.unwrap();
    assert_eq!(store.get(&Key::TagIndexLink(&repo, &one, &digest)).await.unwrap(), None);
    assert_eq!(store.get(&Key::TagLink(&repo, &one)).await.unwrap(), Some(ONE));
    assert_eq!(store.get(&Key::TagIndexLink(&repo, &two, &digest)).await.unwrap(), Some(ONE));
}

pub async fn a_tag_put_while_another_is_removed_stays(store: &dyn Objects) {
    let (repo, tag, digest) = (repository("a"), tag("v1"), Digest::of(b"x"));
    let (link, index) = (Key::TagLink(&repo, &tag), Key::TagIndexLink(&repo, &tag, &digest));
    for _ in 0..100 {
        put(store, &index, PutIf::Any).await;
        put(store, &link, PutIf::Any).await;
        let remove = async {
            store.remove(&link).await.unwrap();
            store.remove_all(&Dir::TagIndex(&repo, &tag)).await.unwrap();
        };
        let write = async {
            store.put(&index, TWO, PutIf::Any).await.unwrap();
            store.put(&link, TWO, PutIf::Any).await.unwrap();
        };
        tokio::join!(remove, write);
        let left = store.get(&link).await.unwrap();
        assert!(left.is_none() || left == Some(TWO), "{left:?}");
    }
}
