//! Success that rests on what is there already: what this process has not brought to disk itself is synced first.

use std::path::Path;
use std::time::SystemTime;

use wharf_store::suite::repository;
use wharf_store::{Change, FoundLink, Held, HeldLink, LinkKind, MetadataStore, Objects, PutIf};

use super::*;

const CHANGE: Change<'static> = Change { actor: None, request_id: "r", at: SystemTime::UNIX_EPOCH };

/// What was synced since the last call, below the tree, with long names cut short.
fn synced(store: &FsStore) -> Vec<String> {
    let paths = std::mem::take(&mut *store.disk.syncs.lock().unwrap());
    let part = |part: &str| match part {
        hex if hex.len() == 64 => "HEX".to_owned(),
        temporary if temporary.ends_with(".tmp") => "TEMPORARY".to_owned(),
        other => other.to_owned(),
    };
    let short = |path: &Path| {
        let path = path.to_str().unwrap().trim_start_matches("docker/registry/v2/");
        path.split('/').map(part).collect::<Vec<_>>().join("/")
    };
    paths.iter().map(|path| short(path)).collect()
}

fn other_process(directory: &TempDir) -> (FsStore, LayoutMetadata) {
    let store = FsStore::open(FsOptions::new(directory.path())).unwrap();
    (store.clone(), LayoutMetadata::new(Arc::new(store)))
}

/// As the registry mounts it.
async fn mount(store: &FsStore, metadata: &LayoutMetadata, digest: &Digest) {
    let seen = store.stat(digest).await.unwrap();
    let held = Held { content: digest, seen: &seen, link: None };
    let _hold = metadata.hold(&held).await.unwrap().expect("it is there");
    metadata.link_blob(&CHANGE, &repository("b"), digest, digest).await.unwrap();
}

/// The blob's file and folders, before the first of the link.
fn assert_blob_first(synced: &[String], digest: &Digest) {
    let folder = format!("blobs/sha256/{}", &digest.hex()[..2]);
    let link = synced.iter().position(|path| path.starts_with("repositories/")).expect("a link");
    for wanted in [format!("{folder}/HEX/data"), format!("{folder}/HEX"), folder, "blobs/sha256".to_owned()] {
        let found = synced.iter().position(|path| *path == wanted);
        assert!(found.is_some_and(|found| found < link), "{wanted} in {synced:?}");
    }
}

#[tokio::test]
async fn a_mount_syncs_a_blob_that_another_process_has_renamed_and_not_yet_synced() {
    let (directory, one) = scratch(Fsync::Full);
    let (key, digest) = (key("a", "u1"), Digest::of(b"blob"));
    one.begin(&key, Announced::Nothing).await.unwrap();
    one.append(&key, 0, once(b"blob")).await.unwrap();
    // Its last sync, that of the folder the blob was renamed into, has not come to its end.
    one.disk.faults.fail_after(commit_syncs().await - 1);
    one.commit(&key, &digest).await.unwrap_err();
    let failed = one.disk.faults.stop().unwrap();
    assert!(failed.ends_with(digest.hex()), "{failed:?}");

    let (two, metadata) = other_process(&directory);
    mount(&two, &metadata, &digest).await;
    assert_blob_first(&synced(&two), &digest);
    // It is known from then on.
    mount(&two, &metadata, &digest).await;
    assert!(synced(&two).iter().all(|path| path.starts_with("repositories/")));
}

/// How many syncs a first commit makes.
async fn commit_syncs() -> usize {
    let (_directory, store) = scratch(Fsync::Full);
    let key = key("a", "u1");
    store.begin(&key, Announced::Nothing).await.unwrap();
    store.append(&key, 0, once(b"blob")).await.unwrap();
    store.commit(&key, &Digest::of(b"blob")).await.unwrap();
    store.disk.syncs.lock().unwrap().len()
}

/// Those sync nothing.
#[tokio::test]
async fn a_mount_syncs_a_blob_of_an_older_registry() {
    let (directory, digest) = (tempfile::tempdir().unwrap(), Digest::of(b"blob"));
    let path = directory.path().join(Key::BlobData(&digest).path());
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, "blob").unwrap();
    let (store, metadata) = other_process(&directory);
    mount(&store, &metadata, &digest).await;
    assert_blob_first(&synced(&store), &digest);
}

