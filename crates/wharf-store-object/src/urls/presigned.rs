//! Addresses that the cloud itself signs: the object in the bucket, for anybody, for a while.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use wharf_oci::Digest;
use wharf_store::layout::Key;
use wharf_store::{BlobUrls, Clock, Result};

use super::kept::Kept;
use crate::cloud::Cloud;

/// How addresses are made.
#[derive(Debug, Clone)]
pub struct PresignedOptions {
    /// What stands before every key of the tree: empty, or with a slash at its end.
    pub root: String,
    /// How long an address is good (`redirectlifetime`).
    pub lifetime: Duration,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
}

/// Addresses signed by a cloud.
#[derive(Debug)]
pub struct Presigned {
    cloud: Arc<dyn Cloud>,
    options: PresignedOptions,
    kept: Kept,
}

// === impl Presigned ===

impl Presigned {
    /// Addresses signed by `cloud`, which need not be the one that blobs are read from: the host is part of what is signed,
    /// so another host for clients (`redirectendpoint`) is another cloud.
    pub fn new(cloud: Arc<dyn Cloud>, options: PresignedOptions) -> Self {
        let kept = Kept::new(options.lifetime, Arc::clone(&options.clock));
        Self { cloud, options, kept }
    }
}

#[async_trait]
impl BlobUrls for Presigned {
    async fn url(&self, digest: &Digest) -> Result<Option<String>> {
        let sign = async |_end| {
            let key = format!("{}{}", self.options.root, Key::BlobData(digest).path());
            self.cloud.signed_url(&key, self.options.lifetime).await
        };
        let credential = self.cloud.signing_credential().await?;
        self.kept.get(digest, credential, sign).await
    }
}
