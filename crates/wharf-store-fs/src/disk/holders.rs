//! Which of the names in a folder was found to hold what makes it count, the last time somebody asked for any.
//!
//! Not an answer but a place to look first: whether it still does is asked of the file system each time, and if it does
//! not, all others are looked at. So it may be out of date, and even of another folder, and no answer changes.

use std::fmt;
use std::hash::{BuildHasher, RandomState};

use quick_cache::sync::Cache;

use super::listing::{Each, FACTS};

/// How long the names are that are kept: digests of sha256, as nearly all.
const NAME_BYTES: usize = 64;

/// Names by the hash of the folder's path: 14 MiB at most.
pub(super) struct Holders {
    names: Cache<u64, [u8; NAME_BYTES], Each>,
    hash: RandomState,
}

impl Holders {
    /// The name to look at first in the folder at `path`.
    pub(super) fn of(&self, path: &str) -> Option<String> {
        String::from_utf8(self.names.get(&self.hash.hash_one(path))?.to_vec()).ok()
    }

    pub(super) fn note(&self, path: &str, name: &str) {
        if let Ok(name) = name.as_bytes().try_into() {
            self.names.insert(self.hash.hash_one(path), name);
        }
    }
}

impl Default for Holders {
    fn default() -> Self {
        Self { names: Cache::with_weighter(64, FACTS, Each), hash: RandomState::new() }
    }
}

impl fmt::Debug for Holders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Holders").field("folders", &self.names.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::disk::{Disk, Level};
    use crate::{Fsync, ProcessLocks};

    #[test]
    fn where_it_was_found_last_is_never_believed() {
        let root = tempfile::tempdir().unwrap();
        let disk = Disk::open(root.path().to_owned(), Fsync::None, ProcessLocks::Detect).unwrap();
        let level =
            Level { path: "folder".to_owned(), holding: Some("link"), repositories: false, own_folders: 0 };
        let names = ["a", "b"].map(|letter| root.path().join("folder").join(letter.repeat(64)));
        let has = || disk.has_children(&level).unwrap();
        assert!(!has());
        for name in &names {
            fs::create_dir_all(name).unwrap();
            fs::write(name.join("link"), "").unwrap();
            assert!(has() && has());
            assert!(disk.holders.of("folder").is_some());
            // As a delete that was cut off leaves it: the folder is there, and its times are what they were.
            fs::remove_file(name.join("link")).unwrap();
            assert!(!has());
        }
        fs::write(names[0].join("link"), "").unwrap();
        assert!(has());
    }
}
