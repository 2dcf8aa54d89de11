//! Every key of a listing comes exactly once, also from a server that ends listings early.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryStreamExt;
use wharf_oci::{Digest, RepositoryName, Tag};
use wharf_store::layout::{Dir, Key};
use wharf_store::{BlobStore, LayoutMetadata, MetadataStore, Objects, Put};
use wharf_store_object::{BucketStore, Entry, Start};

use crate::harness::{Server, is_elsewhere};

const PAGES: [usize; 5] = [1, 3, 10, 100, 1000];

/// A store on a server of each kind; of the one that the environment names, one.
fn stores() -> Vec<(Server, BucketStore)> {
    let honest = Server::start();
    let early = Server::start();
    early.s3.end_listings_early();
    let servers = if is_elsewhere() { vec![honest] } else { vec![honest, early] };
    servers
        .into_iter()
        .map(|server| {
            let store = server.store();
            (server, store)
        })
        .collect()
}

async fn write(store: &BucketStore, keys: Vec<Key<'_>>) {
    let put = |key| Put { key, bytes: Bytes::from_static(b"x") };
    store.put_all(vec![keys.into_iter().map(put).collect()]).await.unwrap();
}

/// Names side by side that sort otherwise than their keys.
fn repositories(each: usize) -> BTreeSet<RepositoryName> {
    let mut names = BTreeSet::new();
    for top in
        ["acme", "acme-labs", "acme.io", "acme/app", "acme/app-web", "acme/app.web", "b/c/d", "b/c-d/e"]
    {
        names.insert(top.parse().unwrap());
        for number in 0..each {
            names.insert(format!("{top}/r{number:03}").parse().unwrap());
        }
    }
    names
}

#[tokio::test]
async fn a_listing_that_begins_deep_in_a_folder_does_not_end_early() {
    for (server, store) in stores() {
        let cloud = store.cloud();
        let root = &store.options().root;
        let keys: Vec<String> = (0..6)
            .map(|number| format!("{root}x/app-web/{number}"))
            .chain((0..30).map(|number| format!("{root}x/app/{number:02}")))
            .chain((0..3).map(|number| format!("{root}x/app0/{number}")))
            .collect();
        for key in &keys {
            cloud.put(key, vec![], wharf_store_object::Condition::Any).await.unwrap();
        }
        let prefix = format!("{root}x/");
        for limit in PAGES {
            for first in 0..keys.len() {
                let mut start = Some(Start::After(keys[first].clone()));
                let mut found = Vec::new();
                while let Some(from) = start {
                    let page = cloud.list(&prefix, Some(&from), false, limit).await.unwrap();
                    assert!(page.entries.len() <= limit);
                    found.extend(page.entries.iter().map(|entry: &Entry| entry.key().to_owned()));
                    start = page.next;
                }
                assert_eq!(found, keys[first + 1..], "after {} by {limit}", keys[first]);
            }
        }
        drop(server);
    }
}

#[tokio::test]
async fn every_repository_is_on_one_page_of_the_catalog() {
    for (server, store) in stores() {
        let names = repositories(if is_elsewhere() { 20 } else { 40 });
        let (digest, tag): (_, Tag) = (Digest::of(b"manifest"), "v1".parse().unwrap());
        for name in &names {
            let mut keys = vec![Key::RevisionLink(name, &digest), Key::TagLink(name, &tag)];
            let layers: Vec<Digest> = (0..6_u8).map(|number| Digest::of(&[number])).collect();
            keys.extend(layers.iter().map(|layer| Key::LayerLink(name, layer)));
            write(&store, keys).await;
        }
        let metadata = LayoutMetadata::new(Arc::new(store.clone()));
        for limit in PAGES.into_iter().filter(|limit| !is_elsewhere() || *limit >= 100) {
            let (mut found, mut last) = (Vec::new(), String::new());
            loop {
                let page = metadata.repositories(None, Some(&last), limit).await.unwrap();
                found.extend(page.items);
                if !page.more {
                    break;
                }
                last = found.last().map(RepositoryName::to_string).unwrap();
            }
            assert!(found.iter().eq(&names), "{} of {} by {limit}", found.len(), names.len());
        }
        drop(server);
    }
}

#[tokio::test]
async fn every_tag_is_on_one_page() {
    for (server, store) in stores() {
        let repository: RepositoryName = "acme/app".parse().unwrap();
        let each = if is_elsewhere() { 20 } else { 200 };
        let names = ["v1", "v1-a", "v1.0", "v1.0-b", "v10"].into_iter().flat_map(|name| {
            std::iter::once(name.to_owned()).chain((0..each).map(move |number| format!("{name}.{number}")))
        });
        let tags: BTreeSet<Tag> = names.map(|name| name.parse().unwrap()).collect();
        let digest = Digest::of(b"manifest");
        let history = tags.iter().map(|tag| Key::TagIndexLink(&repository, tag, &digest));
        write(&store, tags.iter().map(|tag| Key::TagLink(&repository, tag)).chain(history).collect()).await;
        let metadata = LayoutMetadata::new(Arc::new(store.clone()));
        for limit in PAGES.into_iter().filter(|limit| !is_elsewhere() || *limit >= 100) {
            let (mut found, mut last) = (Vec::new(), String::new());
            loop {
                let page = metadata.tags(&repository, Some(&last), limit).await.unwrap();
                found.extend(page.items);
                if !page.more {
                    break;
                }
                last = found.last().map(Tag::to_string).unwrap();
            }
            assert!(found.iter().eq(&tags), "{} of {} by {limit}", found.len(), tags.len());
        }
        drop(server);
    }
}

#[tokio::test]
async fn every_blob_is_listed_and_all_that_is_below_a_folder_is_removed() {
    for (server, store) in stores() {
        let digests: BTreeSet<Digest> =
            (0..2100_u32).map(|number| Digest::of(&number.to_le_bytes())).collect();
        let sorted: Vec<Digest> = digests.into_iter().collect();
        write(&store, sorted.iter().map(Key::BlobData).collect()).await;
        for first in [None, Some(0), Some(700), Some(sorted.len() - 1)] {
            let listed: Vec<Digest> = store
                .list(first.map(|first: usize| sorted[first]))
                .map_ok(|blob| blob.digest)
                .try_collect()
                .await
                .unwrap();
            assert_eq!(listed, sorted[first.map_or(0, |first| first + 1)..]);
        }
        let repository: RepositoryName = "acme/app".parse().unwrap();
        write(&store, vec![Key::LayerLink(&repository, &sorted[0])]).await;
        store.remove_all(&Dir::BlobPrefixes(sorted[0].algorithm())).await.unwrap();
        let left: Vec<_> = store.list(None).try_collect().await.unwrap();
        assert_eq!(left, []);
        assert!(Objects::get(&store, &Key::LayerLink(&repository, &sorted[0])).await.unwrap().is_some());
        drop(server);
    }
}
