//! Uploads that were published and are not closed: what a repeated last request finds.

use super::*;

/// Short, in a piece, in parts, in parts that are copied in parts.
const LENGTHS: [usize; 4] = [20_000, 60_000, 250_000, 850_000];

fn remove(cloud: &MemoryCloud, digest: &Digest) -> impl Future<Output = wharf_store::Result<()>> {
    let (cloud, key) = (cloud.clone(), format!("root/{}", Key::BlobData(digest).path()));
    async move { cloud.delete(&key).await }
}

#[tokio::test]
async fn a_commit_whose_process_died_before_the_link_is_repeated_by_another() {
    for algorithm in Algorithm::ALL {
        for length in LENGTHS {
            let (cloud, store) = scratch();
            let (key, bytes) = (key("a", "u"), noise(length));
            let digest = Digest::of_with(algorithm, &bytes);
            store.begin(&key, Announced::Nothing).await.unwrap();
            store.append(&key, 0, pieces(&bytes, 9_000)).await.unwrap();
            store.commit(&key, &digest).await.unwrap();
            // Not because the bytes are there, but because the upload has them.
            remove(&cloud, &digest).await.unwrap();

            let other = replica(&cloud);
            assert_eq!(other.status(&key).await.unwrap().offset, length as u64);
            let wrong = other.commit(&key, &Digest::of(b"another")).await.unwrap_err();
            assert!(
                matches!(wrong, Error::UploadNotFound { .. } | Error::DigestMismatch { .. }),
                "{wrong:?}"
            );
            assert_eq!(other.commit(&key, &digest).await.unwrap(), length as u64);
            assert!(blob(&cloud, &digest).unwrap() == bytes, "{length}");
            assert_closes(&other, &key, &cloud, &digest, &bytes).await;
        }
    }
}

#[tokio::test]
async fn last_bytes_that_became_parts_are_in_the_upload_when_their_process_has_died() {
    for length in LENGTHS {
        let (cloud, store) = scratch();
        let (key, bytes) = (key("a", "u"), noise(length + 120_000));
        let digest = Digest::of(&bytes);
        store.begin(&key, Announced::Nothing).await.unwrap();
        let offset = store.append(&key, 0, pieces(&bytes[..length], 9_000)).await.unwrap();
        store.finish(&key, offset, pieces(&bytes[length..], 9_000), &digest).await.unwrap();

        let other = replica(&cloud);
        assert_eq!(other.status(&key).await.unwrap().offset, bytes.len() as u64, "{length}");
        let more = other.append(&key, bytes.len() as u64, once(b"more")).await.unwrap_err();
        assert!(matches!(more, Error::UploadNotFound { .. }), "{more:?}");
        assert_eq!(other.commit(&key, &digest).await.unwrap(), bytes.len() as u64);
        assert_closes(&other, &key, &cloud, &digest, &bytes).await;
    }
}

#[tokio::test]
async fn a_last_request_that_brought_everything_may_bring_it_again() {
    for length in LENGTHS {
        let (cloud, store) = scratch();
        let (key, bytes) = (key("a", "u"), noise(length));
        let digest = Digest::of(&bytes);
        store.begin(&key, Announced::Nothing).await.unwrap();
        store.finish(&key, 0, pieces(&bytes, 9_000), &digest).await.unwrap();
        assert_eq!(store.status(&key).await.unwrap().offset, length as u64);
        assert_eq!(store.commit(&key, &digest).await.unwrap(), length as u64);

        // The upload itself has none of them, and says so.
        let other = replica(&cloud);
        assert_eq!(other.status(&key).await.unwrap().offset, 0);
        let error = other.commit(&key, &digest).await.unwrap_err();
        assert!(matches!(error, Error::DigestMismatch { .. }), "{error:?}");
        other.finish(&key, 0, pieces(&bytes, 9_000), &digest).await.unwrap();
        assert_closes(&other, &key, &cloud, &digest, &bytes).await;
    }
}

#[tokio::test]
async fn bytes_of_the_digest_elsewhere_finish_no_upload() {
    for length in LENGTHS {
        let (cloud, store) = scratch();
        let (theirs, bytes) = (key("another", "u"), noise(length));
        let digest = Digest::of(&bytes);
        store.begin(&theirs, Announced::Nothing).await.unwrap();
        store.append(&theirs, 0, once(&bytes)).await.unwrap();
        store.commit(&theirs, &digest).await.unwrap();

        for (id, begun) in [("empty", &b""[..]), ("begun", b"some bytes")] {
            let ours = key("a", id);
            store.begin(&ours, Announced::Digest(digest)).await.unwrap();
            store.append(&ours, 0, once(begun)).await.unwrap();
            for process in [&store, &replica(&cloud)] {
                let error = process.commit(&ours, &digest).await.unwrap_err();
                assert!(matches!(error, Error::DigestMismatch { .. }), "{error:?}");
                let end = begun.len() as u64;
                let error = process.finish(&ours, end, once(b""), &digest).await.unwrap_err();
                assert!(matches!(error, Error::DigestMismatch { .. }), "{error:?}");
                assert_eq!(process.status(&ours).await.unwrap().offset, end);
            }
        }
        let never = store.commit(&key("a", "never"), &digest).await.unwrap_err();
        assert!(matches!(never, Error::UploadNotFound { .. }), "{never:?}");
    }
}

#[tokio::test]
async fn a_finished_upload_whose_blob_has_gone_is_published_again() {
    let (cloud, store) = scratch();
    let (key, bytes) = (key("a", "u"), noise(250_000));
    let digest = Digest::of(&bytes);
    store.begin(&key, Announced::Nothing).await.unwrap();
    store.append(&key, 0, once(&bytes)).await.unwrap();
    store.commit(&key, &digest).await.unwrap();
    remove(&cloud, &digest).await.unwrap();
    assert_eq!(store.commit(&key, &digest).await.unwrap(), 250_000);
    assert_closes(&store, &key, &cloud, &digest, &bytes).await;
}

#[tokio::test]
async fn a_finished_upload_that_is_never_closed_is_purged() {
    for length in LENGTHS {
        let (cloud, store) = scratch();
        let (key, bytes) = (key("a", "u"), noise(length));
        let digest = Digest::of(&bytes);
        store.begin(&key, Announced::Nothing).await.unwrap();
        store.append(&key, 0, once(&bytes)).await.unwrap();
        store.commit(&key, &digest).await.unwrap();
        cloud.clock.advance(std::time::Duration::from_secs(86_400));
        failures::purge(&replica(&cloud), &cloud).await;
        assert_only_blob(&cloud, &digest, &bytes);
    }
}
