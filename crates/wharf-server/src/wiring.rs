//! From what the operator wrote to what the crates below take.

use std::sync::Arc;

use wharf_auth::TokenIssuer;
use wharf_core::{BlobSizes, Missing, Options, Registry, UrlRules, Validation};
use wharf_http::{AccessLog, Addresses, ExtraHeaders, Limits, TrustedProxies};
use wharf_store::{Grace, LayoutMetadata};

use crate::config::{Config, HttpConfig, HttpLimits, Platforms};
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
        headers: ExtraHeaders::new(config.http.headers.clone()),
        token_issuer,
        read_only: config.storage.read_only,
        h2c: config.http.h2c,
    }
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
    let HttpLimits { connections, connections_per_address, streams } = config.http.limits;
    let limits = Limits {
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
