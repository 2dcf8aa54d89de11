//! TLS as the file sets it up, against clients of rustls: who is let in, what is agreed, and what renews it.

mod agreement;
mod clients;
mod renewal;
mod starts;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::TempDir;
use wharf_testkit::tls::{Authority, Client, Pair};

use crate::running::{Running, Sections, start};

/// A registry whose certificate and key are in a directory of the test's.
struct World {
    running: Running,
    authority: Authority,
    directory: TempDir,
}

impl World {
    /// With more in `http.tls`, and more in `http`.
    fn start(tls: &str, http: &str) -> Self {
        let (authority, directory) = (Authority::new("of servers"), tempfile::tempdir().unwrap());
        write(directory.path(), &authority.server("a registry"));
        let http = format!("{}, {http}", section(directory.path(), tls));
        let running = start(Sections { http: &http, ..Sections::default() });
        Self { running, authority, directory }
    }

    fn client(&self) -> Client {
        Client::trusting(&self.authority)
    }
}

/// `http.tls` with the files of a directory, and more.
fn section(directory: &Path, more: &str) -> String {
    let (certificate, key) = (directory.join("tls.crt"), directory.join("tls.key"));
    format!("tls: {{certificate: '{}', key: '{}', {more}}}", certificate.display(), key.display())
}

/// Puts certificate and key where a registry looks for them, one whole file after the other.
#[expect(clippy::disallowed_methods, reason = "the files of a test, read by another process")]
fn write(directory: &Path, pair: &Pair) {
    for (name, text) in [("tls.crt", &pair.certificate), ("tls.key", &pair.key)] {
        let unfinished = directory.join("unfinished");
        std::fs::write(&unfinished, text).unwrap();
        std::fs::set_permissions(&unfinished, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::rename(&unfinished, directory.join(name)).unwrap();
    }
}
