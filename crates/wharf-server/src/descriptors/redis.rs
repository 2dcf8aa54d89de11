//! Sizes of blobs in a Redis that several registries share.
//!
//! It knows keys and values; when to ask at all is decided in `link`.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ::redis::{
    Client, ClientTlsConfig, Cmd, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion,
    RedisConnectionInfo, TlsCertificates,
};
use anyhow::Context;
use async_trait::async_trait;
use wharf_core::{BlobSizes, MemorySizes, SystemClock};
use wharf_oci::Digest;
use wharf_store::Grace;

use super::link::{Limits, Link};
use crate::config::{RedisAddress, RedisConfig, RedisTls};

/// Before every key. Of our own, so that an older registry beside us and we do not read each other: what it keeps under
/// `blobs::` says that a blob exists, which is more than we believe of anything remembered.
const PREFIX: &str = "wharf:blob:";

/// How many blobs are known not to be believed while Redis cannot be told.
const DISTRUSTED: usize = 10_000;

/// Sizes of blobs as `wharf:blob:<digest>`, each with an end.
#[derive(Debug)]
pub struct RedisSizes {
    link: Link,
    /// Blobs that were to be forgotten when Redis did not listen: it may still remember them.
    distrusted: MemorySizes,
    lifetime: Duration,
}

// === impl RedisSizes ===

impl RedisSizes {
    /// Those in the Redis that `config` names, which need not be there yet.
    ///
    /// # Errors
    /// A file of `redis.tls` that cannot be read or used.
    pub fn open(config: &RedisConfig, grace: Grace) -> anyhow::Result<Self> {
        let limits = Limits { dial: config.dial_timeout, command: config.command_timeout };
        Ok(Self {
            link: Link::new(client(config)?, limits),
            distrusted: MemorySizes::new(DISTRUSTED, grace, Arc::new(SystemClock)),
            lifetime: grace.size_lifetime(),
        })
    }
}

#[async_trait]
impl BlobSizes for RedisSizes {
    async fn get(&self, digest: &Digest) -> Option<u64> {
        if self.distrusted.get(digest).await.is_some() {
            return None;
        }
        let kept: Option<String> = self.link.ask(Cmd::new().arg("GET").arg(key(digest))).await?;
        // What is no number is not from us.
        kept?.parse().ok()
    }

    async fn keep(&self, digest: &Digest, size: u64) {
        let mut set = Cmd::new();
        set.arg("SET").arg(key(digest)).arg(size).arg("EX").arg(self.lifetime.as_secs());
        if self.link.ask::<()>(&set).await.is_some() {
            self.distrusted.forget(digest).await;
        }
    }

    async fn forget(&self, digest: &Digest) {
        if self.link.ask::<()>(Cmd::new().arg("DEL").arg(key(digest))).await.is_none() {
            self.distrusted.keep(digest, 0).await;
        }
    }
}

fn key(digest: &Digest) -> String {
    format!("{PREFIX}{digest}")
}

fn client(config: &RedisConfig) -> anyhow::Result<Client> {
    // The older protocol, which servers of every age speak: nothing of the newer one is used.
    let mut login = RedisConnectionInfo::default()
        .set_db(config.db)
        .set_protocol(ProtocolVersion::RESP2)
        .set_skip_set_lib_name();
    if let Some(username) = &config.username {
        login = login.set_username(username);
    }
    if let Some(password) = &config.password {
        login = login.set_password(password.expose());
    }
    let info = |address: ConnectionAddr| -> anyhow::Result<ConnectionInfo> {
        Ok(address.into_connection_info()?.set_redis_settings(login))
    };
    match (&config.address, &config.tls) {
        (RedisAddress::Socket(path), _) => Ok(Client::open(info(ConnectionAddr::Unix(path.clone()))?)?),
        (RedisAddress::Tcp { host, port }, None) => {
            Ok(Client::open(info(ConnectionAddr::Tcp(host.clone(), *port))?)?)
        }
        (RedisAddress::Tcp { host, port }, Some(tls)) => {
            let (host, port) = (host.clone(), *port);
            let address = ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None };
            Client::build_with_tls(info(address)?, certificates(tls)?).context("the files of redis.tls")
        }
    }
}

fn certificates(tls: &RedisTls) -> anyhow::Result<TlsCertificates> {
    let client_tls = match &tls.client {
        None => None,
        Some((certificate, key)) => Some(ClientTlsConfig {
            client_cert: read("redis.tls.certificate", certificate)?,
            client_key: read("redis.tls.key", key)?,
        }),
    };
    let mut roots = Vec::new();
    for path in &tls.roots {
        roots.extend(read("redis.tls.rootcas", path)?);
        roots.push(b'\n');
    }
    Ok(TlsCertificates { client_tls, root_cert: (!roots.is_empty()).then_some(roots) })
}

#[expect(clippy::disallowed_methods, reason = "a file that the configuration names, read once at the start")]
fn read(key: &str, path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("{key}: {} cannot be read", path.display()))
}
