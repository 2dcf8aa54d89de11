//! Promises about uploads.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::sync::mpsc;
use wharf_oci::{Algorithm, Digest};

use super::{append_when_free, collect, key, noise, once, pieces};
use crate::blob::{Announced, BlobStore, ByteStream};
use crate::error::{BoxError, Error};

/// A stream the test feeds by hand, and that ends when the sender is dropped.
fn fed() -> (mpsc::Sender<Result<Bytes, BoxError>>, ByteStream) {
    let (sender, receiver) = mpsc::channel(1);
    let stream = stream::unfold(receiver, |mut receiver| async { Some((receiver.recv().await?, receiver)) });
    (sender, stream.boxed())
}

pub async fn an_upload_in_many_pieces_is_one_blob(store: &dyn BlobStore) {
    let (key, bytes) = (key("a", "u1"), noise(3_000_000));
    store.begin(&key, Announced::Nothing).await.unwrap();
    let mut offset = 0;
    for part in bytes.chunks(700_001) {
        offset = store.append(&key, offset, pieces(part, 60_000)).await.unwrap();
        assert_eq!(store.status(&key).await.unwrap().offset, offset);
    }

    let digest = Digest::of(&bytes);
    assert_eq!(store.commit(&key, &digest).await.unwrap(), 3_000_000);

    let read = store.read(&digest, None).await.unwrap();
    assert!(collect(read.body).await == bytes);
}

pub async fn mismatched_commit_leaves_nothing(store: &dyn BlobStore) {
    let (key, promised) = (key("a", "u1"), Digest::of(b"promised"));
    store.begin(&key, Announced::Digest(promised)).await.unwrap();
    store.append(&key, 0, once(b"delivered")).await.unwrap();

    let error = store.commit(&key, &promised).await.unwrap_err();

    assert!(matches!(error, Error::DigestMismatch { .. }), "{error:?}");
    assert!(matches!(store.stat(&promised).await, Err(Error::BlobNotFound { .. })));
    assert!(matches!(store.stat(&Digest::of(b"delivered")).await, Err(Error::BlobNotFound { .. })));
}

pub async fn a_mismatched_upload_can_still_be_committed_rightly(store: &dyn BlobStore) {
    let key = key("a", "u1");
    store.begin(&key, Announced::Nothing).await.unwrap();
    store.append(&key, 0, once(b"deliv")).await.unwrap();
    store.commit(&key, &Digest::of(b"promised")).await.unwrap_err();
    store.append(&key, 5, once(b"ered")).await.unwrap();
    store.commit(&key, &Digest::of(b"delivered")).await.unwrap();
    assert_eq!(store.stat(&Digest::of(b"delivered")).await.unwrap().size, 9);
}

pub async fn bytes_offered_elsewhere_than_at_the_end_are_refused(store: &dyn BlobStore) {
    let key = key("a", "u1");
    store.begin(&key, Announced::Nothing).await.unwrap();
    store.append(&key, 0, once(b"12345")).await.unwrap();
    for offset in [0, 4, 6] {
        let error = store.append(&key, offset, once(b"x")).await.unwrap_err();
        assert!(matches!(error, Error::OffsetMismatch { stored: 5, .. }), "{error:?}");
    }
    assert_eq!(store.status(&key).await.unwrap().offset, 5);
}

pub async fn a_broken_body_keeps_what_came_before(store: &dyn BlobStore) {
    let key = key("a", "u1");
    let hung_up: BoxError = "hung up".into();
    let body = stream::iter([Ok(Bytes::from_static(b"half of")), Err(hung_up)]).boxed();
    store.begin(&key, Announced::Nothing).await.unwrap();

    let error = store.append(&key, 0, body).await.unwrap_err();

    assert!(matches!(error, Error::Body { stored: 7, .. }), "{error:?}");
    store.append(&key, 7, once(b" it")).await.unwrap();
    store.commit(&key, &Digest::of(b"half of it")).await.unwrap();
}

pub async fn a_dropped_append_leaves_an_upload_that_tells_the_truth(store: &dyn BlobStore) {
    let (key, bytes) = (key("a", "u1"), noise(2_000_000));
    store.begin(&key, Announced::Nothing).await.unwrap();
    let (sender, body) = fed();
    let feeder = async {
        for part in bytes.chunks(100_000) {
            sender.send(Ok(Bytes::copy_from_slice(part))).await.unwrap();
        }
    };
    tokio::select! {
        result = store.append(&key, 0, body) => panic!("the body never ended, and yet {result:?}"),
        () = feeder => {}
    }
    drop(sender);

    append_when_free(store, &key, b"").await;
    let kept = usize::try_from(store.status(&key).await.unwrap().offset).unwrap();
    append_when_free(store, &key, &bytes[kept..]).await;
    store.commit(&key, &Digest::of(&bytes)).await.unwrap();
}

