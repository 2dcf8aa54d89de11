//! Tags and repositories.

use super::*;

#[tokio::test]
async fn tags_come_in_pages_in_byte_order() {
    let (fixture, name) = (fixture(), repo("a"));
    for name_of_tag in ["v2", "1.0-alpine", "latest", "1.0", "1.0.1"] {
        push_manifest(&fixture.registry, &name, name_of_tag, &image(&[])).await;
    }
    let rows: [(Option<&str>, usize, &[&str], bool); 6] = [
        (None, 100, &["1.0", "1.0-alpine", "1.0.1", "latest", "v2"], false),
        (None, 2, &["1.0", "1.0-alpine"], true),
        (Some("1.0-alpine"), 2, &["1.0.1", "latest"], true),
        (Some("m"), 2, &["v2"], false),
        (Some("v2"), 2, &[], false),
        (None, 0, &[], true),
    ];
    for (after, limit, expected, more) in rows {
        let page = fixture.registry.tags(&name, after, limit).await.unwrap();
        let tags: Vec<&str> = page.items.iter().map(Tag::as_str).collect();
        assert_eq!((&tags[..], page.more), (expected, more), "{limit} after {after:?}");
    }
}

#[tokio::test]
async fn a_repository_is_known_while_it_holds_a_manifest() {
    let (fixture, name) = (fixture(), repo("a/b"));
    let unknown =
        async || matches!(fixture.registry.tags(&name, None, 10).await, Err(Error::RepositoryUnknown { .. }));
    assert!(unknown().await);
    push_blob(&fixture.registry, &name, b"{}").await;
    assert!(unknown().await, "blobs alone do not make a repository");

    let digest = push_manifest(&fixture.registry, &name, "v1", &image(&[])).await;
    fixture.registry.delete_manifest(&cause(), &name, &tag("v1").into()).await.unwrap();
    assert!(fixture.registry.tags(&name, None, 10).await.unwrap().items.is_empty());

    fixture.registry.delete_manifest(&cause(), &name, &digest.into()).await.unwrap();
    assert!(unknown().await);
    assert!(fixture.registry.repositories(None, 10).await.unwrap().items.is_empty());
}

#[tokio::test]
async fn repositories_come_in_pages_in_byte_order_of_the_whole_name() {
    let fixture = fixture();
    for name in ["b", "a/b", "a", "a-b"] {
        push_manifest(&fixture.registry, &repo(name), "v1", &image(&[])).await;
    }
    push_blob(&fixture.registry, &repo("blobs-only"), b"{}").await;
    let rows: [(Option<&str>, usize, &[&str], bool); 4] = [
        (None, 10, &["a", "a-b", "a/b", "b"], false),
        (None, 2, &["a", "a-b"], true),
        (Some("a-b"), 2, &["a/b", "b"], false),
        (Some("zzz"), 2, &[], false),
    ];
    for (after, limit, expected, more) in rows {
        let page = fixture.registry.repositories(after, limit).await.unwrap();
        let names: Vec<&str> = page.items.iter().map(RepositoryName::as_str).collect();
        assert_eq!((&names[..], page.more), (expected, more), "{limit} after {after:?}");
    }
}
