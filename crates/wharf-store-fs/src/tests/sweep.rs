//! What writers and removers that died have left in the tree.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use futures_util::TryStreamExt;
use wharf_store::suite::{collect, repository};
use wharf_store::{Objects, PutIf};

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

fn write(path: PathBuf, age: Duration) -> PathBuf {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, "bytes").unwrap();
    std::fs::File::open(&path).unwrap().set_modified(SystemTime::now() - age).unwrap();
    path
}

#[tokio::test]
async fn old_temporary_files_are_swept_and_nothing_else() {
    let (directory, store) = scratch(Fsync::None);
    let (name, digest) = (repository("a/x.tmp"), Digest::of(b"bytes"));
    let tag = "v1.tmp".parse().unwrap();
    let at = |key: &Key<'_>, suffix: &str| {
        PathBuf::from(format!("{}{suffix}", store.disk.path(&key.path()).display()))
    };
    let upload = UploadKey { repository: name.clone(), id: "u1".parse().unwrap() };
    let keys = [Key::BlobData(&digest), Key::LayerLink(&name, &digest), Key::TagLink(&name, &tag)];
    let mut kept: Vec<PathBuf> = keys.iter().map(|key| write(at(key, ""), 3 * HOUR)).collect();
    kept.extend(keys.iter().map(|key| write(at(key, ".young.tmp"), Duration::ZERO)));
    kept.push(write(at(&Key::UploadData(&upload), ".tmp"), 3 * HOUR));
    kept.push(write(directory.path().join("docker/other.tmp"), 3 * HOUR));
    let swept: Vec<PathBuf> = keys.iter().map(|key| write(at(key, ".old.tmp"), 3 * HOUR)).collect();

    store.sweep(SystemTime::now() - HOUR).await.unwrap();

    for path in kept {
        assert!(path.exists(), "{path:?}");
    }
    for path in swept {
        assert!(!path.exists(), "{path:?}");
    }
}

/// As a remover leaves it that is killed after its rename.
#[tokio::test]
async fn a_blob_left_aside_is_read_and_held_and_put_back() {
    let (_directory, store) = scratch(Fsync::None);
    let digest = Digest::of(b"bytes");
    let data = store.disk.path(&Key::BlobData(&digest).path());
    let left_aside = || write(data.with_file_name("data.removing-018f"), 3 * HOUR);
    let aside = left_aside();
    assert_eq!(store.stat(&digest).await.unwrap().size, 5);
    assert_eq!(collect(store.read(&digest, None).await.unwrap().body).await, &b"bytes"[..]);
    let listed: Vec<_> = store.list(None).try_collect().await.unwrap();
    assert!(listed.is_empty(), "a collector sees it when it has been put back");
    store.sweep(SystemTime::now() - 9 * HOUR).await.unwrap();
    assert!(data.exists() && !aside.exists());

    std::fs::remove_file(&data).unwrap();
    let aside = left_aside();
    let now = SystemTime::now();
    assert!(store.renew(&Key::BlobData(&digest), now - 3 * HOUR, HOUR).await.unwrap());
    assert!(store.stat(&digest).await.unwrap().modified > now - HOUR);
    store.sweep(now).await.unwrap();
    assert!(data.exists() && !aside.exists());

    left_aside();
    BlobStore::remove(&store, &digest).await.unwrap();
    assert!(matches!(store.stat(&digest).await, Err(Error::BlobNotFound { .. })));
}

#[tokio::test]
async fn a_removed_blob_leaves_no_folder() {
    let (_directory, store) = scratch(Fsync::None);
    let digests = [Digest::of(b"old"), Digest::of(b"absent"), Digest::of(b"young")];
    let data = |digest| store.disk.path(&Key::BlobData(digest).path());
    write(data(&digests[0]), 3 * HOUR);
    write(data(&digests[2]), Duration::ZERO);
    let removed = store.remove_if_older(&digests, SystemTime::now() - HOUR).await.unwrap();
    assert_eq!(removed, [digests[0]]);
    assert!(!data(&digests[0]).parent().unwrap().exists() && data(&digests[2]).exists());
    let link = Key::LayerLink(&repository("a"), &digests[2]);
    Objects::put(&store, &link, Bytes::from_static(b"x"), PutIf::Any).await.unwrap();
}
