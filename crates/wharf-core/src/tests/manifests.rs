//! Manifests: what is taken, under which names it is found, how it goes.

use wharf_oci::{Algorithm, ManifestError, ManifestKind};
use wharf_store::{BlobStore, Objects, PutIf, layout::Key};

use super::*;

#[tokio::test]
async fn a_manifest_is_read_back_byte_for_byte_by_tag_and_by_digest() {
    let (fixture, name) = (fixture(), repo("a/b"));
    push_blob(&fixture.registry, &name, b"{}").await;
    // Blanks and order are the client's, and so is the digest of them.
    let mut put = to_put(tag("v1"), &image(&[]));
    put.bytes = Bytes::from(format!(" {}\n", String::from_utf8(put.bytes.to_vec()).unwrap()));
    let (bytes, digest) = (put.bytes.clone(), Digest::of(&put.bytes));

    let answer = try_put(&fixture.registry, &name, put).await.unwrap();

    assert_eq!(answer, ManifestPut { digest, subject: None, tags: Vec::new() });
    for reference in [Reference::Tag(tag("v1")), Reference::Digest(digest)] {
        let found = fixture.registry.manifest(&name, &reference).await.unwrap();
        assert_eq!((found.digest, found.kind, found.bytes), (digest, ManifestKind::OciImage, bytes.clone()));
    }
}

#[tokio::test]
async fn a_manifest_may_be_kept_under_another_algorithm() {
    let (fixture, name) = (fixture(), repo("a"));
    push_blob(&fixture.registry, &name, b"{}").await;
    for algorithm in Algorithm::ALL {
        let manifest = with(image(&[]), "annotations", json!({"kept": algorithm.as_str()}));
        let digest = Digest::of_with(algorithm, &bytes_of(&manifest));
        let by_digest = to_put(digest, &manifest);
        let by_tag = PutManifest { digest: Some(digest), ..to_put(tag("v1"), &manifest) };
        for put in [by_digest, by_tag] {
            assert_eq!(try_put(&fixture.registry, &name, put).await.unwrap().digest, digest);
            let found = fixture.registry.manifest(&name, &digest.into()).await.unwrap();
            assert_eq!(found.bytes, bytes_of(&manifest));
        }
        assert_eq!(meaning(&fixture.registry, &name, "v1").await, Some(digest));
    }
}

#[tokio::test]
async fn a_manifest_that_is_not_what_its_digest_says_is_refused() {
    let (fixture, name, manifest) = (fixture(), repo("a"), image(&[]));
    push_blob(&fixture.registry, &name, b"{}").await;
    fixture.happened();
    let wrong = [Digest::of(b"other"), Digest::of_with(Algorithm::Sha512, b"other")];
    for digest in wrong {
        let by_digest = to_put(digest, &manifest);
        let by_tag = PutManifest { digest: Some(digest), ..to_put(tag("v1"), &manifest) };
        for put in [by_digest, by_tag] {
            let error = try_put(&fixture.registry, &name, put).await.unwrap_err();
            assert!(
                matches!(error, Error::DigestMismatch { expected, .. } if expected == digest),
                "{error:?}"
            );
        }
    }
    assert_eq!(meaning(&fixture.registry, &name, "v1").await, None);
    assert!(fixture.happened().is_empty());
}

#[tokio::test]
async fn a_digest_may_be_pushed_with_tags() {
    let (fixture, name, manifest) = (fixture(), repo("a"), image(&[]));
    push_blob(&fixture.registry, &name, b"{}").await;
    let digest = Digest::of(&bytes_of(&manifest));
    let tags = vec![tag("v1"), tag("v1.2"), tag("latest")];
    let put = PutManifest { tags: tags.clone(), ..to_put(digest, &manifest) };
    assert_eq!(try_put(&fixture.registry, &name, put).await.unwrap().tags, tags);
    for name_of_tag in ["v1", "v1.2", "latest"] {
        assert_eq!(meaning(&fixture.registry, &name, name_of_tag).await, Some(digest));
    }
}

