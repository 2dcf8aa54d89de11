//! The middleware `redirect`: another server has the same tree, and gives it to anybody.

use async_trait::async_trait;
use wharf_oci::Digest;
use wharf_store::layout::Key;
use wharf_store::{BlobUrls, Result};

/// Unsigned addresses below one URL.
#[derive(Debug, Clone)]
pub struct Redirect {
    base: String,
}

// === impl Redirect ===

impl Redirect {
    /// Addresses below `base`, a URL that may have a path.
    pub fn new(base: &str) -> Self {
        Self { base: base.trim_end_matches('/').to_owned() }
    }
}

#[async_trait]
impl BlobUrls for Redirect {
    async fn url(&self, digest: &Digest) -> Result<Option<String>> {
        Ok(Some(format!("{}/{}", self.base, Key::BlobData(digest).path())))
    }
}
