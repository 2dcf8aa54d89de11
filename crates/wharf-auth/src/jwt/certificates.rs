//! Certificates: which are trusted, and whether those a token brings lead to one of them.
//!
//! What a certificate is for (its extended key usage) is not asked, as it never was: the certificates of token servers
//! say nothing of tokens.

use std::time::SystemTime;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeIdIter};
use x509_cert::Certificate;
use x509_cert::der::Decode;

use super::error::KeySetError;
use super::key::VerifyingKey;

/// Certificates that are trusted themselves.
#[derive(Debug, Default)]
pub(super) struct Roots {
    certificates: Vec<CertificateDer<'static>>,
    anchors: Vec<TrustAnchor<'static>>,
}

/// Whose key a token is signed with, and until when its certificates say so.
#[derive(Debug)]
pub(super) struct Leaf {
    pub(super) key: VerifyingKey,
    pub(super) until: SystemTime,
}

struct AnyUsage;

// === impl Roots ===

impl Roots {
    pub(super) fn parse(pem: &[u8]) -> Result<Self, KeySetError> {
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<_, _>>()
            .map_err(|error| KeySetError::NotABundle(error.to_string()))?;
        if certificates.is_empty() {
            return Err(KeySetError::Empty);
        }
        let anchor = |(place, certificate)| match webpki::anchor_from_trusted_cert(certificate) {
            Ok(anchor) => Ok(anchor.to_owned()),
            Err(error) => Err(KeySetError::NotABundle(format!("certificate {}: {error}", place + 1))),
        };
        let anchors = certificates.iter().enumerate().map(anchor).collect::<Result<_, _>>()?;
        Ok(Self { certificates, anchors })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.anchors.is_empty()
    }

    /// The certificates' keys, as `SubjectPublicKeyInfo` in DER.
    pub(super) fn public_keys(&self) -> impl Iterator<Item = Vec<u8>> {
        self.anchors.iter().map(|anchor| webpki::spki_for_anchor(anchor).to_vec())
    }

    /// The first certificate of `chain`, if it is trusted itself or the rest lead from it to one that is.
    pub(super) fn verify(&self, chain: &[CertificateDer<'_>], now: SystemTime) -> Result<Leaf, String> {
        let (first, rest) = chain.split_first().ok_or("there are none")?;
        let spki = match self.certificates.iter().position(|trusted| trusted == first) {
            // Most token servers sign with the very certificate the registry has, which often calls itself an authority.
            Some(place) => webpki::spki_for_anchor(&self.anchors[place]).to_vec(),
            None => self.verify_path(first, rest, now)?,
        };
        let (from, until) = validity(first).ok_or("a certificate's dates cannot be read")?;
        if now < from || now > until {
            return Err("a certificate is not in force".to_owned());
        }
        let key = VerifyingKey::from_spki(&spki).map_err(|error| error.to_string())?;
        let until = rest.iter().filter_map(validity).map(|(_, until)| until).fold(until, SystemTime::min);
        Ok(Leaf { key, until })
    }

    fn verify_path(
        &self,
        first: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        now: SystemTime,
    ) -> Result<Vec<u8>, String> {
        let since_epoch = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let time = UnixTime::since_unix_epoch(since_epoch);
        let leaf = EndEntityCert::try_from(first).map_err(|error| error.to_string())?;
        let algorithms = webpki::ALL_VERIFICATION_ALGS;
        leaf.verify_for_usage(algorithms, &self.anchors, rest, time, AnyUsage, None, None)
            .map_err(|error| error.to_string())?;
        Ok(leaf.subject_public_key_info().to_vec())
    }
}

impl ExtendedKeyUsageValidator for AnyUsage {
    fn validate(&self, _: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        Ok(())
    }
}

fn validity(certificate: &CertificateDer<'_>) -> Option<(SystemTime, SystemTime)> {
    let certificate = Certificate::from_der(certificate).ok()?;
    let validity = certificate.tbs_certificate().validity();
    Some((validity.not_before.to_system_time(), validity.not_after.to_system_time()))
}
