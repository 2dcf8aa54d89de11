//! A registry for one run: a child process on a free port, with a storage that goes when it goes.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

/// How long a registry may take until it answers.
const START_LIMIT: Duration = Duration::from_secs(20);
/// How long a registry may take to stop when asked to.
const STOP_LIMIT: Duration = Duration::from_secs(20);
/// How often we look.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// How long one answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// What a registry reads when it is given no config. Where one exists, "no config" is not what the run would see.
const SYSTEM_CONFIGS: &[&str] =
    &["/etc/distribution/config.yml", "/etc/docker/registry/config.yml", "/usr/share/wharf/default.yml"];

/// What the registry is told.
#[derive(Debug)]
pub(super) enum Config {
    File(PathBuf),
    /// No file: what the binary decides by itself.
    Defaults,
}

/// A running registry; dropping it kills it.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    address: SocketAddr,
    log: PathBuf,
    _storage: TempDir,
}

// === impl Server ===

impl Server {
    /// Starts `binary` and waits until it answers; what it says goes to the file `log`.
    pub(super) fn start(binary: &Path, config: &Config, log: &Path) -> Result<Self> {
        let storage = tempfile::tempdir()?;
        let address = free_address()?;
        let output = File::create(log).with_context(|| format!("cannot create {}", log.display()))?;
        let mut command = Command::new(binary);
        forget_settings(&mut command);
        command.arg("serve").current_dir(storage.path());
        if let Some(file) = config_file(config, &storage)? {
            command.arg(file);
        }
        command.env("REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY", storage.path().join("data"));
        command.env("REGISTRY_HTTP_ADDR", address.to_string());
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = command.spawn().with_context(|| format!("cannot start {}", binary.display()))?;

        let mut server = Self { child, address, log: log.to_owned(), _storage: storage };
        server.wait_until_it_answers()?;
        Ok(server)
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Asks the registry to stop and waits until it has.
    pub(super) fn stop(mut self) -> Result<()> {
        let id = self.child.id().to_string();
        let told = Command::new("kill").args(["-TERM", &id]).status().context("cannot run kill")?;
        if !told.success() {
            bail!("the registry was gone before it was told to stop: {}", self.last_words());
        }
        let asked = Instant::now();
        while asked.elapsed() < STOP_LIMIT {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            std::thread::sleep(POLL_INTERVAL);
        }
        bail!("the registry did not stop within {STOP_LIMIT:?}: {}", self.last_words())
    }

    fn wait_until_it_answers(&mut self) -> Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < START_LIMIT {
            if let Some(status) = self.child.try_wait()? {
                bail!("the registry ended before it answered ({status}): {}", self.last_words());
            }
            if answers(self.address) {
                return Ok(());
            }
            std::thread::sleep(POLL_INTERVAL);
        }
        bail!("the registry did not answer within {START_LIMIT:?}: {}", self.last_words())
    }

    /// The end of its log.
    fn last_words(&self) -> String {
        let said = std::fs::read(&self.log).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        let lines: Vec<_> = said.lines().collect();
        lines[lines.len().saturating_sub(10)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail when it has stopped already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Takes away settings that this process was given and that would reach the registry.
fn forget_settings(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("REGISTRY_") {
            command.env_remove(name);
        }
    }
}

/// The file to serve with, if any.
fn config_file(config: &Config, scratch: &TempDir) -> Result<Option<PathBuf>> {
    if let Config::File(path) = config {
        return Ok(Some(path.clone()));
    }
    let Some(present) = SYSTEM_CONFIGS.iter().find(|path| Path::new(path).exists()) else {
        return Ok(None);
    };
    println!("note: {present} would be read as the config, so the defaults are written out instead");
    let path = scratch.path().join("defaults.yml");
    std::fs::write(&path, DEFAULTS)?;
    Ok(Some(path))
}

/// The built-in defaults, for a machine on which no config is not possible. The environment sets place and address.
const DEFAULTS: &str = "\
version: 0.1
storage:
  filesystem:
    rootdirectory: registry-data
  delete:
    enabled: true
http:
  addr: 127.0.0.1:5000
";

/// A port nobody listens on, as far as can be known before listening oneself.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// Whether `GET /v2/` gets a 200.
fn answers(address: SocketAddr) -> bool {
    ask(address).is_ok_and(|status| status.starts_with(b"HTTP/1.1 200"))
}

fn ask(address: SocketAddr) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&address, ANSWER_LIMIT)?;
    stream.set_read_timeout(Some(ANSWER_LIMIT))?;
    write!(stream, "GET /v2/ HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(12).read_to_end(&mut answer)?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_that_ends_at_once_is_an_error_with_its_last_words() {
        let scratch = tempfile::tempdir().unwrap();
        let config = Config::File("no such option".into());

        let error = Server::start(Path::new("/bin/echo"), &config, &scratch.path().join("log")).unwrap_err();

        let message = error.to_string();
        assert!(message.contains("before it answered"), "{message}");
        assert!(message.ends_with("serve no such option"), "{message}");
    }

    #[test]
    fn nobody_answers_on_a_free_port() {
        assert!(!answers(free_address().unwrap()));
    }
}
