//! Levels and repositories come in the order of their names, whatever the names and wherever one begins.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use wharf_oci::{Digest, RepositoryName, Tag};
use wharf_store::layout::Key;
use wharf_store::{LayoutMetadata, MetadataStore};
use wharf_store_object::BucketStore;
use wharf_testkit::s3::BUCKET;

use crate::harness::Server;

/// Cases of each property: each is a bucket and some requests.
const CASES: u32 = 32;

fn check<S: Strategy>(strategy: &S, mut test: impl AsyncFnMut(&Server, &BucketStore, S::Value)) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = Server::start();
    // The harder case: what is right here is right where listings end where they should.
    server.s3.end_listings_early();
    let store = runtime.block_on(async { server.store() });
    let test = std::cell::RefCell::new(&mut test);
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(CASES) });
    let outcome = runner.run(strategy, |value| {
        server.s3.empty_bucket(BUCKET);
        runtime.block_on((test.borrow_mut())(&server, &store, value));
        Ok(())
    });
    outcome.unwrap();
}

/// Stores an object without a request.
fn seed(server: &Server, store: &BucketStore, key: &Key<'_>) {
    server.s3.put(BUCKET, &store.key(key), "x");
}

fn tag_names() -> impl Strategy<Value = BTreeSet<String>> {
    btree_set("[a1][ab10._-]{0,4}", 1..40)
}

#[test]
fn tags_are_in_the_order_of_their_names() {
    let histories = vec(0_usize..40, 40);
    let strategy = (tag_names(), "[a1][ab10._-]{0,3}", 1_usize..12, histories);
    check(&strategy, async |server, store, (names, after, page, histories)| {
        let repository: RepositoryName = "acme/app".parse().unwrap();
        for (index, name) in names.iter().enumerate() {
            let tag: Tag = name.parse().unwrap();
            // Every fifth is what an interrupted delete leaves.
            if index % 5 != 4 {
                seed(server, store, &Key::TagLink(&repository, &tag));
            }
            for past in 0..histories[index] {
                seed(server, store, &Key::TagIndexLink(&repository, &tag, &Digest::of(&past.to_le_bytes())));
            }
        }
        let there =
            names.iter().enumerate().filter(|(index, _)| index % 5 != 4).map(|(_, name)| name.clone());
        let expected: Vec<String> = there.filter(|name| *name > after).collect();
        let metadata = LayoutMetadata::new(Arc::new(store.clone()));
        let (mut found, mut last) = (Vec::new(), after);
        loop {
            let tags = metadata.tags(&repository, Some(&last), page).await.unwrap();
            found.extend(tags.items.iter().map(Tag::to_string));
            if !tags.more {
                break;
            }
            last = tags.items.last().unwrap().to_string();
        }
        assert_eq!(found, expected);
    });
}

#[test]
fn repositories_are_in_the_order_of_their_whole_names() {
    let component = "[a1](-?[ab1]|\\.[ab1]){0,2}";
    let name = vec(component, 1..4).prop_map(|parts| parts.join("/"));
    let sizes = vec(0_usize..60, 30);
    let strategy = (btree_set(name.clone(), 1..30), name, 1_usize..8, sizes);
    check(&strategy, async |server, store, (names, after, page, sizes)| {
        let mut expected = BTreeSet::new();
        for (index, name) in names.iter().enumerate() {
            let repository: RepositoryName = name.parse().unwrap();
            for layer in 0..sizes[index] {
                seed(server, store, &Key::LayerLink(&repository, &Digest::of(&layer.to_le_bytes())));
            }
            // Some have had a push begun and no more.
            if index % 4 != 3 {
                expected.insert(name.clone());
                seed(server, store, &Key::RevisionLink(&repository, &Digest::of(b"manifest")));
                for number in 0..sizes[index] {
                    let tag: Tag = format!("v{number}").parse().unwrap();
                    seed(server, store, &Key::TagLink(&repository, &tag));
                }
            }
        }
        let metadata = LayoutMetadata::new(Arc::new(store.clone()));
        let prefix: RepositoryName = after.split('/').next().unwrap().parse().unwrap();
        for prefix in [None, Some(&prefix)] {
            for begin in ["", &after] {
                let asked = |name: &&String| {
                    let below = prefix.is_none_or(|prefix| {
                        name.strip_prefix(prefix.as_str())
                            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                    });
                    below && name.as_str() > begin
                };
                let expected: Vec<String> = expected.iter().filter(asked).cloned().collect();
                let (mut found, mut last) = (Vec::new(), begin.to_owned());
                loop {
                    let names = metadata.repositories(prefix, Some(&last), page).await.unwrap();
                    found.extend(names.items.iter().map(RepositoryName::to_string));
                    if !names.more {
                        break;
                    }
                    last = names.items.last().unwrap().to_string();
                }
                assert_eq!(found, expected, "below {prefix:?} after {begin:?}");
            }
        }
    });
}
