//! Several processes over one bucket, and what clients do to them.

use super::*;

#[tokio::test]
async fn another_replica_goes_on_after_any_append() {
    for chunk in [5_000, 40_000, 130_000] {
        let cloud = MemoryCloud::default();
        let (key, bytes) = (key("a", "u"), noise(650_000));
        replica(&cloud).begin(&key, Announced::Nothing).await.unwrap();
        let mut offset = 0;
        for chunk in bytes.chunks(chunk) {
            let store = replica(&cloud);
            assert_eq!(store.status(&key).await.unwrap().offset, offset);
            offset = store.append(&key, offset, once(chunk)).await.unwrap();
        }
        let digest = Digest::of(&bytes);
        let store = replica(&cloud);
        store.commit(&key, &digest).await.unwrap();
        assert_closes(&store, &key, &cloud, &digest, &bytes).await;
    }
}

/// An endless body of which so much has come.
fn unended(bytes: &[u8]) -> ByteStream {
    pieces(bytes, 10_000).chain(stream::pending()).boxed()
}

#[tokio::test]
async fn another_replica_goes_on_when_the_first_died_in_the_middle() {
    for died_after in [1, 30_000, 3 * PART, 5 * PART + 1] {
        let cloud = MemoryCloud::default();
        let (key, bytes) = (key("a", "u"), noise(650_000));
        let first = replica(&cloud);
        first.begin(&key, Announced::Nothing).await.unwrap();
        let start = first.append(&key, 0, once(&bytes[..20_000])).await.unwrap();
        let body = unended(&bytes[20_000..20_000 + died_after]);
        let mut append = Box::pin(first.append(&key, start, body));
        for _ in 0..100 {
            assert!(futures_util::poll!(&mut append).is_pending());
            tokio::task::yield_now().await;
        }
        drop(append);

        let second = replica(&cloud);
        let offset = second.status(&key).await.unwrap().offset;
        assert_eq!(offset, 20_000);
        let rest = &bytes[20_000..];
        second.append(&key, offset, pieces(rest, 9_999)).await.unwrap();
        let digest = Digest::of(&bytes);
        second.commit(&key, &digest).await.unwrap();
        assert!(blob(&cloud, &digest).unwrap() == bytes);
    }
}

#[tokio::test]
async fn a_replica_that_dies_in_a_long_body_loses_little() {
    let cloud = MemoryCloud::default();
    let options =
        BucketOptions { root: "root/".to_owned(), part_bytes: 16 << 20, ..BucketOptions::default() };
    let first = BucketStore::open(Arc::new(cloud.clone()), options);
    let (key, bytes) = (key("a", "u"), noise(100 << 20));
    first.begin(&key, Announced::Nothing).await.unwrap();
    first.append(&key, 0, once(&bytes[..50_000])).await.unwrap();
    let body = pieces(&bytes[50_000..], 1 << 20).chain(stream::pending()).boxed();
    let append = first.append(&key, 50_000, body);
    let watch = async {
        while replica(&cloud).status(&key).await.unwrap().offset < 64 << 20 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        appended = append => panic!("{appended:?}"),
        () = watch => {}
    }
    let second = replica(&cloud);
    let offset = second.status(&key).await.unwrap().offset;
    let rest = &bytes[usize::try_from(offset).unwrap()..];
    second.finish(&key, offset, pieces(rest, 1 << 20), &Digest::of(&bytes)).await.unwrap();
    assert!(blob(&cloud, &Digest::of(&bytes)).unwrap() == bytes);
}

/// A body that comes when whoever reads it, and others beside, have done all else.
fn late(bytes: &[u8]) -> ByteStream {
    let bytes = Bytes::copy_from_slice(bytes);
    let body = async {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        Ok(bytes)
    };
    stream::once(body).boxed()
}

#[tokio::test]
async fn of_two_replicas_one_loses_and_its_bytes_are_not_mixed_in() {
    for length in [10, 50_000, 350_000] {
        let cloud = MemoryCloud::default();
        let (key, first, second) = (key("a", "u"), replica(&cloud), replica(&cloud));
        first.begin(&key, Announced::Nothing).await.unwrap();
        first.append(&key, 0, once(b"start ")).await.unwrap();
        let (one, two) = (noise(length), vec![1; length]);
        let both = tokio::join!(first.append(&key, 6, late(&one)), second.append(&key, 6, late(&two)));
        let winner = match &both {
            (Ok(_), Err(Error::UploadBusy { .. })) => &one,
            (Err(Error::UploadBusy { .. }), Ok(_)) => &two,
            neither => panic!("{neither:?}"),
        };
        let bytes = [b"start ", winner.as_slice()].concat();
        let digest = Digest::of(&bytes);
        let store = replica(&cloud);
        store.commit(&key, &digest).await.unwrap();
        assert_closes(&store, &key, &cloud, &digest, &bytes).await;
    }
}

