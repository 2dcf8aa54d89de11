//! Who is measured: our registry, the ones it succeeds, and a static file server as a limit.
//!
//! A peer is a program, a config that is as quiet as the others' and what it can do; running it is `server`'s business.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::ValueEnum;

use crate::server::Place;
use crate::setup::{Secrets, Setup};

/// A program that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Peer {
    /// Ours.
    Wharf,
    /// distribution v3.1.1, the one the ratios are to.
    Distribution,
    /// docker-registry 2.8 as Debian has it.
    Debian,
    /// nginx on the same files: static bytes without a registry.
    Nginx,
}

/// Where a server listens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Addresses {
    /// HTTP/1.1.
    pub(crate) http1: SocketAddr,
    /// HTTP/2; without TLS also without an upgrade. The same address, except for nginx.
    pub(crate) http2: SocketAddr,
}

/// What a server serves, where and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Site<'a> {
    pub(crate) place: &'a Place,
    pub(crate) addresses: Addresses,
    /// For what else it needs to write.
    pub(crate) folder: &'a Path,
    pub(crate) setup: Setup,
    pub(crate) secrets: &'a Secrets,
}

/// Where the programs are that are not found by their names.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    pub(crate) wharf: PathBuf,
    pub(crate) distribution: Option<PathBuf>,
}

// === impl Peer ===

impl Peer {
    /// As tables and the command line have it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Wharf => "wharf",
            Self::Distribution => "distribution",
            Self::Debian => "debian",
            Self::Nginx => "nginx",
        }
    }

    pub(crate) fn is_registry(self) -> bool {
        self != Self::Nginx
    }

    /// Whether it speaks HTTP/2, TLS or not; docker-registry 2.8 does with TLS only, and is left out.
    pub(crate) fn speaks_http2(self) -> bool {
        self != Self::Debian
    }

    /// The program, or how to come by it.
    pub(crate) fn program(self, programs: &Programs) -> Result<PathBuf, &'static str> {
        let found = match self {
            Self::Wharf => Some(programs.wharf.clone()),
            Self::Distribution => programs.distribution.clone().or_else(|| on_path("distribution-registry")),
            Self::Debian => on_path("docker-registry"),
            Self::Nginx => on_path("nginx"),
        };
        found.filter(|program| program.is_file()).ok_or(match self {
            Self::Wharf => "build it with: cargo build --release -p wharf-server",
            Self::Distribution => "install it with: .ci/tools.sh distribution",
            Self::Debian => "install it with: .ci/tools.sh apt",
            Self::Nginx => "install it with: .ci/tools.sh nginx",
        })
    }

    /// How it is started with the config at `config`.
    pub(crate) fn command(self, program: &Path, config: &Path) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("REGISTRY_") {
                command.env_remove(name);
            }
        }
        match self {
            Self::Nginx => command.arg("-c").arg(config).arg("-e").arg("/dev/null"),
            Self::Wharf | Self::Distribution | Self::Debian => command.arg("serve").arg(config),
        };
        if self == Self::Distribution {
            // Else it sends its traces to somebody; and newer Go answers many ranges with 416 unless told otherwise.
            command.env("OTEL_TRACES_EXPORTER", "none").env("GODEBUG", "httpservecontentmaxranges=200");
        }
        command
    }

    /// A config for this place.
    pub(crate) fn config(self, site: &Site<'_>) -> String {
        match self {
            Self::Wharf => registry_config(site, "    fsync: full\n") + token_service(site.setup),
            // As the configs both are shipped with: facts about blobs are cached.
            Self::Distribution | Self::Debian => {
                registry_config(site, "") + "  cache:\n    blobdescriptor: inmemory\n"
            }
            Self::Nginx => nginx_config(site),
        }
    }
}

