//! The whole API as one value: which operation a request line asks for, with everything in it checked.
//!
//! Headers, bodies and who is asking are not known here.

use crate::{Algorithm, Digest, Reference, RepositoryName, Tag, UploadId};

mod error;
mod parse;
mod path;
mod query;
mod render;

pub use error::RouteError;
pub use query::query_value;
pub use render::{CATALOG_PATH, blob_path, manifest_path, next_link, referrers_path, tags_path, upload_path};

/// The most tags one push by digest may set (end-7b). The spec wants ten; a request line has room for few
/// more.
pub const MAX_TAGS: usize = 64;

/// An HTTP method that means something somewhere in this API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "they are HTTP's")]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
}

/// One operation of the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// `/`, any method: not of the spec, but load balancers ask whether it answers.
    Root,
    /// end-1: `/v2/`, any method.
    Base,
    /// `/v2`, any method: to be redirected to `/v2/`.
    BaseWithoutSlash,
    /// `GET /v2/_catalog`, of the old registry.
    Catalog {
        /// Which part of the list.
        page: Page,
    },
    /// end-8a, end-8b: `GET /v2/<name>/tags/list`.
    ListTags {
        /// The repository.
        name: RepositoryName,
        /// Which part of the list.
        page: Page,
    },
    /// end-12a, end-12b: `GET /v2/<name>/referrers/<digest>`.
    ListReferrers {
        /// The repository.
        name: RepositoryName,
        /// The manifest that is referred to.
        subject: Digest,
        /// Only referrers of one of these types; all if empty.
        artifact_types: Vec<String>,
        /// Which part of the list; `last` is whatever the `Link` before it said.
        page: Page,
    },
    /// end-3: `GET /v2/<name>/manifests/<tag-or-digest>`.
    GetManifest {
        /// The repository.
        name: RepositoryName,
        /// The manifest.
        reference: Reference,
    },
    /// end-3: `HEAD /v2/<name>/manifests/<tag-or-digest>`.
    HeadManifest {
        /// The repository.
        name: RepositoryName,
        /// The manifest.
        reference: Reference,
    },
    /// end-7a, end-7b: `PUT /v2/<name>/manifests/<tag-or-digest>`.
    PutManifest {
        /// The repository.
        name: RepositoryName,
        /// The tag to set, or the digest the body must have.
        reference: Reference,
        /// `tag`: more tags to set, each once; only with a digest.
        tags: Vec<Tag>,
        /// `digest`: with a tag, the digest the body must have and be stored under, so that a tag can name a
        /// manifest by another algorithm than sha256. Never there with a digest reference, which says it
        /// already.
        digest: Option<Digest>,
    },
    /// end-9: `DELETE /v2/<name>/manifests/<tag-or-digest>`.
    DeleteManifest {
        /// The repository.
        name: RepositoryName,
        /// The manifest, or only its tag.
        reference: Reference,
    },
    /// end-2: `GET /v2/<name>/blobs/<digest>`.
    GetBlob {
        /// The repository.
        name: RepositoryName,
        /// The blob.
        digest: Digest,
    },
    /// end-2: `HEAD /v2/<name>/blobs/<digest>`.
    HeadBlob {
        /// The repository.
        name: RepositoryName,
        /// The blob.
        digest: Digest,
    },
    /// end-10: `DELETE /v2/<name>/blobs/<digest>`.
    DeleteBlob {
        /// The repository.
        name: RepositoryName,
        /// The blob.
        digest: Digest,
    },
    /// end-4a, end-4b, end-4c, end-11: `POST /v2/<name>/blobs/uploads/`, with or without the last slash.
    BeginUpload {
        /// The repository.
        name: RepositoryName,
        /// In which of the ways.
        begin: BeginUpload,
    },
    /// end-13: `GET` or `HEAD` of `/v2/<name>/blobs/uploads/<id>`.
    UploadStatus {
        /// The repository.
        name: RepositoryName,
        /// The session.
        id: UploadId,
    },
    /// end-5: `PATCH /v2/<name>/blobs/uploads/<id>`.
    AppendUpload {
        /// The repository.
        name: RepositoryName,
        /// The session.
        id: UploadId,
        /// The offset that was given out with the location, if it was sent back.
        state: Option<u64>,
    },
    /// end-6: `PUT /v2/<name>/blobs/uploads/<id>?digest=<digest>`.
    FinishUpload {
        /// The repository.
        name: RepositoryName,
        /// The session.
        id: UploadId,
        /// The digest of the whole blob.
        digest: Digest,
        /// The offset that was given out with the location, if it was sent back.
        state: Option<u64>,
    },
    /// end-14: `DELETE /v2/<name>/blobs/uploads/<id>`.
    CancelUpload {
        /// The repository.
        name: RepositoryName,
        /// The session.
        id: UploadId,
    },
    /// `OPTIONS` of anything but the three at the top.
    Options {
        /// The `Allow` of the answer.
        allow: &'static str,
    },
}

/// How an upload begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BeginUpload {
    /// end-4a, end-4c: open a session. Also what is left of a mount whose digest or source is no such thing.
    Session {
        /// What the client will name the blob by, if it said so.
        algorithm: Option<Algorithm>,
    },
    /// end-4b: the body is the whole blob.
    Monolithic {
        /// The digest of the blob.
        digest: Digest,
    },
    /// end-11: take the blob from elsewhere in this registry, or open a session if that cannot be.
    Mount {
        /// The blob.
        digest: Digest,
        /// Where it is; the client may leave that to the registry.
        from: Option<RepositoryName>,
        /// As in a session, should it come to one.
        algorithm: Option<Algorithm>,
    },
}

/// Which part of a list is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Page {
    /// At most so many entries; a number beyond 64 bits is the largest there is.
    pub n: Option<u64>,
    /// Only entries after this one, which need not exist.
    pub last: Option<String>,
}

// === impl Method ===

impl Method {
    /// The method of this name. Names of methods are in capitals.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "PATCH" => Self::Patch,
            "DELETE" => Self::Delete,
            "OPTIONS" => Self::Options,
            _ => return None,
        })
    }
}

// === impl Route ===

impl Route {
    /// The repository that is asked for, if it is one.
    pub const fn name(&self) -> Option<&RepositoryName> {
        match self {
            Self::Root
            | Self::Base
            | Self::BaseWithoutSlash
            | Self::Catalog { .. }
            | Self::Options { .. } => None,
            Self::ListTags { name, .. }
            | Self::ListReferrers { name, .. }
            | Self::GetManifest { name, .. }
            | Self::HeadManifest { name, .. }
            | Self::PutManifest { name, .. }
            | Self::DeleteManifest { name, .. }
            | Self::GetBlob { name, .. }
            | Self::HeadBlob { name, .. }
            | Self::DeleteBlob { name, .. }
            | Self::BeginUpload { name, .. }
            | Self::UploadStatus { name, .. }
            | Self::AppendUpload { name, .. }
            | Self::FinishUpload { name, .. }
            | Self::CancelUpload { name, .. } => Some(name),
        }
    }
}

#[cfg(test)]
mod tests;
