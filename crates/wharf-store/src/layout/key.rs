//! Every name the tree has. If it is not here, it is not on disk.
//!
//! ```text
//! docker/registry/v2/
//!   blobs/<alg>/<first 2 hex>/<hex>/data                     the bytes of every blob and manifest
//!   repositories/<name>/
//!     _layers/<alg>/<hex>/link                               this repository holds that blob
//!     _manifests/revisions/<alg>/<hex>/link                  … that manifest
//!     _manifests/tags/<tag>/current/link                     what the tag means
//!     _manifests/tags/<tag>/index/<alg>/<hex>/link           what it has ever meant
//!     _manifests/referrers/<alg>/<subject hex>/<alg>/<hex>/descriptor    ours: who refers to that subject
//!     _uploads/<id>/data                                     bytes of an unfinished upload
//!     _uploads/<id>/startedat                                RFC 3339, UTC, whole seconds
//!     _uploads/<id>/wharf-upload                             ours: offset and hash state
//!     _uploads/<id>/wharf-data/<name>                        ours, in buckets: the bytes, written in parts
//!     _uploads/<id>/wharf-pieces/<name>                      ours, in buckets: bytes that are not a part yet
//! wharf/
//!   renewed/<alg>/<hex>                                      ours, in buckets: the time of this object renews that blob
//! ```
//! A link holds the text of a digest and nothing else. The folder `referrers` and what begins with `wharf-` are ours; the
//! registries we succeed neither read nor mind them.

use wharf_oci::{Algorithm, Digest, RepositoryName, Tag};

use crate::UploadKey;

/// Where the tree begins, below the root of the store.
const ROOT: &str = "docker/registry/v2";

/// The longest object of the tree but for those below: a link has 136 bytes at most.
const LINK_BYTES: usize = 64 * 1024;

/// The longest entry among referrers, which has a manifest's annotations, escaped; and the longest record of an upload, which
/// in a bucket holds bytes of the upload.
const ENTRY_BYTES: usize = 32 * 1024 * 1024;

/// What a path usually has room in: a link to a sha256 digest in a repository with a long name.
const USUAL_BYTES: usize = 192;

