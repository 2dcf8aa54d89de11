//! The configuration of a server: found, read, checked whole, and then never changed.
//!
//! A file becomes a tree that keeps every character (`yaml`, `tree`); the environment is laid over it
//! (`environment`); every key in it is judged against the table of what this version does (`keys`, `judge`); and
//! what works is read into the structs below (`meaning`). All errors are reported, not only the first.
//!
//! Nothing here opens a port or a store, and nothing but `source` touches a file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use ipnet::IpNet;
use regex::Regex;
use serde_json::Value as Json;
use wharf_auth::Secret;

pub use self::address::ListenAddress;
pub use self::auth::{AuthConfig, HtpasswdConfig, JwksPlace, OwnTokensConfig, TokenConfig};
pub use self::cache::{CacheConfig, RedisAddress, RedisConfig, RedisTls};
pub use self::findings::{ConfigError, UnknownKeys};
pub use self::source::Source;
pub use self::storage::{Encryption, Middleware, ProcessLocks, S3Config, S3Credentials, StorageDriver};
pub use self::tls::{ClientAuth, ClientTrust, TlsConfig, TlsVersion};

use self::findings::Findings;
use self::tree::{Node, Value};

mod address;
mod auth;
mod cache;
mod describe;
mod duration;
mod environment;
mod findings;
mod judge;
mod keys;
mod meaning;
mod nearest;
mod path;
mod reader;
mod size;
mod source;
mod storage;
mod tls;
mod tree;
mod web;
mod yaml;

/// Everything a server is told before it starts.
#[derive(Debug, Clone)]
pub struct Config {
    /// What this was read from, for the banner.
    pub source: Source,
    /// The listener.
    pub http: HttpConfig,
    /// What is logged and how.
    pub log: LogConfig,
    /// Who is let in, and to what.
    pub auth: AuthConfig,
    /// Where bytes live.
    pub storage: StorageConfig,
    /// Where sizes of blobs are remembered, if they are (`storage.cache`, `redis`).
    pub cache: Option<CacheConfig>,
    /// What a manifest must be to be accepted.
    pub validation: ValidationConfig,
    /// What images may be, `image` or `plugin` (`policy.repository.classes`); `None` if anything may be pushed.
    pub classes: Option<Vec<String>>,
    /// The longest page of repositories (`catalog.maxentries`).
    pub catalog_max_entries: u64,
    /// The longest page of tags (`tags.maxtags`).
    pub tags_max: u64,
    /// What the operator should know and need not fix, one line each.
    pub warnings: Vec<String>,
}

/// The listener, and what every answer has in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpConfig {
    /// Where to listen (`http.net` and `http.addr`).
    pub listen: Listen,
    /// Scheme, host and perhaps a path that clients reach us at, without a slash at the end (`http.host`).
    pub host: Option<String>,
    /// The path below which everything lies, with a slash at both ends (`http.prefix`).
    pub prefix: Option<String>,
    /// Whether `http.relativeurls: false` was written: `Location` headers name scheme and host.
    pub absolute_urls: bool,
    /// Who is believed when it says where a request came from (`http.trustedproxies`); `None` is everybody.
    pub trusted_proxies: Option<Vec<IpNet>>,
    /// What is added to every answer (`http.headers`).
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// What our own tokens are signed with, among others (`http.secret`, `http.secretfile`).
    pub secret: Option<SecretPlace>,
    /// Whether clients may speak HTTP/2 without TLS (`http.h2c.enabled`).
    pub h2c: bool,
    /// Whether clients may speak HTTP/2 with TLS (not `http.http2.disabled`).
    pub http2: bool,
    /// How connections are secured; `None` if they are not (`http.tls`).
    pub tls: Option<TlsConfig>,
    /// How long requests may go on after a signal to stop (`http.draintimeout`).
    pub drain_timeout: Duration,
    /// How long a client may take for each part of a request (`http.timeouts`).
    pub timeouts: Timeouts,
    /// How much clients may open (`http.limits`).
    pub limits: HttpLimits,
}

/// How long a client may take for each part of a request (`http.timeouts`), each from 1 ms to [`Timeouts::MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// A TLS handshake (`handshake`).
    pub handshake: Duration,
    /// The head of a request (`header`).
    pub header: Duration,
    /// Between two requests on a connection (`idle`).
    pub idle: Duration,
    /// Silence in the body of a request (`read`).
    pub read: Duration,
    /// A pause in reading a response (`write`).
    pub write: Duration,
}

/// How much clients may open. The process may have too few open files for it: then it is less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpLimits {
    /// Connections at once (`http.limits.connections`).
    pub connections: usize,
    /// Connections at once from one address (`http.limits.connectionsperaddress`); a quarter of all where it is not set.
    pub connections_per_address: usize,
    /// Requests at once on one connection of HTTP/2 (`http.limits.streams`).
    pub streams: u32,
    /// The longest head of a request in bytes (`http.limits.headerbytes`).
    pub head_bytes: u64,
}

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretPlace {
    /// In the configuration.
    Here(Secret),
    /// In a file of its own; a line break at its end does not count.
    File(PathBuf),
}

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// On a port.
    Tcp(ListenAddress),
    /// On a Unix socket at this path.
    Unix(PathBuf),
}

/// What is logged and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// The least important level that is logged (`log.level`).
    pub level: tracing::Level,
    /// What a line looks like (`log.formatter`).
    pub format: LogFormat,
    /// What every line says besides (`log.fields`).
    pub fields: Vec<(String, Json)>,
    /// Whether each request has a line on standard output (not `log.accesslog.disabled`).
    pub access_log: bool,
}

