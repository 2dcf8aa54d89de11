//! Referrers of a manifest (end-12).
//!
//! They come from two sources, both in the order of digests: the entries this registry wrote when the manifests were
//! pushed, and an index under the subject's fallback tag, kept by clients that pushed to a registry without this API.
//! A page ends where it is full, or where a request has examined as many manifests as it may.

pub(crate) mod fallback;
mod merge;

use std::collections::HashSet;

use merge::Merge;
use tokio::task::coop::consume_budget;
use wharf_oci::{Descriptor, Digest, RepositoryName};

use crate::error::Result;
use crate::registry::Registry;

/// A page is cut before it grows longer than this, so that clients, most of which stop at 4 MiB, can read it.
const PAGE_BYTES: usize = 3 * 1024 * 1024;

/// A page of referrers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferrersPage {
    /// The referrers, in the order of their digests.
    pub items: Vec<Descriptor>,
    /// The `after` of the next page; `None` if this is the last one. It need not be the digest of an item: a page may end
    /// among manifests that the filter excludes, and may have no items at all.
    pub next: Option<Digest>,
}

impl Registry {
    /// A page of the manifests that refer to `subject`, of the given artifact types or all, in the order of their
    /// digests. A subject or a repository that does not exist has no referrers.
    ///
    /// A page has at most `limit` items, 3 MiB of JSON, and what is found among as many manifests as
    /// [`Limits::referrers_scan`](crate::Limits::referrers_scan) and
    /// [`Limits::referrers_lookups`](crate::Limits::referrers_lookups) allow. Following [`ReferrersPage::next`] gives every
    /// referrer once.
    pub async fn referrers(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        artifact_types: &[String],
        after: Option<&Digest>,
        limit: usize,
    ) -> Result<ReferrersPage> {
        let types: HashSet<&str> = artifact_types.iter().map(String::as_str).collect();
        let matches = |descriptor: &Descriptor| {
            types.is_empty() || descriptor.artifact_type.as_deref().is_some_and(|found| types.contains(found))
        };
        let limit = limit.max(1);
        let mut merge = Merge::new(self, repository, subject, after).await?;
        let (mut items, mut bytes, mut last) = (Vec::new(), 0, after.copied());
        for _ in 0..self.limits().referrers_scan.max(1) {
            consume_budget().await;
            // One more than fits shows that there is a next page.
            let wanted = if types.is_empty() { limit - items.len() + 1 } else { usize::MAX };
            let Some(candidate) = merge.next(wanted).await? else {
                return Ok(ReferrersPage { items, next: last.filter(|_| merge.has_more()) });
            };
            if let Some(descriptor) = candidate.descriptor.filter(matches) {
                bytes += serde_json::to_vec(&descriptor).map_or(0, |json| json.len());
                if items.len() == limit || (bytes > PAGE_BYTES && !items.is_empty()) {
                    break;
                }
                items.push(descriptor);
            }
            last = Some(candidate.digest);
        }
        Ok(ReferrersPage { items, next: last })
    }
}
