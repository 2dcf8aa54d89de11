//! Chains that lead to a trusted certificate, and chains that do not.

use base64::prelude::BASE64_STANDARD;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer as Authority, KeyPair as CertificateKey, date_time_ymd,
};

use super::*;

/// A certificate and what it is the certificate of.
struct Certified {
    certificate: Certificate,
    params: CertificateParams,
    key: CertificateKey,
    issuer: Issuer,
}

// === impl Certified ===

impl Certified {
    fn root(name: &str) -> Self {
        let params = params(name, IsCa::Ca(BasicConstraints::Unconstrained));
        let key = CertificateKey::generate().unwrap();
        Self::of(params.self_signed(&key).unwrap(), params, key)
    }

    fn signs(&self, params: CertificateParams) -> Self {
        let key = CertificateKey::generate().unwrap();
        let authority = Authority::from_params(&self.params, &self.key);
        Self::of(params.signed_by(&key, &authority).unwrap(), params, key)
    }

    fn of(certificate: Certificate, params: CertificateParams, key: CertificateKey) -> Self {
        let issuer = Issuer::from_pkcs8(key.serialized_der());
        Self { certificate, params, key, issuer }
    }

    /// A token that brings this certificate and others.
    fn token(&self, others: &[&Self], claims: &Value) -> String {
        let chain = self.chain(others);
        self.issuer.token_with(&json!({"alg": "ES256", "x5c": chain}), claims)
    }

    fn chain(&self, others: &[&Self]) -> Vec<String> {
        let all = [self].into_iter().chain(others.iter().copied());
        all.map(|each| BASE64_STANDARD.encode(each.certificate.der())).collect()
    }
}

fn params(name: &str, is_ca: IsCa) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = is_ca;
    params
}

fn leaf() -> CertificateParams {
    params("tokens", IsCa::ExplicitNoCa)
}

fn leaf_but(change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    let mut params = leaf();
    change(&mut params);
    params
}

fn trusting(roots: &[&Certified], clock: &ManualClock) -> TokenVerifier {
    let pem: String = roots.iter().map(|root| root.certificate.pem()).collect();
    believing(KeySet::from_certificates(pem.as_bytes()).unwrap(), clock)
}

#[track_caller]
fn assert_chain(outcome: &Result<Arc<crate::Token>, TokenError>) {
    assert!(matches!(outcome, Err(TokenError::Chain(_))), "{outcome:?}");
}

#[tokio::test]
async fn a_chain_to_a_trusted_certificate_is_believed_however_long() {
    let clock = ManualClock::new();
    let root = Certified::root("root");
    let middle = root.signs(params("middle", IsCa::Ca(BasicConstraints::Unconstrained)));
    let (near, far) = (root.signs(leaf()), middle.signs(leaf()));
    let verifier = trusting(&[&Certified::root("another"), &root], &clock);

    for token in [
        near.token(&[], &claims(&clock)),
        near.token(&[&root], &claims(&clock)),
        far.token(&[&middle], &claims(&clock)),
        far.token(&[&middle, &root], &claims(&clock)),
    ] {
        verifier.verify(&token).await.unwrap();
    }
    assert_chain(&verifier.verify(&far.token(&[], &claims(&clock))).await);
}

#[tokio::test]
async fn a_chain_in_a_key_in_the_header_counts_as_well() {
    let clock = ManualClock::new();
    let root = Certified::root("root");
    let leaf = root.signs(leaf());
    let header = json!({"alg": "ES256", "jwk": {"kty": "EC", "x5c": leaf.chain(&[])}});
    let token = leaf.issuer.token_with(&header, &claims(&clock));
    trusting(&[&root], &clock).verify(&token).await.unwrap();
}

#[tokio::test]
async fn the_trusted_certificate_itself_signs_by_chain_and_by_every_name_of_its_key() {
    let clock = ManualClock::new();
    let root = Certified::root("root");
    let verifier = trusting(&[&root], &clock);
    verifier.verify(&root.token(&[], &claims(&clock))).await.unwrap();
    let key = &root.issuer.key;
    for kid in [key.thumbprint(), key.unpadded_thumbprint(), key.libtrust_id().unwrap()] {
        let token = root.issuer.token_with(&json!({"alg": "ES256", "kid": kid}), &claims(&clock));
        verifier.verify(&token).await.unwrap();
    }
}

#[tokio::test]
async fn a_chain_to_somebody_else_is_not_believed() {
    let clock = ManualClock::new();
    let (root, foreign) = (Certified::root("root"), Certified::root("root"));
    let verifier = trusting(&[&root], &clock);
    let leaf = foreign.signs(leaf());
    for token in [
        leaf.token(&[], &claims(&clock)),
        leaf.token(&[&foreign], &claims(&clock)),
        leaf.token(&[&root], &claims(&clock)),
        foreign.token(&[], &claims(&clock)),
        foreign.token(&[&root], &claims(&clock)),
    ] {
        assert_chain(&verifier.verify(&token).await);
    }
}

