//! Two programs on one directory, one after the other: what one does the other one knows at once.

use std::collections::BTreeMap;

use wharf_oci::{Digest, ErrorCode};
use wharf_testkit::images::Image;
use wharf_testkit::push;

use crate::collect::assert_nothing_needed_is_collected;
use crate::copy::crane;
use crate::layout::Layout;
use crate::programs::{Program, Server};
use crate::served::{assert_blob, assert_serves, blob, manifest, tags};
use crate::tree::Tree;
use crate::workbench::Workbench;

const REPOSITORY: &str = "acme/app";

/// A directory, two programs that both run all the time, and what the tags are to mean.
#[derive(Debug)]
struct Table {
    ours: Server,
    theirs: Server,
    tree: Tree,
    tags: BTreeMap<String, Digest>,
}

// === impl Table ===

impl Table {
    fn new(old: Program) -> Self {
        let tree = Tree::new();
        let (ours, theirs) = (Program::Wharf.start(&tree), old.start(&tree));
        Self { ours, theirs, tree, tags: BTreeMap::new() }
    }

    /// A push by one of the two, of a new image or an old one, under a new tag or an old one.
    async fn push(&mut self, by_us: bool, tag: &str, image: &Image) {
        let server = if by_us { &self.ours } else { &self.theirs };
        let _ = push::image(server, REPOSITORY, tag, image).await;
        self.tags.insert(tag.to_owned(), image.manifest.digest);
        self.both_agree().await;
    }

    /// A delete by one of the two.
    async fn delete(&mut self, by_us: bool, what: &str) {
        let server = if by_us { &self.ours } else { &self.theirs };
        let _ = server.delete(format!("/v2/{REPOSITORY}/{what}")).send().await.expect(202);
        let reference = what.strip_prefix("manifests/").unwrap_or_default();
        self.tags.retain(|tag, digest| tag != reference && digest.to_string() != reference);
        self.both_agree().await;
    }

    /// After each turn: the files say what the test expects, and both serve what the files say.
    async fn both_agree(&self) {
        let contents = self.tree.contents();
        assert_eq!(contents.of(REPOSITORY).tags, self.tags);
        assert_serves(&self.theirs, &contents).await;
        assert_serves(&self.ours, &contents).await;
    }

    async fn gone_on_both(&self, references: &[&str]) {
        for server in [&self.ours, &self.theirs] {
            for reference in references {
                let answer = manifest(server, REPOSITORY, reference).await.expect(404);
                assert_eq!(answer.json()["errors"][0]["code"], "MANIFEST_UNKNOWN", "{reference}");
            }
        }
    }
}

async fn takes_turns(old: Program) {
    let [a, b, c, d] = [1, 2, 3, 4].map(Image::random);
    let mut table = Table::new(old);
    // New tags, by them and by us; tags that move, each by the other one.
    table.push(false, "1", &a).await;
    table.push(false, "2", &b).await;
    table.push(true, "3", &c).await;
    table.push(true, "1", &c).await;
    table.push(false, "2", &c).await;
    table.push(false, "4", &d).await;
    table.push(true, "5", &Image::docker(5)).await;

    // A manifest that no tag has any more; a tag alone; a manifest with its tag; each is gone for both.
    table.delete(false, &format!("manifests/{}", a.manifest.digest)).await;
    table.gone_on_both(&[&a.manifest.digest.to_string()]).await;
    table.delete(true, "manifests/3").await;
    table.gone_on_both(&["3"]).await;
    table.delete(true, &format!("manifests/{}", d.manifest.digest)).await;
    table.gone_on_both(&["4", &d.manifest.digest.to_string()]).await;
    if old == Program::V3 {
        table.delete(false, "manifests/2").await;
        table.gone_on_both(&["2"]).await;
    }

    // What one deleted the other one brings back.
    table.push(true, "back", &a).await;
    table.push(false, "back-too", &d).await;
    // A blob that is taken out of the repository by one, and pushed again through the other.
    let layer = &b.layers[0];
    for by_us in [true, false] {
        table.delete(by_us, &format!("blobs/{}", layer.digest)).await;
        for server in [&table.ours, &table.theirs] {
            let _ = blob(server, REPOSITORY, &layer.digest).await.expect(404);
        }
        let other = if by_us { &table.theirs } else { &table.ours };
        push::blob(other, REPOSITORY, layer).await;
        table.both_agree().await;
    }
    let Table { ours, theirs, .. } = table;
    ours.stop();
    theirs.stop();
}

#[tokio::test]
async fn pushes_moves_and_deletes_take_turns_with_docker_registry_2_8() {
    takes_turns(Program::V2).await;
}

#[tokio::test]
async fn pushes_moves_and_deletes_take_turns_with_distribution_3_1() {
    takes_turns(Program::V3).await;
}

/// The binary is swapped again and again, and each time a client goes on where it was.
#[tokio::test]
async fn the_binary_is_swapped_back_and_forth() {
    let (workbench, tree) = (Workbench::new(), Tree::new());
    let programs = [Program::V2, Program::Wharf, Program::V3, Program::Wharf, Program::V2, Program::V3];
    for (turn, program) in programs.into_iter().enumerate() {
        let server = program.start(&tree);
        if turn > 0 {
            assert_serves(&server, &tree.contents()).await;
        }
        let image = Layout::single(&workbench, &format!("turn-{turn}"));
        let folder = image.folder().to_str().expect("a path of ours is text");
        for tag in ["latest".to_owned(), format!("t{turn}")] {
            crane(&workbench, &["push", folder, &server.name(&format!("{REPOSITORY}:{tag}"))]);
        }
        assert_eq!(tree.contents().of(REPOSITORY).tags["latest"], image.root());
        assert_eq!(tags(&server, REPOSITORY).await.len(), turn + 2);
        assert_serves(&server, &tree.contents()).await;
        server.stop();
    }
    for old in Program::OLD {
        assert_nothing_needed_is_collected(old, &tree);
    }
}

/// An operator of an old registry collects in the night, with the registry running or not.
#[tokio::test]
async fn what_an_old_collector_took_under_our_feet_can_be_pushed_again() {
    for old in Program::OLD {
        let tree = Tree::new();
        let server = Program::Wharf.start(&tree);
        let (kept, taken) = (Image::random(10), Image::random(11));
        let _ = push::image(&server, REPOSITORY, "kept", &kept).await;
        let _ = push::image(&server, REPOSITORY, "taken", &taken).await;
        let contents = tree.contents();
        let target = format!("/v2/{REPOSITORY}/manifests/{}", taken.manifest.digest);
        let _ = server.delete(target).send().await.expect(202);

        old.collect(&tree, &[]);

        for blob in taken.blobs() {
            assert!(!tree.blob(&blob.digest).exists());
            let answer = crate::served::blob(&server, REPOSITORY, &blob.digest).await;
            let _ = answer.refused(404, ErrorCode::BlobUnknown);
        }
        for blob in kept.blobs() {
            assert_blob(&server, REPOSITORY, &blob.digest).await;
        }
        let _ = push::image(&server, REPOSITORY, "taken", &taken).await;
        assert_eq!(tree.contents(), contents);
        assert_serves(&server, &contents).await;
        server.stop();
    }
}
