//! The paths that answers point to. What [`Route::parse`](super::Route::parse) reads, these write.
//!
//! Host, scheme and prefix are the edge's.

use std::fmt::Write;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{Digest, RepositoryName, UploadId};

/// The path of the catalog.
pub const CATALOG_PATH: &str = "/v2/_catalog";

/// All but RFC 3986's unreserved characters.
const IN_QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The `<blob-location>` of end-2.
pub fn blob_path(name: &RepositoryName, digest: &Digest) -> String {
    format!("/v2/{name}/blobs/{digest}")
}

/// The `<location>` of a manifest by its digest (end-3).
pub fn manifest_path(name: &RepositoryName, digest: &Digest) -> String {
    format!("/v2/{name}/manifests/{digest}")
}

/// The `<blob-push-location>` of end-5 and end-6, with the offset the upload has reached.
pub fn upload_path(name: &RepositoryName, id: &UploadId, offset: u64) -> String {
    format!("/v2/{name}/blobs/uploads/{id}?_state={offset}")
}

/// The list of tags (end-8a).
pub fn tags_path(name: &RepositoryName) -> String {
    format!("/v2/{name}/tags/list")
}

/// The list of referrers (end-12a).
pub fn referrers_path(name: &RepositoryName, subject: &Digest) -> String {
    format!("/v2/{name}/referrers/{subject}")
}

/// The `Link` to the next page of a list (RFC 8288): `path` as the functions here give it, with `params` in
/// their order. The old registry writes `last` before `n`.
pub fn next_link(path: &str, params: &[(&str, &str)]) -> String {
    let mut link = format!("<{path}");
    for (index, (name, value)) in params.iter().enumerate() {
        let separator = if index == 0 { '?' } else { '&' };
        let name = utf8_percent_encode(name, IN_QUERY);
        let value = utf8_percent_encode(value, IN_QUERY);
        // Writing to a `String` cannot fail.
        let _ = write!(link, "{separator}{name}={value}");
    }
    link.push_str(">; rel=\"next\"");
    link
}