pub async fn two_writers_cannot_mix(store: &dyn BlobStore) {
    let key = key("a", "u1");
    store.begin(&key, Announced::Nothing).await.unwrap();
    let (sender, body) = fed();
    let first = store.append(&key, 0, body);
    let second = async {
        // Two sends through a channel of one: when they are done the first writer has surely begun.
        sender.send(Ok(Bytes::from_static(b"first "))).await.unwrap();
        sender.send(Ok(Bytes::from_static(b"writer"))).await.unwrap();
        let appended = store.append(&key, 0, once(b"second")).await.unwrap_err();
        let committed = store.commit(&key, &Digest::of(b"first ")).await.unwrap_err();
        let begun = store.begin(&key, Announced::Nothing).await.unwrap_err();
        drop(sender);
        [appended, committed, begun]
    };

    let (first, refused) = tokio::join!(first, second);

    assert_eq!(first.unwrap(), 12);
    assert!(refused.iter().all(|error| matches!(error, Error::UploadBusy { .. })), "{refused:?}");
    store.commit(&key, &Digest::of(b"first writer")).await.unwrap();
}

pub async fn beginning_again_starts_over(store: &dyn BlobStore) {
    let key = key("a", "u1");
    store.begin(&key, Announced::Nothing).await.unwrap();
    store.append(&key, 0, once(b"wrong start")).await.unwrap();
    store.begin(&key, Announced::Nothing).await.unwrap();
    assert_eq!(store.status(&key).await.unwrap().offset, 0);
    store.append(&key, 0, once(b"right")).await.unwrap();
    store.commit(&key, &Digest::of(b"right")).await.unwrap();
}

async fn assert_not_open(store: &dyn BlobStore, key: &crate::UploadKey) {
    let answers = [
        store.status(key).await.map(|_| ()),
        store.append(key, 0, once(b"x")).await.map(|_| ()),
        store.commit(key, &Digest::of(b"")).await.map(|_| ()),
        store.abort(key).await,
    ];
    assert!(answers.iter().all(|answer| matches!(answer, Err(Error::UploadNotFound { .. }))), "{answers:?}");
}

pub async fn an_upload_that_is_not_open_is_not_found(store: &dyn BlobStore) {
    assert_not_open(store, &key("a", "u1")).await;
}

pub async fn a_committed_upload_takes_no_more_bytes(store: &dyn BlobStore) {
    let key = key("a", "u1");
    store.begin(&key, Announced::Nothing).await.unwrap();
    store.append(&key, 0, once(b"bytes")).await.unwrap();
    store.commit(&key, &Digest::of(b"bytes")).await.unwrap();
    assert_eq!(store.status(&key).await.unwrap().offset, 5);
    let error = store.append(&key, 5, once(b"more")).await.unwrap_err();
    assert!(matches!(error, Error::UploadNotFound { .. }), "{error:?}");
    store.close(&key).await.unwrap();
    assert_not_open(store, &key).await;
    store.close(&key).await.unwrap();
    assert_eq!(store.stat(&Digest::of(b"bytes")).await.unwrap().size, 5);
}

pub async fn a_commit_may_be_repeated_until_the_upload_is_closed(store: &dyn BlobStore) {
    for (id, length) in [("u1", 0), ("u2", 5000), ("u3", 3_000_000)] {
        let (key, bytes) = (key("a", id), noise(length));
        let digest = Digest::of(&bytes);
        store.begin(&key, Announced::Nothing).await.unwrap();
        store.append(&key, 0, pieces(&bytes, 60_000)).await.unwrap();
        for _ in 0..2 {
            assert_eq!(store.commit(&key, &digest).await.unwrap(), length as u64);
        }
        assert!(store.commit(&key, &Digest::of(b"another")).await.is_err());
        assert_eq!(store.commit(&key, &digest).await.unwrap(), length as u64);
        store.close(&key).await.unwrap();
        let error = store.commit(&key, &digest).await.unwrap_err();
        assert!(matches!(error, Error::UploadNotFound { .. }), "{error:?}");
        assert!(collect(store.read(&digest, None).await.unwrap().body).await == bytes);
    }
}

pub async fn an_upload_that_is_not_finished_is_not_closed(store: &dyn BlobStore) {
    let key = key("a", "u1");
    store.begin(&key, Announced::Nothing).await.unwrap();
    store.append(&key, 0, once(b"bytes")).await.unwrap();
    store.close(&key).await.unwrap();
    assert_eq!(store.status(&key).await.unwrap().offset, 5);
    assert_eq!(store.commit(&key, &Digest::of(b"bytes")).await.unwrap(), 5);
}

