//! Tags that two processes make at the same time.

use std::time::SystemTime;

use futures_util::future::join_all;
use wharf_oci::{Reference, Tag};
use wharf_store::suite::repository;
use wharf_store::{Change, Expect, ManifestFacts, MetadataStore, TagWrite};

use super::*;

const CHANGE: Change<'static> = Change { actor: None, request_id: "r", at: SystemTime::UNIX_EPOCH };

/// Each round is a race for a tag of its own.
const ROUNDS: usize = 150;

/// How many run in it, half of them through each of two stores.
const WRITERS: usize = 6;

async fn make(metadata: &LayoutMetadata, tag: &Tag, digest: &Digest) -> wharf_store::Result<()> {
    let tags = [TagWrite { tag: tag.clone(), expect: Expect::Absent }];
    let facts = ManifestFacts { digest, references: &[], subject: None, tags: &tags };
    metadata.put_manifest(&CHANGE, &repository("a"), &facts).await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_all_that_make_a_tag_that_must_be_new_one_wins() {
    let (directory, one) = scratch(Fsync::None);
    let options = FsOptions { fsync: Fsync::None, ..FsOptions::new(directory.path()) };
    let stores = [one, FsStore::open(options).unwrap()].map(|store| LayoutMetadata::new(Arc::new(store)));
    let digests: Vec<Digest> = (0..WRITERS).map(|writer| Digest::of(&writer.to_le_bytes())).collect();
    for round in 0..ROUNDS {
        let tag: Tag = format!("v{round}").parse().unwrap();
        let race = digests.iter().enumerate().map(|(writer, digest)| make(&stores[writer % 2], &tag, digest));
        let results = join_all(race).await;

        let winners: Vec<&Digest> = digests
            .iter()
            .zip(&results)
            .filter(|(_, result)| result.is_ok())
            .map(|(digest, _)| digest)
            .collect();
        let [winner] = winners[..] else { panic!("{tag}: {results:?}") };
        let lost = |result: &wharf_store::Result<()>| matches!(result, Err(Error::TagConflict { current: Some(current), .. }) if current == winner);
        assert!(results.iter().all(|result| result.is_ok() || lost(result)), "{tag}: {results:?}");
        for store in &stores {
            let means = store.manifest(&repository("a"), &Reference::Tag(tag.clone())).await.unwrap();
            assert_eq!(means.as_ref(), Some(winner), "{tag}");
        }
        // And whoever says the same once more is not refused.
        make(&stores[round % 2], &tag, winner).await.unwrap();
    }
}
