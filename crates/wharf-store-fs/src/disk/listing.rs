//! The names in a folder, sorted, and kept while the folder stands as it was.
//!
//! A page of a hundred tags must not cost reading a hundred thousand names and sorting them. A long listing is kept in
//! memory, and believed while the folder's own times are those of the moment before it was read. A folder that changed
//! less than two seconds before that is not kept: the clock of a file system may be too coarse to show a second change.
//!
//! Of a folder with nothing in it only that is kept: below nearly every repository there is no other, and a page of the
//! catalog asks each.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use rustix::fs::{CWD, StatxFlags};

use super::absent_as_none;

/// What all listings kept may come to, in bytes: two million names of a usual length.
const CACHE_BYTES: u64 = 32 * 1024 * 1024;

/// A shorter listing is read again in the time it takes to look it up.
const WORTH_KEEPING: usize = 128;

/// How many small facts, each about a folder, are kept: enough for a registry of a hundred thousand repositories.
pub(super) const FACTS: u64 = 131_072;

/// How long a folder must have been left alone before its times can be believed: the coarsest clock of any file system
/// in use (FAT, and some network file systems).
const SETTLED: Duration = Duration::from_secs(2);

/// Names in byte order, one after the other in one buffer.
#[derive(Debug)]
pub(super) struct Listing {
    stamp: Stamp,
    text: String,
    /// Where each name ends.
    ends: Vec<u32>,
}

/// A folder's identity and times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: (u32, u32),
    inode: u64,
    modified: (i64, u32),
    changed: (i64, u32),
}

/// Listings by folder.
pub(super) struct Listings {
    long: Cache<PathBuf, Arc<Listing>, ByBytes>,
    /// Folders with nothing in them, by the hash of their paths: 12 MiB at most. Two paths of one hash do no harm, for the
    /// stamp says which folder it is.
    empty: Cache<u64, Stamp, Each>,
    hash: RandomState,
}

/// Which names in a folder are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    All,
    /// Those that can be a part of a repository's name: `_layers` and its like cannot.
    Repositories,
}

/// Every entry weighs the same.
#[derive(Clone)]
pub(super) struct Each;

impl<K, V> Weighter<K, V> for Each {
    fn weight(&self, _key: &K, _value: &V) -> u64 {
        1
    }
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<PathBuf, Arc<Listing>> for ByBytes {
    fn weight(&self, folder: &PathBuf, listing: &Arc<Listing>) -> u64 {
        (folder.as_os_str().len() + listing.text.capacity() + 4 * listing.ends.capacity() + 256) as u64
    }
}

// === impl Listing ===

impl Listing {
    fn read(folder: &Path, wanted: Wanted, stamp: Stamp) -> io::Result<Self> {
        let (mut text, mut names) = (String::new(), Vec::new());
        for name in names_in(folder)? {
            let name = name?;
            if wanted == Wanted::Repositories && name.starts_with('_') {
                continue;
            }
            names.push((text.len(), name.len()));
            text.push_str(&name);
        }
        let name = |&(start, length): &(usize, usize)| &text[start..start + length];
        names.sort_unstable_by(|a, b| name(a).cmp(name(b)));
        let mut listing =
            Self { stamp, text: String::with_capacity(text.len()), ends: Vec::with_capacity(names.len()) };
        for each in &names {
            listing.text.push_str(name(each));
            let end = u32::try_from(listing.text.len());
            listing.ends.push(end.map_err(|_| io::Error::other("the names in it are 4 GiB long"))?);
        }
        Ok(listing)
    }

    fn name(&self, index: usize) -> &str {
        let start = if index == 0 { 0 } else { self.ends[index - 1] as usize };
        &self.text[start..self.ends[index] as usize]
    }

    /// The names after `after`, in order.
    pub(super) fn after(&self, after: Option<&str>) -> impl Iterator<Item = &str> {
        let first = after.map_or(0, |after| self.first_after(after));
        (first..self.ends.len()).map(|index| self.name(index))
    }

