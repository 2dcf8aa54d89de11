//! Promises about facts.

use std::time::{Duration, SystemTime};

use wharf_oci::{Descriptor, Digest, MediaType, Reference, RepositoryName, Tag};

use super::repository;
use crate::blob::BlobStat;
use crate::clock::{Clock, SystemClock};
use crate::error::Error;
use crate::metadata::{
    Change, Expect, FoundLink, Held, HeldLink, LinkKind, ManifestFacts, ManifestWritten, MetadataStore,
    TagChange, TagWrite,
};

const CHANGE: Change<'static> =
    Change { actor: Some("tester"), request_id: "r1", at: SystemTime::UNIX_EPOCH };

fn tag(name: &str) -> Tag {
    name.parse().unwrap()
}

fn write(name: &str, expect: Expect) -> TagWrite {
    TagWrite { tag: tag(name), expect }
}

async fn try_put(
    store: &dyn MetadataStore,
    repository: &RepositoryName,
    digest: &Digest,
    tags: &[TagWrite],
) -> crate::Result<ManifestWritten> {
    let facts = ManifestFacts { digest, references: &[], subject: None, tags };
    store.put_manifest(&CHANGE, repository, &facts).await
}

async fn put(
    store: &dyn MetadataStore,
    repository: &RepositoryName,
    digest: &Digest,
    tags: &[&str],
) -> ManifestWritten {
    let tags: Vec<TagWrite> = tags.iter().map(|name| write(name, Expect::Any)).collect();
    try_put(store, repository, digest, &tags).await.unwrap()
}

async fn by_tag(store: &dyn MetadataStore, repository: &RepositoryName, name: &str) -> Option<Digest> {
    store.manifest(repository, &Reference::Tag(tag(name))).await.unwrap()
}

async fn by_digest(store: &dyn MetadataStore, repository: &RepositoryName, digest: Digest) -> Option<Digest> {
    store.manifest(repository, &Reference::Digest(digest)).await.unwrap()
}

async fn tags_after(
    store: &dyn MetadataStore,
    name: &RepositoryName,
    after: Option<&str>,
    limit: usize,
) -> (Vec<String>, bool) {
    let page = store.tags(name, after, limit).await.unwrap();
    (page.items.iter().map(Tag::to_string).collect(), page.more)
}

pub async fn a_manifest_is_found_by_digest_and_by_tag(store: &dyn MetadataStore) {
    let (repo, digest) = (repository("a/b"), Digest::of(b"m"));
    assert_eq!(by_tag(store, &repo, "v1").await, None);
    let written = put(store, &repo, &digest, &["v1", "v2"]).await;
    assert_eq!(written.tags[1], TagChange { tag: tag("v2"), from: None, to: Some(digest) });
    assert_eq!(by_digest(store, &repo, digest).await, Some(digest));
    assert_eq!(by_tag(store, &repo, "v1").await, Some(digest));
    assert_eq!(by_tag(store, &repo, "v3").await, None);
}

pub async fn a_manifest_is_known_only_to_its_repository(store: &dyn MetadataStore) {
    let digest = Digest::of(b"m");
    put(store, &repository("a"), &digest, &["v1"]).await;
    for other in ["a/b", "b"] {
        assert_eq!(by_digest(store, &repository(other), digest).await, None);
        assert_eq!(by_tag(store, &repository(other), "v1").await, None);
    }
}

pub async fn a_tag_moves_and_says_from_where(store: &dyn MetadataStore) {
    let (repo, old, new) = (repository("a"), Digest::of(b"old"), Digest::of(b"new"));
    put(store, &repo, &old, &["latest"]).await;
    let written = put(store, &repo, &new, &["latest"]).await;
    assert_eq!(written.tags, [TagChange { tag: tag("latest"), from: Some(old), to: Some(new) }]);
    assert_eq!(by_tag(store, &repo, "latest").await, Some(new));
    assert_eq!(by_digest(store, &repo, old).await, Some(old));
}

pub async fn a_tag_can_be_demanded_to_be_new_or_unmoved(store: &dyn MetadataStore) {
    let (repo, old, new) = (repository("a"), Digest::of(b"old"), Digest::of(b"new"));
    try_put(store, &repo, &old, &[write("v1", Expect::Absent)]).await.unwrap();
    for expect in [Expect::Absent, Expect::Is(new)] {
        let error = try_put(store, &repo, &new, &[write("v1", expect)]).await.unwrap_err();
        assert!(
            matches!(error, Error::TagConflict { current: Some(current), .. } if current == old),
            "{error:?}"
        );
        assert_eq!(by_tag(store, &repo, "v1").await, Some(old));
    }
    let again = try_put(store, &repo, &old, &[write("v1", Expect::Absent)]).await.unwrap();
    assert_eq!(again.tags, [TagChange { tag: tag("v1"), from: Some(old), to: Some(old) }]);
    try_put(store, &repo, &new, &[write("v1", Expect::Is(old))]).await.unwrap();
    assert_eq!(by_tag(store, &repo, "v1").await, Some(new));
}