#[tokio::test]
async fn without_conditions_mixed_writers_can_only_fail() {
    for length in [10, 50_000, 350_000] {
        let cloud = MemoryCloud::default();
        cloud.careless.store(true, Ordering::Relaxed);
        let (key, first, second) = (key("a", "u"), replica(&cloud), replica(&cloud));
        first.begin(&key, Announced::Nothing).await.unwrap();
        first.append(&key, 0, once(noise(PART + 1))).await.unwrap();
        let offset = PART as u64 + 1;
        let (one, two) = (noise(length), vec![1; length]);
        let both =
            tokio::join!(first.append(&key, offset, late(&one)), second.append(&key, offset, late(&two)));
        // Both believe that they wrote, or one finds that the piece it began with went into a part of the other's.
        let busy = |result: &_| matches!(result, Ok(_) | Err(Error::UploadBusy { .. }));
        assert!(busy(&both.0) && busy(&both.1) && (both.0.is_ok() || both.1.is_ok()), "{both:?}");
        first.status(&key).await.unwrap();
        second.status(&key).await.unwrap();
        let digests = [&one, &two].map(|last| Digest::of(&[&noise(PART + 1), last.as_slice()].concat()));
        let both = tokio::join!(first.commit(&key, &digests[0]), second.commit(&key, &digests[1]));
        assert!(both.0.is_err() || both.1.is_err(), "{both:?}");
        assert_nothing_wrong_visible(&cloud);
    }
}

#[tokio::test]
async fn a_replica_that_read_too_early_does_not_remove_the_upload() {
    let (cloud, first) = scratch();
    let (key, bytes) = (key("a", "u"), noise(PART + 50_000));
    first.begin(&key, Announced::Nothing).await.unwrap();
    first.append(&key, 0, once(&bytes[..50_000])).await.unwrap();
    // It keeps what it read for a moment, and meanwhile the piece goes into a part.
    first.status(&key).await.unwrap();
    let second = replica(&cloud);
    second.append(&key, 50_000, once(&bytes[50_000..])).await.unwrap();
    let error = first.append(&key, 50_000, once(noise(PART))).await.unwrap_err();
    assert!(matches!(error, Error::UploadBusy { .. }), "{error:?}");
    second.commit(&key, &Digest::of(&bytes)).await.unwrap();
    assert_closes(&second, &key, &cloud, &Digest::of(&bytes), &bytes).await;
}

#[tokio::test]
async fn a_long_upload_committed_by_another_algorithm_is_read_once() {
    let (cloud, store) = scratch();
    let (key, bytes) = (key("a", "u"), noise(650_000));
    let digest = Digest::of_with(Algorithm::Sha512, &bytes);
    store.begin(&key, Announced::Nothing).await.unwrap();
    store.append(&key, 0, pieces(&bytes, 10_000)).await.unwrap();
    cloud.take_traffic();
    store.commit(&key, &digest).await.unwrap();
    // And its tail, which became the last part.
    assert_eq!(cloud.take_traffic().bytes_out, 700_000);
    assert_closes(&store, &key, &cloud, &digest, &bytes).await;
}

#[tokio::test]
async fn an_upload_that_starts_over_is_hashed_by_the_algorithm_that_was_announced() {
    let (cloud, store) = scratch();
    let (key, bytes) = (key("a", "u"), noise(650_000));
    let digest = Digest::of_with(Algorithm::Sha512, &bytes);
    store.begin(&key, Announced::Algorithm(Algorithm::Sha512)).await.unwrap();
    store.append(&key, 0, pieces(&bytes, 10_000)).await.unwrap();
    store.begin(&key, Announced::Nothing).await.unwrap();
    store.append(&key, 0, pieces(&bytes, 10_000)).await.unwrap();
    cloud.take_traffic();
    store.commit(&key, &digest).await.unwrap();
    let read = cloud.take_traffic().bytes_out;
    assert!(read < 650_000, "{read} bytes were read again");
    assert_closes(&store, &key, &cloud, &digest, &bytes).await;
}

#[tokio::test]
async fn an_upload_read_for_a_wrong_digest_goes_on() {
    let (cloud, store) = scratch();
    let (key, bytes) = (key("a", "u"), noise(950_000));
    let (digest, wrong) = (Digest::of(&bytes), Digest::of_with(Algorithm::Sha512, &bytes));
    store.begin(&key, Announced::Nothing).await.unwrap();
    store.append(&key, 0, pieces(&bytes[..650_000], 10_000)).await.unwrap();
    for _ in 0..2 {
        let error = store.commit(&key, &wrong).await.unwrap_err();
        assert!(matches!(error, Error::DigestMismatch { .. }), "{error:?}");
        assert!(blob(&cloud, &wrong).is_none());
        assert_eq!(replica(&cloud).status(&key).await.unwrap().offset, 650_000);
    }
    replica(&cloud).append(&key, 650_000, once(&bytes[650_000..])).await.unwrap();
    store.commit(&key, &digest).await.unwrap();
    assert_closes(&store, &key, &cloud, &digest, &bytes).await;
}

