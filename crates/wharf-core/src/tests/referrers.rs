//! Who refers to a manifest.

use super::*;
use crate::ReferrersPage;
use wharf_oci::{MediaType, referrers_tag};

mod limits;

const SBOM: &str = "application/sbom";
const SIGNATURE: &str = "application/signature";

async fn list(fixture: &Fixture, name: &RepositoryName, subject: &Digest, types: &[&str]) -> ReferrersPage {
    let types: Vec<String> = types.iter().map(|name| (*name).to_owned()).collect();
    fixture.registry.referrers(name, subject, &types, None, 100).await.unwrap()
}

async fn digests(fixture: &Fixture, name: &RepositoryName, subject: &Digest, types: &[&str]) -> Vec<Digest> {
    let page = list(fixture, name, subject, types).await;
    assert_eq!(page.next, None);
    page.items.iter().map(|item| item.digest).collect()
}

/// Pushes a manifest that refers to `subject`.
async fn refer(
    fixture: &Fixture,
    name: &RepositoryName,
    subject: &Digest,
    label: &str,
    kind: &str,
) -> Digest {
    push_manifest(&fixture.registry, name, "newest", &referring(subject, label, kind)).await
}

/// Pushes the index a client keeps under the fallback tag where it believes that there is no referrers API.
async fn fall_back(fixture: &Fixture, name: &RepositoryName, subject: &Digest, children: &[Value]) {
    push_manifest(&fixture.registry, name, referrers_tag(subject).as_str(), &index(children)).await;
}

#[tokio::test]
async fn nobody_refers_to_what_nobody_has_heard_of() {
    let fixture = fixture();
    assert!(digests(&fixture, &repo("none"), &Digest::of(b"nothing"), &[]).await.is_empty());
}

#[tokio::test]
async fn an_entry_says_what_the_manifest_says() {
    let (fixture, name, subject) = (fixture(), repo("a"), Digest::of(b"subject"));
    let manifest = referring(&subject, "first", SBOM);
    let digest = refer(&fixture, &name, &subject, "first", SBOM).await;
    let page = list(&fixture, &name, &subject, &[]).await;
    let entry = &page.items[0];
    assert_eq!(entry.digest, digest);
    assert_eq!(entry.media_type, MediaType::OCI_MANIFEST);
    assert_eq!(entry.size, bytes_of(&manifest).len() as u64);
    assert_eq!(entry.artifact_type.as_deref(), Some(SBOM));
    assert_eq!(entry.annotations["name"], "first");
}

#[tokio::test]
async fn referrers_are_filtered_by_artifact_type() {
    let (fixture, name, subject) = (fixture(), repo("a"), Digest::of(b"subject"));
    let sbom = refer(&fixture, &name, &subject, "1", SBOM).await;
    let signature = refer(&fixture, &name, &subject, "2", SIGNATURE).await;
    let mut both = vec![sbom, signature];
    both.sort();
    let rows: [(&[&str], Vec<Digest>); 4] = [
        (&[], both.clone()),
        (&[SBOM], vec![sbom]),
        (&[SBOM, SIGNATURE], both),
        (&["application/other"], vec![]),
    ];
    for (types, expected) in rows {
        assert_eq!(digests(&fixture, &name, &subject, types).await, expected, "{types:?}");
    }
}

#[tokio::test]
async fn referrers_come_in_pages_in_the_order_of_their_digests() {
    let (fixture, name, subject) = (fixture(), repo("a"), Digest::of(b"subject"));
    let mut expected = Vec::new();
    for number in 0..7 {
        let kind = if number % 2 == 0 { SBOM } else { SIGNATURE };
        expected.push((refer(&fixture, &name, &subject, &number.to_string(), kind).await, kind));
    }
    expected.sort();
    let sboms: Vec<_> = expected.iter().filter(|(_, kind)| *kind == SBOM).copied().collect();
    for (types, expected) in [(vec![], expected), (vec![SBOM.to_owned()], sboms)] {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = fixture.registry.referrers(&name, &subject, &types, after.as_ref(), 2).await.unwrap();
            assert!(page.items.len() == 2 || page.next.is_none());
            found.extend(page.items.iter().map(|item| item.digest));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let expected: Vec<Digest> = expected.iter().map(|(digest, _)| *digest).collect();
        assert_eq!(found, expected);
    }
}