    fn first_after(&self, after: &str) -> usize {
        let (mut low, mut high) = (0, self.ends.len());
        while low < high {
            let middle = low.midpoint(high);
            if self.name(middle) <= after {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}

// === impl Stamp ===

impl Stamp {
    fn of(folder: &Path) -> io::Result<Self> {
        let wanted = StatxFlags::INO | StatxFlags::MTIME | StatxFlags::CTIME;
        let stat = rustix::fs::statx(CWD, folder, rustix::fs::AtFlags::empty(), wanted)?;
        Ok(Self {
            device: (stat.stx_dev_major, stat.stx_dev_minor),
            inode: stat.stx_ino,
            modified: (stat.stx_mtime.tv_sec, stat.stx_mtime.tv_nsec),
            changed: (stat.stx_ctime.tv_sec, stat.stx_ctime.tv_nsec),
        })
    }

    /// Whether a later change is sure to show in the times.
    fn is_settled(&self, now: SystemTime) -> bool {
        let (seconds, nanoseconds) = self.modified.max(self.changed);
        let last = Duration::new(u64::try_from(seconds).unwrap_or(0), nanoseconds);
        now.duration_since(SystemTime::UNIX_EPOCH + last).is_ok_and(|age| age > SETTLED)
    }
}

// === impl Listings ===

impl Default for Listings {
    fn default() -> Self {
        Self {
            long: Cache::with_weighter(64, CACHE_BYTES, ByBytes),
            empty: Cache::with_weighter(64, FACTS, Each),
            hash: RandomState::new(),
        }
    }
}

impl Listings {
    /// The names in `folder` as they are at `now`; `None` if it does not exist. A folder is always asked for the same ones.
    pub(super) fn get(
        &self,
        folder: &Path,
        wanted: Wanted,
        now: SystemTime,
    ) -> io::Result<Option<Arc<Listing>>> {
        let Some(stamp) = absent_as_none(Stamp::of(folder))? else { return Ok(None) };
        let hash = self.hash.hash_one(folder.as_os_str());
        if self.empty.get(&hash) == Some(stamp) {
            return Ok(Some(Arc::new(Listing { stamp, text: String::new(), ends: Vec::new() })));
        }
        if let Some(kept) = self.long.get(folder)
            && kept.stamp == stamp
        {
            return Ok(Some(kept));
        }
        // Whatever changes while it is read changes the times, and is not settled then.
        let Some(listing) = absent_as_none(Listing::read(folder, wanted, stamp))? else { return Ok(None) };
        let listing = Arc::new(listing);
        if stamp.is_settled(now) {
            if listing.ends.is_empty() {
                self.empty.insert(hash, stamp);
            } else if listing.ends.len() >= WORTH_KEEPING {
                self.long.insert(folder.to_owned(), Arc::clone(&listing));
            }
        }
        Ok(Some(listing))
    }
}

impl fmt::Debug for Listings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listings").field("long", &self.long.len()).field("empty", &self.empty.len()).finish()
    }
}

/// The names of the folders in `folder`. One that is not UTF-8 is not ours.
fn names_in(folder: &Path) -> io::Result<impl Iterator<Item = io::Result<String>> + use<>> {
    Ok(std::fs::read_dir(folder)?.filter_map(|entry| match entry {
        Ok(entry) if entry.file_type().is_ok_and(|kind| kind.is_file()) => None,
        Ok(entry) => entry.file_name().into_string().ok().map(Ok),
        Err(error) => Some(Err(error)),
    }))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const LATER: Duration = Duration::from_secs(60);

    fn folder(names: usize) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in 0..names {
            fs::create_dir(folder.path().join(format!("n{name:04}"))).unwrap();
        }
        folder
    }

    fn names(listing: &Listing, after: Option<&str>) -> Vec<String> {
        listing.after(after).map(str::to_owned).collect()
    }

    #[test]
    fn names_come_in_byte_order_after_any_name() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b", "a", "a-b", "a.c", "B", "é"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        fs::write(folder.path().join("file"), "").unwrap();
        let listing =
            Listings::default().get(folder.path(), Wanted::All, SystemTime::now()).unwrap().unwrap();
        assert_eq!(names(&listing, None), ["B", "a", "a-b", "a.c", "b", "é"]);
        for (after, expected) in [("", 6), ("A", 6), ("B", 5), ("a", 4), ("a-", 4), ("a.c", 2), ("é", 0)] {
            assert_eq!(names(&listing, Some(after)).len(), expected, "{after}");
        }
    }

    #[test]
    fn a_folder_left_alone_is_read_once() {
        let (listings, folder) = (Listings::default(), folder(WORTH_KEEPING));
        let first = listings.get(folder.path(), Wanted::All, SystemTime::now() + LATER).unwrap().unwrap();
        let second = listings.get(folder.path(), Wanted::All, SystemTime::now() + LATER).unwrap().unwrap();
        assert!(Arc::ptr_eq(&first, &second));
    }

    #[test]
    fn every_change_shows_at_once() {
        let (listings, folder) = (Listings::default(), folder(WORTH_KEEPING));
        let look = |now| names(&listings.get(folder.path(), Wanted::All, now).unwrap().unwrap(), None);
        let before = look(SystemTime::now() + LATER);
        fs::create_dir(folder.path().join("new")).unwrap();
        assert_eq!(look(SystemTime::now() + LATER).len(), before.len() + 1);
        fs::remove_dir(folder.path().join("new")).unwrap();
        assert_eq!(look(SystemTime::now() + LATER), before);
        // Another folder under the same name, of the same age.
        let aside = folder.path().with_extension("aside");
        fs::rename(folder.path(), &aside).unwrap();
        assert!(listings.get(folder.path(), Wanted::All, SystemTime::now() + LATER).unwrap().is_none());
        fs::create_dir(folder.path()).unwrap();
        assert!(look(SystemTime::now() + LATER).is_empty());
        fs::remove_dir_all(aside).unwrap();
    }

    #[test]
    fn a_folder_that_has_just_changed_is_not_kept() {
        let (listings, folder) = (Listings::default(), folder(WORTH_KEEPING));
        let first = listings.get(folder.path(), Wanted::All, SystemTime::now()).unwrap().unwrap();
        let second = listings.get(folder.path(), Wanted::All, SystemTime::now()).unwrap().unwrap();
        assert!(!Arc::ptr_eq(&first, &second));
    }

    #[test]
    fn what_comes_into_an_empty_folder_shows_at_once() {
        let (listings, folder) = (Listings::default(), folder(0));
        fs::create_dir(folder.path().join("_layers")).unwrap();
        let look = || {
            let later = SystemTime::now() + LATER;
            names(&listings.get(folder.path(), Wanted::Repositories, later).unwrap().unwrap(), None)
        };
        assert!(look().is_empty());
        assert_eq!(listings.empty.len(), 1);
        fs::create_dir(folder.path().join("below")).unwrap();
        assert_eq!(look(), ["below"]);
        fs::remove_dir(folder.path().join("below")).unwrap();
        assert!(look().is_empty());
        // Another folder under the same name, with something in it.
        let aside = folder.path().with_extension("aside");
        fs::rename(folder.path(), &aside).unwrap();
        fs::create_dir_all(folder.path().join("other")).unwrap();
        assert_eq!(look(), ["other"]);
        fs::remove_dir_all(aside).unwrap();
    }
}