pub async fn a_put_that_a_tag_refuses_writes_no_other_tag(store: &dyn MetadataStore) {
    let (repo, old, new) = (repository("a"), Digest::of(b"old"), Digest::of(b"new"));
    try_put(store, &repo, &old, &[write("v1", Expect::Absent), write("moved", Expect::Any)]).await.unwrap();
    for expect in [Expect::Absent, Expect::Is(new)] {
        let tags = [
            write("x1", Expect::Any),
            write("moved", Expect::Any),
            write("x2", Expect::Absent),
            write("v1", expect),
        ];
        let error = try_put(store, &repo, &new, &tags).await.unwrap_err();
        assert!(matches!(error, Error::TagConflict { .. }), "{error:?}");
        for (name, expected) in [("x1", None), ("x2", None), ("moved", Some(old)), ("v1", Some(old))] {
            assert_eq!(by_tag(store, &repo, name).await, expected, "{name}");
        }
    }
    let tags = [write("x1", Expect::Any), write("x2", Expect::Absent), write("v1", Expect::Is(old))];
    let written = try_put(store, &repo, &new, &tags).await.unwrap();
    assert_eq!(written.tags.len(), 3);
    for name in ["x1", "x2", "v1"] {
        assert_eq!(by_tag(store, &repo, name).await, Some(new), "{name}");
    }
}

pub async fn a_deleted_tag_leaves_its_manifest(store: &dyn MetadataStore) {
    let (repo, digest) = (repository("a"), Digest::of(b"m"));
    put(store, &repo, &digest, &["v1", "v2"]).await;
    let gone = store.delete_tag(&CHANGE, &repo, &tag("v1")).await.unwrap();
    assert_eq!(gone, Some(TagChange { tag: tag("v1"), from: Some(digest), to: None }));
    assert_eq!(by_tag(store, &repo, "v1").await, None);
    assert_eq!(by_tag(store, &repo, "v2").await, Some(digest));
    assert_eq!(by_digest(store, &repo, digest).await, Some(digest));
}

pub async fn a_deleted_manifest_takes_its_tags_along(store: &dyn MetadataStore) {
    let (repo, digest, other) = (repository("a"), Digest::of(b"m"), Digest::of(b"other"));
    put(store, &repo, &digest, &["v1", "v2"]).await;
    put(store, &repo, &other, &["v3"]).await;
    let deleted = store.delete_manifest(&CHANGE, &repo, &digest, None).await.unwrap().unwrap();
    let mut tags: Vec<String> = deleted.tags.iter().map(|change| change.tag.to_string()).collect();
    tags.sort();
    assert_eq!(tags, ["v1", "v2"]);
    assert_eq!(by_digest(store, &repo, digest).await, None);
    assert_eq!(tags_after(store, &repo, None, 10).await, (vec!["v3".into()], false));
    put(store, &repo, &digest, &[]).await;
    assert_eq!(by_tag(store, &repo, "v1").await, None, "an old tag came back with its manifest");
}

pub async fn deleting_what_is_absent_changes_nothing(store: &dyn MetadataStore) {
    let (repo, digest) = (repository("a"), Digest::of(b"m"));
    assert_eq!(store.delete_tag(&CHANGE, &repo, &tag("v1")).await.unwrap(), None);
    assert_eq!(store.delete_manifest(&CHANGE, &repo, &digest, None).await.unwrap(), None);
    assert!(!store.unlink_blob(&CHANGE, &repo, &digest).await.unwrap());
}

pub async fn a_manifest_put_twice_is_one_manifest(store: &dyn MetadataStore) {
    let (repo, digest) = (repository("a"), Digest::of(b"m"));
    put(store, &repo, &digest, &["v1"]).await;
    let again = put(store, &repo, &digest, &["v1"]).await;
    assert_eq!(again.tags[0].from, Some(digest));
    assert_eq!(store.manifests(&repo, None, 10).await.unwrap().items, [digest]);
}

