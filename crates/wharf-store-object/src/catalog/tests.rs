//! The catalog over a cloud in memory: what is asked before it is needed, and that it changes no answer.

use std::sync::Arc;

use bytes::Bytes;
use wharf_oci::{Digest, Tag};
use wharf_store::layout::Key;
use wharf_store::{Objects, Put};

use super::*;
use crate::BucketOptions;
use crate::memory_cloud::MemoryCloud;

const FIRST: Wanted<'static> = Wanted { prefix: None, after: None, limit: 100 };

fn replica(cloud: &MemoryCloud) -> BucketStore {
    BucketStore::open(Arc::new(cloud.clone()), BucketOptions::default())
}

/// A repository with so many images, each with a tag.
async fn fill(store: &BucketStore, name: &str, images: usize) {
    let name: RepositoryName = name.parse().unwrap();
    for image in 0..images {
        let (digest, tag): (_, Tag) =
            (Digest::of(&image.to_le_bytes()), format!("v{image}").parse().unwrap());
        let keys = [
            Key::LayerLink(&name, &digest),
            Key::RevisionLink(&name, &digest),
            Key::TagIndexLink(&name, &tag, &digest),
            Key::TagLink(&name, &tag),
        ];
        let puts = keys.map(|key| Put { key, bytes: Bytes::from(digest.to_string()) });
        store.put_all(vec![puts.into()]).await.unwrap();
    }
}

async fn seeded(images: usize) -> (MemoryCloud, BucketStore) {
    let cloud = MemoryCloud::default();
    let store = replica(&cloud);
    for number in 0..120 {
        fill(&store, &format!("team/app{number:03}"), images).await;
    }
    (cloud, store)
}

#[tokio::test]
async fn the_second_time_everything_is_asked_at_once() {
    for images in [1, 10, 80] {
        let (cloud, store) = seeded(images).await;
        cloud.take_traffic();
        let first = repositories(&store, FIRST).await.unwrap();
        let asked = cloud.take_traffic().calls.len();

        let questions = store.foresight().ask(store.cloud(), &Asking::from(FIRST)).await;
        assert_eq!(cloud.take_traffic().calls.len(), asked, "{images}: nothing more than the first time");
        assert_eq!(read(&store, &questions, FIRST).await.unwrap(), first);
        assert_eq!(cloud.take_traffic().calls, [""; 0], "{images}: one answer led to another question");
    }
}

#[tokio::test]
async fn what_has_changed_since_is_seen() {
    for images in [1, 10, 80] {
        let (cloud, store) = seeded(images).await;
        let before = repositories(&store, FIRST).await.unwrap();
        fill(&store, "before", images).await;
        fill(&store, "team/app005-1/inner", 1).await;
        for gone in ["team/app000", "team/app050"] {
            store.remove_all(&Dir::Repositories(gone)).await.unwrap();
        }
        let after = repositories(&store, FIRST).await.unwrap();
        assert_ne!(after, before);
        assert_eq!(after, repositories(&replica(&cloud), FIRST).await.unwrap(), "{images}");
        assert!(after.iter().any(|name| name.as_str() == "before"));
    }
}
