//! The port that owns facts.

use std::fmt;
use std::time::SystemTime;

use async_trait::async_trait;
use wharf_oci::{Descriptor, Digest, Reference, RepositoryName, Tag};

use crate::blob::BlobStat;
use crate::error::Result;

/// Which repository holds what, and what each tag means. Never a byte of content.
///
/// # Contract
/// - **Durable.** A change that has answered `Ok` survives a power cut (unless the operator asked for less).
/// - **In order.** `put_manifest` makes the manifest visible, then its entry among the referrers of its subject, then
///   its tags: nobody sees a tag without its manifest. `delete_manifest` undoes in the opposite order.
/// - **Idempotent.** Saying a fact twice, and taking back one that is not there, are `Ok` and say that nothing changed.
/// - **Absent is `None`**; an error means that the store could not look.
/// - **Names in byte order** of the whole name, on every backend; `after` is exclusive and need not exist.
/// - A repository exists while it holds at least one manifest.
///
/// No method exposes a path, a link, or an order that only a tree has.
///
/// An implementation runs `metadata_store_suite!`; a wrapper carries `#[deny(clippy::missing_trait_methods)]`.
#[async_trait]
pub trait MetadataStore: fmt::Debug + Send + Sync + 'static {
    /// The manifest a tag or digest names in this repository.
    async fn manifest(&self, repository: &RepositoryName, reference: &Reference) -> Result<Option<Digest>>;

    /// The digest under which the content of this repository's blob `digest` is stored.
    ///
    /// It is `digest` itself, but for aliases an older registry wrote: a sha512 name of content kept as sha256.
    async fn blob(&self, repository: &RepositoryName, digest: &Digest) -> Result<Option<Digest>>;

    /// What [`manifest`](Self::manifest) or [`blob`](Self::blob) says of a digest, with the age of the fact, for a caller
    /// that is about to rely on it.
    async fn link(
        &self,
        repository: &RepositoryName,
        kind: LinkKind,
        digest: &Digest,
    ) -> Result<Option<FoundLink>>;

    /// Whether the repository holds any manifest.
    async fn exists(&self, repository: &RepositoryName) -> Result<bool>;

    /// Records a manifest whose bytes, and whose references' bytes, are stored.
    async fn put_manifest(
        &self,
        change: &Change<'_>,
        repository: &RepositoryName,
        facts: &ManifestFacts<'_>,
    ) -> Result<ManifestWritten>;

    /// Makes `digest` a blob of the repository; `content` is where its bytes are stored.
    async fn link_blob(
        &self,
        change: &Change<'_>,
        repository: &RepositoryName,
        digest: &Digest,
        content: &Digest,
    ) -> Result<()>;

    /// Takes the blob out of the repository; returns whether it was there.
    async fn unlink_blob(
        &self,
        change: &Change<'_>,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<bool>;

    /// Removes a tag; the manifest stays. `None` when there was no such tag.
    async fn delete_tag(
        &self,
        change: &Change<'_>,
        repository: &RepositoryName,
        tag: &Tag,
    ) -> Result<Option<TagChange>>;

    /// Removes a manifest and every tag that means it. `None` when there was no such manifest.
    ///
    /// `subject` is what the manifest refers to, if the caller knows.
    async fn delete_manifest(
        &self,
        change: &Change<'_>,
        repository: &RepositoryName,
        digest: &Digest,
        subject: Option<&Digest>,
    ) -> Result<Option<ManifestDeleted>>;

    /// A page of tags.
    async fn tags(&self, repository: &RepositoryName, after: Option<&str>, limit: usize)
    -> Result<Page<Tag>>;

    /// A page of descriptors of manifests whose subject is `subject`, in the order of their digests.
    async fn referrers(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        after: Option<&Digest>,
        limit: usize,
    ) -> Result<Page<Descriptor>>;

    /// A page of repositories whose name is `prefix` or begins with `prefix/` (all of them without a prefix).
    async fn repositories(
        &self,
        prefix: Option<&RepositoryName>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<RepositoryName>>;

    /// A page of the repository's manifests, for a collector.
    async fn manifests(
        &self,
        repository: &RepositoryName,
        after: Option<&Digest>,
        limit: usize,
    ) -> Result<Page<Digest>>;

    /// A page of the repository's blobs, for a collector.
    async fn blobs(
        &self,
        repository: &RepositoryName,
        after: Option<&Digest>,
        limit: usize,
    ) -> Result<Page<Digest>>;

    /// Protects a blob that is there already, and the fact that the repository has it, from garbage collection until what
    /// refers to them is written; `None` if they are gone.
    ///
    /// Acquired before a mount or a manifest's put, and dropped when that is done. What was just published needs none:
    /// a collector spares the young.
    async fn hold(&self, held: &Held<'_>) -> Result<Option<Hold>>;
}

/// Who asked for a change, and when: what an implementation with a history writes beside it.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    /// Who asked; `None` for an anonymous caller.
    pub actor: Option<&'a str>,
    /// The request that asked, as it is named in the logs.
    pub request_id: &'a str,
    /// When.
    pub at: SystemTime,
}

/// What there is to know of a manifest once its bytes are stored.
#[derive(Debug, Clone, Copy)]
pub struct ManifestFacts<'a> {
    /// Its digest.
    pub digest: &'a Digest,
    /// Everything it needs: blobs or child manifests.
    pub references: &'a [Digest],
    /// What it refers to, with its finished entry in the list of referrers.
    pub subject: Option<(&'a Digest, &'a Descriptor)>,
    /// The tags that shall mean it.
    pub tags: &'a [TagWrite],
}

