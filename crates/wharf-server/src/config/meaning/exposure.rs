//! Warnings about what is served to every address: who may delete there, and what is sent in the clear.
//!
//! Each names the key that ends it, also where the operator means it as it is.

use crate::config::reader::Reader;
use crate::config::{Config, Listen};

pub(super) fn warn(reader: &mut Reader<'_>, config: &Config) {
    let Listen::Tcp(address) = &config.http.listen else { return };
    if address.is_loopback() {
        return;
    }
    let (auth, storage) = (&config.auth, &config.storage);
    if auth.is_open() && !auth.unauthenticated && storage.delete_enabled && !storage.read_only {
        let message = format!(
            "not set: every client that reaches {address} may push and delete; set auth.htpasswd or access.rules, or \
             write `auth: none` where that is meant"
        );
        reader.warn("auth", &message);
    }
    let is_behind_tls = config.http.host.as_ref().is_some_and(|host| host.starts_with("https://"));
    if auth.htpasswd.is_some() && config.http.tls.is_none() && !is_behind_tls {
        let message = format!(
            "not set: passwords are sent in the clear to {address}; set http.tls.certificate and http.tls.key, or \
             http.host to the https:// URL of the proxy in front"
        );
        reader.warn("http.tls", &message);
    }
}
