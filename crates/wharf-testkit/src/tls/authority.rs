//! An authority that certifies whatever a test asks it to.

use std::net::Ipv4Addr;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_RSA_SHA256, SanType,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::der_parser::parse_der;

const YEAR: Duration = Duration::from_hours(365 * 24);

/// Signs certificates.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pem: String,
}

/// A certificate and its key.
#[derive(Debug, Clone)]
pub struct Pair {
    /// In PEM.
    pub certificate: String,
    /// In PEM, as PKCS#8.
    pub key: String,
}

// === impl Authority ===

impl Authority {
    /// An authority of this name.
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = named(&[(DnType::CommonName, name)]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let signed = params.self_signed(&key).unwrap();
        let (certificate, pem) = (signed.der().clone(), signed.pem());
        Self { issuer: Issuer::new(params, key), certificate, pem }
    }

    /// Its own certificate, in PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    pub(super) fn certificate(&self) -> CertificateDer<'static> {
        self.certificate.clone()
    }

    /// For a server on the loopback, under this common name, for a year.
    pub fn server(&self, name: &str) -> Pair {
        self.server_until(name, YEAR)
    }

    /// For a server on the loopback whose certificate ends so much from now.
    pub fn server_until(&self, name: &str, left: Duration) -> Pair {
        self.sign(&server(name, left), &KeyPair::generate().unwrap())
    }

    /// For a server on the loopback, with a key of RSA.
    pub fn server_with_rsa(&self, name: &str) -> Pair {
        let key = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
        self.sign(&server(name, YEAR), &key)
    }

    /// For a client: organisation and common name.
    pub fn client(&self, organisation: &str, name: &str) -> Pair {
        let mut params = CertificateParams::default();
        params.distinguished_name =
            named(&[(DnType::OrganizationName, organisation), (DnType::CommonName, name)]);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(&params, &KeyPair::generate().unwrap())
    }

    fn sign(&self, params: &CertificateParams, key: &KeyPair) -> Pair {
        let signed = params.signed_by(key, &self.issuer).unwrap();
        Pair { certificate: signed.pem(), key: key.serialize_pem() }
    }
}

// === impl Pair ===

impl Pair {
    /// The certificate, as it goes over the wire.
    pub fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()
    }

    /// The key as it was written before there was PKCS#8, labelled `label`: PKCS#1 for RSA, SEC1 for ECDSA.
    pub fn unwrapped(&self, label: &str) -> String {
        let key = self.key();
        let (_, wrapped) = parse_der(key.secret_der()).unwrap();
        let inside = wrapped.as_sequence().unwrap()[2].as_slice().unwrap();
        pem::encode(&pem::Pem::new(label, inside))
    }

    pub(super) fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap()
    }
}

fn server(name: &str, left: Duration) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = named(&[(DnType::CommonName, name)]);
    // The second leads there as well, for clients that check no certificate of what they know to be the loopback.
    params.subject_alt_names =
        [Ipv4Addr::LOCALHOST, Ipv4Addr::UNSPECIFIED].map(|address| SanType::IpAddress(address.into())).into();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.not_after = (now() + left).into();
    params
}

fn named(parts: &[(DnType, &str)]) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    for (kind, value) in parts {
        name.push(kind.clone(), *value);
    }
    name
}

#[expect(clippy::disallowed_methods, reason = "clients check certificates by the machine's own clock")]
fn now() -> SystemTime {
    SystemTime::now()
}