pub async fn the_last_bytes_and_the_commit_may_come_together(store: &dyn BlobStore) {
    for (id, length, first) in
        [("u1", 0, 0), ("u2", 5000, 0), ("u3", 3_000_000, 0), ("u4", 3_000_000, 1_000_001)]
    {
        let (key, bytes) = (key("a", id), noise(length));
        let digest = Digest::of(&bytes);
        store.begin(&key, Announced::Nothing).await.unwrap();
        if first > 0 {
            store.append(&key, 0, pieces(&bytes[..first], 60_000)).await.unwrap();
        }
        let last = pieces(&bytes[first..], 60_000);
        assert_eq!(store.finish(&key, first as u64, last, &digest).await.unwrap(), length as u64);
        assert_eq!(store.commit(&key, &digest).await.unwrap(), length as u64);
        store.close(&key).await.unwrap();
        assert_not_open(store, &key).await;
        assert!(collect(store.read(&digest, None).await.unwrap().body).await == bytes);
    }
}

pub async fn what_was_finished_wrongly_is_not_visible(store: &dyn BlobStore) {
    let key = key("a", "u1");
    let hung_up: BoxError = "hung up".into();
    let broken = stream::iter([Ok(Bytes::from_static(b"half of")), Err(hung_up)]).boxed();
    let promised = Digest::of(b"half of it");
    store.begin(&key, Announced::Nothing).await.unwrap();

    let error = store.finish(&key, 0, broken, &promised).await.unwrap_err();
    assert!(matches!(error, Error::Body { .. }), "{error:?}");
    let left = store.status(&key).await.unwrap().offset;
    let error = store.finish(&key, left + 1, once(b"x"), &promised).await.unwrap_err();
    assert!(matches!(error, Error::OffsetMismatch { stored, .. } if stored == left), "{error:?}");
    let error = store.finish(&key, left, once(b"delivered"), &promised).await.unwrap_err();
    assert!(matches!(error, Error::DigestMismatch { .. }), "{error:?}");
    assert!(matches!(store.stat(&promised).await, Err(Error::BlobNotFound { .. })));

    // What is left of it may be gone on with or begun anew, as with any upload.
    store.begin(&key, Announced::Nothing).await.unwrap();
    store.finish(&key, 0, once(b"half of it"), &promised).await.unwrap();
}

pub async fn an_aborted_upload_is_gone(store: &dyn BlobStore) {
    let key = key("a", "u1");
    store.begin(&key, Announced::Nothing).await.unwrap();
    store.append(&key, 0, once(b"never mind")).await.unwrap();
    store.abort(&key).await.unwrap();
    assert_not_open(store, &key).await;
}

pub async fn the_same_id_in_two_repositories_is_two_uploads(store: &dyn BlobStore) {
    let (one, two) = (key("a", "u1"), key("a/b", "u1"));
    store.begin(&one, Announced::Nothing).await.unwrap();
    assert_not_open(store, &two).await;
    store.begin(&two, Announced::Nothing).await.unwrap();
    store.append(&one, 0, once(b"one")).await.unwrap();
    assert_eq!(store.status(&two).await.unwrap().offset, 0);
}

pub async fn an_announced_algorithm_does_not_bind_the_commit(store: &dyn BlobStore) {
    let digests = [Digest::of(b"bytes"), Digest::of_with(Algorithm::Sha512, b"bytes")];
    let guesses = [
        Announced::Nothing,
        Announced::Algorithm(Algorithm::Sha512),
        Announced::Digest(Digest::of(b"other")),
    ];
    for (number, announced) in guesses.into_iter().enumerate() {
        for digest in digests {
            let key = key("a", &format!("u{number}"));
            store.begin(&key, announced).await.unwrap();
            store.append(&key, 0, once(b"bytes")).await.unwrap();
            store.commit(&key, &digest).await.unwrap();
            assert_eq!(store.stat(&digest).await.unwrap().size, 5);
        }
    }
}

pub async fn old_uploads_are_found_by_the_purger(store: &dyn BlobStore) {
    let keys = [key("a", "u1"), key("a", "u2"), key("a/b", "u3")];
    for key in &keys {
        store.begin(key, Announced::Nothing).await.unwrap();
    }
    let begun = store.status(&keys[0]).await.unwrap().begun;
    let hour = Duration::from_secs(3600);
    let find = |before: SystemTime| store.uploads(before).try_collect::<Vec<_>>();

    let mut found = find(begun + hour).await.unwrap();
    found.sort();

    assert_eq!(found, keys);
    assert!(find(begun - hour).await.unwrap().is_empty());
}

pub async fn the_same_content_through_two_uploads_is_one_blob(store: &dyn BlobStore) {
    let digest = Digest::of(b"content");
    for id in ["u1", "u2"] {
        let key = key("a", id);
        store.begin(&key, Announced::Digest(digest)).await.unwrap();
        store.append(&key, 0, once(b"content")).await.unwrap();
        store.commit(&key, &digest).await.unwrap();
    }
    assert_eq!(store.list(None).try_collect::<Vec<_>>().await.unwrap().len(), 1);
}
