//! Uploads that one program left in the middle, under the eyes of another.

use regex::Regex;
use wharf_testkit::images::Image;
use wharf_testkit::push;

use crate::collect::assert_nothing_needed_is_collected;
use crate::programs::Program;
use crate::pushed::unfinished;
use crate::served::{assert_blob, assert_serves};
use crate::tree::Tree;

const REPOSITORY: &str = "acme/app";

/// What the old registries read of an upload when they purge: the folder's name, and in it the time it was begun.
#[track_caller]
fn assert_old_purgers_know_its_age(tree: &Tree) {
    let moment = Regex::new(r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$").expect("a pattern");
    let uuid = Regex::new("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$").expect("a pattern");
    let uploads = tree.uploads(REPOSITORY);
    assert_eq!(uploads.len(), 1);
    for id in uploads {
        let started = tree.of(REPOSITORY, format!("_uploads/{id}/startedat"));
        let text = std::fs::read_to_string(started).expect("an upload has a beginning");
        assert!(moment.is_match(&text) && uuid.is_match(&id), "{id}: {text:?}");
    }
}

#[tokio::test]
async fn our_upload_outlives_the_old_registries_and_their_collectors() {
    let tree = Tree::new();
    let server = Program::Wharf.start(&tree);
    let _ = push::image(&server, REPOSITORY, "1", &Image::random(1)).await;
    let upload = unfinished(&server, REPOSITORY).await;
    assert_old_purgers_know_its_age(&tree);
    server.stop();

    let uploads = || {
        let mut listing = tree.listing();
        listing.retain(|path, _| path.starts_with(tree.of(REPOSITORY, "_uploads")));
        listing
    };
    let before = uploads();
    for old in Program::OLD {
        let server = old.start(&tree);
        assert_serves(&server, &tree.contents()).await;
        let _ = push::image(&server, REPOSITORY, &format!("{old:?}"), &Image::random(2)).await;
        server.stop();
        assert_nothing_needed_is_collected(old, &tree);
        old.collect(&tree, &["--delete-untagged"]);
        // Their own uploads came and went in the same folder, whose time this is.
        let mut after = uploads();
        after.insert(tree.of(REPOSITORY, "_uploads"), before[&tree.of(REPOSITORY, "_uploads")]);
        assert_eq!(after, before, "{old:?}");
    }

    let server = Program::Wharf.start(&tree);
    let digest = upload.blob.digest;
    upload.finish(&server).await;
    assert_blob(&server, REPOSITORY, &digest).await;
    assert_serves(&server, &tree.contents()).await;
    server.stop();
}

#[tokio::test]
async fn an_upload_of_an_old_registry_outlives_ours() {
    for old in Program::OLD {
        let tree = Tree::new();
        // The same address could be somebody else's by then; the path is all that counts.
        let secret = "  secret: the-same-one\n";
        let server = old.start_with(&tree, secret);
        let _ = push::image(&server, REPOSITORY, "1", &Image::random(1)).await;
        let upload = unfinished(&server, REPOSITORY).await;
        server.stop();

        let server = Program::Wharf.start(&tree);
        assert_serves(&server, &tree.contents()).await;
        let _ = push::image(&server, REPOSITORY, "2", &Image::random(2)).await;
        server.stop();

        let server = old.start_with(&tree, secret);
        let digest = upload.blob.digest;
        upload.finish(&server).await;
        assert_blob(&server, REPOSITORY, &digest).await;
        assert_serves(&server, &tree.contents()).await;
        server.stop();
    }
}
