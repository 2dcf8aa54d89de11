//! What an upload costs: bytes sent and read, requests, memory.

use std::sync::atomic::AtomicUsize;

use super::*;

fn count(traffic: &Traffic, call: &str) -> usize {
    traffic.calls.iter().filter(|made| **made == call).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn small_chunks_are_sent_twice_and_read_once_at_most() {
    let cloud = MemoryCloud::default();
    let store = BucketStore::open(Arc::new(cloud.clone()), BucketOptions::default());
    let (key, bytes) = (key("a", "u"), noise(40 << 20));
    store.begin(&key, Announced::Nothing).await.unwrap();
    let mut offset = 0;
    for chunk in bytes.chunks(64 << 10) {
        offset = store.append(&key, offset, once(chunk)).await.unwrap();
    }
    store.commit(&key, &Digest::of(&bytes)).await.unwrap();
    let (traffic, size) = (cloud.take_traffic(), bytes.len() as u64);
    assert!(traffic.bytes_in <= 2 * size, "{}", traffic.bytes_in);
    assert!(traffic.bytes_out <= size, "{}", traffic.bytes_out);
    assert_eq!(traffic.completed[0].1, [10 << 20; 4]);
}

#[tokio::test]
async fn parts_are_equal_whatever_the_chunks() {
    for chunk in [1_000, 33_333, PART - 1, PART, PART + 1, 250_000] {
        let (cloud, store) = scratch();
        let (key, bytes) = (key("a", "u"), noise(650_000));
        store.begin(&key, Announced::Nothing).await.unwrap();
        let mut offset = 0;
        for chunk in bytes.chunks(chunk) {
            offset = store.append(&key, offset, pieces(chunk, 7_000)).await.unwrap();
        }
        let digest = Digest::of(&bytes);
        store.commit(&key, &digest).await.unwrap();
        let traffic = cloud.take_traffic();
        assert_eq!(traffic.completed[0].1, [&[PART; 6][..], &[50_000]].concat(), "{chunk}");
        assert!(traffic.bytes_in <= 2 * 650_000 && traffic.bytes_out <= 650_000, "{chunk}: {traffic:?}");
        assert_closes(&store, &key, &cloud, &digest, &bytes).await;
    }
}

#[tokio::test]
async fn a_long_upload_in_one_body_is_sent_once_but_for_its_end() {
    let (cloud, store) = scratch();
    let (key, bytes) = (key("a", "u"), noise(650_000));
    let digest = Digest::of(&bytes);
    store.begin(&key, Announced::Nothing).await.unwrap();
    store.append(&key, 0, pieces(&bytes, 10_000)).await.unwrap();
    store.commit(&key, &digest).await.unwrap();
    let traffic = cloud.take_traffic();
    assert_eq!((traffic.bytes_in, traffic.bytes_out), (700_000, 50_000));
    // Copied in parts: it is longer than the threshold.
    assert_eq!((count(&traffic, "copy"), count(&traffic, "copy_part")), (0, 4));
    assert_closes(&store, &key, &cloud, &digest, &bytes).await;
    // What the note before the parts became an object costs, closing saves: one request removes everything.
    assert_eq!(cloud.take_traffic().calls, ["delete_all"]);
}

#[tokio::test]
async fn the_last_bytes_of_a_finish_are_sent_once() {
    let (cloud, store) = scratch();
    let (key, bytes) = (key("a", "u"), noise(650_000));
    let digest = Digest::of(&bytes);
    store.begin(&key, Announced::Nothing).await.unwrap();
    store.append(&key, 0, pieces(&bytes[..300_000], 10_000)).await.unwrap();
    store.finish(&key, 300_000, pieces(&bytes[300_000..], 10_000), &digest).await.unwrap();
    let traffic = cloud.take_traffic();
    assert_eq!((traffic.bytes_in, traffic.bytes_out), (650_000, 0));
    assert_closes(&store, &key, &cloud, &digest, &bytes).await;
}

#[tokio::test]
async fn a_small_push_is_three_requests_beside_its_record() {
    let (cloud, store) = scratch();
    let (key, digest) = (key("a", "u"), Digest::of(b"small"));
    store.begin(&key, Announced::Nothing).await.unwrap();
    assert_eq!(cloud.take_traffic().calls, ["put"]);
    // As the final request asks: where does it end, and then on from there.
    store.status(&key).await.unwrap();
    store.finish(&key, 0, once(b"small"), &digest).await.unwrap();
    assert_eq!(cloud.take_traffic().calls, ["get", "put"]);
    assert_closes(&store, &key, &cloud, &digest, b"small").await;
    assert_eq!(cloud.take_traffic().calls, ["delete"]);
}

#[tokio::test]
async fn the_last_request_goes_on_from_what_was_just_written() {
    let (cloud, store) = scratch();
    let (key, digest) = (key("a", "u"), Digest::of(b"small"));
    store.begin(&key, Announced::Nothing).await.unwrap();
    store.append(&key, 0, once(b"small")).await.unwrap();
    cloud.take_traffic();
    store.commit(&key, &digest).await.unwrap();
    assert_eq!(cloud.take_traffic().calls, ["put"]);
    assert_closes(&store, &key, &cloud, &digest, b"small").await;
    assert_eq!(cloud.take_traffic().calls, ["delete"]);
}

#[tokio::test]
async fn what_was_read_a_moment_ago_is_read_again_later() {
    let (cloud, store) = scratch();
    let key = key("a", "u");
    store.begin(&key, Announced::Nothing).await.unwrap();
    cloud.clock.advance(std::time::Duration::from_secs(3));
    store.append(&key, 0, once(b"x")).await.unwrap();
    assert_eq!(cloud.take_traffic().calls, ["put", "get", "put"]);
}

#[tokio::test]
async fn a_whole_body_goes_straight_to_its_place() {
    let (cloud, store) = scratch();
    let (key, bytes) = (key("a", "u"), noise(650_000));
    let digest = Digest::of(&bytes);
    store.begin(&key, Announced::Digest(digest)).await.unwrap();
    store.finish(&key, 0, pieces(&bytes, 10_000), &digest).await.unwrap();
    let traffic = cloud.take_traffic();
    assert_eq!((traffic.bytes_in, traffic.bytes_out), (650_000, 0));
    assert_eq!(traffic.completed[0].0, format!("root/{}", Key::BlobData(&digest).path()));
    assert_eq!(count(&traffic, "put_part"), 7);
    assert_eq!(traffic.calls.len(), 10, "{:?}", traffic.calls);
    assert_closes(&store, &key, &cloud, &digest, &bytes).await;
}

/// A body that looks, for each of its pieces, how much memory the store's uploads have, and notes the most.
fn watched(store: &BucketStore, length: usize, size: usize) -> (ByteStream, Arc<AtomicUsize>) {
    let peak = Arc::new(AtomicUsize::new(0));
    let (blocks, most) = (store.blocks().clone(), Arc::clone(&peak));
    let chunks = (0..length / size).map(move |_| {
        most.fetch_max(blocks.lent_bytes(), Ordering::Relaxed);
        Ok(Bytes::from(vec![7; size]))
    });
    (stream::iter(chunks).boxed(), peak)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_is_bounded_however_slow_the_cloud_is() {
    let (cloud, store) = scratch();
    let gate = cloud.stall_parts();
    for finish in [false, true] {
        let key = key("a", "u");
        store.begin(&key, Announced::Nothing).await.unwrap();
        let (body, peak) = watched(&store, 30 * PART, PART / 10);
        let digest = Digest::of(&vec![7; 30 * PART]);
        let upload = async {
            if finish {
                store.finish(&key, 0, body, &digest).await
            } else {
                store.append(&key, 0, body).await
            }
        };
        // The cloud takes a part only when the store has nothing else to do.
        let feeder = async {
            for _ in 0..30 {
                while store.blocks().lent_bytes() < 3 * PART && peak.load(Ordering::Relaxed) < 3 * PART {
                    tokio::task::yield_now().await;
                }
                for _ in 0..50 {
                    tokio::task::yield_now().await;
                }
                gate.add_permits(1);
            }
        };
        let (uploaded, ()) = tokio::join!(upload, feeder);
        assert_eq!(uploaded.unwrap(), 30 * PART as u64);
        let peak = peak.load(Ordering::Relaxed);
        assert!(peak > 2 * PART, "parts did not overlap: {peak}");
        assert!(peak <= 4 * PART, "{peak}");
        assert_eq!(store.blocks().lent_bytes(), 0);
    }
}

#[tokio::test]
async fn an_upload_of_too_many_parts_says_what_to_raise() {
    let cloud = MemoryCloud::default();
    let options = BucketOptions { part_bytes: 4, ..BucketOptions::default() };
    let store = BucketStore::open(Arc::new(cloud.clone()), options);
    let (key, bytes) = (key("a", "u"), noise(40_001));
    let digest = Digest::of(&bytes);
    store.begin(&key, Announced::Nothing).await.unwrap();
    // The last byte begins a part of its own.
    let error = store.finish(&key, 0, pieces(&bytes, 4), &digest).await.unwrap_err();
    assert!(error.to_string().contains("more than 40000 bytes in one upload: raise `chunksize`"), "{error}");
    assert!(cloud.unfinished().is_empty() && blob(&cloud, &digest).is_none());
}
