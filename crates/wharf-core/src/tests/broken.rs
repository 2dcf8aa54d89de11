//! "It is not there" and "I could not look" are different answers, whatever the store was asked when it failed.

use std::pin::Pin;

use super::failing::FailingStore;
use super::*;
use crate::Placement;

type Outcome = Pin<Box<dyn Future<Output = Result<()>> + Send>>;
type Operation = fn(Registry, UploadId, Digest) -> Outcome;

/// Every operation, on things that are there.
const OPERATIONS: &[(&str, Operation)] = &[
    ("blob", |registry, _, _| {
        Box::pin(async move { registry.blob(&repo("a"), &Digest::of(b"{}")).await.map(drop) })
    }),
    ("open_blob", |registry, _, _| {
        Box::pin(async move { registry.open_blob(&repo("a"), &Digest::of(b"{}")).await.map(drop) })
    }),
    ("delete_blob", |registry, _, _| {
        Box::pin(async move { registry.delete_blob(&cause(), &repo("a"), &Digest::of(b"{}")).await })
    }),
    ("begin_upload", |registry, _, _| {
        Box::pin(async move { registry.begin_upload(&repo("a"), Announced::Nothing).await.map(drop) })
    }),
    ("upload", |registry, id, _| Box::pin(async move { registry.upload(&repo("a"), &id).await.map(drop) })),
    ("append", |registry, id, _| {
        Box::pin(async move {
            registry.append(&repo("a"), &id, Placement::Location(0), body(b"x")).await.map(drop)
        })
    }),
    ("finish", |registry, id, _| {
        Box::pin(async move {
            let last = Some((Placement::End, body(b"")));
            registry.finish(&cause(), &repo("a"), &id, &Digest::of(b"begun"), last).await
        })
    }),
    ("put_blob", |registry, _, _| {
        Box::pin(async move { registry.put_blob(&cause(), &repo("a"), &Digest::of(b"x"), body(b"x")).await })
    }),
    ("cancel_upload", |registry, id, _| {
        Box::pin(async move { registry.cancel_upload(&repo("a"), &id).await })
    }),
    ("mount", |registry, _, _| {
        Box::pin(async move {
            registry.mount(&cause(), &repo("b"), &Digest::of(b"{}"), Some(&repo("a"))).await.map(drop)
        })
    }),
    ("manifest", |registry, _, _| {
        Box::pin(async move { registry.manifest(&repo("a"), &tag("v1").into()).await.map(drop) })
    }),
    ("put_manifest", |registry, _, _| {
        Box::pin(
            async move { try_put(&registry, &repo("a"), to_put(tag("v2"), &image(&[]))).await.map(drop) },
        )
    }),
    ("put_manifest of an index", |registry, _, digest| {
        Box::pin(async move {
            let child = json!({"mediaType": MediaType::OCI_MANIFEST, "digest": digest, "size": 1});
            try_put(&registry, &repo("a"), to_put(tag("v2"), &index(&[child]))).await.map(drop)
        })
    }),
    ("delete_manifest by tag", |registry, _, _| {
        Box::pin(async move { registry.delete_manifest(&cause(), &repo("a"), &tag("v1").into()).await })
    }),
    ("delete_manifest by digest", |registry, _, digest| {
        Box::pin(async move { registry.delete_manifest(&cause(), &repo("a"), &digest.into()).await })
    }),
    ("tags", |registry, _, _| Box::pin(async move { registry.tags(&repo("a"), None, 10).await.map(drop) })),
    ("tags of nothing", |registry, _, _| {
        Box::pin(async move {
            match registry.tags(&repo("none"), None, 10).await {
                Err(Error::RepositoryUnknown { .. }) => Ok(()),
                result => result.map(drop),
            }
        })
    }),
    ("repositories", |registry, _, _| {
        Box::pin(async move { registry.repositories(None, 10).await.map(drop) })
    }),
    ("referrers", |registry, _, _| {
        Box::pin(async move {
            let subject = Digest::of(b"subject");
            registry.referrers(&repo("a"), &subject, &[], None, 10).await.map(drop)
        })
    }),
];

/// Makes the store fail at the first call an operation makes, then at the second, and so on until it makes no more.
#[tokio::test]
async fn a_failing_store_is_never_taken_for_an_empty_one() {
    for (label, operation) in OPERATIONS {
        for calls in 0.. {
            let (store, name) = (FailingStore::default(), repo("a"));
            let registry = store.registry();
            let subject = Digest::of(b"subject");
            push_manifest(&registry, &name, "v1", &referring(&subject, "one", "application/sbom")).await;
            let digest = meaning(&registry, &name, "v1").await.unwrap();
            let id = begin(&registry, &name).await;
            registry.append(&name, &id, Placement::End, body(b"begun")).await.unwrap();

            store.fail_after(calls);
            let result = operation(registry, id, digest).await;
            if store.repair() == 0 {
                result.unwrap_or_else(|error| panic!("{label} makes {calls} calls: {error:?}"));
                assert!(calls > 0, "{label} asked nothing");
                break;
            }
            let error = result.expect_err(label);
            assert!(
                matches!(error, Error::Store(wharf_store::Error::Backend { .. })),
                "{label}, call {calls}: {error:?}"
            );
        }
    }
}
