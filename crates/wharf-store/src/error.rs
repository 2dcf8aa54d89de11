//! What can go wrong in a store, sorted by what the caller would do about it.

use wharf_oci::{Digest, Tag};

use crate::UploadKey;

/// Any error, boxed: the cause inside one of ours.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// A store's answer.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Whether the same call may succeed later without anybody repairing anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// The disk is full, a limit was hit, the network blinked: try again later.
    Later,
    /// Somebody must look.
    Never,
}

/// What a store can answer instead of what it was asked for.
///
/// "It is not there" and "I could not look" are different variants and never stand for one another.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No blob of this digest is held.
    #[error("blob {digest} is not in the store")]
    BlobNotFound {
        /// The digest asked for.
        digest: Digest,
    },
    /// The upload was never begun, was finished, or was cancelled.
    #[error("upload {} of {} is not open", key.id, key.repository)]
    UploadNotFound {
        /// The upload asked for.
        key: UploadKey,
    },
    /// Another writer holds the upload at this moment.
    #[error("upload {} of {} is being written by another request", key.id, key.repository)]
    UploadBusy {
        /// The upload asked for.
        key: UploadKey,
    },
    /// Bytes were offered for an offset that is not the upload's end.
    #[error("bytes offered at offset {given}, but the upload ends at {stored}")]
    OffsetMismatch {
        /// The offset the caller named.
        given: u64,
        /// Where the upload ends.
        stored: u64,
    },
    /// The content is not what it was said to be. Nothing became visible.
    #[error("content hashes to {actual}, not {expected}")]
    DigestMismatch {
        /// What the caller promised.
        expected: Digest,
        /// What the bytes are.
        actual: Digest,
    },
    /// The bytes stopped coming: the client hung up, or broke the framing. What came before is kept.
    #[error("the body ended early, after byte {stored} of the upload")]
    Body {
        /// Where the upload ends now.
        stored: u64,
        /// What the connection said.
        source: BoxError,
    },
    /// A tag was not what a conditional write expected it to be.
    #[error("tag {tag} is not what the write expected")]
    TagConflict {
        /// The tag.
        tag: Tag,
        /// What it points at.
        current: Option<Digest>,
    },
    /// Something stored cannot be understood: a half-written link, a foreign file.
    #[error("{path} holds {problem}")]
    Corrupt {
        /// Where it is stored, relative to the store's root.
        path: String,
        /// What was found there.
        problem: String,
    },
    /// The store itself failed.
    #[error("{backend}: could not {operation}")]
    Backend {
        /// The name of the backend.
        backend: &'static str,
        /// What it was doing, as a verb phrase.
        operation: String,
        /// Whether it may go better later.
        retry: Retry,
        /// What the system said.
        source: BoxError,
    },
}

impl Error {
    /// Whether the same call may succeed later without a repair.
    pub fn may_succeed_later(&self) -> bool {
        match self {
            Self::Backend { retry, .. } => *retry == Retry::Later,
            Self::UploadBusy { .. } => true,
            Self::BlobNotFound { .. }
            | Self::UploadNotFound { .. }
            | Self::OffsetMismatch { .. }
            | Self::DigestMismatch { .. }
            | Self::Body { .. }
            | Self::TagConflict { .. }
            | Self::Corrupt { .. } => false,
        }
    }
}
