//! Uploads, in the shapes clients know.

use wharf_oci::{Algorithm, Digest};
use wharf_store::{Announced, BlobStore, UploadKey};

use super::*;
use crate::Placement;

/// One PATCH: where the client says its bytes belong, and the bytes.
type Patch = (Placement, &'static [u8]);

#[tokio::test]
async fn every_shape_of_upload_becomes_the_blob() {
    use Placement::{At, End, Location};
    let whole = b"abcdefghi";
    let rows: [(&str, &[Patch], Option<Patch>); 9] = [
        ("POST, PUT with the body (oras)", &[], Some((Location(0), whole))),
        ("POST, PUT with the body and no state", &[], Some((End, whole))),
        ("POST, PATCH of all, PUT (docker, containers/image)", &[(Location(0), whole)], None),
        ("PATCH without any placement", &[(End, b"abc"), (End, b"def"), (End, b"ghi")], None),
        ("chunks with Content-Range (regclient)", &[(At(0), b"abc"), (At(3), b"def"), (At(6), b"ghi")], None),
        ("each Location used once", &[(Location(0), b"abc"), (Location(3), b"defghi")], None),
        ("the last bytes in the PUT", &[(At(0), b"abcdef")], Some((At(6), b"ghi"))),
        ("an empty body in the PUT", &[(Location(0), whole)], Some((Location(9), b""))),
        ("an empty body to the first location", &[(Location(0), whole)], Some((Location(0), b""))),
    ];
    let (fixture, name) = (fixture(), repo("a/b"));
    for (shape, patches, last) in rows {
        let id = begin(&fixture.registry, &name).await;
        for (placement, bytes) in patches {
            fixture.registry.append(&name, &id, *placement, body(bytes)).await.expect(shape);
        }
        let last = last.map(|(placement, bytes)| (placement, body(bytes)));
        let digest = Digest::of(whole);
        fixture.registry.finish(&cause(), &name, &id, &digest, last).await.expect(shape);
        assert_eq!(read_blob(&fixture.registry, &name, &digest).await.expect(shape), whole[..], "{shape}");
        fixture.registry.delete_blob(&cause(), &name, &digest).await.expect(shape);
    }
}

#[tokio::test]
async fn an_upload_of_nothing_is_the_empty_blob() {
    let (fixture, name, digest) = (fixture(), repo("a"), Digest::of(b""));
    let id = begin(&fixture.registry, &name).await;
    fixture.registry.finish(&cause(), &name, &id, &digest, None).await.unwrap();
    assert_eq!(fixture.registry.blob(&name, &digest).await.unwrap().size_bytes, 0);
}

#[tokio::test]
async fn the_state_tells_where_the_upload_ends() {
    let (fixture, name) = (fixture(), repo("a"));
    let state = fixture.registry.begin_upload(&name, Announced::Nothing).await.unwrap();
    assert_eq!(state.offset, 0);
    let state = fixture.registry.append(&name, &state.id, Placement::End, body(b"12345")).await.unwrap();
    assert_eq!(state.offset, 5);
    assert_eq!(fixture.registry.upload(&name, &state.id).await.unwrap(), state);
}

#[tokio::test]
async fn a_wrong_offset_is_told_the_right_one_and_changes_nothing() {
    let (fixture, name) = (fixture(), repo("a"));
    let id = begin(&fixture.registry, &name).await;
    fixture.registry.append(&name, &id, Placement::At(0), body(b"12345")).await.unwrap();
    for placement in [Placement::At(0), Placement::At(4), Placement::At(6), Placement::Location(4)] {
        let digest = Digest::of(b"12345x");
        let last = Some((placement, body(b"x")));
        for error in [
            fixture.registry.append(&name, &id, placement, body(b"x")).await.unwrap_err(),
            fixture.registry.finish(&cause(), &name, &id, &digest, last).await.unwrap_err(),
        ] {
            assert!(matches!(error, Error::UploadOffset { stored: 5, .. }), "{placement:?}: {error:?}");
        }
    }
    let digest = Digest::of(b"12345");
    fixture.registry.finish(&cause(), &name, &id, &digest, None).await.unwrap();
}

#[tokio::test]
async fn a_body_sent_again_to_the_first_location_starts_over() {
    let (fixture, name, digest) = (fixture(), repo("a"), Digest::of(b"all of it"));
    let id = begin(&fixture.registry, &name).await;
    let broken = fixture.registry.append(&name, &id, Placement::Location(0), hung_up(b"all o")).await;
    assert!(matches!(broken, Err(Error::BodyBroken { .. })), "{broken:?}");

    let again = fixture.registry.append(&name, &id, Placement::Location(0), body(b"all of it")).await;

    assert_eq!(again.unwrap().offset, 9);
    fixture.registry.finish(&cause(), &name, &id, &digest, None).await.unwrap();
}

#[tokio::test]
async fn a_repetition_that_breaks_before_its_first_byte_costs_nothing() {
    let (fixture, name) = (fixture(), repo("a"));
    let id = begin(&fixture.registry, &name).await;
    fixture.registry.append(&name, &id, Placement::Location(0), body(b"kept")).await.unwrap();
    let broken = fixture.registry.append(&name, &id, Placement::Location(0), hung_up(b"")).await;
    assert!(matches!(broken, Err(Error::BodyBroken { .. })), "{broken:?}");
    assert_eq!(fixture.registry.upload(&name, &id).await.unwrap().offset, 4);
}

#[tokio::test]
async fn what_came_before_a_hang_up_is_kept() {
    let (fixture, name) = (fixture(), repo("a"));
    let id = begin(&fixture.registry, &name).await;
    fixture.registry.append(&name, &id, Placement::End, hung_up(b"first ")).await.unwrap_err();
    assert_eq!(fixture.registry.upload(&name, &id).await.unwrap().offset, 6);
    let digest = Digest::of(b"first second");
    let broken = Some((Placement::At(6), hung_up(b"sec")));
    fixture.registry.finish(&cause(), &name, &id, &digest, broken).await.unwrap_err();
    let last = Some((Placement::At(9), body(b"ond")));
    fixture.registry.finish(&cause(), &name, &id, &digest, last).await.unwrap();
}

#[tokio::test]
async fn finishing_again_is_answered_with_success_again() {
    let (fixture, name, digest) = (fixture(), repo("a"), Digest::of(b"bytes"));
    let id = begin(&fixture.registry, &name).await;
    let last = || Some((Placement::Location(0), body(b"bytes")));
    fixture.registry.finish(&cause(), &name, &id, &digest, last()).await.unwrap();
    assert_eq!(fixture.happened().len(), 1);

    fixture.registry.finish(&cause(), &name, &id, &digest, last()).await.unwrap();
    fixture.registry.finish(&cause(), &name, &id, &digest, None).await.unwrap();

    assert!(fixture.happened().is_empty(), "saying it again changed nothing");
    let other = Digest::of(b"other");
    let error = fixture.registry.finish(&cause(), &name, &id, &other, None).await.unwrap_err();
    assert!(matches!(error, Error::UploadUnknown { .. }), "{error:?}");
}

#[tokio::test]
async fn a_wrong_digest_leaves_the_session_usable_and_nothing_visible() {
    let (fixture, name) = (fixture(), repo("a"));
    let (wrong, right) = (Digest::of(b"promised"), Digest::of(b"delivered"));
    let id = begin(&fixture.registry, &name).await;
    let last = Some((Placement::End, body(b"delivered")));

    let error = fixture.registry.finish(&cause(), &name, &id, &wrong, last).await.unwrap_err();

    assert!(
        matches!(error, Error::DigestMismatch { expected, actual } if (expected, actual) == (wrong, right))
    );
    for digest in [wrong, right] {
        assert!(matches!(fixture.registry.blob(&name, &digest).await, Err(Error::BlobUnknown { .. })));
    }
    fixture.registry.finish(&cause(), &name, &id, &right, None).await.unwrap();
}

#[tokio::test]
async fn an_upload_may_be_finished_under_any_algorithm() {
    let (fixture, name) = (fixture(), repo("a"));
    for announced in [Announced::Nothing, Announced::Algorithm(Algorithm::Sha512)] {
        for algorithm in Algorithm::ALL {
            let digest = Digest::of_with(algorithm, b"bytes");
            let id = fixture.registry.begin_upload(&name, announced).await.unwrap().id;
            let last = Some((Placement::End, body(b"bytes")));
            fixture.registry.finish(&cause(), &name, &id, &digest, last).await.unwrap();
            let info = fixture.registry.blob(&name, &digest).await.unwrap();
            assert_eq!((info.digest, info.content), (digest, digest), "kept under its own name");
        }
    }
}

#[tokio::test]
async fn a_monolithic_put_that_fails_leaves_nothing() {
    use futures_util::TryStreamExt;
    use wharf_store::BlobStore;
    let (fixture, name, digest) = (fixture(), repo("a"), Digest::of(b"bytes"));
    for body in [body(b"other"), hung_up(b"byt")] {
        fixture.registry.put_blob(&cause(), &name, &digest, body).await.unwrap_err();
    }
    fixture.clock.advance(Duration::from_secs(1));
    let open: Vec<_> = fixture.store.uploads(fixture.clock.now()).try_collect().await.unwrap();
    assert!(open.is_empty(), "{open:?}");
    assert!(fixture.store.list(None).try_next().await.unwrap().is_none());
    assert!(fixture.happened().is_empty());
}

#[tokio::test]
async fn a_cancelled_upload_is_unknown() {
    let (fixture, name) = (fixture(), repo("a"));
    let id = begin(&fixture.registry, &name).await;
    fixture.registry.cancel_upload(&name, &id).await.unwrap();
    let digest = Digest::of(b"");
    let errors = [
        fixture.registry.upload(&name, &id).await.unwrap_err(),
        fixture.registry.append(&name, &id, Placement::End, body(b"x")).await.unwrap_err(),
        fixture.registry.append(&name, &id, Placement::At(0), body(b"x")).await.unwrap_err(),
        fixture.registry.append(&name, &id, Placement::Location(0), body(b"x")).await.unwrap_err(),
        fixture.registry.finish(&cause(), &name, &id, &digest, None).await.unwrap_err(),
        fixture.registry.cancel_upload(&name, &id).await.unwrap_err(),
    ];
    assert!(errors.iter().all(|error| matches!(error, Error::UploadUnknown { .. })), "{errors:?}");
}

#[tokio::test]
async fn an_upload_belongs_to_its_repository() {
    let (fixture, name) = (fixture(), repo("a"));
    let id = begin(&fixture.registry, &name).await;
    let error = fixture.registry.append(&repo("b"), &id, Placement::End, body(b"x")).await.unwrap_err();
    assert!(matches!(error, Error::UploadUnknown { .. }), "{error:?}");
}

#[tokio::test]
async fn a_finished_upload_that_was_not_linked_is_linked_by_the_repeated_request() {
    let (fixture, name) = (fixture(), repo("a"));
    let id = begin(&fixture.registry, &name).await;
    fixture.registry.append(&name, &id, Placement::End, body(b"layer")).await.unwrap();
    let (key, digest) = (UploadKey { repository: name.clone(), id: id.clone() }, Digest::of(b"layer"));
    // The process died between the two.
    fixture.store.commit(&key, &digest).await.unwrap();
    let unknown = fixture.registry.blob(&name, &digest).await;
    assert!(matches!(unknown, Err(Error::BlobUnknown { .. })), "{unknown:?}");

    for last in [None, Some((Placement::End, body(b""))), Some((Placement::At(0), body(b"layer")))] {
        fixture.registry.finish(&cause(), &name, &id, &digest, last).await.unwrap();
        assert_eq!(fixture.registry.blob(&name, &digest).await.unwrap().size_bytes, 5);
    }
    let closed = fixture.registry.upload(&name, &id).await;
    assert!(matches!(closed, Err(Error::UploadUnknown { .. })), "{closed:?}");
}

#[tokio::test]
async fn no_blob_of_another_repository_is_linked_by_its_digest_alone() {
    let (fixture, name) = (fixture(), repo("a"));
    let secret = push_blob(&fixture.registry, &repo("b"), b"secret").await;
    let open = begin(&fixture.registry, &name).await;
    let never_begun: UploadId = "0196f0b0-0000-7000-8000-000000000000".parse().unwrap();
    for id in [open, never_begun] {
        for last in [None, Some((Placement::End, body(b""))), Some((Placement::At(6), body(b"x")))] {
            let refused = fixture.registry.finish(&cause(), &name, &id, &secret, last).await;
            assert!(refused.is_err());
            let unknown = fixture.registry.blob(&name, &secret).await;
            assert!(matches!(unknown, Err(Error::BlobUnknown { .. })), "{unknown:?}");
        }
    }
}