pub async fn tags_are_listed_in_byte_order_page_by_page(store: &dyn MetadataStore) {
    let repo = repository("a");
    // `-` and `.` sort before `/`, which decides where a bucket would put them.
    put(store, &repo, &Digest::of(b"m"), &["1.0.1", "_x", "1.0-alpine", "latest", "1.0", "B", "10"]).await;
    let expected = ["1.0", "1.0-alpine", "1.0.1", "10", "B", "_x", "latest"];

    let (all, more) = tags_after(store, &repo, None, 100).await;
    assert_eq!((all, more), (expected.map(str::to_owned).to_vec(), false));

    let mut paged = Vec::new();
    let mut more = true;
    while more {
        let page;
        let last = paged.last().cloned();
        (page, more) = tags_after(store, &repo, last.as_deref(), 2).await;
        assert!(page.len() == 2 || !more);
        paged.extend(page);
    }
    assert_eq!(paged, expected);
    assert_eq!(tags_after(store, &repo, Some("1.0-b"), 1).await, (vec!["1.0.1".into()], true));
    assert_eq!(tags_after(store, &repo, Some("latest"), 1).await, (vec![], false));
    assert!(!tags_after(store, &repo, None, 7).await.1);
}

pub async fn a_repository_exists_while_it_holds_a_manifest(store: &dyn MetadataStore) {
    let (repo, digest) = (repository("a"), Digest::of(b"m"));
    store.link_blob(&CHANGE, &repo, &digest, &digest).await.unwrap();
    assert!(!store.exists(&repo).await.unwrap());
    put(store, &repo, &digest, &[]).await;
    assert!(store.exists(&repo).await.unwrap());
    store.delete_manifest(&CHANGE, &repo, &digest, None).await.unwrap();
    assert!(!store.exists(&repo).await.unwrap());
    assert!(store.repositories(None, None, 10).await.unwrap().items.is_empty());
}

async fn names(
    store: &dyn MetadataStore,
    prefix: Option<&str>,
    after: Option<&str>,
    limit: usize,
) -> (Vec<String>, bool) {
    let prefix = prefix.map(repository);
    let page = store.repositories(prefix.as_ref(), after, limit).await.unwrap();
    (page.items.iter().map(RepositoryName::to_string).collect(), page.more)
}

async fn put_repositories(store: &dyn MetadataStore, names: &[&str]) {
    for name in names {
        put(store, &repository(name), &Digest::of(b"m"), &["v1"]).await;
    }
}

pub async fn repositories_are_listed_in_byte_order_of_the_whole_name(store: &dyn MetadataStore) {
    let mut expected = vec!["a", "a-b", "a-b/c", "a.b", "a/b", "a/b-c", "a/b/c", "ab", "b/c/d/e"];
    put_repositories(store, &["b/c/d/e", "ab", "a/b/c", "a", "a.b", "a/b", "a-b/c", "a-b", "a/b-c"]).await;
    assert_eq!(
        names(store, None, None, 100).await,
        (expected.iter().map(|name| (*name).to_owned()).collect(), false)
    );
    for start in 0..expected.len() {
        let (page, more) = names(store, None, Some(expected[start]), 2).await;
        let rest: Vec<&str> = expected[start + 1..].iter().take(2).copied().collect();
        assert_eq!(
            (page, more),
            (rest.iter().map(|name| (*name).to_owned()).collect(), start + 3 < expected.len())
        );
    }
    expected.retain(|name| *name > "a/a");
    assert_eq!(names(store, None, Some("a/a"), 100).await.0, expected);
}

pub async fn repositories_below_a_prefix_are_listed_alone(store: &dyn MetadataStore) {
    put_repositories(store, &["a", "a/b", "a-b", "a/b/c", "b"]).await;
    assert_eq!(names(store, Some("a"), None, 10).await.0, ["a", "a/b", "a/b/c"]);
    assert_eq!(names(store, Some("a/b"), None, 1).await, (vec!["a/b".into()], true));
    assert_eq!(names(store, Some("a"), Some("a/b"), 10).await.0, ["a/b/c"]);
    assert!(names(store, Some("c"), None, 10).await.0.is_empty());
}

async fn put_referrer(
    store: &dyn MetadataStore,
    repo: &RepositoryName,
    subject: &Digest,
    bytes: &[u8],
) -> Digest {
    let digest = Digest::of(bytes);
    let descriptor = Descriptor {
        media_type: MediaType::OCI_MANIFEST,
        digest,
        size: bytes.len() as u64,
        urls: Vec::new(),
        annotations: [("n".to_owned(), "1".to_owned())].into(),
        artifact_type: Some("application/example".to_owned()),
        platform: None,
        data: None,
    };
    let facts =
        ManifestFacts { digest: &digest, references: &[], subject: Some((subject, &descriptor)), tags: &[] };
    store.put_manifest(&CHANGE, repo, &facts).await.unwrap();
    digest
}