#[tokio::test]
async fn a_blob_that_another_process_has_published_anew_is_another_file() {
    let (directory, digest) = (tempfile::tempdir().unwrap(), Digest::of(b"blob"));
    let (one, metadata) = other_process(&directory);
    BlobStore::put(&one, &digest, Bytes::from_static(b"blob")).await.unwrap();
    let path = directory.path().join(Key::BlobData(&digest).path());
    std::fs::write(path.with_extension("new"), "blob").unwrap();
    std::fs::rename(path.with_extension("new"), &path).unwrap();
    synced(&one);
    mount(&one, &metadata, &digest).await;
    assert!(synced(&one).iter().any(|path| path.ends_with("HEX/data")));
}

#[tokio::test]
async fn a_sync_that_failed_for_one_who_relies_on_it_is_made_for_the_next() {
    let (directory, digest) = (tempfile::tempdir().unwrap(), Digest::of(b"blob"));
    let (one, _) = other_process(&directory);
    BlobStore::put(&one, &digest, Bytes::from_static(b"blob")).await.unwrap();
    for nth in 0..4 {
        let (two, metadata) = other_process(&directory);
        let seen = two.stat(&digest).await.unwrap();
        let held = Held { content: &digest, seen: &seen, link: None };
        two.disk.faults.fail_after(nth);
        metadata.hold(&held).await.unwrap_err();
        let failed = two.disk.faults.stop().unwrap();
        two.disk.syncs.lock().unwrap().clear();
        metadata.hold(&held).await.unwrap().unwrap();
        let again = two.disk.syncs.lock().unwrap().clone();
        assert!(again.contains(&failed), "{failed:?} in {again:?}");
    }
}

#[tokio::test]
async fn a_link_that_another_process_wrote_is_synced_for_who_relies_on_it() {
    let (directory, digest, name) = (tempfile::tempdir().unwrap(), Digest::of(b"blob"), repository("b"));
    let (one, _) = other_process(&directory);
    BlobStore::put(&one, &digest, Bytes::from_static(b"blob")).await.unwrap();
    let link = Key::LayerLink(&name, &digest);
    Objects::put(&one, &link, Bytes::from(digest.to_string()), PutIf::Any).await.unwrap();
    for (process, expected) in [(one, 0), (other_process(&directory).0, 8)] {
        let metadata = LayoutMetadata::new(Arc::new(process.clone()));
        synced(&process);
        let seen = process.stat(&digest).await.unwrap();
        let found: FoundLink = metadata.link(&name, LinkKind::Blob, &digest).await.unwrap().unwrap();
        let held_link = HeldLink { repository: &name, kind: LinkKind::Blob, digest: &digest, found };
        let held = Held { content: &digest, seen: &seen, link: Some(held_link) };
        metadata.hold(&held).await.unwrap().unwrap();
        let paths = synced(&process);
        assert!(paths.len() >= expected && (expected > 0 || paths.is_empty()), "{paths:?}");
        if expected > 0 {
            assert!(paths.contains(&"repositories/b/_layers/sha256/HEX/link".to_owned()), "{paths:?}");
        }
    }
}

#[tokio::test]
async fn less_is_synced_for_who_relies_on_it_where_the_operator_asks_for_less() {
    let digest = Digest::of(b"blob");
    for (fsync, expected) in [(Fsync::Data, 1), (Fsync::None, 0)] {
        let directory = tempfile::tempdir().unwrap();
        let (one, _) = other_process(&directory);
        BlobStore::put(&one, &digest, Bytes::from_static(b"blob")).await.unwrap();
        let two = FsStore::open(FsOptions { fsync, ..FsOptions::new(directory.path()) }).unwrap();
        let metadata = LayoutMetadata::new(Arc::new(two.clone()));
        let seen = two.stat(&digest).await.unwrap();
        let held = Held { content: &digest, seen: &seen, link: None };
        metadata.hold(&held).await.unwrap().unwrap();
        assert_eq!(synced(&two).len(), expected, "{fsync:?}");
    }
}
