//! What happened, as values: for notifications, an audit trail, a cache to be emptied.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use wharf_oci::{Digest, MediaType, RepositoryName};
use wharf_store::TagChange;

/// Something changed, durably, before this was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Where.
    pub repository: RepositoryName,
    /// What.
    pub kind: EventKind,
    /// Who; `None` for an anonymous caller.
    pub actor: Option<Arc<str>>,
    /// The request, as it is named in the logs.
    pub request_id: Arc<str>,
    /// When.
    pub at: SystemTime,
}

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKind {
    /// A blob was pushed.
    BlobPushed {
        /// The blob.
        digest: Digest,
        /// Its size.
        size_bytes: u64,
    },
    /// A blob was linked from another repository (`None`: from wherever it was).
    BlobMounted {
        /// The blob.
        digest: Digest,
        /// Its size.
        size_bytes: u64,
        /// Where it came from.
        from: Option<RepositoryName>,
    },
    /// A blob was taken out of the repository.
    BlobDeleted {
        /// The blob.
        digest: Digest,
    },
    /// A manifest was pushed, with or without tags.
    ManifestPushed {
        /// The manifest.
        digest: Digest,
        /// Its type.
        media_type: MediaType,
        /// Its size.
        size_bytes: u64,
        /// The tags it was pushed with, and what they meant before.
        tags: Vec<TagChange>,
    },
    /// A manifest was deleted.
    ManifestDeleted {
        /// The manifest.
        digest: Digest,
        /// The tags that went with it.
        tags: Vec<TagChange>,
    },
    /// A tag was deleted; its manifest stays.
    TagDeleted(TagChange),
}

/// Somebody who wants to know. Must not block: whoever pushes waits.
pub trait EventSink: fmt::Debug + Send + Sync + 'static {
    /// Takes note.
    fn emit(&self, event: Event);
}
