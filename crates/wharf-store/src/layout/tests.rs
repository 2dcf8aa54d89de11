//! The tree's names, and how it meets dirt.

mod interleavings;
mod listings;
mod recording;
mod replays;
mod stepwise;

use std::sync::Arc;

use bytes::Bytes;
use wharf_oci::{Digest, Reference, RepositoryName, Tag};

use super::{Key, LayoutMetadata};
use crate::error::Error;
use crate::metadata::MetadataStore;
use crate::objects::{Objects, PutIf};
use crate::{MemoryStore, UploadKey};

const HEX: &str = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";

fn digest() -> Digest {
    format!("sha256:{HEX}").parse().unwrap()
}

#[test]
fn keys_are_the_paths_of_the_v2_tree() {
    let (name, tag): (RepositoryName, Tag) = ("acme/app".parse().unwrap(), "v1".parse().unwrap());
    let digest = digest();
    let upload = UploadKey { repository: name.clone(), id: "0193-ab".parse().unwrap() };
    let repository = "docker/registry/v2/repositories/acme/app";
    let rows = [
        (Key::BlobData(&digest), format!("docker/registry/v2/blobs/sha256/2d/{HEX}/data")),
        (Key::LayerLink(&name, &digest), format!("{repository}/_layers/sha256/{HEX}/link")),
        (Key::RevisionLink(&name, &digest), format!("{repository}/_manifests/revisions/sha256/{HEX}/link")),
        (Key::TagLink(&name, &tag), format!("{repository}/_manifests/tags/v1/current/link")),
        (
            Key::TagIndexLink(&name, &tag, &digest),
            format!("{repository}/_manifests/tags/v1/index/sha256/{HEX}/link"),
        ),
        (
            Key::Referrer(&name, &digest, &digest),
            format!("{repository}/_manifests/referrers/sha256/{HEX}/sha256/{HEX}/descriptor"),
        ),
        (Key::UploadData(&upload), format!("{repository}/_uploads/0193-ab/data")),
        (Key::UploadStartedAt(&upload), format!("{repository}/_uploads/0193-ab/startedat")),
        (Key::UploadRecord(&upload), format!("{repository}/_uploads/0193-ab/wharf-upload")),
        (Key::UploadParts(&upload, "n"), format!("{repository}/_uploads/0193-ab/wharf-data/n")),
        (Key::UploadPiece(&upload, "n"), format!("{repository}/_uploads/0193-ab/wharf-pieces/n")),
        (Key::Renewed(&digest), format!("wharf/renewed/sha256/{HEX}")),
    ];
    for (key, path) in rows {
        assert_eq!(key.path(), path);
    }
}

async fn with_tag_link(content: &'static [u8]) -> crate::Result<Option<Digest>> {
    let store = Arc::new(MemoryStore::default());
    let (name, tag): (RepositoryName, Tag) = ("a".parse().unwrap(), "v1".parse().unwrap());
    let digest = digest();
    let link = Bytes::from(digest.to_string());
    store.put(&Key::RevisionLink(&name, &digest), link, PutIf::Any).await.unwrap();
    store.put(&Key::TagLink(&name, &tag), Bytes::from_static(content), PutIf::Any).await.unwrap();
    LayoutMetadata::new(store).manifest(&name, &Reference::Tag(tag)).await
}

#[tokio::test]
async fn a_broken_link_is_an_error_and_not_an_absence() {
    for content in [&b""[..], b"sha256:2d71", b"\xff\xfe"] {
        let answer = with_tag_link(content).await;
        assert!(matches!(answer, Err(Error::Corrupt { .. })), "{content:?}: {answer:?}");
    }
}

/// Older registries write links in place, beside us.
#[tokio::test]
async fn a_link_that_is_just_being_written_is_waited_for() {
    let store = Arc::new(MemoryStore::default());
    let (name, digest) = ("a".parse::<RepositoryName>().unwrap(), digest());
    let key = Key::RevisionLink(&name, &digest);
    store.put(&key, Bytes::new(), PutIf::Any).await.unwrap();
    let metadata = LayoutMetadata::new(Arc::clone(&store) as Arc<dyn Objects>);
    let reference = Reference::Digest(digest);

    let written = Bytes::from(digest.to_string());
    let (found, put) =
        tokio::join!(metadata.manifest(&name, &reference), store.put(&key, written, PutIf::Any));

    put.unwrap();
    assert_eq!(found.unwrap(), Some(digest));
}

#[tokio::test]
async fn a_link_with_a_newline_is_followed() {
    let content = b"sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881\n";
    assert_eq!(with_tag_link(content).await.unwrap(), Some(digest()));
}

#[tokio::test]
async fn a_tag_of_a_manifest_that_is_gone_means_nothing() {
    let content = b"sha256:0000000000000000000000000000000000000000000000000000000000000000";
    assert_eq!(with_tag_link(content).await.unwrap(), None);
}