#[tokio::test]
async fn a_chain_decides_even_if_a_trusted_name_stands_beside_it() {
    let clock = ManualClock::new();
    let (root, foreign) = (Certified::root("root"), Certified::root("foreign"));
    let kid = root.issuer.key.thumbprint();
    let header = json!({"alg": "ES256", "kid": kid, "x5c": foreign.chain(&[])});
    let verifier = trusting(&[&root], &clock);
    assert_chain(&verifier.verify(&foreign.issuer.token_with(&header, &claims(&clock))).await);
}

#[tokio::test]
async fn the_certificate_that_comes_first_has_to_be_the_signers() {
    let clock = ManualClock::new();
    let root = Certified::root("root");
    let (leaf, thief) = (root.signs(leaf()), Issuer::p256());
    let header = json!({"alg": "ES256", "x5c": leaf.chain(&[])});
    let outcome = trusting(&[&root], &clock).verify(&thief.token_with(&header, &claims(&clock))).await;
    assert!(matches!(outcome, Err(TokenError::Signature)), "{outcome:?}");
}

#[tokio::test]
async fn a_certificate_that_is_no_authority_makes_no_others() {
    let clock = ManualClock::new();
    let root = Certified::root("root");
    let middle = root.signs(leaf());
    let far = middle.signs(leaf());
    assert_chain(&trusting(&[&root], &clock).verify(&far.token(&[&middle], &claims(&clock))).await);
}

#[tokio::test]
async fn what_a_certificate_is_said_to_be_for_does_not_matter() {
    let clock = ManualClock::new();
    let root = Certified::root("root");
    for usage in [ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::CodeSigning] {
        let leaf = root.signs(leaf_but(|params| params.extended_key_usages = vec![usage]));
        trusting(&[&root], &clock).verify(&leaf.token(&[], &claims(&clock))).await.unwrap();
    }
}

#[tokio::test]
async fn certificates_are_believed_only_while_they_are_in_force() {
    let clock = ManualClock::new();
    let root = Certified::root("root");
    let verifier = trusting(&[&root], &clock);
    let old = leaf_but(|params| params.not_after = date_time_ymd(2020, 1, 1));
    let young = leaf_but(|params| params.not_before = date_time_ymd(2999, 1, 1));
    for params in [old, young] {
        let leaf = root.signs(params);
        assert_chain(&verifier.verify(&leaf.token(&[], &claims(&clock))).await);
    }
    let mut ended = params("ended", IsCa::Ca(BasicConstraints::Unconstrained));
    ended.not_after = date_time_ymd(2020, 1, 1);
    let key = CertificateKey::generate().unwrap();
    let ended = Certified::of(ended.self_signed(&key).unwrap(), ended, key);
    assert_chain(&trusting(&[&ended], &clock).verify(&ended.token(&[], &claims(&clock))).await);
}

#[tokio::test]
async fn a_remembered_token_is_forgotten_when_its_certificate_ends() {
    let clock = ManualClock::new();
    let root = Certified::root("root");
    let verifier = trusting(&[&root], &clock);
    let leaf = root.signs(leaf_but(|params| params.not_after = date_time_ymd(2100, 1, 1)));
    let token = leaf.token(&[], &claims_but(&clock, "exp", json!(9_000_000_000_u64)));
    verifier.verify(&token).await.unwrap();
    clock.advance(Duration::from_secs(100 * 365 * 24 * 3600));
    assert_chain(&verifier.verify(&token).await);
}

#[test]
fn a_bundle_is_certificates_in_pem_and_whatever_else_is_passed_over() {
    let root = Certified::root("root");
    let pem = root.certificate.pem();
    let with_key = format!("# ours\n{}\n{pem}\nmore text\n", root.key.serialize_pem());
    let keys = KeySet::from_certificates(with_key.as_bytes()).unwrap();
    assert_eq!(keys.named(&root.issuer.key.thumbprint()).count(), 1);

    for text in ["", "hello", &root.key.serialize_pem()] {
        assert!(matches!(KeySet::from_certificates(text.as_bytes()), Err(KeySetError::Empty)), "{text}");
    }
    let cut = &pem[..pem.len() / 2];
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for text in [cut, broken] {
        let error = KeySet::from_certificates(text.as_bytes()).unwrap_err();
        assert!(matches!(error, KeySetError::NotABundle(_)), "{text}: {error:?}");
    }
}
