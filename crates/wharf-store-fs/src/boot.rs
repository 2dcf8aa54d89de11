//! Which start of the machine this is.

use std::sync::Arc;

/// A name for the time since the kernel was started.
///
/// What was written since then is in the page cache or on the disk; what was written before may have died with the page
/// cache. So a note about unsynced bytes is worth something only within one boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boot(Arc<str>);

impl Boot {
    /// The running kernel's own name for it.
    pub fn current() -> Self {
        match std::fs::read_to_string("/proc/sys/kernel/random/boot_id") {
            Ok(id) => Self(id.trim().into()),
            // A kernel that does not say: then no two processes share a boot, and each reads again what another wrote.
            Err(_) => Self(uuid::Uuid::now_v7().to_string().into()),
        }
    }

    /// A boot by another name, for tests of what happens after one.
    pub fn named(name: &str) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
