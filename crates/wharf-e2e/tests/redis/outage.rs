//! A Redis that goes away and comes back: slower, never wrong.

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;
use wharf_core::BlobSizes as _;
use wharf_oci::Digest;
use wharf_testkit::push;

use super::*;

/// Requests of each client before, during and after the outage.
const REQUESTS: usize = 60;

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_starts_and_serves_while_redis_is_down_and_uses_it_when_it_comes() {
    let (mut redis, tree) = (Redis::away(), tempfile::tempdir().unwrap());
    let sizes = sizes(&config(redis.port()));
    let (registry, faults) = registry(tree.path(), sizes.clone()).await;
    let blob = Blob::random(1, 1000);
    push::blob(&registry, "acme/app", &blob).await;
    let target = format!("/v2/acme/app/blobs/{}", blob.digest);
    for _ in 0..10 {
        let _ = registry.head(&target).send().await.expect(200);
    }
    redis.bring_back();
    until_used(&sizes, &redis).await;
    let _ = registry.head(&target).send().await.expect(200);
    let before = looks(&faults);
    let _ = registry.head(&target).send().await.expect(200);
    assert_eq!(looks(&faults), before, "Redis is there and not used");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_under_load_fails_no_request_and_makes_no_answer_wrong() {
    let mut redis = Redis::start();
    let sizes = sizes(&config(redis.port()));
    until_used(&sizes, &redis).await;
    // In memory: a program that is started here shares the locks on files for a moment, and with them an upload is busy.
    let options = Options { sizes: Some(sizes.clone()), ..Options::default() };
    let registry = ScratchRegistry::memory_with(Setup { registry: options, ..Setup::default() }).await;
    let over = AtomicBool::new(false);
    let clients = join_all((0..4_u64).map(|number| client(&registry, number, &over)));
    let weather = async {
        for _ in 0..2 {
            until_used(&sizes, &redis).await;
            redis.take_away();
            // Found to be away by whoever asks next; then some requests go by without it.
            for _ in 0..200 {
                assert_eq!(sizes.get(&Digest::of(b"nothing")).await, None);
                redis.pause().await;
            }
            redis.bring_back();
            until_used(&sizes, &redis).await;
        }
        over.store(true, Ordering::Relaxed);
    };
    let (rounds, ()) = tokio::join!(clients, weather);
    assert!(rounds.iter().all(|rounds| *rounds > 0), "{rounds:?}");
}

/// Pushes, asks, deletes and asks again until it is over; every answer must be right.
async fn client(registry: &ScratchRegistry, number: u64, over: &AtomicBool) -> usize {
    let repository = format!("acme/app{number}");
    let mut rounds = 0;
    while rounds < REQUESTS || !over.load(Ordering::Relaxed) {
        let length = 100 + rounds % 50;
        let blob = Blob::random(number * 1_000_000 + rounds as u64, length);
        let target = format!("/v2/{repository}/blobs/{}", blob.digest);
        let _ = registry.head(&target).send().await.expect(404);
        push::blob(registry, &repository, &blob).await;
        for _ in 0..3 {
            let head = registry.head(&target).send().await.expect(200);
            assert_eq!(head.required("Content-Length"), length.to_string());
        }
        let part = registry.get(&target).header("Range", "bytes=-10").send().await.expect(206);
        assert_eq!(part.body, blob.bytes.slice(length - 10..));
        let _ = registry.delete(&target).send().await.expect(202);
        let _ = registry.head(&target).send().await.expect(404);
        rounds += 1;
    }
    rounds
}

#[tokio::test(flavor = "multi_thread")]
async fn what_redis_could_not_be_told_to_forget_is_not_believed() {
    let redis = Redis::start();
    let (sizes, other) = (sizes(&config(redis.port())), sizes(&config(redis.port())));
    until_used(&sizes, &redis).await;
    until_used(&other, &redis).await;
    let digest = Digest::of(b"layer");
    sizes.keep(&digest, 5).await;
    assert_eq!(sizes.get(&digest).await, Some(5));
    // It goes on running and remembering, and does not answer in time.
    redis.say(&["CLIENT", "PAUSE", "600"]);
    sizes.forget(&digest).await;
    until_used(&sizes, &redis).await;
    assert_eq!(sizes.get(&digest).await, None);
    sizes.keep(&digest, 5).await;
    assert_eq!(sizes.get(&digest).await, Some(5));
}
