//! Time that passes when a test says so, as the stores see it.

#![expect(clippy::disallowed_methods, reason = "files are made older behind the store's back")]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use wharf_store::Clock;
use wharf_testkit::clock::ManualClock;

/// The time of one world.
pub(super) enum Time {
    /// The store goes by a clock that is moved.
    Moved(ManualClock),
    /// The store goes by the files' own times: time passes by making all of them older.
    Aged { blobs: PathBuf, passed: Mutex<Duration> },
}

// === impl Time ===

impl Time {
    pub(super) fn files_under(root: &Path) -> Self {
        Self::Aged { blobs: root.join("docker/registry/v2/blobs"), passed: Mutex::default() }
    }

    pub(super) fn now(&self) -> SystemTime {
        match self {
            Self::Moved(clock) => clock.now(),
            Self::Aged { passed, .. } => SystemTime::now() + *passed.lock().unwrap(),
        }
    }

    /// A moment of this time as the store would note it on a blob at present.
    pub(super) fn as_noted(&self, moment: SystemTime) -> SystemTime {
        match self {
            Self::Moved(_) => moment,
            Self::Aged { passed, .. } => moment - *passed.lock().unwrap(),
        }
    }

    pub(super) fn pass(&self, by: Duration) {
        match self {
            Self::Moved(clock) => clock.advance(by),
            Self::Aged { blobs, passed } => {
                age(blobs, by);
                *passed.lock().unwrap() += by;
            }
        }
    }
}

/// Makes every file below `folder` older. What a collector takes meanwhile has no age any more.
fn age(folder: &Path, by: Duration) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            age(&path, by);
        } else if let Ok(file) = File::open(&path) {
            let modified = file.metadata().and_then(|meta| meta.modified()).unwrap();
            file.set_modified(modified - by).unwrap();
        }
    }
}
