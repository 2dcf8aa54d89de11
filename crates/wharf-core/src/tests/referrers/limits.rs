//! How much one request for referrers may read, and that pages still add up to the whole list.

use std::collections::BTreeSet;

use super::*;
use crate::tests::failing::FailingStore;
use crate::{Limits, Missing, Validation};

/// A registry with these limits whose store calls are counted. Manifests may name what is absent.
fn counted(limits: Limits) -> (Fixture, FailingStore) {
    let store = FailingStore::default();
    let validation = Validation { missing: Missing::Allow, ..Validation::default() };
    let registry = store.registry_with(Options { limits, validation, ..Options::default() });
    (Fixture { registry, store: store.inner.clone(), ..fixture() }, store)
}

/// Pushes so many SBOMs of `subject`. Of each third there is an entry only, of each third both, of each third a child of
/// the fallback index only. Gives their digests in order.
async fn refer_in_every_way(
    fixture: &Fixture,
    name: &RepositoryName,
    subject: &Digest,
    count: usize,
) -> Vec<Digest> {
    let (mut digests, mut children) = (Vec::new(), Vec::new());
    for number in 0..count {
        let digest = refer(fixture, name, subject, &number.to_string(), SBOM).await;
        if number % 3 > 0 {
            children.push(json!({ "digest": digest }));
        }
        if number % 3 > 1 {
            forget_entry(fixture, name, subject, &digest).await;
        }
        digests.push(digest);
    }
    // What clients may also have put there: something else, something gone, and the same again.
    let other = push_manifest(&fixture.registry, name, "other", &image(&[])).await;
    children.extend([json!({ "digest": other }), json!({ "digest": Digest::of(b"gone") })]);
    children.extend(children.first().cloned());
    fall_back(fixture, name, subject, &children).await;
    digests.sort();
    digests
}

/// All pages, each of which was found with so many calls of the store.
async fn pages(
    fixture: &Fixture,
    store: &FailingStore,
    (name, subject): (&RepositoryName, &Digest),
    types: &[&str],
    limit: usize,
) -> Vec<(ReferrersPage, usize)> {
    let types: Vec<String> = types.iter().map(|name| (*name).to_owned()).collect();
    let (mut pages, mut after) = (Vec::new(), None);
    loop {
        let before = store.calls();
        let page = fixture.registry.referrers(name, subject, &types, after.as_ref(), limit).await.unwrap();
        assert!(page.next.is_none() || page.next > after, "it goes on");
        after = page.next;
        pages.push((page, store.calls() - before));
        if after.is_none() {
            return pages;
        }
    }
}

#[tokio::test]
async fn pages_give_every_referrer_once_whatever_the_limits() {
    for (scan, lookups) in [(1, 1), (2, 100), (100, 1), (7, 3), (3, 7), (100, 100)] {
        let limits = Limits { referrers_scan: scan, referrers_lookups: lookups, ..Limits::default() };
        let (fixture, store) = counted(limits);
        let (name, subject) = (repo("a"), Digest::of(b"subject"));
        let expected = refer_in_every_way(&fixture, &name, &subject, 20).await;
        for limit in [1, 2, 5, 100] {
            for (types, expected) in [(&[][..], &expected[..]), (&[SBOM], &expected), (&[SIGNATURE], &[])] {
                let pages = pages(&fixture, &store, (&name, &subject), types, limit).await;
                let found: Vec<Digest> =
                    pages.iter().flat_map(|(page, _)| &page.items).map(|item| item.digest).collect();
                let label = format!("{types:?}, limit {limit}, scan {scan}, lookups {lookups}");
                assert_eq!(found, expected, "{label}");
                assert!(pages.iter().all(|(page, _)| page.items.len() <= limit.min(scan)), "{label}");
            }
        }
    }
}

#[tokio::test]
async fn a_filter_that_matches_nothing_ends_its_page_at_the_limit() {
    let (fixture, store) = counted(Limits { referrers_scan: 100, ..Limits::default() });
    let (name, subject) = (repo("a"), Digest::of(b"subject"));
    for number in 0..250 {
        refer(&fixture, &name, &subject, &number.to_string(), SBOM).await;
    }
    let pages = pages(&fixture, &store, (&name, &subject), &[SIGNATURE], 1).await;
    assert_eq!(pages.len(), 3);
    for (page, calls) in pages {
        assert!(page.items.is_empty());
        // An entry is two objects.
        assert!(calls < 250, "{calls} calls");
    }
}

