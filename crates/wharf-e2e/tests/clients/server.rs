//! A registry for one test: the release binary on a free port, with a storage that goes when it goes.

#![expect(
    clippy::disallowed_methods,
    reason = "the binary is named by the environment, its config is written for it and its storage is looked into"
)]

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use wharf_oci::Digest;
use wharf_testkit::process::{Child, free_address, run};

use crate::layout::INDEX;
use crate::workbench::{Workbench, isolated};

/// Where the path of the binary is.
const BINARY: &str = "WHARF_REGISTRY";
/// How long the registry may take until it listens.
const START_LIMIT: Duration = Duration::from_secs(20);
/// How long it may take to stop.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// A running registry. Dropping it ends it, and shows its log if the test is panicking.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
    folder: TempDir,
}

// === impl Server ===

impl Server {
    #[track_caller]
    pub(crate) fn start() -> Self {
        Self::start_with("")
    }

    /// One with `more` at the end of its config.
    #[track_caller]
    pub(crate) fn start_with(more: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the registry");
        let address = free_address();
        let config = format!(
            "version: 0.1\n\
             storage:\n  filesystem:\n    rootdirectory: {}\n  delete:\n    enabled: true\n\
             http:\n  addr: {address}\n{more}",
            root(&folder).display()
        );
        std::fs::write(config_file(&folder), config).expect("the config can be written");
        let child = serve(&folder, address);
        Self { child, address, folder }
    }

    /// Asks the registry to stop, which it must do in time and as a success.
    #[track_caller]
    pub(crate) fn stop(self) {
        stop(self.child);
    }

    /// The same storage and address, another process.
    #[track_caller]
    pub(crate) fn restart(self) -> Self {
        stop(self.child);
        Self { child: serve(&self.folder, self.address), address: self.address, folder: self.folder }
    }

    /// `127.0.0.1:<port>/<reference>`, as crane and docker name an image.
    pub(crate) fn name(&self, reference: impl fmt::Display) -> String {
        format!("{}/{reference}", self.address)
    }

    /// `127.0.0.1:<port>`, as they name the registry.
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The digests of everything stored, of whatever repository.
    ///
    /// A registry keeps each content once, so this tells what a push added.
    pub(crate) fn stored(&self) -> BTreeSet<Digest> {
        let blobs = root(&self.folder).join("docker/registry/v2/blobs/sha256");
        let mut digests = BTreeSet::new();
        for prefix in entries(&blobs) {
            for blob in entries(&prefix) {
                assert!(blob.join("data").is_file(), "{} has no data", blob.display());
                let hex = blob.file_name().expect("an entry has a name").to_string_lossy();
                digests.insert(format!("sha256:{hex}").parse().expect("a folder of a digest"));
            }
        }
        digests
    }

    /// `GET` of an API path, with an `Accept` of anything.
    #[track_caller]
    pub(crate) fn get(&self, workbench: &Workbench, path: &str) -> Vec<u8> {
        let mut command = workbench.tool("curl");
        command.args(["--silent", "--show-error", "--fail"]);
        run(command.arg(self.url(path))).stdout
    }

    /// `DELETE` of an API path, which must be accepted.
    #[track_caller]
    pub(crate) fn delete(&self, workbench: &Workbench, path: &str) {
        let mut command = workbench.tool("curl");
        command.args(["--silent", "--show-error", "--request", "DELETE", "--write-out", "%{http_code}"]);
        let output = run(command.arg(self.url(path)));
        assert_eq!(output.text(), "202", "DELETE {path}");
    }

    /// Puts an index of nothing at every path that `paths` stands for, in curl's notation: `/v2/a/manifests/[001-100]`.
    ///
    /// It references no content, so it is the cheapest thing that a tag can point at.
    #[track_caller]
    pub(crate) fn put_empty_indexes(&self, workbench: &Workbench, paths: &str) {
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": []});
        let mut command = workbench.tool("curl");
        command.args(["--silent", "--show-error", "--fail", "--request", "PUT"]);
        command.args(["--header", &format!("Content-Type: {INDEX}")]);
        run(command.args(["--data-raw", &index.to_string(), &self.url(paths)]));
    }
}

#[track_caller]
fn serve(folder: &TempDir, address: SocketAddr) -> Child {
    let binary = std::env::var_os(BINARY)
        .unwrap_or_else(|| panic!("{BINARY} is not set: it names the release binary `registry` to test"));
    let binary = PathBuf::from(binary);
    // Tests run in the folder of their crate, which is hardly where a relative path was meant from.
    assert!(
        binary.is_absolute() && binary.is_file(),
        "{BINARY} is to be the absolute path of a file, not {}",
        binary.display()
    );
    let mut command = isolated(&binary);
    command.arg("serve").arg(config_file(folder)).current_dir(folder);
    let mut child = Child::spawn(&mut command, &folder.path().join("log"));
    child.wait_for_port(address, START_LIMIT);
    child
}

#[track_caller]
fn stop(child: Child) {
    let status = child.stop(STOP_LIMIT);
    assert!(status.success(), "the registry was told to stop and ended with {status}");
}

fn root(folder: &TempDir) -> PathBuf {
    folder.path().join("data")
}

fn config_file(folder: &TempDir) -> PathBuf {
    folder.path().join("config.yml")
}

/// What is in a folder; nothing if it is not there yet.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    entries.map(|entry| entry.expect("a folder can be read").path()).collect()
}
