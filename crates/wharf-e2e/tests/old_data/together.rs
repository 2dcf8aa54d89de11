//! Two programs on one directory at the same time.

use wharf_testkit::images::Image;
use wharf_testkit::{push, wire};

use crate::programs::{Program, Server};
use crate::pushed::unfinished;
use crate::served::{assert_serves, manifest};
use crate::tree::Tree;

const REPOSITORY: &str = "acme/app";
/// How many images each of the two is sent.
const IMAGES: u64 = 30;

/// Every other image, one after the other: each under a tag of its own, and each moves a tag that all share.
async fn lane(server: &wire::Server, who: &str, parity: u64) {
    for number in (0..IMAGES).filter(|number| number % 2 == parity) {
        // The same ones on both sides, so that they meet at blobs and links as well as at tags.
        let image = Image::random(1000 + number);
        let _ = push::image(server, REPOSITORY, &format!("{who}-{number}"), &image).await;
        for tag in ["latest", &format!("shared-{number}")] {
            let _ = push::manifest(server, REPOSITORY, tag, &image.manifest).await;
        }
    }
}

async fn runs_side_by_side(old: Program) {
    let tree = Tree::new();
    let (ours, theirs) = (Program::Wharf.start(&tree), old.start(&tree));
    let left_by_us = unfinished(&ours, REPOSITORY).await;
    let left_by_them = unfinished(&theirs, REPOSITORY).await;

    tokio::join!(
        lane(&ours, "ours", 0),
        lane(&ours, "ours", 1),
        lane(&theirs, "old", 0),
        lane(&theirs, "old", 1)
    );

    both_tell_the_same(&tree, &ours, &theirs).await;
    // Both uploads still stand, beside each other and all that was pushed meanwhile.
    assert_eq!(tree.uploads(REPOSITORY).len(), 2);
    left_by_us.finish(&ours).await;
    left_by_them.finish(&theirs).await;
    both_tell_the_same(&tree, &ours, &theirs).await;
    assert!(tree.uploads(REPOSITORY).is_empty());
    ours.stop();
    theirs.stop();
    let finished = wharf_testkit::images::Blob::random(4711, 200_000).digest;
    let mut doomed = crate::collect::doomed(old, &tree);
    // No manifest has asked for it.
    assert!(doomed.remove(&finished));
    assert!(doomed.is_empty(), "{doomed:?}");
}

async fn both_tell_the_same(tree: &Tree, ours: &Server, theirs: &Server) {
    let contents = tree.contents();
    let found = contents.of(REPOSITORY);
    assert_eq!(found.tags.len() as u64, 3 * IMAGES + 1);
    assert_eq!(found.manifests.len() as u64, IMAGES);
    for number in 0..IMAGES {
        let digest = Image::random(1000 + number).manifest.digest;
        for who in ["ours", "old", "shared"] {
            assert_eq!(found.tags[&format!("{who}-{number}")], digest);
        }
    }
    for server in [ours, theirs] {
        assert_serves(server, &contents).await;
    }
    let [by_us, by_them] =
        [manifest(ours, REPOSITORY, "latest").await, manifest(theirs, REPOSITORY, "latest").await];
    assert_eq!(by_us.body, by_them.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn docker_registry_2_8_and_ours_are_pushed_to_side_by_side() {
    runs_side_by_side(Program::V2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn distribution_3_1_and_ours_are_pushed_to_side_by_side() {
    runs_side_by_side(Program::V3).await;
}
