//! The buckets that registries are put on.

use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use wharf_testkit::process::{Child, free_address, run_until_success};
use wharf_testkit::s3::{self, BUCKET, S3Server};

use crate::workbench::isolated;

/// How long moto may take until it listens: it is a lot of Python.
const START_LIMIT: Duration = Duration::from_secs(60);

/// Somebody who keeps a bucket.
pub(crate) trait Store {
    /// The lines below `storage:` of a registry on the bucket, with more parameters of the driver.
    fn storage(&self, more: &str) -> String;
}

impl Store for S3Server {
    fn storage(&self, more: &str) -> String {
        Self::storage(self, BUCKET, more)
    }
}

/// moto, in a process of its own. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Moto {
    endpoint: String,
    _child: Child,
    _folder: TempDir,
}

// === impl Moto ===

impl Moto {
    #[track_caller]
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder for moto");
        let address = free_address();
        let mut command = isolated("moto_server");
        command.args(["--host", "127.0.0.1", "--port", &address.port().to_string()]);
        command.env("HOME", folder.path()).current_dir(folder.path());
        let mut child = Child::spawn(&mut command, &folder.path().join("log"));
        child.wait_for_port(address, START_LIMIT);
        let endpoint = format!("http://{address}");
        make_bucket(&endpoint);
        Self { endpoint, _child: child, _folder: folder }
    }
}

impl Store for Moto {
    fn storage(&self, more: &str) -> String {
        s3::storage(&self.endpoint, BUCKET, more)
    }
}

/// By curl, which signs.
#[track_caller]
fn make_bucket(endpoint: &str) {
    let mut command: Command = isolated("curl");
    command.args(["--silent", "--show-error", "--fail", "--request", "PUT", "--data-binary", ""]);
    command.args(["--aws-sigv4", &format!("aws:amz:{}:s3", s3::REGION)]);
    command.args(["--user", &format!("{key}:{key}", key = s3::KEY)]);
    run_until_success(command.arg(format!("{endpoint}/{BUCKET}")));
}
