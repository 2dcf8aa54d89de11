//! Everything the registry can answer instead of what it was asked for.

use wharf_oci::{Digest, ManifestError, Reference, RepositoryName, UploadId};
use wharf_store::BoxError;

/// The registry's answer.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can be answered instead.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The repository holds no manifest, so for the world it does not exist.
    #[error("repository {repository} holds nothing")]
    RepositoryUnknown {
        /// The repository.
        repository: RepositoryName,
    },
    /// The repository has no such blob.
    #[error("{repository} has no blob {digest}")]
    BlobUnknown {
        /// The repository.
        repository: RepositoryName,
        /// The blob.
        digest: Digest,
    },
    /// The repository has no such manifest or tag.
    #[error("{repository} has no manifest {reference}")]
    ManifestUnknown {
        /// The repository.
        repository: RepositoryName,
        /// The tag or digest.
        reference: Reference,
    },
    /// The upload was never begun, or is over.
    #[error("upload {id} is not open in {repository}")]
    UploadUnknown {
        /// The repository.
        repository: RepositoryName,
        /// The upload.
        id: UploadId,
    },
    /// Bytes came for another place than the upload's end, or while another request writes to it.
    #[error("upload {id} of {repository} goes on at byte {stored}")]
    UploadOffset {
        /// The repository.
        repository: RepositoryName,
        /// The upload.
        id: UploadId,
        /// Where it ends.
        stored: u64,
    },
    /// A final request met another request that writes or commits the upload; repeated later it gets the result.
    #[error("upload {id} of {repository} is in use by another request; repeat this one in a moment")]
    UploadBusy {
        /// The repository.
        repository: RepositoryName,
        /// The upload.
        id: UploadId,
    },
    /// The content is not what its digest says.
    #[error("content hashes to {actual}, not {expected}")]
    DigestMismatch {
        /// What the client said.
        expected: Digest,
        /// What arrived.
        actual: Digest,
    },
    /// The client stopped sending. What came before is kept.
    #[error("the request body ended early")]
    BodyBroken {
        /// What the connection said.
        source: BoxError,
    },
    /// The manifest is not one, or not one we take.
    #[error(transparent)]
    ManifestInvalid(#[from] ManifestError),
    /// The manifest has more references than [`Limits::manifest_references`](crate::Limits::manifest_references).
    #[error("the manifest has {found} references; the limit `manifest_references` is {limit}")]
    TooManyReferences {
        /// How many it has.
        found: usize,
        /// How many it may have.
        limit: usize,
    },
    /// The manifest needs things the repository does not have.
    #[error("{} references are not in {repository}", digests.len())]
    ReferencesUnknown {
        /// The repository.
        repository: RepositoryName,
        /// Each of them once, in the order of the manifest; at most 100.
        digests: Vec<Digest>,
        /// How many references after these were not checked, so that they may be missing as well.
        unchecked: usize,
    },
    /// A layer says it is to be fetched from a place the operator does not allow.
    #[error("layer {digest} may not be fetched from {url}; see validation.manifests.urls")]
    UrlForbidden {
        /// The layer.
        digest: Digest,
        /// The place.
        url: String,
    },
    /// The image is not of a class that the operator takes.
    #[error("{reason}; see policy.repository.classes")]
    ClassRefused {
        /// What is wrong with it.
        reason: String,
    },
    /// A tag that is not to be moved means something else.
    #[error("tag {tag} of {repository} is immutable and {}", taken(current.as_ref()))]
    TagConflict {
        /// The repository.
        repository: RepositoryName,
        /// The tag.
        tag: wharf_oci::Tag,
        /// What it means; `None` if that is not known.
        current: Option<Digest>,
    },
    /// The operator has switched deletes off.
    #[error("deleting is switched off; see storage.delete.enabled")]
    DeletesDisabled,
    /// The store failed: nothing is known about what was asked.
    #[error("the store failed")]
    Store(#[source] wharf_store::Error),
}

impl Error {
    /// A store's error in an operation that has no more particular answer to it.
    pub(crate) fn store(error: wharf_store::Error) -> Self {
        match error {
            wharf_store::Error::DigestMismatch { expected, actual } => {
                Self::DigestMismatch { expected, actual }
            }
            wharf_store::Error::Body { source, .. } => Self::BodyBroken { source },
            other => Self::Store(other),
        }
    }
}

fn taken(current: Option<&Digest>) -> String {
    match current {
        Some(digest) => format!("means {digest} already"),
        None => "exists already".to_owned(),
    }
}
