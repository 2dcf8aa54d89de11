//! The v2 tree: facts as small files, exactly where the registries we succeed keep them.
//!
//! Every fact is an object of its own, so several processes may serve one tree side by side, old registries among them:
//! the worst that two writers do to each other is that the last one wins.

mod key;
mod link;
mod names;
mod referrers;
mod tags;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
pub use key::{Dir, Key};
pub use names::Names;
use wharf_oci::{Algorithm, Descriptor, Digest, Reference, RepositoryName, Tag};

use crate::blob::BlobStat;
use crate::clock::{Clock, SystemClock};
use crate::error::Result;
use crate::metadata::{
    Change, Expect, Hold, ManifestDeleted, ManifestFacts, ManifestWritten, MetadataStore, Page, TagChange,
    TagWrite,
};
use crate::objects::{Objects, Put, PutIf};

/// How many links are read at once when a question needs all of a repository's tags.
const DEFAULT_CONCURRENCY: usize = 16;

/// How long a collector leaves a blob alone after it was last written or renewed.
const DEFAULT_GRACE: Duration = Duration::from_secs(60 * 60);

/// A metadata store whose truth is the v2 tree.
///
/// What a tree does cheaply: whatever names a manifest, a tag or a blob. What it does not: finding the tags that mean a
/// manifest, which `delete_manifest` must; it reads every tag of the repository, `concurrency` at a time, twice.
#[derive(Debug, Clone)]
pub struct LayoutMetadata {
    objects: Arc<dyn Objects>,
    concurrency: usize,
    grace: Duration,
    clock: Arc<dyn Clock>,
}

impl LayoutMetadata {
    /// The facts kept in `objects`.
    pub fn new(objects: Arc<dyn Objects>) -> Self {
        Self { objects, concurrency: DEFAULT_CONCURRENCY, grace: DEFAULT_GRACE, clock: Arc::new(SystemClock) }
    }

    /// Where the time comes from.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// How many tags are read at once to find those that mean a manifest.
    #[must_use]
    pub fn with_concurrency(mut self, concurrency: usize) -> Self {
        self.concurrency = concurrency.max(1);
        self
    }

    /// How long the collector that runs beside us leaves young blobs alone.
    #[must_use]
    pub fn with_grace(mut self, grace: Duration) -> Self {
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

    /// Says again what `put_manifest` has said, but for tags that mean something else by now.
    async fn put_back(&self, repository: &RepositoryName, facts: &ManifestFacts<'_>) -> Result<()> {
        self.write_link(&Key::RevisionLink(repository, facts.digest), facts.digest).await?;
        if let Some((subject, descriptor)) = facts.subject {
            let entry = referrers::entry(repository, subject, descriptor)?;
            self.objects.put(&entry.key, entry.bytes, PutIf::Any).await?;
        }
        for write in facts.tags {
            let key = Key::TagLink(repository, &write.tag);
            self.objects.put(&key, link::to(facts.digest), PutIf::Absent).await?;
        }
        Ok(())
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
        while found.len() < wanted {
            let asked = wanted - found.len();
            let names = self.objects.children(dir, after.as_deref(), asked).await?;
            found.extend(names.iter().filter_map(|name| parse(name)));
            if names.len() < asked {
                break;
            }
            after = names.into_iter().next_back();
        }
        Ok(found)
    }
}

#[async_trait]
impl MetadataStore for LayoutMetadata {
    async fn manifest(&self, repository: &RepositoryName, reference: &Reference) -> Result<Option<Digest>> {
        let digest = match reference {
            Reference::Digest(digest) => *digest,
            Reference::Tag(tag) => {
                match link::follow(self.objects(), &Key::TagLink(repository, tag)).await? {
                    Some(digest) => digest,
                    None => return Ok(None),
                }
            }
        };
        Ok(self.has_revision(repository, &digest).await?.then_some(digest))
    }

    async fn blob(&self, repository: &RepositoryName, digest: &Digest) -> Result<Option<Digest>> {
        link::follow(self.objects(), &Key::LayerLink(repository, digest)).await
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
        let revision = Key::RevisionLink(repository, facts.digest);
        let mut manifest = vec![Put { key: revision, bytes: link::to(facts.digest) }];
        if let Some((subject, descriptor)) = facts.subject {
            manifest.push(referrers::entry(repository, subject, descriptor)?);
        }
        let (mut tags, mut moved) = (Vec::with_capacity(facts.tags.len()), Vec::new());
        let (free, conditional): (Vec<_>, Vec<_>) =
            facts.tags.iter().partition(|write| write.expect == Expect::Any);
        for TagWrite { tag, .. } in free {
            let from = self.meaning(repository, tag).await?;
            tags.push(TagChange { tag: tag.clone(), from, to: Some(*facts.digest) });
            moved.extend(tags::moved(repository, tag, facts.digest));
        }
        // In two groups: a tag that meant something must not be left with a manifest that a power cut took.
        self.objects.put_all(vec![manifest, moved]).await?;
        for write in conditional {
            tags.push(self.write_tag(repository, write, facts.digest).await?);
        }
        // A delete that ran beside us may have taken the revision, and what we wrote before it did. It takes nothing but
        // tags after the revision, so what we put back here stays, but for a tag it was about to remove.
        if !self.has_revision(repository, facts.digest).await? {
            self.put_back(repository, facts).await?;
        }
        Ok(ManifestWritten { tags })
    }

    async fn link_blob(
        &self,
        _change: &Change<'_>,
        repository: &RepositoryName,
        digest: &Digest,
        content: &Digest,
    ) -> Result<()> {
        self.write_link(&Key::LayerLink(repository, digest), content).await
    }

    async fn unlink_blob(
        &self,
        _change: &Change<'_>,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<bool> {
        self.objects.remove(&Key::LayerLink(repository, digest)).await
    }

    async fn delete_tag(
        &self,
        _change: &Change<'_>,
        repository: &RepositoryName,
        tag: &Tag,
    ) -> Result<Option<TagChange>> {
        self.remove_tag(repository, tag).await
    }

    async fn delete_manifest(
        &self,
        _change: &Change<'_>,
        repository: &RepositoryName,
        digest: &Digest,
        subject: Option<&Digest>,
    ) -> Result<Option<ManifestDeleted>> {
        let revision = Key::RevisionLink(repository, digest);
        if self.objects.get(&revision).await?.is_none() {
            return Ok(None);
        }
        // Tags first: a crash here leaves a manifest with fewer tags and an unanswered request, not a tag that comes
        // back to life when somebody pushes this manifest again.
        let mut tags = self.remove_tags_of(repository, digest).await?;
        if let Some(subject) = subject {
            let entry = Key::Referrer(repository, subject, digest);
            self.objects.remove(&entry).await?;
        }
        let removed = self.objects.remove(&revision).await?;
        // Once more for a push that wrote a tag meanwhile; see `put_manifest` for its half of the agreement.
        tags.extend(self.remove_tags_of(repository, digest).await?);
        Ok(removed.then_some(ManifestDeleted { tags }))
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

    async fn hold(&self, digest: &Digest, seen: &BlobStat) -> Result<Option<Hold>> {
        // A collector takes nothing that was younger than its grace when it began to look for links, and looks at the age
        // again as it removes; half of the grace leaves us the other half to write the link.
        let enough = self.grace / 2;
        let age = self.clock.now().duration_since(seen.modified).unwrap_or_default();
        let there = age <= enough || self.objects.renew(&Key::BlobData(digest), enough).await?;
        Ok(there.then(Hold::default))
    }
}
