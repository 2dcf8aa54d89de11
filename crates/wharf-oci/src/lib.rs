#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod accept;
mod content_range;
mod descriptor;
mod digest;
mod error_code;
mod etag;
mod hasher;
mod lenient;
mod manifest;
mod media_type;
mod names;
mod range;
mod reference;
mod route;
mod text;

pub use accept::Accept;
pub use content_range::{ContentRange, ContentRangeError, UploadRange};
pub use descriptor::{Descriptor, Platform};
pub use digest::{Algorithm, AlgorithmError, Digest, DigestError};
pub use error_code::{ErrorBody, ErrorCode, ErrorEntry};
pub use etag::{etag, etag_matches, if_range_matches};
pub use hasher::Hasher;
pub use manifest::{Manifest, ManifestError};
pub use media_type::{ManifestKind, MediaType, MediaTypeError};
pub use names::{NameError, RepositoryName, Tag, TagError, UploadId, UploadIdError};
pub use range::{ByteRange, MAX_RANGES, RangeError, RangeSet, RangeSpec, Resolved, Unsatisfiable};
pub use reference::{Reference, ReferenceError, referrers_tag};
pub use route::{
    BeginUpload, CATALOG_PATH, MAX_TAGS, Method, Page, Route, RouteError, blob_path, manifest_path,
    next_link, query_value, referrers_path, tags_path, upload_path,
};