/// A tag to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagWrite {
    /// The tag.
    pub tag: Tag,
    /// On which condition.
    pub expect: Expect,
}

/// The condition of a tag's write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Expect {
    /// None: the last writer wins.
    #[default]
    Any,
    /// The tag does not exist, or means this very manifest already: saying a fact twice is no second fact. Of two
    /// writers, in one process or in two, one is refused.
    Absent,
    /// The tag means this digest.
    Is(Digest),
}

/// What `put_manifest` changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestWritten {
    /// Every tag asked for, with what it meant before.
    pub tags: Vec<TagChange>,
}

/// A tag that moved, appeared or went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagChange {
    /// The tag.
    pub tag: Tag,
    /// What it meant before.
    pub from: Option<Digest>,
    /// What it means now.
    pub to: Option<Digest>,
}

/// What `delete_manifest` changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestDeleted {
    /// The tags that went with it.
    pub tags: Vec<TagChange>,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The entries, in order.
    pub items: Vec<T>,
    /// Whether there are more after them.
    pub more: bool,
}

/// Which fact of a repository a digest stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkKind {
    /// The repository has this blob.
    Blob,
    /// The repository has this manifest.
    Manifest,
}

/// A fact of a repository with its age.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundLink {
    /// The digest under which the content is stored.
    pub content: Digest,
    /// When the fact was last written or renewed.
    pub modified: SystemTime,
}

/// What a [`hold`](MetadataStore::hold) protects.
#[derive(Debug, Clone, Copy)]
pub struct Held<'a> {
    /// The digest under which the content is stored.
    pub content: &'a Digest,
    /// What [`stat`](crate::BlobStore::stat) has just said of it.
    pub seen: &'a BlobStat,
    /// The fact that the caller relies on besides the bytes. A mount relies on bytes alone.
    pub link: Option<HeldLink<'a>>,
}

/// The fact a [`hold`](MetadataStore::hold) protects.
#[derive(Debug, Clone, Copy)]
pub struct HeldLink<'a> {
    /// Whose fact it is.
    pub repository: &'a RepositoryName,
    /// Which fact.
    pub kind: LinkKind,
    /// The name the repository has it under.
    pub digest: &'a Digest,
    /// What [`link`](MetadataStore::link) has just said of it.
    pub found: FoundLink,
}

/// A collector takes nothing of what is held while this lives.
#[derive(Default)]
pub struct Hold(Option<Box<dyn Send + Sync>>);

// === impl Page ===

impl<T> Page<T> {
    /// Cuts a list that was asked for with one entry too many, which is how one learns that there are more.
    pub fn cut(mut items: Vec<T>, limit: usize) -> Self {
        let more = items.len() > limit;
        items.truncate(limit);
        Self { items, more }
    }
}

// === impl Hold ===

impl Hold {
    /// A hold that ends when `guard` is dropped.
    pub fn until_dropped(guard: impl Send + Sync + 'static) -> Self {
        Self(Some(Box::new(guard)))
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hold").field("guarded", &self.0.is_some()).finish()
    }
}
