//! The port that knows where else a blob can be had.

use std::fmt;

use async_trait::async_trait;
use wharf_oci::Digest;

use crate::error::Result;

/// Addresses under which clients may fetch blobs themselves, past the registry.
///
/// # Contract
/// - An address serves exactly the bytes of the blob, whole or by ranges, to a GET without any credentials of the
///   registry's, for at least as long as a client needs to begin.
/// - `None` means that this blob is to be read through the registry; an error means that nobody could tell.
#[async_trait]
pub trait BlobUrls: fmt::Debug + Send + Sync + 'static {
    /// An address of the blob `digest`, which the caller has found to be there.
    async fn url(&self, digest: &Digest) -> Result<Option<String>>;
}
