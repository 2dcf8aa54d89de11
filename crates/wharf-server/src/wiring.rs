//! From what the operator wrote to what the crates below take.

use std::sync::Arc;

use http::header::{HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use wharf_auth::TokenIssuer;
use wharf_core::{BlobSizes, Missing, Options, Registry, UrlRules, Validation};
use wharf_http::{AccessLog, Addresses, ExtraHeaders, Limits, PageWrites, TrustedProxies};
use wharf_store::{Grace, LayoutMetadata};

use crate::config::{Config, HttpConfig, HttpLimits, Listen, Platforms};
use crate::descriptors;
use crate::open_files;
use crate::stores::Stores;
use crate::tls::Keeper;

/// Opens the stores and makes the registry over it.
pub(crate) fn registry(config: &Config) -> anyhow::Result<Registry> {
    let storage = &config.storage;
    let Stores { blobs, objects, urls } = Stores::open(storage)?;
    // One value for all that follows from it.
    let grace = Grace::default();
    let mut metadata = LayoutMetadata::new(objects).with_grace(grace);
    if let Some(concurrency) = storage.tag_concurrency {
        metadata = metadata.with_concurrency(concurrency);
    }
    let options = Options {
        deletes: storage.delete_enabled,
        validation: validation(config),
        urls,
        sizes: sizes(config, grace)?,
        ..Options::default()
    };
    Ok(Registry::new(blobs, Arc::new(metadata), options))
}

/// Who remembers sizes, where that is quicker than looking.
fn sizes(config: &Config, grace: Grace) -> anyhow::Result<Option<Arc<dyn BlobSizes>>> {
    match &config.cache {
        Some(cache) if !config.storage.looks_are_cheap() => descriptors::open(cache, grace).map(Some),
        Some(_) | None => Ok(None),
    }
}

fn validation(config: &Config) -> Validation {
    let rules = &config.validation;
    Validation {
        disabled: rules.disabled,
        missing: if rules.missing_allowed { Missing::Allow } else { Missing::Deny },
        urls: UrlRules { allow: rules.allow.clone(), deny: rules.deny.clone() },
        platforms: match &rules.platforms {
            Platforms::All => wharf_core::Platforms::All,
            Platforms::None => wharf_core::Platforms::None,
            Platforms::List(list) => wharf_core::Platforms::List(
                list.iter().map(|platform| (platform.architecture.clone(), platform.os.clone())).collect(),
            ),
        },
        classes: config.classes.clone(),
    }
}

/// Reads the files of TLS, where TLS is spoken.
pub(crate) fn tls(config: &Config) -> anyhow::Result<Option<Arc<Keeper>>> {
    let Some(tls) = &config.http.tls else { return Ok(None) };
    Ok(Some(Arc::new(Keeper::open(tls, config.http.http2)?)))
}

/// What the edge is told.
pub(crate) fn http(
    config: &Config,
    access_log: Option<Arc<dyn AccessLog>>,
    token_issuer: Option<Arc<dyn TokenIssuer>>,
) -> wharf_http::Options {
    wharf_http::Options {
        limits: limits(config),
        access_log,
        addresses: addresses(&config.http),
        headers: ExtraHeaders::new(headers(&config.http)),
        token_issuer,
        page_writes: page_writes(config),
        read_only: config.storage.read_only,
        h2c: config.http.h2c,
    }
}

/// Where every program of the machine may write, pages of other sites must not make its browser do it.
fn page_writes(config: &Config) -> PageWrites {
    match &config.http.listen {
        Listen::Tcp(address) if address.is_loopback() && config.auth.is_open() => PageWrites::Local,
        Listen::Tcp(_) | Listen::Unix(_) => PageWrites::Any,
    }
}

/// What the operator adds, and what keeps browsers from taking a blob, which any user may have pushed, for a page or a script.
fn headers(http: &HttpConfig) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = http.headers.clone();
    if headers.iter().all(|(name, _)| *name != X_CONTENT_TYPE_OPTIONS) {
        headers.push((X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")));
    }
    headers
}

fn addresses(http: &HttpConfig) -> Addresses {
    Addresses {
        host: http.host.clone(),
        prefix: http.prefix.clone(),
        absolute: http.absolute_urls,
        trusted: http.trusted_proxies.clone().map_or(TrustedProxies::All, TrustedProxies::Only),
    }
}

fn limits(config: &Config) -> Limits {
    let most = |entries: u64| usize::try_from(entries).unwrap_or(usize::MAX);
    let HttpLimits { connections, connections_per_address, streams, head_bytes } = config.http.limits;
    let timeouts = config.http.timeouts;
    let limits = Limits {
        handshake_timeout: timeouts.handshake,
        head_timeout: timeouts.header,
        idle_timeout: timeouts.idle,
        body_idle_timeout: timeouts.read,
        write_idle_timeout: timeouts.write,
        head_bytes: most(head_bytes),
        tags_page: most(config.tags_max),
        catalog_page: most(config.catalog_max_entries),
        drain_timeout: config.http.drain_timeout,
        connections,
        connections_per_address,
        streams,
        ..Limits::default()
    };
    open_files::fit(limits)
}
