//! The content of a link: the text of a digest.

use std::time::Duration;

use bytes::Bytes;
use wharf_oci::Digest;

use super::Key;
use crate::error::{Error, Result};
use crate::objects::Objects;

/// How often a link that makes no sense is looked at. Writing one takes an older registry microseconds, unless its thread
/// is put aside in the middle; what is still broken after 50 ms is broken.
const LOOKS: usize = 6;
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(10);

/// The bytes of a link to `digest`.
pub(super) fn to(digest: &Digest) -> Bytes {
    Bytes::from(digest.to_string())
}

/// Follows the link at `key`.
///
/// Older registries write links in place, so a reader can meet one that is empty or half there: it looks again for a
/// while before it calls the link broken. Broken is an error, never "absent".
pub(super) async fn follow(objects: &dyn Objects, key: &Key<'_>) -> Result<Option<Digest>> {
    let mut looks = 1;
    loop {
        let Some(bytes) = objects.get(key).await? else {
            return Ok(None);
        };
        if let Some(digest) = parse(&bytes) {
            return Ok(Some(digest));
        }
        if looks == LOOKS {
            return Err(Error::Corrupt { path: key.path(), problem: problem(&bytes) });
        }
        looks += 1;
        tokio::time::sleep(LOOK_AGAIN_AFTER).await;
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
