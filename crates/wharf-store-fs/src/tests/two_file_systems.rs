//! A tree whose blobs are on another file system than its uploads: a rename from one to the other is refused by the kernel.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use wharf_store::suite::collect;

use super::*;

const BLOBS: &str = "docker/registry/v2/blobs";

/// Two directories on different file systems, the first of which has the tree.
fn directories() -> (TempDir, TempDir) {
    let (disk, memory) = (tempfile::tempdir().unwrap(), tempfile::tempdir_in("/dev/shm").unwrap());
    let device = |directory: &TempDir| std::fs::metadata(directory).unwrap().dev();
    assert_ne!(device(&disk), device(&memory), "this test needs a directory outside of /dev/shm");
    let link = disk.path().join(BLOBS);
    std::fs::create_dir_all(link.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink(memory.path(), link).unwrap();
    (disk, memory)
}

fn across(fsync: Fsync) -> ((TempDir, TempDir), FsStore) {
    let directories = directories();
    let options = FsOptions { fsync, ..FsOptions::new(directories.0.path()) };
    (directories, FsStore::open(options).unwrap())
}

mod promises {
    use super::*;
    wharf_store::blob_store_suite!(across(Fsync::Full));
}

fn files(directory: &TempDir) -> Vec<PathBuf> {
    let mut files = Vec::new();
    list(directory.path(), &mut files);
    files
}

#[tokio::test]
async fn a_blob_is_copied_and_its_upload_is_finished() {
    for (length, algorithm) in [(5, Algorithm::Sha256), (1_000_000, Algorithm::Sha512)] {
        let ((disk, memory), store) = across(Fsync::Full);
        let (key, bytes) = (key("a", "u1"), noise(length));
        let digest = Digest::of_with(algorithm, &bytes);
        store.begin(&key, Announced::Nothing).await.unwrap();
        store.append(&key, 0, once(bytes.clone())).await.unwrap();
        store.commit(&key, &digest).await.unwrap();
        assert_eq!(collect(store.read(&digest, None).await.unwrap().body).await, bytes);
        // A repeated final request is answered by the upload's own note.
        store.commit(&key, &digest).await.unwrap();
        store.close(&key).await.unwrap();
        let left = |path: &PathBuf| !path.starts_with(disk.path().join(BLOBS));
        assert!(!files(&disk).iter().any(left), "the upload is gone");
        let data = disk.path().join(Key::BlobData(&digest).path()).canonicalize().unwrap();
        assert_eq!(files(&memory), [data]);
    }
}

/// The file and its folder, on the other file system, before and after the rename.
#[tokio::test]
async fn what_was_copied_is_synced_before_it_has_its_name() {
    let ((_disk, _memory), store) = across(Fsync::Full);
    let (key, digest) = (key("a", "u1"), Digest::of(b"bytes"));
    store.begin(&key, Announced::Nothing).await.unwrap();
    store.append(&key, 0, once(b"bytes")).await.unwrap();
    store.disk.syncs.lock().unwrap().clear();
    store.commit(&key, &digest).await.unwrap();
    let synced: Vec<String> =
        store.disk.syncs.lock().unwrap().iter().map(|path| path.display().to_string()).collect();
    let data = Key::BlobData(&digest).path();
    let folder = data.strip_suffix("/data").unwrap();
    let copied = synced.iter().position(|path| path.starts_with(&data) && path.ends_with(".tmp"));
    let named = synced.iter().position(|path| path == folder);
    assert!(copied.is_some() && copied < named, "{synced:?}");
}

/// The disk gives other bytes than those that were hashed when they came.
#[tokio::test]
async fn bytes_that_changed_before_they_were_copied_are_not_published() {
    let ((disk, memory), store) = across(Fsync::Full);
    let (key, bytes) = (key("a", "u1"), noise(300_000));
    let digest = Digest::of(&bytes);
    store.begin(&key, Announced::Nothing).await.unwrap();
    store.append(&key, 0, once(bytes.clone())).await.unwrap();
    // The record of the upload says that all were hashed, and is believed.
    let path = disk.path().join(Key::UploadData(&key).path());
    let mut damaged = bytes.to_vec();
    damaged[7] ^= 1;
    std::fs::write(&path, damaged).unwrap();
    store.commit(&key, &digest).await.unwrap_err();
    assert!(matches!(store.stat(&digest).await, Err(Error::BlobNotFound { .. })));
    assert_eq!(files(&memory), Vec::<PathBuf>::new());
    // Sent again, they are a blob.
    store.begin(&key, Announced::Nothing).await.unwrap();
    store.append(&key, 0, once(bytes)).await.unwrap();
    store.commit(&key, &digest).await.unwrap();
}

/// As a power cut, or a full disk, leaves it.
#[tokio::test]
async fn a_copy_that_failed_leaves_the_upload_and_no_blob() {
    let ((_disk, memory), store) = across(Fsync::Full);
    let (key, digest) = (key("a", "u1"), Digest::of(b"bytes"));
    store.begin(&key, Announced::Nothing).await.unwrap();
    store.append(&key, 0, once(b"bytes")).await.unwrap();
    // The folder of the blob, and those above it; the upload's own bytes; the copy.
    let mut failed = 0;
    for syncs in 0..20 {
        store.disk.faults.fail_after(syncs);
        let committed = store.commit(&key, &digest).await;
        let point = store.disk.faults.stop();
        if committed.is_ok() {
            assert!(point.is_none() || failed > 0, "{point:?}");
            break;
        }
        failed += usize::from(point.is_some_and(|path| path.to_string_lossy().contains("/data.")));
        assert!(!files(&memory).iter().any(|path| path.ends_with("data")), "after {syncs} syncs");
        assert!(!files(&memory).iter().any(|path| path.to_string_lossy().ends_with(".tmp")));
        if store.append(&key, 5, once(b"")).await.is_err() {
            store.begin(&key, Announced::Nothing).await.unwrap();
            store.append(&key, 0, once(b"bytes")).await.unwrap();
        }
    }
    assert!(failed > 0, "no sync of a copy failed");
    assert_eq!(store.stat(&digest).await.unwrap().size, 5);
}

/// A file that is on a disk must not be read where nothing may wait.
#[tokio::test]
async fn a_root_in_memory_whose_blobs_are_on_a_disk_is_not_all_in_memory() {
    let (disk, memory) = (tempfile::tempdir().unwrap(), tempfile::tempdir_in("/dev/shm").unwrap());
    let on_disk = std::fs::File::open(disk.path()).unwrap();
    assert!(!wharf_store::is_in_memory(on_disk), "this test needs a temporary directory on a disk");
    let opened = || FsStore::open(FsOptions::new(memory.path())).unwrap();
    assert!(opened().disk.in_memory());
    let link = memory.path().join(BLOBS);
    std::fs::create_dir_all(link.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink(disk.path(), link).unwrap();
    assert!(!opened().disk.in_memory());
    drop(opened());
}
