//! What a configuration says about TLS: which files, whom to trust, how old a version, which suites.
//!
//! The words are those of the registry we replace, and the suites have the names that Go gave them. No file is opened
//! here.

use std::fmt;
use std::path::PathBuf;

/// How connections are secured (`http.tls`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsConfig {
    /// The certificate and what links it to a root, in PEM (`certificate`).
    pub certificate: PathBuf,
    /// Its key, in PEM (`key`).
    pub key: PathBuf,
    /// Whether clients show certificates (`clientcas`, `clientauth`); `None` if they are not asked.
    pub clients: Option<ClientTrust>,
    /// The oldest version that is spoken (`minimumtls`).
    pub minimum: TlsVersion,
    /// The suites that were asked for (`ciphersuites`), by their names in Go; empty for all there are.
    pub suites: Vec<&'static str>,
}

/// Whose certificates clients may show, and whether they must.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientTrust {
    /// Files of certificates, in PEM (`clientcas`).
    pub authorities: Vec<PathBuf>,
    /// What is asked of a client (`clientauth`).
    pub auth: ClientAuth,
}

/// What is asked of a client (`http.tls.clientauth`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientAuth {
    /// Nothing it must do, and whatever it shows is not looked at (`request-client-cert`).
    Request,
    /// A certificate, by whomever (`require-any-client-cert`).
    RequireAny,
    /// If it shows a certificate, one by an authority of ours (`verify-client-cert-if-given`).
    VerifyIfGiven,
    /// A certificate by an authority of ours (`require-and-verify-client-cert`).
    #[default]
    RequireAndVerify,
}

/// The oldest version that is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TlsVersion {
    /// 1.2.
    #[default]
    Tls12,
    /// 1.3.
    Tls13,
}

/// Every suite of TLS 1.3 there is to offer, the preferred ones first.
const SUITES_OF_TLS13: [&str; 3] =
    ["TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256"];

/// And of TLS 1.2: keys that are made for one connection, and encryption that notices changes.
const SUITES_OF_TLS12: [&str; 6] = [
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
];

/// All suites there are to offer.
pub(super) fn suites() -> impl Iterator<Item = &'static str> {
    SUITES_OF_TLS13.into_iter().chain(SUITES_OF_TLS12)
}

/// The suite of this name, if it can be offered.
pub(super) fn suite(name: &str) -> Option<&'static str> {
    suites().find(|suite| *suite == name)
}

// === impl TlsConfig ===

impl TlsConfig {
    /// The names of the suites that are offered.
    ///
    /// A list without a suite of TLS 1.3 is about TLS 1.2 alone: in Go it never had a say in what 1.3 uses.
    #[must_use]
    pub fn offered(&self) -> Vec<&'static str> {
        if self.suites.is_empty() {
            return suites().collect();
        }
        let is_named = |suite: &&str| self.suites.contains(suite);
        let speaks_of_tls13 = SUITES_OF_TLS13.iter().any(is_named);
        let tls13 = SUITES_OF_TLS13.into_iter().filter(|suite| !speaks_of_tls13 || is_named(suite));
        tls13.chain(SUITES_OF_TLS12.into_iter().filter(is_named)).collect()
    }
}

impl fmt::Display for TlsConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} from {}", self.minimum, self.certificate.display())?;
        match &self.clients {
            None => formatter.write_str(", clients show no certificate")?,
            Some(clients) => write!(formatter, ", {clients}")?,
        }
        match self.suites.as_slice() {
            [] => Ok(()),
            suites => write!(formatter, ", {}", suites.join(" ")),
        }
    }
}

impl fmt::Display for ClientTrust {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files: Vec<String> = self.authorities.iter().map(|path| path.display().to_string()).collect();
        formatter.write_str(match self.auth {
            ClientAuth::Request => "clients may show any certificate, which is not checked",
            ClientAuth::RequireAny => "clients show any certificate, which is not checked",
            ClientAuth::VerifyIfGiven => "clients may show a certificate by ",
            ClientAuth::RequireAndVerify => "clients show a certificate by ",
        })?;
        match self.auth {
            ClientAuth::Request | ClientAuth::RequireAny => Ok(()),
            ClientAuth::VerifyIfGiven | ClientAuth::RequireAndVerify => {
                formatter.write_str(&files.join(" or "))
            }
        }
    }
}

impl fmt::Display for TlsVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Tls12 => "TLS 1.2 and later",
            Self::Tls13 => "TLS 1.3",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(named: &[&'static str], expected: &[&str]) {
        let tls = TlsConfig {
            certificate: PathBuf::new(),
            key: PathBuf::new(),
            clients: None,
            minimum: TlsVersion::Tls12,
            suites: named.to_vec(),
        };
        assert_eq!(tls.offered(), expected, "{named:?}");
    }

    #[test]
    fn a_list_about_one_version_leaves_tls_1_3_alone() {
        const OLD: &str = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256";
        const NEW: &str = "TLS_AES_128_GCM_SHA256";
        let [first, second, third] = SUITES_OF_TLS13;
        check(&[], &suites().collect::<Vec<_>>());
        check(&[OLD], &[first, second, third, OLD]);
        check(&[NEW], &[NEW]);
        check(&[OLD, NEW], &[NEW, OLD]);
    }
}
