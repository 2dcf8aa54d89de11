//! A seeded tree must be served as if it had been pushed.

use wharf_testkit::registry::{ScratchRegistry, Setup};

use super::*;
use crate::scale::Scale;

/// No page of a hundred has fewer names after it than this has.
fn smallest() -> Shape {
    Scale::smoke().shape
}

#[tokio::test]
async fn the_small_tree_and_its_copy_are_served_whole() {
    let scratch = tempfile::tempdir().unwrap();
    let seed = Seed::prepare(&scratch.path().join("seed"), &smallest()).unwrap();
    let copy = scratch.path().join("copy");
    seed.copy_small(&copy).unwrap();
    for root in [seed.small(), copy] {
        let registry = ScratchRegistry::over(&root, Setup::default()).await;
        let contents = &seed.contents;
        for (index, digest) in contents.manifests.iter().enumerate() {
            let answer =
                registry.get(format!("/v2/{REPOSITORY}/manifests/v{index}")).send().await.expect(200);
            assert_eq!(Digest::of(&answer.body).to_string(), *digest);
        }
        for digest in
            [&contents.small_blobs, &contents.medium_blobs, &contents.large_blobs].into_iter().flatten()
        {
            let answer = registry.get(format!("/v2/{REPOSITORY}/blobs/{digest}")).send().await.expect(200);
            assert_eq!(Digest::of(&answer.body).to_string(), *digest);
        }
    }
}

#[tokio::test]
async fn the_large_tree_lists_its_tags_and_repositories_in_order() {
    let scratch = tempfile::tempdir().unwrap();
    let shape = smallest();
    let seed = Seed::prepare(&scratch.path().join("seed"), &shape).unwrap();
    let registry = ScratchRegistry::over(&seed.large(), Setup::default()).await;

    for tags in shape.tags {
        let page = format!("/v2/{}/tags/list?n=100&last={}", repository_of_tags(tags), tag_name(9));
        let listed = registry.get(page).send().await.expect(200).json();
        let expected: Vec<_> = (10..110).map(tag_name).collect();
        assert_eq!(listed["tags"], serde_json::json!(expected));
    }
    let page = format!("/v2/_catalog?n=100&last={}", repository_name(19));
    let listed = registry.get(page).send().await.expect(200).json();
    let expected: Vec<_> = (20..120).map(repository_name).collect();
    assert_eq!(listed["repositories"], serde_json::json!(expected));
}

#[test]
fn a_tree_that_is_there_is_used_again() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("seed");
    let nearly_nothing = Shape { tags: [1, 2], repositories: 2, ..smallest() };
    let first = Seed::prepare(&folder, &nearly_nothing).unwrap();
    let mark = first.small().join("mark");
    fs::write(&mark, "").unwrap();

    let again = Seed::prepare(&folder, &nearly_nothing).unwrap();
    assert_eq!(again.contents.manifests, first.contents.manifests);
    assert!(mark.exists());

    // One of another shape is not the one that is wanted.
    Seed::prepare(&folder, &Shape { manifests: 1, ..nearly_nothing }).unwrap();
    assert!(!mark.exists());
}
