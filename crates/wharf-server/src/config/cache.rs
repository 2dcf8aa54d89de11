//! What `storage.cache` and `redis` say, as values.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use wharf_auth::Secret;

/// Where sizes of blobs are remembered (`storage.cache.blobdescriptor`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheConfig {
    /// In this process.
    Memory {
        /// How many (`storage.cache.blobdescriptorsize`).
        entries: usize,
    },
    /// In a Redis.
    Redis(RedisConfig),
}

/// A Redis and how to speak to it (`redis`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisConfig {
    /// Where it is (`addrs`, and `addr` of version 2).
    pub address: RedisAddress,
    /// As whom (`username`).
    pub username: Option<String>,
    /// With which password (`password`).
    pub password: Option<Secret>,
    /// The number of the database (`db`).
    pub db: i64,
    /// How long making a connection may take (`dialtimeout`).
    pub dial_timeout: Duration,
    /// How long a question may wait for its answer (`writetimeout` and `readtimeout`).
    pub command_timeout: Duration,
    /// How the connection is secured, if it is (`tls`).
    pub tls: Option<RedisTls>,
}

/// Where a Redis is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedisAddress {
    /// On a port.
    Tcp {
        /// A name or an address.
        host: String,
        /// The port.
        port: u16,
    },
    /// On a Unix socket at this path.
    Socket(PathBuf),
}

/// How a connection to Redis is secured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RedisTls {
    /// Our certificate and its key, where we show one (`certificate`, `key`).
    pub client: Option<(PathBuf, PathBuf)>,
    /// Whom we trust, instead of those whom the system trusts (`rootcas`).
    pub roots: Vec<PathBuf>,
}

// === impl RedisAddress ===

impl RedisAddress {
    /// `redis:6379`, `[::1]:6379`, `:6379`, or the path of a socket.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.starts_with('/') {
            return Some(Self::Socket(PathBuf::from(text)));
        }
        let (host, port) = text.rsplit_once(':')?;
        let port = port.parse().ok().filter(|port| *port != 0)?;
        let host = match host.strip_prefix('[') {
            Some(bracketed) => bracketed.strip_suffix(']')?,
            // Neither a URL nor an address of IPv6 whose last piece would be taken for the port.
            None if host.contains([':', '/', '@']) => return None,
            None => host,
        };
        let host = if host.is_empty() { "localhost" } else { host }.to_owned();
        Some(Self::Tcp { host, port })
    }
}

impl fmt::Display for RedisAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(formatter, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(formatter, "{host}:{port}"),
            Self::Socket(path) => write!(formatter, "unix:{}", path.display()),
        }
    }
}

impl fmt::Display for CacheConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory { entries } => write!(formatter, "{entries} in memory"),
            Self::Redis(redis) => {
                let tls = if redis.tls.is_some() { " with TLS" } else { "" };
                write!(formatter, "in Redis at {}{tls}, database {}", redis.address, redis.db)?;
                write!(
                    formatter,
                    ", dialing for {:?}, asking for {:?}",
                    redis.dial_timeout, redis.command_timeout
                )
            }
        }
    }
}
