//! Tags (end-8) and repositories.

use wharf_oci::{RepositoryName, Tag};
use wharf_store::Page;

use crate::error::{Error, Result};
use crate::registry::Registry;

impl Registry {
    /// A page of the repository's tags, in byte order.
    pub async fn tags(
        &self,
        repository: &RepositoryName,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<Tag>> {
        let page = self.metadata().tags(repository, after, limit).await.map_err(Error::store)?;
        // Only where nothing is to be shown does it matter whether the repository exists.
        if page.items.is_empty() && !self.metadata().exists(repository).await.map_err(Error::store)? {
            return Err(Error::RepositoryUnknown { repository: repository.clone() });
        }
        Ok(page)
    }

    /// A page of all repositories, in byte order of the whole name.
    pub async fn repositories(&self, after: Option<&str>, limit: usize) -> Result<Page<RepositoryName>> {
        self.metadata().repositories(None, after, limit).await.map_err(Error::store)
    }
}
