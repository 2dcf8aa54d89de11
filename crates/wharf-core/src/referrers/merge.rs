//! Both sources of referrers, merged into one list in the order of digests.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use wharf_oci::{Descriptor, Digest, RepositoryName};

use super::fallback::Lookup;
use crate::error::{Error, Result};
use crate::registry::Registry;

/// Most entries read from the store at a time.
const ENTRIES_BATCH: usize = 100;

/// Most children of the fallback index looked up before their cost is counted.
const CHILDREN_BATCH: usize = 32;

/// How many children are looked up at once.
const CONCURRENCY: usize = 16;

/// A manifest that one of the sources lists.
pub(super) struct Candidate {
    pub(super) digest: Digest,
    /// Its entry; `None` if it does not refer to the subject, or does not exist.
    pub(super) descriptor: Option<Descriptor>,
}

/// The two sources, from one digest on.
pub(super) struct Merge<'a> {
    registry: &'a Registry,
    repository: &'a RepositoryName,
    subject: &'a Digest,
    /// Entries of this registry that were read and not returned yet.
    entries: VecDeque<Descriptor>,
    entries_after: Option<Digest>,
    entries_more: bool,
    /// The children of the fallback index; those before `due` were looked up, or have an entry.
    children: Arc<[Digest]>,
    due: usize,
    /// Children that were looked up and not returned yet.
    looked_up: VecDeque<Candidate>,
    /// What further lookups may cost; see [`Lookup::cost`].
    budget: usize,
}

// === impl Merge ===

impl<'a> Merge<'a> {
    /// Both sources, from the first digest after `after` on.
    pub(super) async fn new(
        registry: &'a Registry,
        repository: &'a RepositoryName,
        subject: &'a Digest,
        after: Option<&Digest>,
    ) -> Result<Self> {
        let children = registry.fallback_children(repository, subject).await?;
        let due = children.partition_point(|child| after.is_some_and(|after| child <= after));
        Ok(Self {
            registry,
            repository,
            subject,
            entries: VecDeque::new(),
            entries_after: after.copied(),
            entries_more: true,
            children,
            due,
            looked_up: VecDeque::new(),
            budget: registry.limits().referrers_lookups.max(1),
        })
    }

    /// Whether there are manifests left; when `next` gives none, that is because the request may look up no more.
    pub(super) fn has_more(&self) -> bool {
        !self.entries.is_empty() || !self.looked_up.is_empty() || self.due < self.children.len()
    }

    /// The next manifest of both sources; `None` if there are no more, or none may be looked up. `wanted` is how many the
    /// caller is likely to take.
    pub(super) async fn next(&mut self, wanted: usize) -> Result<Option<Candidate>> {
        self.read_entries(wanted).await?;
        let entry = self.entries.front().map(|entry| entry.digest);
        if self.looked_up.is_empty() {
            match (entry, self.children.get(self.due)) {
                (None, None) => return Ok(None),
                (Some(entry), child) if child.is_none_or(|child| entry <= *child) => {}
                _ if self.budget == 0 => return Ok(None),
                _ => self.look_up_children(wanted).await?,
            }
        }
        let is_first = |child: &Candidate| entry.is_none_or(|entry| child.digest < entry);
        if let Some(child) = self.looked_up.pop_front_if(|child| is_first(child)) {
            return Ok(Some(child));
        }
        let Some(descriptor) = self.entries.pop_front() else { return Ok(None) };
        // A manifest of both sources counts once.
        if self.children.get(self.due) == Some(&descriptor.digest) {
            self.due += 1;
        }
        Ok(Some(Candidate { digest: descriptor.digest, descriptor: Some(descriptor) }))
    }

    /// Reads the next entries if there are none to return.
    async fn read_entries(&mut self, wanted: usize) -> Result<()> {
        while self.entries.is_empty() && self.entries_more {
            let (metadata, limit) = (self.registry.metadata(), wanted.min(ENTRIES_BATCH));
            let after = self.entries_after.as_ref();
            let page = metadata.referrers(self.repository, self.subject, after, limit).await;
            let page = page.map_err(Error::store)?;
            self.entries_after = page.items.last().map(|item| item.digest).or(self.entries_after);
            self.entries_more = page.more && !page.items.is_empty();
            self.entries.extend(page.items);
        }
        Ok(())
    }

    /// Looks up the next children, which begin with one that is due, side by side.
    async fn look_up_children(&mut self, wanted: usize) -> Result<()> {
        // A child beyond the entries that were read may have an entry of its own.
        let last = if self.entries_more { self.entries.back().map(|entry| entry.digest) } else { None };
        let count = wanted.min(CHILDREN_BATCH).min(self.budget);
        let mut batch = Vec::with_capacity(count);
        while let Some(child) = self.children.get(self.due).copied() {
            if batch.len() == count || last.is_some_and(|last| child > last) {
                break;
            }
            if self.entries.binary_search_by_key(&child, |entry| entry.digest).is_err() {
                batch.push(child);
            }
            self.due += 1;
        }
        let (registry, repository, subject) = (self.registry, self.repository, self.subject);
        let lookups = stream::iter(batch).map(|child| async move {
            let lookup = registry.look_up_referrer(repository, subject, &child).await?;
            Ok::<_, Error>((child, lookup))
        });
        let mut lookups = lookups.buffered(CONCURRENCY);
        while let Some((digest, Lookup { descriptor, cost })) = lookups.try_next().await? {
            self.budget = self.budget.saturating_sub(cost);
            self.looked_up.push_back(Candidate { digest, descriptor });
        }
        Ok(())
    }
}
