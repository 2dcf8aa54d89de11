//! The memory store keeps the promises.

use std::sync::Arc;

use crate::{LayoutMetadata, MemoryStore};

crate::blob_store_suite!(((), MemoryStore::default()));
crate::objects_suite!(((), MemoryStore::default()));
crate::metadata_store_suite!(((), LayoutMetadata::new(Arc::new(MemoryStore::default()))));