pub async fn referrers_are_listed_in_the_order_of_their_digests(store: &dyn MetadataStore) {
    let (repo, subject) = (repository("a"), Digest::of(b"subject"));
    assert!(store.referrers(&repo, &subject, None, 10).await.unwrap().items.is_empty());
    let mut expected = Vec::new();
    for number in 0..5_u8 {
        expected.push(put_referrer(store, &repo, &subject, &[number]).await);
        put_referrer(store, &repo, &subject, &[number]).await;
        put_referrer(store, &repo, &Digest::of(b"another"), &[number, 1]).await;
    }
    expected.sort();

    let page = store.referrers(&repo, &subject, None, 3).await.unwrap();
    let rest = store.referrers(&repo, &subject, Some(&expected[2]), 3).await.unwrap();

    assert!(page.more && !rest.more);
    let digests: Vec<Digest> = page.items.iter().chain(&rest.items).map(|item| item.digest).collect();
    assert_eq!(digests, expected);
    assert_eq!(page.items[0].artifact_type.as_deref(), Some("application/example"));
    assert_eq!(page.items[0].annotations["n"], "1");
}

pub async fn a_deleted_referrer_is_no_longer_listed(store: &dyn MetadataStore) {
    let (repo, subject) = (repository("a"), Digest::of(b"subject"));
    let first = put_referrer(store, &repo, &subject, b"1").await;
    let second = put_referrer(store, &repo, &subject, b"2").await;
    store.delete_manifest(&CHANGE, &repo, &first, Some(&subject)).await.unwrap();
    let left = store.referrers(&repo, &subject, None, 10).await.unwrap().items;
    assert_eq!(left.iter().map(|item| item.digest).collect::<Vec<_>>(), [second]);
    store.delete_manifest(&CHANGE, &repo, &second, None).await.unwrap();
    assert!(store.referrers(&repo, &subject, None, 10).await.unwrap().items.is_empty());
}

pub async fn a_blob_is_linked_once_and_unlinked_once(store: &dyn MetadataStore) {
    let (repo, digest) = (repository("a"), Digest::of(b"layer"));
    assert_eq!(store.blob(&repo, &digest).await.unwrap(), None);
    store.link_blob(&CHANGE, &repo, &digest, &digest).await.unwrap();
    store.link_blob(&CHANGE, &repo, &digest, &digest).await.unwrap();
    assert_eq!(store.blob(&repo, &digest).await.unwrap(), Some(digest));
    assert_eq!(store.blob(&repository("b"), &digest).await.unwrap(), None);
    assert!(store.unlink_blob(&CHANGE, &repo, &digest).await.unwrap());
    assert_eq!(store.blob(&repo, &digest).await.unwrap(), None);
}

pub async fn a_blob_may_be_the_alias_of_other_content(store: &dyn MetadataStore) {
    let (repo, content) = (repository("a"), Digest::of(b"layer"));
    let alias = Digest::of_with(wharf_oci::Algorithm::Sha512, b"layer");
    store.link_blob(&CHANGE, &repo, &alias, &content).await.unwrap();
    assert_eq!(store.blob(&repo, &alias).await.unwrap(), Some(content));
}

pub async fn a_collector_sees_all_manifests_and_blobs(store: &dyn MetadataStore) {
    let repo = repository("a");
    let mut digests: Vec<Digest> = (0..5_u8).map(|number| Digest::of(&[number])).collect();
    digests.push(Digest::of_with(wharf_oci::Algorithm::Sha512, b"long"));
    digests.sort();
    for digest in &digests {
        put(store, &repo, digest, &[]).await;
        store.link_blob(&CHANGE, &repo, digest, digest).await.unwrap();
    }
    let first = store.manifests(&repo, None, 4).await.unwrap();
    let second = store.manifests(&repo, Some(&digests[3]), 4).await.unwrap();
    assert_eq!((&first.items[..], first.more), (&digests[..4], true));
    assert_eq!((&second.items[..], second.more), (&digests[4..], false));
    assert_eq!(store.blobs(&repo, None, 100).await.unwrap().items, digests);
}

pub async fn what_is_gone_cannot_be_held(store: &dyn MetadataStore) {
    let (repo, digest) = (repository("a"), Digest::of(b"gone since it was seen"));
    let old = SystemTime::UNIX_EPOCH;
    let seen = BlobStat { size: 1, modified: old };
    let mut held = Held { content: &digest, seen: &seen, link: None };
    assert!(store.hold(&held).await.unwrap().is_none());
    for kind in [LinkKind::Blob, LinkKind::Manifest] {
        let found = FoundLink { content: digest, modified: old };
        held.link = Some(HeldLink { repository: &repo, kind, digest: &digest, found });
        assert!(store.hold(&held).await.unwrap().is_none());
    }
}

