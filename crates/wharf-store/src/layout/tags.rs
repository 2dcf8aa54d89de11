//! Tags in the tree: a link that moves, and a history nobody reads but an old collector.

use futures_util::{StreamExt, TryStreamExt, stream};
use wharf_oci::{Digest, RepositoryName, Tag};

use super::{Dir, Key, LayoutMetadata, link};
use crate::error::{Error, Result};
use crate::metadata::{Expect, Page, TagChange, TagWrite};
use crate::objects::{AgedObject, LockMode, Put, PutIf, PutOutcome, RemoveOutcome, RepositoryLock};

/// How many tags are listed at a time when all of them must be read.
const SCAN_PAGE: usize = 1000;

/// How many tags are removed under one lock, while pushes to the repository wait: some tenths of a second on a slow disk.
const REMOVE_BATCH: usize = 16;

/// How often a tag is read again because it has moved and what it meant was deleted.
const READ_ATTEMPTS: usize = 16;

/// How often in turn a tag must mean the same manifest, which is not there, to be absent: it may have moved to another one
/// and back, and what it means now may have been pushed again.
const ABSENT_READS: usize = 4;

/// How often a delete of a tag begins anew because the tag was moved meanwhile.
const REMOVE_ATTEMPTS: usize = 16;

/// The two writes of a tag that moves whatever it means: its history, then what it means.
pub(super) fn moved<'a>(repository: &'a RepositoryName, tag: &'a Tag, digest: &'a Digest) -> [Put<'a>; 2] {
    let put = |key| Put { key, bytes: link::to(digest) };
    [put(Key::TagIndexLink(repository, tag, digest)), put(Key::TagLink(repository, tag))]
}

impl LayoutMetadata {
    /// What the tag means before it is written.
    pub(super) async fn meaning(&self, repository: &RepositoryName, tag: &Tag) -> Result<Option<Digest>> {
        link::follow_to_replace(self.objects(), &Key::TagLink(repository, tag)).await
    }

    /// The manifest a tag means.
    pub(super) async fn tagged(&self, repository: &RepositoryName, tag: &Tag) -> Result<Option<Digest>> {
        let key = Key::TagLink(repository, tag);
        let mut read = link::follow(self.objects(), &key).await?;
        let mut reads_alike = 1;
        for _ in 0..READ_ATTEMPTS {
            let Some(digest) = read else { return Ok(None) };
            if self.has_revision(repository, &digest).await? {
                return Ok(Some(digest));
            }
            // The tag may have moved before that manifest was deleted, and was there all the time.
            let again = link::follow(self.objects(), &key).await?;
            reads_alike = if again == read { reads_alike + 1 } else { 1 };
            if reads_alike == ABSENT_READS {
                return Ok(None);
            }
            read = again;
        }
        Err(super::contended(format!("read tag {tag} of {repository}")))
    }

    /// Reads a tag that is about to be written on a condition: what it means, and on which condition the store is to write
    /// it. The lock is the caller's exclusive one.
    pub(super) async fn condition(
        &self,
        repository: &RepositoryName,
        write: &TagWrite,
        digest: &Digest,
        lock: &RepositoryLock,
    ) -> Result<(Option<Digest>, PutIf)> {
        let current = link::read_settled(self.objects(), &Key::TagLink(repository, &write.tag)).await?;
        let from = current.as_ref().and_then(|(from, _)| *from);
        let conflict = |current| Error::TagConflict { tag: write.tag.clone(), current };
        let condition = match (write.expect, current) {
            (Expect::Any, _) => PutIf::Any,
            (Expect::Absent, None) => PutIf::Absent,
            (Expect::Absent, Some((Some(same), object))) if same == *digest => PutIf::Is(object.bytes),
            // A tag whose manifest is gone is absent. Without a lock the manifest and the tag may both be acknowledged anew
            // before our write, whose condition would still hold.
            (Expect::Absent, Some((Some(other), object))) => {
                if !lock.excludes() || self.has_revision(repository, &other).await? {
                    return Err(conflict(from));
                }
                PutIf::Is(object.bytes)
            }
            (Expect::Absent, Some((None, _))) => return Err(conflict(None)),
            (Expect::Is(expected), Some((Some(same), object))) if same == expected => PutIf::Is(object.bytes),
            (Expect::Is(_), _) => return Err(conflict(from)),
        };
        Ok((from, condition))
    }

