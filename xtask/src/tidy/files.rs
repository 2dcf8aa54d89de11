//! The text files of the checkout: what git tracks, and what it would track if it were added.

use std::path::Path;

use anyhow::{Context, Result, bail};

/// A text file, by its path from the root of the checkout.
#[derive(Debug)]
pub(super) struct File {
    pub(super) path: String,
    pub(super) text: String,
}

// === impl File ===

impl File {
    pub(super) fn is_rust(&self) -> bool {
        self.extension() == Some("rs")
    }

    /// The part after the last dot of the file's name; a name that begins with its only dot has none.
    pub(super) fn extension(&self) -> Option<&str> {
        Path::new(&self.path).extension()?.to_str()
    }
}

/// Reads every file git tracks or would track; what is not UTF-8 is no text and is left out.
pub(super) fn tracked(root: &Path) -> Result<Vec<File>> {
    let mut files = Vec::new();
    for path in list(root)? {
        match std::fs::read(root.join(&path)) {
            Ok(bytes) => {
                if let Ok(text) = String::from_utf8(bytes) {
                    files.push(File { path, text });
                }
            }
            // Deleted, and the deletion is not staged yet.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| format!("cannot read {path}")),
        }
    }
    Ok(files)
}

fn list(root: &Path) -> Result<Vec<String>> {
    let output = std::process::Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate", "-z"])
        .current_dir(root)
        .output()
        .context("cannot run git")?;
    if !output.status.success() {
        bail!("git ls-files: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let names = String::from_utf8(output.stdout).context("a file name is not UTF-8")?;
    Ok(names.split('\0').filter(|name| !name.is_empty()).map(str::to_owned).collect())
}

#[cfg(test)]
pub(super) fn file(path: &str, text: &str) -> File {
    File { path: path.to_owned(), text: text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tracked_files_include_this_one() {
        let files = tracked(crate::project::root()).unwrap();

        let this = files.iter().find(|file| file.path == "xtask/src/tidy/files.rs").unwrap();
        assert!(this.is_rust());
    }

    #[test]
    fn outside_a_checkout_is_an_error() {
        let scratch = tempfile::tempdir().unwrap();

        assert!(tracked(scratch.path()).is_err());
    }
}
