//! The warnings that several rows expect.

/// From the file that the image brings.
pub(super) const IMAGE_WARNINGS: &[&str] =
    &["config.yml:18:5: health.storagedriver.enabled: not supported yet: no health checks run"];
/// And with deletes, without a login.
pub(super) const OPEN_WARNINGS: &[&str] = &[IMAGE_WARNINGS[0], OPEN[0]];
/// Of a bare file with deletes, without a login.
pub(super) const OPEN: &[&str] = &[
    "config.yml: auth: not set: every client that reaches :5000 may push and delete; set auth.htpasswd or access.rules, \
     or write `auth: none` where that is meant",
];
/// And with passwords, without TLS.
pub(super) const CLEAR_WARNINGS: &[&str] = &[
    IMAGE_WARNINGS[0],
    "config.yml: http.tls: not set: passwords are sent in the clear to :5000; set http.tls.certificate and http.tls.key, \
     or http.host to the https:// URL of the proxy in front",
];
