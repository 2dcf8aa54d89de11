//! Warnings about files with secrets that every user of the machine may read.
//!
//! Their permissions are looked at once, at the start. Files that cannot be looked at are left to those that read them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::config::{CacheConfig, Config, Middleware, SecretPlace};

/// Read by users who are neither the owner nor in the group.
const OTHERS_READ: u32 = 0o004;

/// Logs a warning for each file that others may read.
pub(crate) fn warn(config: &Config) {
    for (key, path) in secrets(config) {
        if is_exposed(path) {
            tracing::warn!(
                path = %path.display(),
                "{key}: every user of this machine may read the file; take that away with `chmod o-r`, or, for a mounted \
                 secret, with a defaultMode of 0440"
            );
        }
    }
}

/// Links are followed: what counts is the file that is read.
fn is_exposed(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.permissions().mode() & OTHERS_READ != 0)
}

/// Every file with a secret that the configuration names, by its key.
fn secrets(config: &Config) -> Vec<(&'static str, &Path)> {
    let (http, auth) = (&config.http, &config.auth);
    let mut secrets = Vec::new();
    if let Some(tls) = &http.tls {
        secrets.push(("http.tls.key", tls.key.as_path()));
    }
    if let Some(SecretPlace::File(path)) = &http.secret {
        secrets.push(("http.secretfile", path));
    }
    if let Some(htpasswd) = &auth.htpasswd {
        secrets.push(("auth.htpasswd.path", &htpasswd.path));
    }
    if let Some(own) = &auth.own_tokens {
        secrets.extend(own.keys.iter().map(|path| ("access.tokens.keys", path.as_path())));
    }
    for middleware in &config.storage.middleware {
        if let Middleware::CloudFront { private_key, .. } = middleware {
            secrets.push(("middleware.storage, privatekey", private_key));
        }
    }
    if let Some(CacheConfig::Redis(redis)) = &config.cache
        && let Some((_, key)) = redis.tls.as_ref().and_then(|tls| tls.client.as_ref())
    {
        secrets.push(("redis.tls.key", key));
    }
    secrets
}
