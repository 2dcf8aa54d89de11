//! A cloud that fails at each of its calls in turn, before its work or after it.

use super::*;

/// How the bytes come.
#[derive(Debug, Clone, Copy)]
enum Way {
    AppendAndCommit,
    CommitBySha512,
    AppendAndFinish,
    Finish,
}

fn digest(way: Way, bytes: &[u8]) -> Digest {
    match way {
        Way::CommitBySha512 => Digest::of_with(Algorithm::Sha512, bytes),
        Way::AppendAndCommit | Way::AppendAndFinish | Way::Finish => Digest::of(bytes),
    }
}

/// Goes on from wherever the upload is, as a client does; one that takes no more bytes may be finished.
async fn push(store: &BucketStore, key: &UploadKey, bytes: &[u8], way: Way) -> wharf_store::Result<u64> {
    let size = match push_on(store, key, bytes, way).await {
        Err(Error::UploadNotFound { .. }) => store.commit(key, &digest(way, bytes)).await?,
        pushed => pushed?,
    };
    // Now the link is written; what cannot be closed is the purger's.
    let _ = store.close(key).await;
    Ok(size)
}

async fn push_on(store: &BucketStore, key: &UploadKey, bytes: &[u8], way: Way) -> wharf_store::Result<u64> {
    let digest = digest(way, bytes);
    let offset = store.status(key).await?.offset;
    let from = usize::try_from(offset).unwrap();
    match way {
        Way::Finish => store.finish(key, offset, pieces(&bytes[from..], 9_000), &digest).await,
        Way::AppendAndFinish => {
            let middle = from.max(bytes.len() / 2);
            let offset = store.append(key, offset, pieces(&bytes[from..middle], 9_000)).await?;
            store.finish(key, offset, pieces(&bytes[middle..], 9_000), &digest).await
        }
        Way::AppendAndCommit | Way::CommitBySha512 => {
            let middle = from.max(bytes.len() / 2);
            let offset = store.append(key, offset, pieces(&bytes[from..middle], 9_000)).await?;
            store.append(key, offset, pieces(&bytes[middle..], 9_000)).await?;
            store.commit(key, &digest).await
        }
    }
}

async fn check(way: Way, length: usize, fault: Fault) {
    let bytes = noise(length);
    let digest = digest(way, &bytes);
    for call in 0.. {
        let (cloud, store) = scratch();
        let key = key("a", "u");
        store.begin(&key, Announced::Nothing).await.unwrap();
        cloud.fail_after(call, fault);
        let first = push(&store, &key, &bytes, way).await;
        let calls = cloud.take_traffic().calls;
        assert_nothing_wrong_visible(&cloud);
        if cloud.take_fault() {
            assert!(first.is_ok());
            assert!(call > 1, "no call failed");
            return;
        }
        let at = format!("{way:?} {length} {fault:?} at {call} of {calls:?}");
        let retried = match first {
            Ok(size) => Ok(size),
            // A client asks where the upload ends and goes on; one that is gone is begun anew.
            Err(_) => match push(&replica(&cloud), &key, &bytes, way).await {
                Err(Error::UploadNotFound { .. }) => {
                    store.begin(&key, Announced::Nothing).await.unwrap();
                    push(&store, &key, &bytes, way).await
                }
                retried => retried,
            },
        };
        assert_eq!(retried.expect(&at), length as u64);
        assert!(blob(&cloud, &digest).expect(&at) == bytes, "{at}");
        assert_nothing_wrong_visible(&cloud);
        cloud.clock.advance(std::time::Duration::from_secs(86_400));
        purge(&replica(&cloud), &cloud).await;
        assert_only_blob(&cloud, &digest, &bytes);
    }
}

/// What was left behind is found and removed.
pub(super) async fn purge(store: &BucketStore, cloud: &MemoryCloud) {
    use wharf_store::Clock;
    let mut old = store.uploads(cloud.clock.now());
    while let Some(key) = old.next().await {
        store.abort(&key.unwrap()).await.unwrap();
    }
    store.sweep(cloud.clock.now()).await.unwrap();
}

macro_rules! ways {
    ($($name:ident: $way:ident)*) => {
        $(#[tokio::test]
        async fn $name() {
            for length in [20_000, 60_000, 250_000, 850_000] {
                for fault in [Fault::Refused, Fault::Unanswered] {
                    check(Way::$way, length, fault).await;
                }
            }
        })*
    };
}

ways! {
    a_push_whose_cloud_fails_once_can_be_repeated: AppendAndCommit
    a_push_by_another_algorithm_whose_cloud_fails_once_can_be_repeated: CommitBySha512
    a_push_that_ends_with_bytes_and_whose_cloud_fails_once_can_be_repeated: AppendAndFinish
    a_push_in_one_body_whose_cloud_fails_once_can_be_repeated: Finish
}

#[tokio::test]
async fn a_record_written_although_the_answer_was_lost_is_ours() {
    let (cloud, store) = scratch();
    let key = key("a", "u");
    // The cloud's own second try finds what its first has written.
    store.begin(&key, Announced::Nothing).await.unwrap();
    let place = format!("root/{}", Key::UploadRecord(&key).path());
    let found = super::super::ledger::read(&store, &key).await.unwrap().unwrap();
    let mut next = found.record.clone();
    next.part_bytes += 1;
    let bytes = vec![next.encode()];
    cloud.put(&place, bytes, crate::Condition::Any).await.unwrap();
    let mut ledger = super::super::Ledger::new(&store, &key, found);
    ledger.replace(next).await.unwrap();
}
