//! The content of a link: the text of a digest.

use std::time::Duration;

use bytes::Bytes;
use wharf_oci::Digest;

use super::Key;
use crate::error::{Error, Result};
use crate::objects::{AgedObject, Objects};

/// How often a link that makes no sense is read. Writing one takes an older registry microseconds, unless its thread
/// is put aside in the middle; what is still broken after 50 ms is broken.
const READS: usize = 6;
const REREAD_PAUSE: Duration = Duration::from_millis(10);

/// The bytes of a link to `digest`.
pub(super) fn to(digest: &Digest) -> Bytes {
    Bytes::from(digest.to_string())
}

/// Follows the link at `key`.
///
/// Older registries write links in place, so a reader can meet one that is empty or half there: it looks again for a
/// while before it calls the link broken. Broken is an error, never "absent".
pub(super) async fn follow(objects: &dyn Objects, key: &Key<'_>) -> Result<Option<Digest>> {
    let mut reads = 1;
    loop {
        let Some(bytes) = objects.get(key).await? else {
            return Ok(None);
        };
        if let Some(digest) = parse(&bytes) {
            return Ok(Some(digest));
        }
        if reads == READS {
            return Err(Error::Corrupt { path: key.path(), problem: problem(key, &bytes) });
        }
        reads += 1;
        tokio::time::sleep(REREAD_PAUSE).await;
    }
}

/// As [`follow`], with the object itself.
pub(super) async fn follow_with_age(
    objects: &dyn Objects,
    key: &Key<'_>,
) -> Result<Option<(Digest, AgedObject)>> {
    match read_settled(objects, key).await? {
        None => Ok(None),
        Some((Some(digest), object)) => Ok(Some((digest, object))),
        Some((None, object)) => {
            Err(Error::Corrupt { path: key.path(), problem: problem(key, &object.bytes) })
        }
    }
}

/// What stands under `key` and what it means, for a caller that is about to replace or remove it: a broken link means
/// nothing, and is an object all the same.
pub(super) async fn read_settled(
    objects: &dyn Objects,
    key: &Key<'_>,
) -> Result<Option<(Option<Digest>, AgedObject)>> {
    let mut reads = 1;
    loop {
        let Some(object) = objects.get_with_age(key).await? else {
            return Ok(None);
        };
        let digest = parse(&object.bytes);
        if digest.is_some() || reads == READS {
            return Ok(Some((digest, object)));
        }
        reads += 1;
        tokio::time::sleep(REREAD_PAUSE).await;
    }
}

/// As [`follow`], for a caller that is about to write the link: a broken one is as good as none.
pub(super) async fn follow_to_replace(objects: &dyn Objects, key: &Key<'_>) -> Result<Option<Digest>> {
    match follow(objects, key).await {
        Err(Error::Corrupt { .. }) => Ok(None),
        other => other,
    }
}

fn parse(bytes: &[u8]) -> Option<Digest> {
    std::str::from_utf8(bytes).ok()?.trim_ascii().parse().ok()
}

fn problem(key: &Key<'_>, bytes: &[u8]) -> String {
    if bytes.is_empty() {
        "an empty link".into()
    } else if bytes.len() > key.most_bytes() {
        format!("more than {} bytes, too many for a link", key.most_bytes())
    } else {
        format!("{} bytes that are not a digest", bytes.len())
    }
}
