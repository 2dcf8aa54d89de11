//! The clients' side of a test: a scratch folder, and tools that see nothing of the machine's settings.

#![expect(
    clippy::disallowed_methods,
    reason = "the tools are found by PATH, and read files that are written for them"
)]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// The folder of one test, which goes when it is dropped.
#[derive(Debug)]
pub(crate) struct Workbench {
    folder: TempDir,
}

// === impl Workbench ===

impl Workbench {
    pub(crate) fn new() -> Self {
        let workbench = Self { folder: tempfile::tempdir().expect("a folder for the clients") };
        std::fs::create_dir(workbench.path("home")).expect("a home can be made");
        std::fs::write(workbench.path("home/auth.json"), "{}").expect("credentials can be written");
        workbench
    }

    /// A path in the scratch folder; whether anything is there is the caller's business.
    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A tool with a home of its own: no credentials, no settings, no caches of this machine.
    pub(crate) fn tool(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = isolated(program);
        let home = self.path("home");
        command.env("HOME", &home).env("TMPDIR", &home);
        // Else skopeo and crane look where a login of this machine left its own.
        command.env("REGISTRY_AUTH_FILE", home.join("auth.json"));
        // For the superuser skopeo remembers in /var/lib which blobs are where, and would take that for true of
        // another test's registry. Told that it runs for somebody else, it remembers in HOME.
        command.env("_CONTAINERS_ROOTLESS_UID", "1000");
        command.current_dir(self.folder.path());
        command
    }
}

/// A program that gets nothing of our environment but PATH.
pub(crate) fn isolated(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", search_path()).env("LANG", "C");
    command
}

/// The first executable of this name, if there is one.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&search_path()).map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// PATH, and where daemons live: a plain user's PATH does not look there.
fn search_path() -> String {
    let path = std::env::var("PATH").expect("PATH is set");
    format!("{path}:/usr/sbin:/sbin")
}
