//! Which operation of S3 a request is: told from its method, its address and one header.

use http::{HeaderMap, Method, Uri};
use percent_encoding::percent_decode_str;

/// The operations that a registry uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operation {
    /// Reads an object or a part of it.
    GetObject,
    /// Asks about an object.
    HeadObject,
    /// Writes an object whole.
    PutObject,
    /// Takes an object away.
    DeleteObject,
    /// Takes many objects away.
    DeleteObjects,
    /// Copies an object whole.
    CopyObject,
    /// Lists objects.
    ListObjects,
    /// Opens an object in parts.
    CreateMultipartUpload,
    /// Writes a part.
    UploadPart,
    /// Makes a part of another object.
    UploadPartCopy,
    /// Publishes an object in parts.
    CompleteMultipartUpload,
    /// Gives up an object in parts.
    AbortMultipartUpload,
    /// Lists the parts of an object that is not finished.
    ListParts,
    /// Lists the objects that are not finished.
    ListMultipartUploads,
    /// Whatever else there is: asking about a bucket, making one.
    Other,
}

/// What a request asks for, and of what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) operation: Operation,
    pub(super) bucket: String,
    pub(super) key: String,
}

// === impl Asked ===

impl Asked {
    pub(super) fn of(method: &Method, uri: &Uri, headers: &HeaderMap) -> Self {
        let path = percent_decode_str(uri.path().trim_start_matches('/')).decode_utf8_lossy().into_owned();
        let (bucket, key) = path.split_once('/').unwrap_or((&path, ""));
        let copies = headers.contains_key("x-amz-copy-source");
        let operation = match key {
            "" => of_bucket(method, uri),
            _ => of_object(method, uri, copies),
        };
        Self { operation, bucket: bucket.to_owned(), key: key.to_owned() }
    }
}

fn of_bucket(method: &Method, uri: &Uri) -> Operation {
    match method.as_str() {
        "GET" if asks(uri, "uploads") => Operation::ListMultipartUploads,
        "GET" if asks(uri, "location") => Operation::Other,
        "GET" => Operation::ListObjects,
        "POST" if asks(uri, "delete") => Operation::DeleteObjects,
        _ => Operation::Other,
    }
}

fn of_object(method: &Method, uri: &Uri, copies: bool) -> Operation {
    let in_parts = asks(uri, "uploadId");
    match (method.as_str(), in_parts) {
        ("GET", true) => Operation::ListParts,
        ("GET", false) => Operation::GetObject,
        ("HEAD", _) => Operation::HeadObject,
        ("PUT", true) if copies => Operation::UploadPartCopy,
        ("PUT", true) => Operation::UploadPart,
        ("PUT", false) if copies => Operation::CopyObject,
        ("PUT", false) => Operation::PutObject,
        ("POST", true) => Operation::CompleteMultipartUpload,
        ("POST", false) if asks(uri, "uploads") => Operation::CreateMultipartUpload,
        ("DELETE", true) => Operation::AbortMultipartUpload,
        ("DELETE", false) => Operation::DeleteObject,
        _ => Operation::Other,
    }
}

/// Whether the query has a parameter of this name.
fn asks(uri: &Uri, name: &str) -> bool {
    let query = uri.query().unwrap_or_default();
    query.split('&').any(|pair| pair.split('=').next() == Some(name))
}
