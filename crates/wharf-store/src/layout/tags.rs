//! Tags in the tree: a link that moves, and a history nobody reads but an old collector.

use futures_util::{StreamExt, TryStreamExt, stream};
use wharf_oci::{Digest, RepositoryName, Tag};

use super::{Dir, Key, LayoutMetadata, link};
use crate::error::{Error, Result};
use crate::metadata::{Expect, Page, TagChange, TagWrite};
use crate::objects::{Put, PutIf, PutOutcome};

/// How many tags are listed at a time when all of them must be read.
const SCAN_PAGE: usize = 1000;

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

    /// Writes a tag on its condition.
    pub(super) async fn write_tag(
        &self,
        repository: &RepositoryName,
        write: &TagWrite,
        digest: &Digest,
    ) -> Result<TagChange> {
        let current = Key::TagLink(repository, &write.tag);
        let from = link::follow_to_replace(self.objects(), &current).await?;
        let conflict = |current| Error::TagConflict { tag: write.tag.clone(), current };
        if write.expect == Expect::Absent && from.is_some_and(|from| from != *digest) {
            return Err(conflict(from));
        }
        let condition = match write.expect {
            Expect::Any => PutIf::Any,
            Expect::Absent => PutIf::Absent,
            Expect::Is(expected) => PutIf::Is(link::to(&expected)),
        };
        self.write_link(&Key::TagIndexLink(repository, &write.tag, digest), digest).await?;
        match self.objects.put(&current, link::to(digest), condition).await? {
            PutOutcome::Written => Ok(TagChange { tag: write.tag.clone(), from, to: Some(*digest) }),
            PutOutcome::Refused => {
                // Somebody may have been there since we looked.
                let there = link::follow_to_replace(self.objects(), &current).await?;
                let said_twice = write.expect == Expect::Absent && there == Some(*digest);
                let unchanged = TagChange { tag: write.tag.clone(), from: there, to: there };
                if said_twice { Ok(unchanged) } else { Err(conflict(there)) }
            }
        }
    }

    pub(super) async fn remove_tag(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
    ) -> Result<Option<TagChange>> {
        let current = Key::TagLink(repository, tag);
        let from = link::follow_to_replace(self.objects(), &current).await?;
        if !self.objects.remove(&current).await? {
            return Ok(None);
        }
        self.objects.remove_all(&Dir::TagIndex(repository, tag)).await?;
        Ok(Some(TagChange { tag: tag.clone(), from, to: None }))
    }

    /// Removes every tag that means `digest`.
    pub(super) async fn remove_tags_of(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Vec<TagChange>> {
        let mut removed = Vec::new();
        let mut after: Option<Tag> = None;
        loop {
            let page = self.tag_page(repository, after.as_ref().map(Tag::as_str), SCAN_PAGE).await?;
            after = page.items.last().cloned();
            let matching: Vec<Option<Tag>> = stream::iter(page.items)
                .map(|tag| self.if_means(repository, tag, digest))
                .buffer_unordered(self.concurrency)
                .try_collect()
                .await?;
            for tag in matching.iter().flatten() {
                removed.extend(self.remove_tag(repository, tag).await?);
            }
            if !page.more {
                return Ok(removed);
            }
        }
    }

    async fn if_means(&self, repository: &RepositoryName, tag: Tag, digest: &Digest) -> Result<Option<Tag>> {
        // A broken tag means nothing, this manifest neither.
        let found = link::follow_to_replace(self.objects(), &Key::TagLink(repository, &tag)).await?;
        Ok((found.as_ref() == Some(digest)).then_some(tag))
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