/// The same for every registry: no request log, no purging, uploads' addresses as paths. Ends inside `storage`.
fn registry_config(site: &Site<'_>, filesystem: &str) -> String {
    let mut config = "version: 0.1\nlog:\n  level: error\n  accesslog:\n    disabled: true\n".to_owned();
    if site.setup.guards() {
        let htpasswd = site.secrets.htpasswd.display();
        let _ = write!(config, "auth:\n  htpasswd:\n    realm: benchmark\n    path: {htpasswd}\n");
    }
    let _ = write!(config, "http:\n  addr: {}\n  relativeurls: true\n", site.addresses.http1);
    if site.setup == Setup::Tls {
        let (certificate, key) = (site.secrets.certificate.display(), site.secrets.key.display());
        let _ = write!(config, "  tls:\n    certificate: {certificate}\n    key: {key}\n");
    } else {
        config.push_str("  h2c:\n    enabled: true\n");
    }
    let _ = write!(
        config,
        "storage:\n{}  delete:\n    enabled: true\n  \
         maintenance:\n    uploadpurging:\n      enabled: false\n",
        driver_of(site, filesystem),
    );
    config
}

/// A tree with what is said about it; or a bucket, whose bytes all go through the registry.
fn driver_of(site: &Site<'_>, filesystem: &str) -> String {
    match site.place {
        Place::Tree(root) => format!("  filesystem:\n    rootdirectory: {}\n{filesystem}", root.display()),
        Place::Bucket(lines) => format!("{lines}  redirect:\n    disable: true\n"),
    }
}

/// Ours gives out tokens itself.
fn token_service(setup: Setup) -> &'static str {
    if setup == Setup::Token { "access:\n  tokens:\n    enabled: true\n" } else { "" }
}

fn nginx_config(site: &Site<'_>) -> String {
    let root = match site.place {
        Place::Tree(root) => root,
        // No row asks for it.
        Place::Bucket(_) => Path::new("/nonexistent"),
    };
    let (blobs, folder) = (root.join("docker/registry/v2/blobs"), site.folder.display());
    let user = if rustix::process::geteuid().is_root() { "user root;\n" } else { "" };
    let mut temporary = String::new();
    for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        let _ = writeln!(temporary, "  {kind}_temp_path {folder}/nginx-{kind};");
    }
    let (mut certificate, mut ssl) = (String::new(), "");
    if site.setup == Setup::Tls {
        let (file, key) = (site.secrets.certificate.display(), site.secrets.key.display());
        certificate =
            format!("  ssl_certificate {file};\n  ssl_certificate_key {key};\n  ssl_protocols TLSv1.3;\n");
        ssl = " ssl";
    }
    format!(
        "{user}daemon off;\nworker_processes auto;\npid {folder}/nginx.pid;\nerror_log /dev/null;\n\
         events {{ worker_connections 4096; }}\n\
         http {{\n  access_log off;\n  sendfile on;\n  tcp_nopush on;\n  tcp_nodelay on;\n  \
         keepalive_requests 1000000000;\n  etag off;\n  default_type application/octet-stream;\n\
         {temporary}{certificate}  \
         server {{\n    listen {http1}{ssl} reuseport;\n    root {blobs};\n  }}\n  \
         server {{\n    listen {http2}{ssl} http2;\n    root {blobs};\n  }}\n}}\n",
        http1 = site.addresses.http1,
        http2 = site.addresses.http2,
        blobs = blobs.display(),
    )
}

/// The program of that name; daemons live where a plain user's PATH does not look.
fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.map(|folder: PathBuf| folder.join(OsStr::new(name))).find(|program| program.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(peer: Peer, setup: Setup) -> String {
        let folder = tempfile::tempdir().unwrap();
        let secrets = Secrets::make(folder.path()).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], 5000));
        let addresses = Addresses { http1: address, http2: address };
        let place = Place::Tree(folder.path().to_owned());
        peer.config(&Site { place: &place, addresses, folder: folder.path(), setup, secrets: &secrets })
    }

    #[test]
    fn a_setup_is_in_the_configs_of_those_it_suits_and_in_no_other() {
        for (word, setups) in [
            ("certificate", &[Setup::Tls][..]),
            ("htpasswd", &[Setup::Password, Setup::Token]),
            ("tokens", &[Setup::Token]),
        ] {
            for setup in [Setup::Open, Setup::Tls, Setup::Password, Setup::Token] {
                let text = config(Peer::Wharf, setup);
                assert_eq!(text.contains(word), setups.contains(&setup), "{setup:?}: {text}");
            }
        }
        assert!(config(Peer::Nginx, Setup::Tls).contains(" ssl http2;"));
        assert!(!config(Peer::Nginx, Setup::Open).contains("ssl"));
        assert!(!config(Peer::Distribution, Setup::Password).contains("tokens"));
    }
}