/// The name of one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key<'a> {
    /// The bytes of a blob.
    BlobData(&'a Digest),
    /// A repository holds a blob.
    LayerLink(&'a RepositoryName, &'a Digest),
    /// A repository holds a manifest.
    RevisionLink(&'a RepositoryName, &'a Digest),
    /// What a tag means.
    TagLink(&'a RepositoryName, &'a Tag),
    /// One of the things a tag has meant.
    TagIndexLink(&'a RepositoryName, &'a Tag, &'a Digest),
    /// The descriptor of a manifest (second digest) that refers to a subject (first digest).
    Referrer(&'a RepositoryName, &'a Digest, &'a Digest),
    /// The bytes of an unfinished upload.
    UploadData(&'a UploadKey),
    /// When an upload was begun.
    UploadStartedAt(&'a UploadKey),
    /// What we know of an upload's bytes.
    UploadRecord(&'a UploadKey),
    /// The bytes of an unfinished upload in a bucket. The name is never used twice, so that nobody completes over it.
    UploadParts(&'a UploadKey, &'a str),
    /// Some bytes of an unfinished upload in a bucket, too few for a part.
    UploadPiece(&'a UploadKey, &'a str),
    /// A blob of a bucket was renewed when this was written: there it is never copied to make it young.
    Renewed(&'a Digest),
}

/// The name of a level of the tree that is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dir<'a> {
    /// Repositories directly below a path of name components (empty for the top).
    Repositories(&'a str),
    /// The blobs a repository holds under one algorithm.
    Layers(&'a RepositoryName, Algorithm),
    /// The manifests a repository holds under one algorithm.
    Revisions(&'a RepositoryName, Algorithm),
    /// The tags of a repository.
    Tags(&'a RepositoryName),
    /// What a tag has ever meant.
    TagIndex(&'a RepositoryName, &'a Tag),
    /// Manifests of one algorithm that refer to a subject.
    Referrers(&'a RepositoryName, &'a Digest, Algorithm),
    /// The unfinished uploads of a repository.
    Uploads(&'a RepositoryName),
    /// All that belongs to one unfinished upload.
    Upload(&'a UploadKey),
    /// Stored blobs: the two-digit folders of an algorithm.
    BlobPrefixes(Algorithm),
    /// Stored blobs: the digests in a two-digit folder.
    Blobs(Algorithm, &'a str),
}

// === impl Key ===

impl Key<'_> {
    /// The path below the store's root.
    pub fn path(&self) -> String {
        match self {
            Self::BlobData(digest) => {
                let mut path = text(&["/blobs/", digest.algorithm().as_str(), "/"]);
                digest.push_hex(&mut path);
                // The first two digits are a folder of their own, before all of them.
                let digits = path.len() - digest.algorithm().hex_len();
                path.truncate(digits + 2);
                path.push('/');
                digest.push_hex(&mut path);
                with(path, &["/data"])
            }
            Self::LayerLink(name, digest) => {
                let path = text(&["/repositories/", name.as_str(), "/_layers/"]);
                with(two_levels(path, digest), &["/link"])
            }
            Self::RevisionLink(name, digest) => {
                let path = text(&["/repositories/", name.as_str(), "/_manifests/revisions/"]);
                with(two_levels(path, digest), &["/link"])
            }
            Self::TagLink(name, tag) => {
                text(&["/repositories/", name.as_str(), "/_manifests/tags/", tag.as_str(), "/current/link"])
            }
            Self::TagIndexLink(name, tag, digest) => {
                let tags = text(&["/repositories/", name.as_str(), "/_manifests/tags/"]);
                with(two_levels(with(tags, &[tag.as_str(), "/index/"]), digest), &["/link"])
            }
            Self::Referrer(name, subject, digest) => {
                let path = two_levels(referrers(name), subject);
                with(two_levels(with(path, &["/"]), digest), &["/descriptor"])
            }
            Self::UploadData(key) => with(upload(key), &["/data"]),
            Self::UploadStartedAt(key) => with(upload(key), &["/startedat"]),
            Self::UploadRecord(key) => with(upload(key), &["/wharf-upload"]),
            Self::UploadParts(key, name) => with(upload(key), &["/wharf-data/", name]),
            Self::UploadPiece(key, name) => with(upload(key), &["/wharf-pieces/", name]),
            Self::Renewed(digest) => two_levels("wharf/renewed/".to_owned(), digest),
        }
    }

    /// The most bytes that an object under this key can have and mean something. Of a longer one, such as a foreign file, a
    /// store reads one byte more than these.
    pub fn most_bytes(&self) -> usize {
        match self {
            Self::LayerLink(..)
            | Self::RevisionLink(..)
            | Self::TagLink(..)
            | Self::TagIndexLink(..)
            | Self::UploadStartedAt(_)
            | Self::Renewed(_) => LINK_BYTES,
            Self::Referrer(..) | Self::UploadRecord(_) => ENTRY_BYTES,
            Self::BlobData(_) | Self::UploadData(_) | Self::UploadParts(..) | Self::UploadPiece(..) => {
                usize::MAX
            }
        }
    }

    /// How many of the innermost folders on the path belong to this object alone, and go with it.
    ///
    /// The folders above them stay for ever once made, in this registry as in the ones it succeeds.
    pub fn own_folders(&self) -> usize {
        match self {
            Self::BlobData(_) | Self::LayerLink(..) | Self::RevisionLink(..) => 1,
            Self::UploadData(_) | Self::UploadStartedAt(_) | Self::UploadRecord(_) => 1,
            Self::Renewed(_) => 0,
            Self::TagLink(..) | Self::UploadParts(..) | Self::UploadPiece(..) => 2,
            Self::Referrer(..) => 3,
            Self::TagIndexLink(..) => 4,
        }
    }
}

// === impl Dir ===

impl Dir<'_> {
    /// The path below the store's root.
    pub fn path(&self) -> String {
        match self {
            Self::Repositories("") => text(&["/repositories"]),
            Self::Repositories(prefix) => text(&["/repositories/", prefix]),
            Self::Layers(name, algorithm) => {
                text(&["/repositories/", name.as_str(), "/_layers/", algorithm.as_str()])
            }
            Self::Revisions(name, algorithm) => {
                text(&["/repositories/", name.as_str(), "/_manifests/revisions/", algorithm.as_str()])
            }
            Self::Tags(name) => text(&["/repositories/", name.as_str(), "/_manifests/tags"]),
            Self::TagIndex(name, tag) => format!("{}/_manifests/tags/{tag}/index", repository(name)),
            Self::Referrers(name, subject, algorithm) => {
                with(two_levels(referrers(name), subject), &["/", algorithm.as_str()])
            }
            Self::Uploads(name) => format!("{}/_uploads", repository(name)),
            Self::Upload(key) => upload(key),
            Self::BlobPrefixes(algorithm) => format!("{ROOT}/blobs/{algorithm}"),
            Self::Blobs(algorithm, prefix) => format!("{ROOT}/blobs/{algorithm}/{prefix}"),
        }
    }

    /// What a name below this level must hold to count: a folder that an interrupted write or delete left does not.
    pub fn holding(&self) -> Option<&'static str> {
        match self {
            Self::Repositories(_)
            | Self::TagIndex(..)
            | Self::Uploads(_)
            | Self::Upload(_)
            | Self::BlobPrefixes(_) => None,
            Self::Layers(..) | Self::Revisions(..) => Some("link"),
            Self::Tags(_) => Some("current/link"),
            Self::Referrers(..) => Some("descriptor"),
            Self::Blobs(..) => Some("data"),
        }
    }
}

fn repository(name: &RepositoryName) -> String {
    format!("{ROOT}/repositories/{name}")
}

fn upload(key: &UploadKey) -> String {
    format!("{}/_uploads/{}", repository(&key.repository), key.id)
}

fn referrers(name: &RepositoryName) -> String {
    text(&["/repositories/", name.as_str(), "/_manifests/referrers/"])
}

fn two_levels(path: String, digest: &Digest) -> String {
    let mut path = with(path, &[digest.algorithm().as_str(), "/"]);
    digest.push_hex(&mut path);
    path
}

/// The root and what follows, with room for most paths: every request makes some, and each should be one allocation.
fn text(parts: &[&str]) -> String {
    let mut path = String::with_capacity(
        USUAL_BYTES.max(ROOT.len() + parts.iter().map(|part| part.len()).sum::<usize>()),
    );
    path.push_str(ROOT);
    with(path, parts)
}

fn with(mut path: String, parts: &[&str]) -> String {
    for part in parts {
        path.push_str(part);
    }
    path
}
