//! Uploads over several processes, starts of the machine, and generations of registries.

use super::*;

/// Changes a stored byte behind the store's back, as a power cut does to what was not synced.
fn damage(directory: &TempDir, key: &UploadKey) {
    let path = directory.path().join(Key::UploadData(key).path());
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[0] ^= 0xff;
    std::fs::write(&path, bytes).unwrap();
}

#[tokio::test]
async fn another_process_goes_on_without_hashing_again() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = noise(600_000);
    let (half, rest) = bytes.split_at(300_000);
    let key = unfinished(&directory, half).await;
    // Only a store that believes the record overlooks this.
    damage(&directory, &key);
    let store = reopened(&directory, "first");
    store.append(&key, 300_000, once(rest)).await.unwrap();
    store.commit(&key, &Digest::of(&bytes)).await.unwrap();
}

/// Making and removing a file for it would cost more.
#[tokio::test]
async fn a_short_upload_is_hashed_again_rather_than_noted() {
    let (directory, store) = scratch(Fsync::Full);
    let key = key("a", "u1");
    let record = directory.path().join(Key::UploadRecord(&key).path());
    store.begin(&key, Announced::Nothing).await.unwrap();
    store.append(&key, 0, once(b"short")).await.unwrap();
    assert!(!record.exists());
    store.append(&key, 5, once(noise(100_000))).await.unwrap();
    assert!(record.exists());
    store.begin(&key, Announced::Nothing).await.unwrap();
    assert!(!record.exists(), "it would be believed again");
}

#[tokio::test]
async fn state_from_another_boot_is_rehashed() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = noise(600_000);
    let (half, rest) = bytes.split_at(300_000);
    let key = unfinished(&directory, half).await;
    damage(&directory, &key);
    let store = reopened(&directory, "second");
    store.append(&key, 300_000, once(rest)).await.unwrap();
    let error = store.commit(&key, &Digest::of(&bytes)).await.unwrap_err();
    assert!(matches!(error, Error::DigestMismatch { .. }), "{error:?}");
}

#[tokio::test]
async fn bytes_that_the_record_does_not_know_are_rehashed() {
    let directory = tempfile::tempdir().unwrap();
    let key = unfinished(&directory, &noise(100_000)).await;
    let path = directory.path().join(Key::UploadData(&key).path());
    let all = [&noise(100_000)[..], b" and theirs"].concat();
    std::fs::write(&path, &all).unwrap();
    let store = reopened(&directory, "first");
    assert_eq!(store.status(&key).await.unwrap().offset, all.len() as u64);
    store.commit(&key, &Digest::of(&all)).await.unwrap();
}

#[tokio::test]
async fn a_lost_record_costs_a_reading_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = noise(600_000);
    let key = unfinished(&directory, &bytes).await;
    std::fs::remove_file(directory.path().join(Key::UploadRecord(&key).path())).unwrap();
    reopened(&directory, "first").commit(&key, &Digest::of(&bytes)).await.unwrap();
}