#[tokio::test]
async fn a_tag_that_may_not_be_moved_stops_a_push_before_anything_is_stored() {
    let (fixture, name) = (fixture(), repo("a"));
    let first = push_manifest(&fixture.registry, &name, "v1", &image(&[])).await;
    let second = with(image(&[]), "annotations", json!({"n": "2"}));
    let digest = Digest::of(&bytes_of(&second));
    let put = |manifest: &Value, digest: Digest| PutManifest {
        tags: vec![tag("new"), tag("v1")],
        immutable: vec![tag("v1")],
        ..to_put(digest, manifest)
    };
    let error = try_put(&fixture.registry, &name, put(&second, digest)).await.unwrap_err();
    assert!(matches!(&error, Error::TagConflict { tag: of, current: Some(current), .. }
        if *of == tag("v1") && *current == first));
    assert_eq!(error.to_string(), format!("tag v1 of a is immutable and means {first} already"));
    assert_eq!(meaning(&fixture.registry, &name, "v1").await, Some(first));
    assert_eq!(meaning(&fixture.registry, &name, "new").await, None);
    let stored = fixture.registry.manifest(&name, &digest.into()).await;
    assert!(matches!(stored, Err(Error::ManifestUnknown { .. })), "{stored:?}");

    try_put(&fixture.registry, &name, put(&image(&[]), first)).await.unwrap();
    assert_eq!(meaning(&fixture.registry, &name, "new").await, Some(first));
}

#[tokio::test]
async fn what_could_be_taken_for_another_kind_is_refused() {
    let (fixture, name) = (fixture(), repo("a"));
    push_blob(&fixture.registry, &name, b"{}").await;
    let untyped = |mut manifest: Value| {
        manifest.as_object_mut().unwrap().remove("mediaType");
        PutManifest {
            content_type: Some(MediaType::OCI_INDEX),
            bytes: bytes_of(&manifest),
            ..to_put(tag("v1"), &image(&[]))
        }
    };
    let mislabelled =
        PutManifest { content_type: Some(MediaType::OCI_INDEX), ..to_put(tag("v1"), &image(&[])) };
    type IsRight = fn(&ManifestError) -> bool;
    let rows: [(PutManifest, IsRight); 5] = [
        (to_put(tag("v1"), &with(image(&[]), "manifests", json!([]))), |error| {
            matches!(error, ManifestError::TypeConfusion { field: "manifests", .. })
        }),
        (to_put(tag("v1"), &with(index(&[]), "layers", json!([]))), |error| {
            matches!(error, ManifestError::TypeConfusion { field: "layers", .. })
        }),
        (untyped(image(&[])), |error| matches!(error, ManifestError::TypeConfusion { field: "config", .. })),
        (mislabelled, |error| matches!(error, ManifestError::MediaTypeMismatch { .. })),
        (to_put(tag("v1"), &with(image(&[]), "schemaVersion", json!(1))), |error| {
            matches!(error, ManifestError::SchemaVersion { found: Some(1) })
        }),
    ];
    for (put, is_right) in rows {
        let error = try_put(&fixture.registry, &name, put).await.unwrap_err();
        assert!(matches!(&error, Error::ManifestInvalid(error) if is_right(error)), "{error:?}");
    }
    assert_eq!(meaning(&fixture.registry, &name, "v1").await, None);
}

#[tokio::test]
async fn deleting_a_tag_leaves_the_manifest_and_its_other_tags() {
    let (fixture, name) = (fixture(), repo("a"));
    let digest = push_manifest(&fixture.registry, &name, "v1", &image(&[])).await;
    push_manifest(&fixture.registry, &name, "v2", &image(&[])).await;
    fixture.registry.delete_manifest(&cause(), &name, &tag("v1").into()).await.unwrap();
    assert_eq!(meaning(&fixture.registry, &name, "v1").await, None);
    assert_eq!(meaning(&fixture.registry, &name, "v2").await, Some(digest));
    let again = fixture.registry.delete_manifest(&cause(), &name, &tag("v1").into()).await;
    assert!(matches!(again, Err(Error::ManifestUnknown { .. })), "{again:?}");
}