#[tokio::test]
async fn a_wrong_digest_at_the_end_leaves_the_upload_open() {
    for algorithm in Algorithm::ALL {
        for first in [10_000, 50_000, 350_000] {
            let (cloud, store) = scratch();
            let (key, bytes) = (key("a", "u"), noise(first + 250_000));
            let wrong = Digest::of_with(algorithm, b"other");
            store.begin(&key, Announced::Nothing).await.unwrap();
            let offset = store.append(&key, 0, once(&bytes[..first])).await.unwrap();
            let error = store.finish(&key, offset, once(&bytes[first..]), &wrong).await.unwrap_err();
            assert!(matches!(error, Error::DigestMismatch { .. }), "{error:?}");
            assert_eq!(store.status(&key).await.unwrap().offset, bytes.len() as u64);
            store.commit(&key, &Digest::of(&bytes)).await.unwrap();
            assert_closes(&store, &key, &cloud, &Digest::of(&bytes), &bytes).await;
        }
    }
}

#[tokio::test]
async fn a_whole_body_of_another_digest_leaves_nothing() {
    for length in [10, 350_000] {
        let (cloud, store) = scratch();
        let (key, wrong) = (key("a", "u"), Digest::of(b"promised"));
        store.begin(&key, Announced::Digest(wrong)).await.unwrap();
        let error = store.finish(&key, 0, once(noise(length)), &wrong).await.unwrap_err();
        assert!(matches!(error, Error::DigestMismatch { .. }), "{error:?}");
        let error = store.finish(&key, 0, broken(&noise(length), 5_000), &wrong).await.unwrap_err();
        assert!(matches!(error, Error::Body { stored: 0, .. }), "{error:?}");
        assert!(cloud.unfinished().is_empty() && blob(&cloud, &wrong).is_none());
        assert_eq!(store.status(&key).await.unwrap().offset, 0);
    }
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_an_error_and_can_be_removed() {
    let (cloud, store) = scratch();
    let key = key("a", "u");
    store.begin(&key, Announced::Nothing).await.unwrap();
    store.append(&key, 0, once(noise(50_000))).await.unwrap();
    cloud.damage(&format!("root/{}", Key::UploadRecord(&key).path()));
    assert!(matches!(store.status(&key).await, Err(Error::Corrupt { .. })));
    store.abort(&key).await.unwrap();
    assert!(cloud.keys().is_empty());
}

#[tokio::test]
async fn an_upload_that_lost_its_parts_is_not_open_any_more() {
    let (cloud, store) = scratch();
    let (key, bytes) = (key("a", "u"), noise(350_000));
    store.begin(&key, Announced::Nothing).await.unwrap();
    store.append(&key, 0, once(&bytes[..300_000])).await.unwrap();
    // As a lifecycle rule of the bucket does.
    for multipart in cloud.multiparts("").await.unwrap().unwrap() {
        cloud.abort_multipart(&multipart.key, &multipart.id).await.unwrap();
    }
    let error = store.commit(&key, &Digest::of(&bytes[..300_000])).await.unwrap_err();
    assert!(matches!(error, Error::UploadNotFound { .. }), "{error:?}");
    assert!(cloud.keys().is_empty(), "{:?}", cloud.keys());
}

/// Where conditions are ignored, another writer may have completed the object with parts of its own.
#[tokio::test]
async fn an_object_that_somebody_else_completed_is_not_believed() {
    for algorithm in Algorithm::ALL {
        let (cloud, store) = scratch();
        let (key, bytes) = (key("a", "u"), noise(350_000));
        store.begin(&key, Announced::Nothing).await.unwrap();
        store.append(&key, 0, once(&bytes)).await.unwrap();
        let multipart = cloud.multiparts("").await.unwrap().unwrap().remove(0);
        cloud.abort_multipart(&multipart.key, &multipart.id).await.unwrap();
        let other = vec![Bytes::from(vec![1; bytes.len()])];
        cloud.put(&multipart.key, other, crate::Condition::Any).await.unwrap();
        for digest in [Digest::of_with(algorithm, &bytes), Digest::of(&bytes)] {
            store.commit(&key, &digest).await.unwrap_err();
            assert!(blob(&cloud, &digest).is_none());
        }
    }
}

/// A proxy may send each request to the next of a few replicas, and then one is back at what it read a moment ago.
#[tokio::test]
async fn what_a_replica_remembers_is_not_held_against_a_client() {
    for chunk in [5_000, 130_000] {
        let cloud = MemoryCloud::default();
        let (one, other) = (replica(&cloud), replica(&cloud));
        let (key, bytes) = (key("a", "u"), noise(3 * chunk));
        let mut chunks = bytes.chunks(chunk);
        let mut next = || once(chunks.next().unwrap());
        one.begin(&key, Announced::Nothing).await.unwrap();
        let offset = other.append(&key, 0, next()).await.unwrap();
        let offset = one.append(&key, offset, next()).await.unwrap();
        assert_eq!(one.status(&key).await.unwrap().offset, offset);
        let _ = other.append(&key, offset, next()).await.unwrap();

        one.commit(&key, &Digest::of(&bytes)).await.unwrap();

        assert!(blob(&cloud, &Digest::of(&bytes)).unwrap() == bytes);
    }
}