#[tokio::test]
async fn a_page_without_a_filter_reads_little_more_than_it_shows() {
    let (fixture, store) = counted(Limits::default());
    let (name, subject) = (repo("a"), Digest::of(b"subject"));
    refer_in_every_way(&fixture, &name, &subject, 60).await;
    let pages = pages(&fixture, &store, (&name, &subject), &[], 1).await;
    for (page, calls) in pages {
        assert!(calls < 20, "{calls} calls for {page:?}");
    }
}

#[tokio::test]
async fn children_of_the_fallback_index_are_looked_up_side_by_side_and_so_many_a_request() {
    let (fixture, store) = counted(Limits { referrers_lookups: 20, ..Limits::default() });
    let (name, subject) = (repo("a"), Digest::of(b"subject"));
    let children: Vec<Value> =
        (0..50_usize).map(|number| json!({ "digest": Digest::of(&number.to_le_bytes()) })).collect();
    fall_back(&fixture, &name, &subject, &children).await;
    let existing = refer(&fixture, &name, &subject, "one", SBOM).await;

    let pages = pages(&fixture, &store, (&name, &subject), &[], 100).await;

    let found: Vec<Digest> = pages.iter().flat_map(|(page, _)| &page.items).map(|item| item.digest).collect();
    assert_eq!((pages.len(), found), (3, vec![existing]));
    assert!(pages.iter().all(|(_, calls)| *calls < 40));
    assert!((8..=16).contains(&store.most_at_once()), "{} at once", store.most_at_once());
}

#[tokio::test]
async fn a_child_that_is_too_long_for_a_manifest_is_not_read() {
    let (fixture, store) = counted(Limits { referrers_lookups: 20, ..Limits::default() });
    let (name, subject) = (repo("a"), Digest::of(b"subject"));
    let (mut expected, mut children) = (BTreeSet::new(), Vec::new());
    for bytes in [900_000, 900_001, 900_002, 5 << 20] {
        let digest = refer(&fixture, &name, &subject, &"x".repeat(bytes), SBOM).await;
        forget_entry(&fixture, &name, &subject, &digest).await;
        children.push(json!({ "digest": digest }));
        if bytes < 4 << 20 {
            expected.insert(digest);
        }
    }
    fall_back(&fixture, &name, &subject, &children).await;

    let pages = pages(&fixture, &store, (&name, &subject), &[SBOM], 1).await;

    let found: BTreeSet<Digest> =
        pages.iter().flat_map(|(page, _)| &page.items).map(|item| item.digest).collect();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_fallback_index_is_read_once() {
    let (fixture, store) = counted(Limits::default());
    let (name, subject) = (repo("a"), Digest::of(b"subject"));
    let expected = refer_in_every_way(&fixture, &name, &subject, 9).await;
    let reads = |store: &FailingStore| store.reads();
    let before = reads(&store);
    assert_eq!(digests(&fixture, &name, &subject, &[]).await, expected);
    // The index, and the children without an entry that are there.
    assert_eq!(reads(&store) - before, 1 + 3 + 1);
    let before = reads(&store);
    assert_eq!(digests(&fixture, &name, &subject, &[]).await, expected);
    assert_eq!(reads(&store) - before, 0);

    // Another index is another digest.
    fall_back(&fixture, &name, &subject, &[]).await;
    assert_eq!(digests(&fixture, &name, &subject, &[]).await.len(), 6);
}

#[tokio::test]
async fn a_long_child_costs_a_request_as_much_as_several_short_ones() {
    let (fixture, store) = counted(Limits { referrers_lookups: 50, ..Limits::default() });
    let (name, subject) = (repo("a"), Digest::of(b"subject"));
    for (length, expected) in [(10, 1), (70_000, 2)] {
        let mut children = Vec::new();
        for number in 0..40 {
            let label = format!("{number}{}", "x".repeat(length));
            let digest = refer(&fixture, &name, &subject, &label, SBOM).await;
            forget_entry(&fixture, &name, &subject, &digest).await;
            children.push(json!({ "digest": digest }));
        }
        fall_back(&fixture, &name, &subject, &children).await;
        let pages = pages(&fixture, &store, (&name, &subject), &[], 100).await;
        assert_eq!(pages.len(), expected, "{length}");
        assert_eq!(pages.iter().map(|(page, _)| page.items.len()).sum::<usize>(), 40);
    }
}
