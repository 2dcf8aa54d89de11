//! Manifests with very many references: bounded, cancelled with their request, and fair to others.

use std::pin::pin;
use std::task::Poll;

use futures_util::{FutureExt, poll};

use super::failing::FailingStore;
use super::*;

/// An index of so many members, none of which is in the repository.
fn index_of_absent(members: usize) -> Value {
    let members: Vec<Value> =
        (0..members).map(|number| json!({ "digest": Digest::of(&number.to_le_bytes()) })).collect();
    index(&members)
}

#[tokio::test]
async fn the_check_of_a_large_manifest_yields_to_the_runtime() {
    let (store, name) = (FailingStore::default(), repo("a"));
    let registry = store.registry();
    push_blob(&registry, &name, b"{}").await;
    let mut layers = Vec::new();
    for number in 0..2000_usize {
        layers.push(layer(&number.to_le_bytes()));
        push_blob(&registry, &name, &number.to_le_bytes()).await;
    }

    let put = try_put(&registry, &name, to_put(tag("v1"), &image(&layers)));
    let mut put = pin!(put);
    let (begun, mut most_in_a_poll) = (store.calls(), 0);
    let put = loop {
        let before = store.calls();
        let polled = poll!(put.as_mut());
        most_in_a_poll = most_in_a_poll.max(store.calls() - before);
        match polled {
            Poll::Ready(put) => break put,
            Poll::Pending => tokio::task::yield_now().await,
        }
    };

    put.unwrap();
    let calls = store.calls() - begun;
    assert!(calls > 4000 && most_in_a_poll < 1000, "{most_in_a_poll} of {calls} calls in one poll");
}

#[tokio::test]
async fn a_check_ends_when_its_caller_has_gone() {
    let (store, name) = (FailingStore::default(), repo("a"));
    let registry = store.registry();
    push_blob(&registry, &name, b"{}").await;

    let put = try_put(&registry, &name, to_put(tag("v1"), &index_of_absent(5000)));
    assert!(put.now_or_never().is_none(), "it does not yield");

    assert_eq!(registry.tasks().running(), 0);
    let calls = store.calls();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(store.calls(), calls);
}

#[tokio::test]
async fn a_manifest_with_more_references_than_the_limit_is_rejected_before_any_is_checked() {
    let limits = Limits { manifest_references: 3, ..Limits::default() };
    let store = FailingStore::default();
    let registry = store.registry_with(Options { limits, ..Options::default() });
    let name = repo("a");
    push_blob(&registry, &name, b"{}").await;
    push_blob(&registry, &name, b"layer").await;
    // The config counts, and a repeated layer as often as it is there.
    let image_of = |layers: usize| image(&vec![layer(b"layer"); layers]);
    try_put(&registry, &name, to_put(tag("v1"), &image_of(2))).await.unwrap();

    let calls = store.calls();
    for (manifest, expected) in [(image_of(3), 4), (index_of_absent(5), 5)] {
        let error = try_put(&registry, &name, to_put(tag("v2"), &manifest)).await.unwrap_err();
        match error {
            Error::TooManyReferences { found, limit: 3 } => assert_eq!(found, expected),
            error => panic!("{error:?}"),
        }
    }
    assert_eq!(store.calls(), calls);
}

#[tokio::test]
async fn a_check_stops_at_a_hundred_missing_references_and_counts_the_rest() {
    let (store, name) = (FailingStore::default(), repo("a"));
    let registry = store.registry();
    for (members, listed, rest) in [(99, 99, 0), (100, 100, 0), (101, 100, 1), (5000, 100, 4900)] {
        let manifest = index_of_absent(members);
        let calls = store.calls();
        match try_put(&registry, &name, to_put(tag("v1"), &manifest)).await {
            Err(Error::ReferencesUnknown { digests, unchecked, .. }) => {
                let expected: Vec<Digest> =
                    (0..listed).map(|number: usize| Digest::of(&number.to_le_bytes())).collect();
                assert_eq!((digests, unchecked), (expected, rest));
            }
            answer => panic!("{answer:?}"),
        }
        assert!(store.calls() - calls < 500, "{members} members");
    }
}
