//! The descriptor cache: who remembers how long blobs are (`storage.cache`).
//!
//! It knows where sizes are kept, and nothing of who asks for them or why.

use std::sync::Arc;

use wharf_core::{BlobSizes, MemorySizes, SystemClock};
use wharf_store::Grace;

use crate::config::CacheConfig;

mod link;
mod redis;

pub use self::redis::RedisSizes;

/// What the operator asked for. Nothing is connected yet: a server starts while Redis is down.
///
/// # Errors
/// A file of `redis.tls` that cannot be read or used.
pub fn open(config: &CacheConfig, grace: Grace) -> anyhow::Result<Arc<dyn BlobSizes>> {
    Ok(match config {
        CacheConfig::Memory { entries } => Arc::new(MemorySizes::new(*entries, grace, Arc::new(SystemClock))),
        CacheConfig::Redis(redis) => Arc::new(RedisSizes::open(redis, grace)?),
    })
}
