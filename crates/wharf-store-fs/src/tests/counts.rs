//! How many syncs each operation costs, at each setting: the table of `docs/spec/durability.md`, row by row.

use std::time::SystemTime;

use wharf_oci::Descriptor;
use wharf_store::suite::repository;
use wharf_store::{Change, Expect, Held, ManifestFacts, MetadataStore, TagWrite};

use super::*;

const CHANGE: Change<'static> = Change { actor: None, request_id: "r", at: SystemTime::UNIX_EPOCH };

/// An operation, and its syncs with `full`, `data` and `none`.
const TABLE: [(&str, [usize; 3]); 12] = [
    ("begin an upload", [0, 0, 0]),
    ("add to an upload", [0, 0, 0]),
    ("cancel an upload", [0, 0, 0]),
    ("push a blob", [6, 2, 0]),
    ("mount a blob", [3, 1, 0]),
    ("push a manifest by digest", [6, 2, 0]),
    ("push a manifest under a tag", [11, 4, 0]),
    ("push a manifest with a subject", [11, 3, 0]),
    ("delete a tag", [1, 0, 0]),
    ("delete a manifest with a tag", [2, 0, 0]),
    ("delete a manifest with a subject", [2, 0, 0]),
    ("delete a blob", [1, 0, 0]),
];

struct Counter {
    store: FsStore,
    metadata: LayoutMetadata,
    counted: Vec<(&'static str, usize)>,
}

impl Counter {
    fn count(&mut self, operation: &'static str) {
        let syncs = std::mem::take(&mut *self.store.disk.syncs.lock().unwrap());
        self.counted.push((operation, syncs.len()));
    }

    async fn uploads(&mut self) {
        let (one, two) = (key("a", "one"), key("a", "two"));
        self.store.begin(&one, Announced::Nothing).await.unwrap();
        self.count("begin an upload");
        self.store.append(&one, 0, once(b"blob")).await.unwrap();
        self.count("add to an upload");
        self.store.begin(&two, Announced::Nothing).await.unwrap();
        self.store.abort(&two).await.unwrap();
        self.count("cancel an upload");
        let digest = Digest::of(b"blob");
        self.store.commit(&one, &digest).await.unwrap();
        self.metadata.link_blob(&CHANGE, &repository("a"), &digest, &digest).await.unwrap();
        self.store.close(&one).await.unwrap();
        self.count("push a blob");
        let seen = self.store.stat(&digest).await.unwrap();
        self.metadata.hold(&Held { content: &digest, seen: &seen, link: None }).await.unwrap().unwrap();
        self.metadata.link_blob(&CHANGE, &repository("b"), &digest, &digest).await.unwrap();
        self.count("mount a blob");
    }

    async fn manifest(&mut self, content: &'static [u8], tag: Option<&str>, subject: Option<&Digest>) {
        let digest = Digest::of(content);
        let descriptor = Descriptor::new("application/x".parse().unwrap(), digest, content.len() as u64);
        let tags: Vec<TagWrite> =
            tag.into_iter().map(|tag| TagWrite { tag: tag.parse().unwrap(), expect: Expect::Any }).collect();
        BlobStore::put(&self.store, &digest, Bytes::from_static(content)).await.unwrap();
        let facts = ManifestFacts {
            digest: &digest,
            references: &[],
            subject: subject.map(|subject| (subject, &descriptor)),
            tags: &tags,
        };
        self.metadata.put_manifest(&CHANGE, &repository("a"), &facts).await.unwrap();
    }

    async fn manifests(&mut self) {
        let subject = Digest::of(b"plain");
        self.manifest(b"plain", None, None).await;
        self.count("push a manifest by digest");
        self.manifest(b"tagged", Some("v1"), None).await;
        self.count("push a manifest under a tag");
        self.manifest(b"refers", None, Some(&subject)).await;
        self.count("push a manifest with a subject");
    }

    async fn deletes(&mut self) {
        let (name, tagged) = (repository("a"), Digest::of(b"tagged"));
        self.metadata.delete_tag(&CHANGE, &name, &"v1".parse().unwrap()).await.unwrap();
        self.count("delete a tag");
        self.manifest(b"tagged", Some("v1"), None).await;
        self.store.disk.syncs.lock().unwrap().clear();
        self.metadata.delete_manifest(&CHANGE, &name, &tagged, None).await.unwrap();
        self.count("delete a manifest with a tag");
        let (refers, subject) = (Digest::of(b"refers"), Digest::of(b"plain"));
        self.metadata.delete_manifest(&CHANGE, &name, &refers, Some(&subject)).await.unwrap();
        self.count("delete a manifest with a subject");
        self.metadata.unlink_blob(&CHANGE, &name, &Digest::of(b"blob")).await.unwrap();
        self.count("delete a blob");
    }

    /// Everything once.
    async fn all(&mut self) {
        self.uploads().await;
        self.manifests().await;
        self.deletes().await;
    }

    /// Takes away what is left, but for the folders that stay.
    async fn clear(&mut self) {
        let (blob, plain) = (Digest::of(b"blob"), Digest::of(b"plain"));
        self.metadata.unlink_blob(&CHANGE, &repository("b"), &blob).await.unwrap();
        self.metadata.delete_manifest(&CHANGE, &repository("a"), &plain, None).await.unwrap();
        for content in [&b"blob"[..], b"plain", b"tagged", b"refers"] {
            BlobStore::remove(&self.store, &Digest::of(content)).await.unwrap();
        }
        self.store.disk.syncs.lock().unwrap().clear();
        self.counted.clear();
    }
}

#[tokio::test]
async fn every_operation_costs_as_many_syncs_as_the_specification_says() {
    for (column, fsync) in [Fsync::Full, Fsync::Data, Fsync::None].into_iter().enumerate() {
        let (_directory, store) = scratch(fsync);
        let metadata = LayoutMetadata::new(Arc::new(store.clone()));
        let mut counter = Counter { store, metadata, counted: Vec::new() };
        // The first time makes the folders that stay for ever.
        counter.all().await;
        counter.clear().await;
        counter.all().await;
        let expected: Vec<_> = TABLE.iter().map(|(operation, syncs)| (*operation, syncs[column])).collect();
        assert_eq!(counter.counted, expected, "{fsync:?}");
    }
}
