//! The content of a link: the text of a digest.

use bytes::Bytes;
use wharf_oci::Digest;

use super::Key;
use crate::error::{Error, Result};
use crate::objects::Objects;

/// The bytes of a link to `digest`.
pub(super) fn to(digest: &Digest) -> Bytes {
    Bytes::from(digest.to_string())
}

/// Follows the link at `key`.
///
/// Older registries wrote links in place, so a reader can meet half of one: it looks a second time before it calls the
/// link broken. Broken is an error, never "absent".
pub(super) async fn follow(objects: &dyn Objects, key: &Key<'_>) -> Result<Option<Digest>> {
    let Some(bytes) = objects.get(key).await? else {
        return Ok(None);
    };
    if let Some(digest) = parse(&bytes) {
        return Ok(Some(digest));
    }
    let Some(bytes) = objects.get(key).await? else {
        return Ok(None);
    };
    match parse(&bytes) {
        Some(digest) => Ok(Some(digest)),
        None => Err(Error::Corrupt { path: key.path(), problem: problem(&bytes) }),
    }
}

/// As [`follow`], for a caller that is about to write or remove the link: a broken one is as good as none.
pub(super) async fn follow_to_replace(objects: &dyn Objects, key: &Key<'_>) -> Result<Option<Digest>> {
    match follow(objects, key).await {
        Err(Error::Corrupt { .. }) => Ok(None),
        other => other,
    }
}

fn parse(bytes: &[u8]) -> Option<Digest> {
    std::str::from_utf8(bytes).ok()?.trim_ascii().parse().ok()
}

fn problem(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        "an empty link".into()
    } else {
        format!("{} bytes that are not a digest", bytes.len())
    }
}
