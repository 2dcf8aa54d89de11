//! Work that goes on when nobody waits for it any more.

use futures_util::FutureExt;
use tokio::sync::mpsc;

use super::*;
use crate::Placement;

/// A body the test feeds by hand, and that ends when the sender is dropped.
fn fed() -> (mpsc::Sender<Bytes>, ByteStream) {
    let (sender, receiver) = mpsc::channel(8);
    let stream =
        stream::unfold(receiver, |mut receiver| async { Some((Ok(receiver.recv().await?), receiver)) });
    (sender, stream.boxed())
}

#[tokio::test]
async fn a_finish_nobody_waits_for_still_publishes_and_is_waited_for_at_the_end() {
    let (fixture, name, digest) = (fixture(), repo("a"), Digest::of(b"all of it"));
    let registry = &fixture.registry;
    let id = begin(registry, &name).await;
    let (sender, body) = fed();
    let last = Some((Placement::End, body));
    let dropped = registry.finish(&cause(), &name, &id, &digest, last).now_or_never();
    assert!(dropped.is_none(), "the body has not ended");
    sender.send(Bytes::from_static(b"all ")).await.unwrap();
    assert_eq!(registry.tasks().running(), 1);

    let mut drained = std::pin::pin!(registry.tasks().drain());
    assert!(drained.as_mut().now_or_never().is_none(), "something is still running");
    sender.send(Bytes::from_static(b"of it")).await.unwrap();
    drop(sender);
    drained.await;

    assert_eq!(registry.tasks().running(), 0);
    assert_eq!(read_blob(registry, &name, &digest).await.unwrap(), "all of it");
    assert_eq!(fixture.happened().len(), 1);
}

#[tokio::test]
async fn every_change_goes_on_without_its_caller() {
    let (fixture, name) = (fixture(), repo("a"));
    let registry = &fixture.registry;
    let config = push_blob(registry, &name, b"{}").await;
    let layer = push_blob(registry, &name, b"layer").await;
    let digest = push_manifest(registry, &name, "v1", &image(&[])).await;
    let id = begin(registry, &name).await;

    let put = to_put(tag("v2"), &with(image(&[]), "annotations", json!({"two": "2"})));
    assert!(try_put(registry, &name, put).now_or_never().is_none());
    assert!(registry.mount(&cause(), &repo("b"), &config, Some(&name)).now_or_never().is_none());
    assert!(registry.delete_blob(&cause(), &name, &layer).now_or_never().is_none());
    assert!(registry.delete_manifest(&cause(), &name, &digest.into()).now_or_never().is_none());
    assert!(registry.cancel_upload(&name, &id).now_or_never().is_none());
    registry.tasks().drain().await;

    assert!(meaning(registry, &name, "v2").await.is_some());
    assert_eq!(read_blob(registry, &repo("b"), &config).await.unwrap(), "{}");
    assert!(matches!(registry.blob(&name, &layer).await, Err(Error::BlobUnknown { .. })));
    assert_eq!(meaning(registry, &name, "v1").await, None);
    assert!(matches!(registry.upload(&name, &id).await, Err(Error::UploadUnknown { .. })));
}

#[tokio::test]
async fn two_requests_for_one_upload_do_not_mix() {
    let (fixture, name) = (fixture(), repo("a"));
    let registry = &fixture.registry;
    let id = begin(registry, &name).await;
    let (sender, first) = fed();
    let first = registry.append(&name, &id, Placement::End, first);
    let second = async {
        sender.send(Bytes::from_static(b"first")).await.unwrap();
        while registry.upload(&name, &id).await.unwrap().offset < 5 {
            tokio::task::yield_now().await;
        }
        let digest = Digest::of(b"first");
        let refused = [
            registry.append(&name, &id, Placement::End, body(b"x")).await.map(drop),
            registry.append(&name, &id, Placement::Location(0), body(b"x")).await.map(drop),
            registry.finish(&cause(), &name, &id, &digest, None).await,
            registry.cancel_upload(&name, &id).await,
        ];
        drop(sender);
        refused
    };
    let (first, refused) = tokio::join!(first, second);
    assert_eq!(first.unwrap().offset, 5);
    for answer in refused {
        assert!(matches!(answer, Err(Error::UploadOffset { stored: 5, .. })), "{answer:?}");
    }
}