#[tokio::test]
async fn another_process_that_writes_keeps_us_off() {
    let directory = tempfile::tempdir().unwrap();
    let key = unfinished(&directory, b"ours").await;
    let other = std::fs::OpenOptions::new()
        .write(true)
        .open(directory.path().join(Key::UploadData(&key).path()))
        .unwrap();
    rustix::fs::flock(&other, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let store = reopened(&directory, "first");
    for error in [
        store.append(&key, 4, once(b"x")).await.unwrap_err(),
        store.commit(&key, &Digest::of(b"ours")).await.unwrap_err(),
        store.abort(&key).await.unwrap_err(),
    ] {
        assert!(matches!(error, Error::UploadBusy { .. }), "{error:?}");
    }
    drop(other);
    store.commit(&key, &Digest::of(b"ours")).await.unwrap();
}

/// As the registries we succeed leave one: no record of ours, and no `data` before the first byte.
#[tokio::test]
async fn an_upload_begun_by_an_older_registry_goes_on() {
    let (directory, store) = scratch(Fsync::Full);
    let key = key("a", "u1");
    let folder = directory.path().join(Key::UploadStartedAt(&key).path());
    std::fs::create_dir_all(folder.parent().unwrap()).unwrap();
    std::fs::write(&folder, "2026-11-23T13:29:44Z").unwrap();
    let status = store.status(&key).await.unwrap();
    assert_eq!(humantime::format_rfc3339_seconds(status.begun).to_string(), "2026-11-23T13:29:44Z");
    store.append(&key, status.offset, once(b"bytes")).await.unwrap();
    store.commit(&key, &Digest::of(b"bytes")).await.unwrap();
}

#[tokio::test]
async fn startedat_is_what_the_older_registries_write() {
    let directory = tempfile::tempdir().unwrap();
    let key = unfinished(&directory, b"").await;
    let text = std::fs::read_to_string(directory.path().join(Key::UploadStartedAt(&key).path())).unwrap();
    assert_eq!(text.len(), "2026-11-23T13:29:44Z".len());
    assert!(text.ends_with('Z') && !text.contains('.'), "{text}");
}

#[tokio::test]
async fn a_commit_interrupted_before_the_rename_can_be_done_again() {
    let directory = tempfile::tempdir().unwrap();
    let key = unfinished(&directory, b"bytes").await;
    std::fs::remove_file(directory.path().join(Key::UploadStartedAt(&key).path())).unwrap();
    let store = reopened(&directory, "first");
    assert_eq!(store.status(&key).await.unwrap().offset, 5);
    store.commit(&key, &Digest::of(b"bytes")).await.unwrap();
}

#[tokio::test]
async fn a_commit_interrupted_after_the_rename_is_a_closed_upload() {
    let directory = tempfile::tempdir().unwrap();
    let key = unfinished(&directory, &noise(100_000)).await;
    for gone in [Key::UploadStartedAt(&key), Key::UploadData(&key)] {
        std::fs::remove_file(directory.path().join(gone.path())).unwrap();
    }
    let store = reopened(&directory, "first");
    assert!(matches!(store.status(&key).await, Err(Error::UploadNotFound { .. })));
    assert!(matches!(store.append(&key, 0, once(b"x")).await, Err(Error::UploadNotFound { .. })));
}

/// A client that repeats its first request has announced the algorithm before that.
#[tokio::test]
async fn an_upload_that_starts_over_is_hashed_by_the_algorithm_that_was_announced() {
    for (announced, again, expected) in [
        (Announced::Algorithm(Algorithm::Sha512), Announced::Nothing, Algorithm::Sha512),
        (Announced::Digest(Digest::of_with(Algorithm::Sha384, b"x")), Announced::Nothing, Algorithm::Sha384),
        (Announced::Algorithm(Algorithm::Sha512), Announced::Algorithm(Algorithm::Sha256), Algorithm::Sha256),
        (Announced::Nothing, Announced::Nothing, Algorithm::Sha256),
    ] {
        let (directory, store) = scratch(Fsync::None);
        let key = key("a", "u1");
        store.begin(&key, announced).await.unwrap();
        for _ in 0..2 {
            store.append(&key, 0, once(noise(100_000))).await.unwrap();
            store.begin(&key, again).await.unwrap();
        }
        let end = store.append(&key, 0, once(noise(200_000))).await.unwrap();
        let record = std::fs::read(directory.path().join(Key::UploadRecord(&key).path())).unwrap();
        let record = wharf_store::UploadRecord::decode(&record).unwrap();
        assert_eq!((record.algorithm, record.offset), (expected, end));
    }
}

#[tokio::test]
async fn a_finished_upload_leaves_no_folder_and_no_temporary_file() {
    let (directory, store) = scratch(Fsync::Full);
    let key = key("a", "u1");
    store.begin(&key, Announced::Algorithm(Algorithm::Sha512)).await.unwrap();
    store.append(&key, 0, once(b"bytes")).await.unwrap();
    let digest = Digest::of_with(Algorithm::Sha512, b"bytes");
    store.commit(&key, &digest).await.unwrap();
    store.close(&key).await.unwrap();
    store.put(&Digest::of(b"small"), Bytes::from_static(b"small")).await.unwrap();

    let mut files = Vec::new();
    list(directory.path(), &mut files);
    files.sort();

    let expected = [Key::BlobData(&Digest::of(b"small")).path(), Key::BlobData(&digest).path()];
    let expected = expected.map(|path| directory.path().join(path));
    assert_eq!(files, expected);
    assert!(!directory.path().join(Key::UploadData(&key).path()).parent().unwrap().exists());
}

/// A wave of syncs waits for threads; one that waited for them on a thread of theirs would wait for ever.
#[test]
fn a_push_needs_no_more_than_one_thread_of_the_pool() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(1)
        .build()
        .unwrap();
    let (_directory, store) = scratch(Fsync::Full);
    let bytes = noise(2_000_000);
    runtime.block_on(async {
        let key = key("a", "u1");
        store.begin(&key, Announced::Nothing).await.unwrap();
        store.append(&key, 0, once(&bytes[..])).await.unwrap();
        store.commit(&key, &Digest::of(&bytes)).await.unwrap();
        store.put(&Digest::of(b"a manifest"), Bytes::from_static(b"a manifest")).await.unwrap();
    });
}

#[tokio::test]
async fn bytes_that_come_one_by_one_are_the_same_bytes() {
    let (_directory, store) = scratch(Fsync::None);
    let (key, bytes) = (key("a", "u1"), noise(3_001));
    store.begin(&key, Announced::Nothing).await.unwrap();
    let chunks: Vec<_> = bytes.iter().map(|byte| Ok(Bytes::copy_from_slice(&[*byte]))).collect();
    let end = store.append(&key, 0, Box::pin(futures_util::stream::iter(chunks))).await.unwrap();
    assert_eq!(end, 3_001);
    // Not as the hasher saw them, but as they were written: a short upload is read again.
    store.commit(&key, &Digest::of(&bytes)).await.unwrap();
}
