//! The filesystem keeps the promises, with syncs and without.

mod counts;
mod dirt;
mod durability;
mod failed_syncs;
mod finished;
mod locks;
mod processes;
mod relied;
mod removal;
mod sweep;
mod tags;
mod two_file_systems;
mod uploads;

use std::sync::Arc;

use bytes::Bytes;
use tempfile::TempDir;
use wharf_oci::{Algorithm, Digest};
use wharf_store::layout::Key;
use wharf_store::suite::{key, noise, once};
use wharf_store::{Announced, BlobStore, Error, LayoutMetadata, UploadKey};

use crate::{Boot, FsOptions, FsStore, Fsync};

fn scratch(fsync: Fsync) -> (TempDir, FsStore) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let options = FsOptions { fsync, ..FsOptions::new(directory.path()) };
    let store = FsStore::open(options).expect("a store");
    (directory, store)
}

fn scratch_metadata(fsync: Fsync) -> (TempDir, LayoutMetadata) {
    let (directory, store) = scratch(fsync);
    (directory, LayoutMetadata::new(Arc::new(store)))
}

mod synced {
    use super::*;
    wharf_store::blob_store_suite!(scratch(Fsync::Full));
    wharf_store::objects_suite!(scratch(Fsync::Full));
    wharf_store::metadata_store_suite!(scratch_metadata(Fsync::Full));
}

mod unsynced {
    use super::*;
    wharf_store::blob_store_suite!(scratch(Fsync::None));
    wharf_store::objects_suite!(scratch(Fsync::None));
    wharf_store::metadata_store_suite!(scratch_metadata(Fsync::None));
}

/// The same directory seen by another process, or after another start of the machine.
fn reopened(directory: &TempDir, boot: &str) -> FsStore {
    let options = FsOptions { boot: Boot::named(boot), ..FsOptions::new(directory.path()) };
    FsStore::open(options).expect("a store")
}

/// An upload of `bytes` left unfinished by the boot `first`.
async fn unfinished(directory: &TempDir, bytes: &[u8]) -> UploadKey {
    let key = key("a", "u1");
    let store = reopened(directory, "first");
    store.begin(&key, Announced::Nothing).await.unwrap();
    store.append(&key, 0, once(bytes)).await.unwrap();
    key
}

/// All files below `folder`.
fn list(folder: &std::path::Path, files: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { list(&path, files) } else { files.push(path) }
    }
}
