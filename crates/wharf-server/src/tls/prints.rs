//! Whether files are the ones they were: what the file system says of each, without opening any.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::config::TlsConfig;

/// What the file system says of every file of a configuration, in a fixed order.
///
/// Links are followed, so that a link which leads elsewhere, as in a mounted secret of a cluster, is a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Prints(Vec<Option<Print>>);

/// One file. The time of the last change to its inode cannot be set back, as that of its contents can.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Print {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

// === impl Prints ===

impl Prints {
    pub(super) fn of(config: &TlsConfig) -> Self {
        let authorities = config.clients.iter().flat_map(|clients| &clients.authorities);
        let files = [&config.certificate, &config.key].into_iter().chain(authorities);
        Self(files.map(|path| Print::of(path)).collect())
    }
}

// === impl Print ===

impl Print {
    /// `None` if there is nothing to say; reading the file will tell why.
    fn of(path: &Path) -> Option<Self> {
        let found = std::fs::metadata(path).ok()?;
        Some(Self {
            device: found.dev(),
            inode: found.ino(),
            size: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        })
    }
}
