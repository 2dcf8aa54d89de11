//! The v2 tree: facts as small files, exactly where the registries we succeed keep them.
//!
//! Every fact is an object of its own, so several processes may serve one tree side by side, old registries among them:
//! the worst that two writers do to each other is that the last one wins. Removals and conditional writes are decided
//! together with what they were decided on: under the repository's lock, or by the store's own conditions.

mod key;
mod link;
mod names;
mod referrers;
mod revision;
mod tags;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
pub use key::{Dir, Key};
pub use names::Names;
use wharf_oci::{Algorithm, Descriptor, Digest, Reference, RepositoryName, Tag};

use crate::error::{Error, Result, Retry};
use crate::grace::Grace;
use crate::metadata::{
    Change, Expect, FoundLink, Held, HeldLink, Hold, LinkKind, ManifestDeleted, ManifestFacts,
    ManifestWritten, MetadataStore, Page, TagChange,
};
use crate::objects::{LockMode, Objects, PutIf};

/// How many links are read at once when a question needs all of a repository's tags.
const DEFAULT_CONCURRENCY: usize = 16;

/// How often a put of a manifest begins anew because a delete has removed its revision link meanwhile. Each time another
/// caller made progress; a put that is still behind then is told to try later.
const PUT_ATTEMPTS: usize = 16;

/// How many names are read at least where those before them were not enough, at first and at most: each read is a round
/// trip, and there may be thousands of names that do not count.
const READ_AGAIN: (usize, usize) = (32, 1024);

/// How many names to read next, read by read.
#[derive(Debug, Default)]
struct GrowingReads {
    /// The least number; none for the first read.
    least: usize,
}

/// A metadata store whose truth is the v2 tree.
///
/// What a tree does cheaply: whatever names a manifest, a tag or a blob. What it does not: finding the tags that mean a
/// manifest, which `delete_manifest` must; it reads every tag of the repository, `concurrency` at a time, and where a lock
/// excludes other writers once more under the lock.
#[derive(Debug, Clone)]
pub struct LayoutMetadata {
    objects: Arc<dyn Objects>,
    concurrency: usize,
    grace: Grace,
}

impl LayoutMetadata {
    /// The facts kept in `objects`.
    pub fn new(objects: Arc<dyn Objects>) -> Self {
        Self { objects, concurrency: DEFAULT_CONCURRENCY, grace: Grace::default() }
    }

    /// How many tags are read at once to find those that mean a manifest.
    #[must_use]
    pub fn with_concurrency(mut self, concurrency: usize) -> Self {
        self.concurrency = concurrency.max(1);
        self
    }

    /// How long the collectors on this store spare what is young.
    #[must_use]
    pub fn with_grace(mut self, grace: Grace) -> Self {
        self.grace = grace;
        self
    }

    fn objects(&self) -> &dyn Objects {
        &*self.objects
    }

    async fn write_link(&self, key: &Key<'_>, digest: &Digest) -> Result<()> {
        self.objects.put(key, link::to(digest), PutIf::Any).await?;
        Ok(())
    }

    /// One attempt at `put_manifest`; `None` if a delete has removed the revision link before it ended.
    async fn try_put(
        &self,
        repository: &RepositoryName,
        facts: &ManifestFacts<'_>,
    ) -> Result<Option<ManifestWritten>> {
        let (free, conditional): (Vec<_>, Vec<_>) =
            facts.tags.iter().partition(|write| write.expect == Expect::Any);
        let mode = if conditional.is_empty() { LockMode::Shared } else { LockMode::Exclusive };
        let lock = self.objects.lock(repository, mode).await?;
        let (mut tags, mut moved) = (Vec::with_capacity(facts.tags.len()), Vec::new());
        for write in free {
            let from = self.meaning(repository, &write.tag).await?;
            tags.push(TagChange { tag: write.tag.clone(), from, to: Some(*facts.digest) });
            moved.extend(tags::moved(repository, &write.tag, facts.digest));
        }
        // Under a lock one that is refused stays refused, and then nothing is written.
        for write in &conditional {
            if facts.tags.len() > 1 {
                self.condition(repository, write, facts.digest, &lock).await?;
            }
        }
        let revision = revision::writes(repository, facts)?;
        if conditional.is_empty() {
            // In two groups: a tag that meant something must not be left with a manifest that a power cut took.
            self.objects.put_all(vec![revision, moved]).await?;
        } else {
            // Tags without a condition last: a write that is refused in a store without locks has moved none of them.
            self.objects.put_all(vec![revision]).await?;
            for write in conditional {
                tags.push(self.write_tag(repository, write, facts.digest, &lock).await?);
            }
            if !moved.is_empty() {
                self.objects.put_all(vec![moved]).await?;
            }
        }
        // The other half of the agreement with `delete_manifest`, where no lock excludes it: it removes tags, then the
        // revision link, and nothing after that. So while the link is there, no delete that began before is left that
        // could remove the tags without the manifest.
        Ok(self.has_revision(repository, facts.digest).await?.then_some(ManifestWritten { tags }))
    }