#[tokio::test]
async fn deleting_a_digest_takes_all_its_tags() {
    let (fixture, name) = (fixture(), repo("a"));
    let digest = push_manifest(&fixture.registry, &name, "v1", &image(&[])).await;
    push_manifest(&fixture.registry, &name, "v2", &image(&[])).await;
    fixture.registry.delete_manifest(&cause(), &name, &digest.into()).await.unwrap();
    assert_eq!(meaning(&fixture.registry, &name, "v1").await, None);
    assert_eq!(meaning(&fixture.registry, &name, "v2").await, None);
    for _ in 0..2 {
        let again = fixture.registry.delete_manifest(&cause(), &name, &digest.into()).await;
        assert!(matches!(again, Err(Error::ManifestUnknown { .. })), "{again:?}");
    }
}

/// A layer is no manifest, however long it is; finding that out must not take as much memory as it is long.
#[tokio::test]
async fn deleting_the_manifest_of_a_layers_digest_is_unknown_and_reads_no_layer() {
    let (fixture, name) = (fixture(), repo("a"));
    let digest = push_blob(&fixture.registry, &name, &vec![7; 33 << 20]).await;
    let error = fixture.registry.delete_manifest(&cause(), &name, &digest.into()).await.unwrap_err();
    assert!(matches!(error, Error::ManifestUnknown { .. }), "{error:?}");
    let read = fixture.registry.bytes(&digest).await.map(|bytes| bytes.map(|bytes| bytes.len()));
    assert!(matches!(read, Err(Error::Store(wharf_store::Error::Corrupt { .. }))), "{read:?}");
}

#[tokio::test]
async fn a_broken_revision_is_an_error_to_read_and_can_be_deleted() {
    let (fixture, name) = (fixture(), repo("a"));
    let digest = push_manifest(&fixture.registry, &name, "v1", &image(&[])).await;
    let link = Key::RevisionLink(&name, &digest);
    Objects::put(&fixture.store, &link, Bytes::new(), PutIf::Any).await.unwrap();
    let read = fixture.registry.manifest(&name, &digest.into()).await;
    assert!(matches!(read, Err(Error::Store(wharf_store::Error::Corrupt { .. }))), "{read:?}");
    fixture.registry.delete_manifest(&cause(), &name, &digest.into()).await.unwrap();
    assert_eq!(meaning(&fixture.registry, &name, "v1").await, None);
}

#[tokio::test]
async fn a_manifest_whose_bytes_were_collected_is_unknown() {
    let (fixture, name) = (fixture(), repo("a"));
    let digest = push_manifest(&fixture.registry, &name, "v1", &image(&[])).await;
    BlobStore::remove(&fixture.store, &digest).await.unwrap();
    assert_eq!(meaning(&fixture.registry, &name, "v1").await, None);
}

/// A flipped bit on a disk would be served from memory until the next start.
#[tokio::test]
async fn a_damaged_manifest_is_an_error_and_is_not_cached() {
    let (store, name) = (failing::FailingStore::default(), repo("a"));
    let pushed = store.registry();
    let digest = push_manifest(&pushed, &name, "v1", &image(&[])).await;
    let subject = Digest::of(b"subject");
    let index = index(&[json!({"mediaType": MediaType::OCI_MANIFEST, "digest": digest, "size": 1})]);
    push_manifest(&pushed, &name, wharf_oci::referrers_tag(&subject).as_str(), &index).await;

    let registry = store.registry();
    store.damage_reads(true);
    for _ in 0..2 {
        let read = registry.manifest(&name, &digest.into()).await.map(drop);
        let referrers = registry.referrers(&name, &subject, &[], None, 10).await.map(drop);
        for answer in [read, referrers] {
            let Err(Error::Store(error)) = answer else { panic!("{answer:?}") };
            assert!(matches!(error, wharf_store::Error::Corrupt { .. }), "{error:?}");
            assert!(error.to_string().contains("do not hash"), "{error}");
        }
    }
    store.damage_reads(false);
    let read = registry.manifest(&name, &digest.into()).await.unwrap();
    assert_eq!(Digest::of(&read.bytes), digest);
}
