//! The middleware `rewrite`: the addresses of whatever is below it, at another host.
//!
//! Nothing is decoded and encoded again, for a signature covers every letter; whoever changes what it covers has a proxy
//! there that changes it back.

use std::sync::Arc;

use async_trait::async_trait;
use wharf_oci::Digest;
use wharf_store::{BlobUrls, Result};

/// What is changed; what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RewriteOptions {
    /// Another scheme.
    pub scheme: Option<String>,
    /// Another host, perhaps with a port.
    pub host: Option<String>,
    /// What is taken off the beginning of the path, where it begins so.
    pub trim_path_prefix: Option<String>,
}

/// Changed addresses.
#[derive(Debug)]
pub struct Rewrite {
    inner: Arc<dyn BlobUrls>,
    options: RewriteOptions,
}

// === impl Rewrite ===

impl Rewrite {
    /// Changes what `inner` gives.
    pub fn new(inner: Arc<dyn BlobUrls>, options: RewriteOptions) -> Self {
        Self { inner, options }
    }

    /// The address changed; one that is no URL with a host stays as it is.
    fn changed(&self, url: String) -> String {
        let Some((scheme, rest)) = url.split_once("://") else { return url };
        let end_of_host = rest.find(['/', '?']).unwrap_or(rest.len());
        let (host, rest) = rest.split_at(end_of_host);
        let end_of_path = rest.find('?').unwrap_or(rest.len());
        let (path, query) = rest.split_at(end_of_path);
        let path = self
            .options
            .trim_path_prefix
            .as_deref()
            .and_then(|prefix| path.strip_prefix(prefix))
            .unwrap_or(path);
        let slash = if path.starts_with('/') { "" } else { "/" };
        let scheme = self.options.scheme.as_deref().unwrap_or(scheme);
        let host = self.options.host.as_deref().unwrap_or(host);
        format!("{scheme}://{host}{slash}{path}{query}")
    }
}

#[async_trait]
impl BlobUrls for Rewrite {
    async fn url(&self, digest: &Digest) -> Result<Option<String>> {
        Ok(self.inner.url(digest).await?.map(|url| self.changed(url)))
    }
}