    /// The removals of `delete_manifest` that no push may come between, where a lock can exclude one.
    async fn remove_revision(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        subject: Option<&Digest>,
    ) -> Result<(Vec<TagChange>, bool)> {
        let lock = self.objects.lock(repository, LockMode::Exclusive).await?;
        // With the lock: once more over the tags, for those written since. Without one there must be no second pass: it
        // would remove the tag of a push that has seen the revision link gone, and has put both back.
        let tags = match lock.excludes() {
            true => self.remove_tags_of(repository, digest, Some(&lock)).await?,
            false => Vec::new(),
        };
        if let Some(subject) = subject {
            self.objects.remove(&Key::Referrer(repository, subject, digest)).await?;
        }
        let removed = self.objects.remove(&Key::RevisionLink(repository, digest)).await?;
        Ok((tags, removed))
    }

    /// Renews the fact a caller relies on. A collector removes old links under the exclusive lock.
    async fn renew_link(&self, link: &HeldLink<'_>) -> Result<bool> {
        let key = match link.kind {
            LinkKind::Blob => Key::LayerLink(link.repository, link.digest),
            LinkKind::Manifest => Key::RevisionLink(link.repository, link.digest),
        };
        let _lock = self.objects.lock(link.repository, LockMode::Shared).await?;
        self.objects.renew(&key, link.found.modified, self.grace.renewal_age()).await
    }

    async fn has_revision(&self, repository: &RepositoryName, digest: &Digest) -> Result<bool> {
        Ok(link::follow(self.objects(), &Key::RevisionLink(repository, digest)).await?.is_some())
    }

    /// Those of the repositories that hold a manifest, in the order given.
    async fn existing(&self, mut candidates: Vec<RepositoryName>) -> Result<Vec<RepositoryName>> {
        let mut exist = vec![false; candidates.len()];
        for algorithm in Algorithm::ALL {
            let open: Vec<usize> = (0..exist.len()).filter(|index| !exist[*index]).collect();
            let dirs: Vec<Dir<'_>> =
                open.iter().map(|index| Dir::Revisions(&candidates[*index], algorithm)).collect();
            for (index, has) in open.iter().zip(self.objects.have_children(&dirs).await?) {
                exist[*index] = has;
            }
        }
        let mut exist = exist.into_iter();
        candidates.retain(|_| exist.next().unwrap_or_default());
        Ok(candidates)
    }

    /// A page of the digests that are the names below `dir(algorithm)`, over all algorithms in byte order.
    async fn digests<'d>(
        &self,
        dir: impl Fn(Algorithm) -> Dir<'d>,
        after: Option<&Digest>,
        limit: usize,
    ) -> Result<Page<Digest>> {
        let wanted = limit.saturating_add(1);
        let mut found = Vec::new();
        for algorithm in Algorithm::ALL {
            let past = match after {
                Some(after) if after.algorithm() == algorithm => Some(after.hex()),
                Some(after) if after.algorithm().as_str() > algorithm.as_str() => continue,
                _ => None,
            };
            let parse = |hex: &str| format!("{algorithm}:{hex}").parse::<Digest>().ok();
            found.extend(self.named(&dir(algorithm), past, wanted - found.len(), parse).await?);
            if found.len() >= wanted {
                break;
            }
        }
        Ok(Page::cut(found, limit))
    }

    /// The first `wanted` names below `dir` that mean something. One that does not is somebody's dirt: nobody could ask
    /// for it, and it must not end a page early.
    async fn named<T>(
        &self,
        dir: &Dir<'_>,
        mut after: Option<String>,
        wanted: usize,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Vec<T>> {
        let mut found = Vec::new();
        let mut reads = GrowingReads::default();
        while found.len() < wanted {
            let asked = reads.next(wanted - found.len());
            let names = self.objects.children(dir, after.as_deref(), asked).await?;
            found.extend(names.iter().filter_map(|name| parse(name)));
            if names.len() < asked {
                break;
            }
            after = names.into_iter().next_back();
        }
        found.truncate(wanted);
        Ok(found)
    }
}

// === impl GrowingReads ===

impl GrowingReads {
    /// For a reader that still needs `missing` names.
    fn next(&mut self, missing: usize) -> usize {
        let count = missing.max(self.least);
        self.least = (self.least * 2).clamp(READ_AGAIN.0, READ_AGAIN.1);
        count
    }
}

#[async_trait]
impl MetadataStore for LayoutMetadata {
    async fn manifest(&self, repository: &RepositoryName, reference: &Reference) -> Result<Option<Digest>> {
        match reference {
            Reference::Digest(digest) => Ok(self.has_revision(repository, digest).await?.then_some(*digest)),
            Reference::Tag(tag) => self.tagged(repository, tag).await,
        }
    }

    async fn blob(&self, repository: &RepositoryName, digest: &Digest) -> Result<Option<Digest>> {
        link::follow(self.objects(), &Key::LayerLink(repository, digest)).await
    }

