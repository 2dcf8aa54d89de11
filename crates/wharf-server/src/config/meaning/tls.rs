//! `http.tls`: how connections are secured, and whom we ask for a certificate.

use std::path::PathBuf;

use crate::config::reader::Reader;
use crate::config::tls::{suite, suites};
use crate::config::{ClientAuth, ClientTrust, TlsConfig, TlsVersion};

const CERTIFICATE: &str = "http.tls.certificate";
const KEY: &str = "http.tls.key";
const AUTHORITIES: &str = "http.tls.clientcas";
const CLIENT_AUTH: &str = "http.tls.clientauth";
const MINIMUM: &str = "http.tls.minimumtls";
const SUITES: &str = "http.tls.ciphersuites";

pub(super) fn read(reader: &mut Reader<'_>) -> Option<TlsConfig> {
    // All are read even where unused, so that a mistake is found before it counts.
    let certificate = file(reader, CERTIFICATE);
    let key = file(reader, KEY);
    let clients = clients(reader);
    let minimum = minimum(reader);
    let suites = suites_named(reader, minimum);
    if certificate.is_none() && key.is_none() && clients.is_none() {
        off(reader);
        return None;
    }
    // Whoever wrote one of these means it; the registry we replace went on in the clear without the first.
    Some(TlsConfig {
        certificate: demanded(reader, CERTIFICATE, certificate),
        key: demanded(reader, KEY, key),
        clients,
        minimum,
        suites,
    })
}

/// What is left of the section switches nothing on, as before.
fn off(reader: &mut Reader<'_>) {
    for key in [MINIMUM, SUITES] {
        if reader.is_set(key) {
            return reader
                .warn(key, "off, because http.tls.certificate is not set: everything is sent in clear");
        }
    }
}

fn demanded(reader: &mut Reader<'_>, key: &'static str, file: Option<PathBuf>) -> PathBuf {
    if file.is_none() && !reader.is_set(key) && !reader.has_errors_at(key) {
        reader.reject(key, "expected the path of a file in PEM, for http.tls is in use, got nothing");
    }
    file.unwrap_or_default()
}

fn file(reader: &mut Reader<'_>, key: &'static str) -> Option<PathBuf> {
    reader.parsed(key, "the path of a file in PEM", path)
}

fn path(text: &str) -> Option<PathBuf> {
    (!text.is_empty()).then(|| PathBuf::from(text))
}

fn clients(reader: &mut Reader<'_>) -> Option<ClientTrust> {
    let authorities = reader.list(AUTHORITIES, "the path of a file in PEM", path).unwrap_or_default();
    let expected = "request-client-cert, require-any-client-cert, verify-client-cert-if-given or \
                    require-and-verify-client-cert";
    let words = [
        ("request-client-cert", ClientAuth::Request),
        ("require-any-client-cert", ClientAuth::RequireAny),
        ("verify-client-cert-if-given", ClientAuth::VerifyIfGiven),
        ("require-and-verify-client-cert", ClientAuth::RequireAndVerify),
    ];
    let auth = reader.word(CLIENT_AUTH, expected, &words);
    if auth.is_some() && authorities.is_empty() && !reader.has_errors_at(AUTHORITIES) {
        // The registry we replace let everybody in, whatever was demanded here.
        reader
            .reject(CLIENT_AUTH, "expected http.tls.clientcas beside it, the files of those who are trusted");
    }
    (!authorities.is_empty()).then(|| ClientTrust { authorities, auth: auth.unwrap_or_default() })
}

fn minimum(reader: &mut Reader<'_>) -> TlsVersion {
    let words = [
        ("tls1.0", (TlsVersion::Tls12, true)),
        ("tls1.1", (TlsVersion::Tls12, true)),
        ("tls1.2", (TlsVersion::Tls12, false)),
        ("tls1.3", (TlsVersion::Tls13, false)),
    ];
    let (version, is_too_old) = reader.word(MINIMUM, "tls1.2 or tls1.3", &words).unwrap_or_default();
    if is_too_old {
        // Stricter than what was asked for, which protects no less, and nothing in use speaks those versions.
        reader.warn(MINIMUM, "TLS 1.0 and 1.1 are not spoken any more; the oldest version is 1.2");
    }
    version
}

fn suites_named(reader: &mut Reader<'_>, minimum: TlsVersion) -> Vec<&'static str> {
    let expected = format!("one of {}", suites().collect::<Vec<_>>().join(", "));
    let named = reader.list(SUITES, &expected, suite).unwrap_or_default();
    let are_old = named.iter().all(|suite| suite.starts_with("TLS_ECDHE_"));
    if minimum == TlsVersion::Tls13 && !named.is_empty() && are_old {
        reader.warn(SUITES, "not used: http.tls.minimumtls is tls1.3, and these are suites of TLS 1.2");
    }
    named
}