    /// Writes a tag on its condition. The lock is the caller's exclusive one.
    pub(super) async fn write_tag(
        &self,
        repository: &RepositoryName,
        write: &TagWrite,
        digest: &Digest,
        lock: &RepositoryLock,
    ) -> Result<TagChange> {
        let key = Key::TagLink(repository, &write.tag);
        let (from, condition) = self.condition(repository, write, digest, lock).await?;
        self.write_link(&Key::TagIndexLink(repository, &write.tag, digest), digest).await?;
        match self.objects.put(&key, link::to(digest), condition).await? {
            PutOutcome::Written => Ok(TagChange { tag: write.tag.clone(), from, to: Some(*digest) }),
            PutOutcome::Refused => {
                // Another writer came between the read and the write, in a store without locks.
                let there = link::follow_to_replace(self.objects(), &key).await?;
                let repeated = write.expect == Expect::Absent && there == Some(*digest);
                let unchanged = TagChange { tag: write.tag.clone(), from: there, to: there };
                let conflict = Error::TagConflict { tag: write.tag.clone(), current: there };
                if repeated { Ok(unchanged) } else { Err(conflict) }
            }
        }
    }

    /// Removes a tag, whatever it means, and reports what it meant when it was removed.
    pub(super) async fn delete_one_tag(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
    ) -> Result<Option<TagChange>> {
        let lock = self.objects.lock(repository, LockMode::Exclusive).await?;
        let key = Key::TagLink(repository, tag);
        for _ in 0..REMOVE_ATTEMPTS {
            let Some((from, seen)) = link::read_settled(self.objects(), &key).await? else {
                return Ok(None);
            };
            match self.remove_tag(repository, tag, &seen, &lock).await? {
                RemoveOutcome::Removed => return Ok(Some(TagChange { tag: tag.clone(), from, to: None })),
                RemoveOutcome::Absent => return Ok(None),
                RemoveOutcome::Changed => {}
            }
        }
        Err(super::contended(format!("delete tag {tag} of {repository}")))
    }

    /// Removes a tag if it is still what was read, and its history with it. The lock is the caller's exclusive one.
    ///
    /// Once the tag is gone the result is a success, also where its history stays: the history of a tag that is absent
    /// means nothing, and the next removal of the tag takes it along.
    async fn remove_tag(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        seen: &AgedObject,
        _lock: &RepositoryLock,
    ) -> Result<RemoveOutcome> {
        let outcome = self.objects.remove_if(&Key::TagLink(repository, tag), seen).await?;
        if outcome == RemoveOutcome::Removed
            && let Err(error) = self.objects.remove_all(&Dir::TagIndex(repository, tag)).await
        {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(%repository, %tag, error, "could not remove the history of a deleted tag");
        }
        Ok(outcome)
    }

    /// Removes every tag that means `digest`, and no tag that has moved to another meanwhile. Without the caller's lock it is
    /// acquired for a batch at a time, so that pushes go on beside a long list of tags.
    pub(super) async fn remove_tags_of(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        lock: Option<&RepositoryLock>,
    ) -> Result<Vec<TagChange>> {
        let mut removed = Vec::new();
        let mut after: Option<Tag> = None;
        loop {
            let page = self.tag_page(repository, after.as_ref().map(Tag::as_str), SCAN_PAGE).await?;
            after = page.items.last().cloned();
            let matching: Vec<Option<(Tag, AgedObject)>> = stream::iter(page.items)
                .map(|tag| self.if_means(repository, tag, digest))
                .buffer_unordered(self.concurrency)
                .try_collect()
                .await?;
            let matching: Vec<(Tag, AgedObject)> = matching.into_iter().flatten().collect();
            for batch in matching.chunks(REMOVE_BATCH) {
                let own = match lock {
                    Some(_) => None,
                    None => Some(self.objects.lock(repository, LockMode::Exclusive).await?),
                };
                let Some(lock) = lock.or(own.as_ref()) else { continue };
                for (tag, seen) in batch {
                    if self.remove_tag(repository, tag, seen, lock).await? == RemoveOutcome::Removed {
                        removed.push(TagChange { tag: tag.clone(), from: Some(*digest), to: None });
                    }
                }
            }
            if !page.more {
                return Ok(removed);
            }
        }
    }

    async fn if_means(
        &self,
        repository: &RepositoryName,
        tag: Tag,
        digest: &Digest,
    ) -> Result<Option<(Tag, AgedObject)>> {
        // A broken tag means nothing, this manifest neither.
        let found = link::read_settled(self.objects(), &Key::TagLink(repository, &tag)).await?;
        Ok(found.and_then(|(means, object)| (means.as_ref() == Some(digest)).then_some((tag, object))))
    }

    pub(super) async fn tag_page(
        &self,
        repository: &RepositoryName,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<Tag>> {
        let wanted = limit.saturating_add(1);
        let after = after.map(str::to_owned);
        let tags = self.named(&Dir::Tags(repository), after, wanted, |name| name.parse().ok()).await?;
        Ok(Page::cut(tags, limit))
    }
}