    async fn link(
        &self,
        repository: &RepositoryName,
        kind: LinkKind,
        digest: &Digest,
    ) -> Result<Option<FoundLink>> {
        let key = match kind {
            LinkKind::Blob => Key::LayerLink(repository, digest),
            LinkKind::Manifest => Key::RevisionLink(repository, digest),
        };
        let found = link::follow_with_age(self.objects(), &key).await?;
        Ok(found.map(|(content, object)| {
            // A manifest is stored under its own name, whatever its link says.
            let content = if kind == LinkKind::Manifest { *digest } else { content };
            FoundLink { content, modified: object.modified }
        }))
    }

    async fn exists(&self, repository: &RepositoryName) -> Result<bool> {
        Ok(!self.existing(vec![repository.clone()]).await?.is_empty())
    }

    async fn put_manifest(
        &self,
        _change: &Change<'_>,
        repository: &RepositoryName,
        facts: &ManifestFacts<'_>,
    ) -> Result<ManifestWritten> {
        for _ in 0..PUT_ATTEMPTS {
            if let Some(written) = self.try_put(repository, facts).await? {
                return Ok(written);
            }
        }
        Err(contended(format!("put manifest {} of {repository}", facts.digest)))
    }

    async fn link_blob(
        &self,
        _change: &Change<'_>,
        repository: &RepositoryName,
        digest: &Digest,
        content: &Digest,
    ) -> Result<()> {
        let _lock = self.objects.lock(repository, LockMode::Shared).await?;
        self.write_link(&Key::LayerLink(repository, digest), content).await
    }

    async fn unlink_blob(
        &self,
        _change: &Change<'_>,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<bool> {
        let _lock = self.objects.lock(repository, LockMode::Exclusive).await?;
        self.objects.remove(&Key::LayerLink(repository, digest)).await
    }

    async fn delete_tag(
        &self,
        _change: &Change<'_>,
        repository: &RepositoryName,
        tag: &Tag,
    ) -> Result<Option<TagChange>> {
        self.delete_one_tag(repository, tag).await
    }

    async fn delete_manifest(
        &self,
        _change: &Change<'_>,
        repository: &RepositoryName,
        digest: &Digest,
        subject: Option<&Digest>,
    ) -> Result<Option<ManifestDeleted>> {
        if self.objects.get(&Key::RevisionLink(repository, digest)).await?.is_none() {
            return Ok(None);
        }
        // Tags first: a crash here leaves a manifest with fewer tags and an unanswered request, not a tag that comes
        // back to life when the manifest is pushed again.
        let mut tags = self.remove_tags_of(repository, digest, None).await?;
        let (more, removed) = self.remove_revision(repository, digest, subject).await?;
        tags.extend(more);
        // Of two deletes one may have removed the tags and the other the manifest: both have deleted something.
        Ok((removed || !tags.is_empty()).then_some(ManifestDeleted { tags }))
    }

    async fn tags(
        &self,
        repository: &RepositoryName,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<Tag>> {
        self.tag_page(repository, after, limit).await
    }

    async fn referrers(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        after: Option<&Digest>,
        limit: usize,
    ) -> Result<Page<Descriptor>> {
        self.referrer_page(repository, subject, after, limit).await
    }

    async fn repositories(
        &self,
        prefix: Option<&RepositoryName>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<RepositoryName>> {
        let quickly = self.objects.repositories(prefix, after, limit.saturating_add(1)).await?;
        if let Some(found) = quickly {
            return Ok(Page::cut(found, limit));
        }
        let mut names = Names::new(self.objects(), prefix, after);
        let mut found = Vec::new();
        loop {
            let mut candidates = Vec::new();
            while found.len() + candidates.len() <= limit {
                let Some(name) = names.next().await? else { break };
                candidates.push(name);
            }
            if candidates.is_empty() {
                break;
            }
            found.extend(self.existing(candidates).await?);
        }
        Ok(Page::cut(found, limit))
    }

    async fn manifests(
        &self,
        repository: &RepositoryName,
        after: Option<&Digest>,
        limit: usize,
    ) -> Result<Page<Digest>> {
        self.digests(|algorithm| Dir::Revisions(repository, algorithm), after, limit).await
    }

    async fn blobs(
        &self,
        repository: &RepositoryName,
        after: Option<&Digest>,
        limit: usize,
    ) -> Result<Page<Digest>> {
        self.digests(|algorithm| Dir::Layers(repository, algorithm), after, limit).await
    }

    async fn hold(&self, held: &Held<'_>) -> Result<Option<Hold>> {
        // The link first: a collector removes links before bytes.
        if let Some(link) = &held.link
            && !self.renew_link(link).await?
        {
            return Ok(None);
        }
        let key = Key::BlobData(held.content);
        let there = self.objects.renew(&key, held.seen.modified, self.grace.renewal_age()).await?;
        Ok(there.then(Hold::default))
    }
}

/// Other callers have been faster each time.
fn contended(operation: String) -> Error {
    Error::Backend {
        backend: "tree",
        operation,
        retry: Retry::Later,
        source: "other requests changed it each time it was read".into(),
    }
}