#[tokio::test]
async fn what_clients_noted_under_the_fallback_tag_counts_once_and_only_if_it_is_true() {
    let (fixture, name, subject) = (fixture(), repo("a"), Digest::of(b"subject"));
    let noted = refer(&fixture, &name, &subject, "noted", SBOM).await;
    // As an older registry keeps it: a manifest with a subject, and no entry of ours.
    let foreign = referring(&subject, "foreign", SIGNATURE);
    let foreign_digest = refer(&fixture, &name, &subject, "foreign", SIGNATURE).await;
    forget_entry(&fixture, &name, &subject, &foreign_digest).await;
    assert_eq!(digests(&fixture, &name, &subject, &[]).await, [noted]);

    let stranger = push_manifest(&fixture.registry, &name, "stranger", &image(&[])).await;
    let child = |digest: &Digest| json!({"mediaType": MediaType::OCI_MANIFEST, "digest": digest, "size": 1});
    let blob = push_blob(&fixture.registry, &name, b"layer").await;
    let children = [noted, foreign_digest, foreign_digest, stranger, blob].map(|digest| child(&digest));
    fall_back(&fixture, &name, &subject, &children).await;

    let mut expected = vec![noted, foreign_digest];
    expected.sort();
    assert_eq!(digests(&fixture, &name, &subject, &[]).await, expected);
    assert_eq!(digests(&fixture, &name, &subject, &[SIGNATURE]).await, [foreign_digest]);
    let page = list(&fixture, &name, &subject, &[SIGNATURE]).await;
    // What the client wrote into its index is not believed; the manifest itself is read.
    assert_eq!(page.items[0].size, bytes_of(&foreign).len() as u64);
    for after in &expected {
        let page = fixture.registry.referrers(&name, &subject, &[], Some(after), 100).await.unwrap();
        let rest: Vec<Digest> = page.items.iter().map(|item| item.digest).collect();
        assert_eq!(rest, expected.iter().filter(|digest| *digest > after).copied().collect::<Vec<_>>());
    }
}

async fn forget_entry(fixture: &Fixture, name: &RepositoryName, subject: &Digest, digest: &Digest) {
    use wharf_store::{Objects, layout::Key};
    assert!(fixture.store.remove(&Key::Referrer(name, subject, digest)).await.unwrap());
}

#[tokio::test]
async fn something_else_under_the_fallback_tag_does_no_harm() {
    let (fixture, name, subject) = (fixture(), repo("a"), Digest::of(b"subject"));
    let noted = refer(&fixture, &name, &subject, "noted", SBOM).await;
    push_manifest(&fixture.registry, &name, referrers_tag(&subject).as_str(), &image(&[])).await;
    assert_eq!(digests(&fixture, &name, &subject, &[]).await, [noted]);
}

#[tokio::test]
async fn a_deleted_referrer_is_no_longer_listed() {
    let (fixture, name, subject) = (fixture(), repo("a"), Digest::of(b"subject"));
    let gone = refer(&fixture, &name, &subject, "gone", SBOM).await;
    let stays = refer(&fixture, &name, &subject, "stays", SBOM).await;
    let child = json!({"mediaType": MediaType::OCI_MANIFEST, "digest": gone, "size": 1});
    fall_back(&fixture, &name, &subject, &[child]).await;
    fixture.registry.delete_manifest(&cause(), &name, &gone.into()).await.unwrap();
    assert_eq!(digests(&fixture, &name, &subject, &[]).await, [stays]);
}

#[tokio::test]
async fn a_page_ends_before_clients_stop_reading() {
    let (fixture, name, subject) = (fixture(), repo("a"), Digest::of(b"subject"));
    for number in 0..5 {
        let long = format!("{number}{}", "x".repeat(1 << 20));
        refer(&fixture, &name, &subject, &long, SBOM).await;
    }
    let page = list(&fixture, &name, &subject, &[]).await;
    assert_eq!(page.next, Some(page.items[1].digest));
    assert_eq!(page.items.len(), 2);
}