pub async fn a_fact_is_found_with_its_age(store: &dyn MetadataStore) {
    let (repo, digest, other) = (repository("a"), Digest::of(b"m"), Digest::of(b"layer"));
    for kind in [LinkKind::Blob, LinkKind::Manifest] {
        assert_eq!(store.link(&repo, kind, &digest).await.unwrap(), None);
    }
    put(store, &repo, &digest, &["v1"]).await;
    store.link_blob(&CHANGE, &repo, &other, &other).await.unwrap();
    let manifest = store.link(&repo, LinkKind::Manifest, &digest).await.unwrap().unwrap();
    let blob = store.link(&repo, LinkKind::Blob, &other).await.unwrap().unwrap();
    assert_eq!((manifest.content, blob.content), (digest, other));
    let now = SystemClock.now();
    for found in [manifest, blob] {
        assert!(now.duration_since(found.modified).unwrap_or_default() < Duration::from_mins(10));
    }
    assert_eq!(store.link(&repo, LinkKind::Blob, &digest).await.unwrap(), None);
}

pub async fn a_manifest_pushed_while_deleted_is_whole_or_gone(store: &dyn MetadataStore) {
    let (repo, digest) = (repository("a"), Digest::of(b"m"));
    for _ in 0..50 {
        put(store, &repo, &digest, &["v1"]).await;
        let delete = store.delete_manifest(&CHANGE, &repo, &digest, None);
        let (written, deleted) = tokio::join!(put(store, &repo, &digest, &["v1"]), delete);
        deleted.unwrap();
        assert_eq!(written.tags.len(), 1);
        let (tagged, held) = (by_tag(store, &repo, "v1").await, by_digest(store, &repo, digest).await);
        assert_eq!(held, tagged, "the manifest and its acknowledged tag are there, or neither");
        let listed = tags_after(store, &repo, None, 10).await.0;
        assert!(tagged.is_none() || listed == ["v1"], "{listed:?}");
    }
}

pub async fn a_delete_spares_tags_that_moved_meanwhile(store: &dyn MetadataStore) {
    let (repo, old, new) = (repository("a"), Digest::of(b"old"), Digest::of(b"new"));
    let names: Vec<String> = (0..20).map(|number| format!("v{number:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for _ in 0..10 {
        put(store, &repo, &old, &names).await;
        let delete = store.delete_manifest(&CHANGE, &repo, &old, None);
        let moves = async {
            for name in names.iter().rev().take(10) {
                put(store, &repo, &new, &[name]).await;
            }
        };
        let (deleted, ()) = tokio::join!(delete, moves);
        let deleted = deleted.unwrap().unwrap();
        assert_eq!(by_digest(store, &repo, old).await, None);
        for name in &names[..10] {
            assert_eq!(by_tag(store, &repo, name).await, None);
        }
        for name in &names[10..] {
            assert_eq!(by_tag(store, &repo, name).await, Some(new), "{name} was moved and acknowledged");
        }
        assert!(deleted.tags.iter().all(|change| change.from == Some(old) && change.to.is_none()));
    }
}

pub async fn a_deleted_tag_is_reported_with_what_it_meant(store: &dyn MetadataStore) {
    let (repo, old, new) = (repository("a"), Digest::of(b"old"), Digest::of(b"new"));
    for _ in 0..50 {
        put(store, &repo, &old, &["v1"]).await;
        let name = tag("v1");
        let delete = store.delete_tag(&CHANGE, &repo, &name);
        let (written, deleted) = tokio::join!(put(store, &repo, &new, &["v1"]), delete);
        let removed = deleted.unwrap().unwrap().from;
        match by_tag(store, &repo, "v1").await {
            // The delete was first.
            Some(left) => assert_eq!((left, removed), (new, Some(old))),
            None => assert_eq!((written.tags[0].from, removed), (Some(old), Some(new))),
        }
    }
}

pub async fn a_tag_of_a_manifest_that_is_gone_may_be_made_anew(store: &dyn MetadataStore) {
    let (repo, old, new) = (repository("a"), Digest::of(b"old"), Digest::of(b"new"));
    put(store, &repo, &old, &["v1"]).await;
    store.delete_manifest(&CHANGE, &repo, &old, None).await.unwrap();
    try_put(store, &repo, &new, &[write("v1", Expect::Absent)]).await.unwrap();
    assert_eq!(by_tag(store, &repo, "v1").await, Some(new));
}
