//! A manifest in the tree: its revision link, and its entry among the referrers of its subject.

use wharf_oci::RepositoryName;

use super::{Key, link, referrers};
use crate::error::Result;
use crate::metadata::ManifestFacts;
use crate::objects::Put;

/// The writes that make a manifest visible, before any of its tags.
pub(super) fn writes<'a>(repository: &'a RepositoryName, facts: &ManifestFacts<'a>) -> Result<Vec<Put<'a>>> {
    let key = Key::RevisionLink(repository, facts.digest);
    let mut writes = vec![Put { key, bytes: link::to(facts.digest) }];
    if let Some((subject, descriptor)) = facts.subject {
        writes.push(referrers::entry(repository, subject, descriptor)?);
    }
    Ok(writes)
}