/// What a log line looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// For Logstash, which calls some fields differently.
    Logstash,
}

/// Where bytes live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageConfig {
    /// Where the tree is.
    pub driver: StorageDriver,
    /// Whether clients may be sent elsewhere for a blob (not `storage.redirect.disable`).
    pub redirects: bool,
    /// What changes where they are sent (`middleware.storage`), each in front of those before it.
    pub middleware: Vec<Middleware>,
    /// Whether clients may delete (`storage.delete.enabled`).
    pub delete_enabled: bool,
    /// How many tags are looked up at once when a manifest is deleted (`storage.tag.concurrencylimit`).
    pub tag_concurrency: Option<usize>,
    /// Whether nothing may be changed (`storage.maintenance.readonly.enabled`).
    pub read_only: bool,
    /// What becomes of uploads that nobody finishes; `None` if they stay (`storage.maintenance.uploadpurging`).
    pub upload_purging: Option<UploadPurging>,
}

/// What becomes of uploads that nobody finishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UploadPurging {
    /// How long ago an upload was begun that is taken for abandoned (`age`).
    pub age: Duration,
    /// How long the purger rests between two runs (`interval`).
    pub interval: Duration,
    /// Whether it only counts (`dryrun`).
    pub dry_run: bool,
}

/// What is synced before a write is acknowledged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Fsync {
    /// Files and the directories that name them: survives a power cut.
    #[default]
    Full,
    /// Files alone: a power cut may lose the name of a file.
    Data,
    /// Nothing: survives a crash of the server, not of the machine.
    None,
}

/// What a manifest must be to be accepted.
#[derive(Debug, Clone)]
pub struct ValidationConfig {
    /// Whether a manifest may name blobs that are not there (`validation.manifests.missing: allow`).
    pub missing_allowed: bool,
    /// Foreign URLs must match one of these (`validation.manifests.urls.allow`). With neither list, no URL is allowed;
    /// with only `deny`, all others are.
    pub allow: Vec<Regex>,
    /// And none of these (`validation.manifests.urls.deny`).
    pub deny: Vec<Regex>,
    /// Which manifests of an index must be there.
    pub platforms: Platforms,
    /// Switches off the rules about URLs and about an index's manifests, and no other.
    pub disabled: bool,
}

/// Which manifests of an index must be there (`validation.manifests.indexes.platforms`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Platforms {
    /// Every one.
    All,
    /// None.
    None,
    /// Those of these platforms.
    List(Vec<Platform>),
}

/// An architecture and an operating system, empty where the file leaves it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Platform {
    /// As Go names it: `amd64`, `arm64`.
    pub architecture: String,
    /// As Go names it: `linux`, `windows`.
    pub os: String,
}

// === impl StorageConfig ===

impl StorageConfig {
    /// Whether looking at a blob costs no more than remembering it would: then it is not remembered.
    #[must_use]
    pub fn looks_are_cheap(&self) -> bool {
        // One system call on a directory, and a round trip to a bucket.
        matches!(self.driver, StorageDriver::Filesystem { .. } | StorageDriver::InMemory)
    }
}

// === impl Timeouts ===

impl Timeouts {
    /// The longest that can be set.
    pub const MAX: Duration = Duration::from_hours(168);
}

// === impl Config ===

impl Config {
    /// Finds and reads the configuration, with the `REGISTRY_*` variables of `environment` laid over it.
    ///
    /// # Errors
    /// All that keeps a server from starting.
    pub fn load(
        argument: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
        unknown_keys: UnknownKeys,
    ) -> Result<Self, Vec<ConfigError>> {
        let variables: Vec<(String, String)> = environment.into_iter().collect();
        let source = Source::find(argument, &variables).map_err(|error| vec![error])?;
        let text = source.read().map_err(|error| vec![error])?;
        Self::parse(source, &text, &variables, unknown_keys)
    }

    /// Reads the configuration from `text`, which `source` names in messages.
    ///
    /// # Errors
    /// All that keeps a server from starting.
    pub fn parse(
        source: Source,
        text: &str,
        variables: &[(String, String)],
        unknown_keys: UnknownKeys,
    ) -> Result<Self, Vec<ConfigError>> {
        let mut findings = Findings::new(source.to_string(), unknown_keys);
        let Some(mut root) = document(text, &mut findings) else {
            return Err(findings.errors);
        };
        environment::overlay(&mut root, variables, &mut findings);
        if source.is_default() {
            environment::prefer_named_driver(&mut root);
        }
        judge::judge(&root, &mut findings);
        let config = meaning::read(source, &root, &mut findings);
        if findings.errors.is_empty() {
            Ok(Self { warnings: findings.warnings, ..config })
        } else {
            Err(findings.errors)
        }
    }
}

/// The tree of a file, unless it is no tree.
fn document(text: &str, findings: &mut Findings) -> Option<Node> {
    let parsed = match yaml::parse(text) {
        Ok(parsed) => parsed,
        Err(malformed) => {
            findings.malformed(&malformed.place, malformed.message);
            return None;
        }
    };
    for repeated in &parsed.repeated {
        findings.warning(&repeated.place, &repeated.key, "written twice; the last one counts");
    }
    match parsed.root.value {
        Value::Null | Value::Mapping(_) => Some(parsed.root),
        Value::Scalar(_) | Value::Sequence(_) => {
            let message = format!("expected a mapping of keys, got {}", parsed.root.value);
            findings.malformed(&parsed.root.place, message);
            None
        }
    }
}

#[cfg(test)]
mod tests;
