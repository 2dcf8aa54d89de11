//! Folders of one run: made at its start, deleted when all is over, whatever an earlier run was kept from deleting too.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::machine;

/// What follows is the id of the process.
const PREFIX: &str = "wharf-bench-";

/// A folder that is deleted when all is over, and not before: a file system that has just been deleted from is slower to
/// create in.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

// === impl Scratch ===

impl Scratch {
    /// A new folder in `folder`.
    pub(crate) fn inside(folder: &Path) -> Result<Self> {
        let path = std::path::absolute(folder)?.join(format!("{PREFIX}{}", std::process::id()));
        fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("could not remove {}: {error}", self.0.display());
        }
    }
}

/// Removes what runs that were killed have left in `folder`.
pub(crate) fn remove_left_overs(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let process = name.strip_prefix(PREFIX).filter(|id| id.parse::<u32>().is_ok());
        if process.is_some_and(|id| !machine::is_alive(id)) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// Empties a folder.
pub(crate) fn remove_below(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.with_context(|| format!("cannot remove {}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_dead_have_left_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let alive = Scratch::inside(folder.path()).unwrap();
        for name in ["wharf-bench-4294967295", "wharf-bench-notes", "seed-full"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }

        remove_left_overs(folder.path()).unwrap();

        let mut left: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        left.sort();
        let mut expected = vec![
            folder.path().join("seed-full"),
            alive.path().to_owned(),
            folder.path().join("wharf-bench-notes"),
        ];
        expected.sort();
        assert_eq!(left, expected);
    }
}
