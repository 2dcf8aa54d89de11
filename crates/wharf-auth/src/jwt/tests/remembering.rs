//! What is remembered of tokens, and keys in files that change.

use super::*;
use crate::scratch::{replace, write};

#[tokio::test]
async fn a_token_that_was_believed_is_the_same_value_until_it_ends() {
    let (clock, issuer) = (ManualClock::new(), Issuer::p256());
    let verifier = believing(issuer.keys(), &clock);
    let token = issuer.token(&claims(&clock));
    let first = verifier.verify(&token).await.unwrap();
    clock.advance(Duration::from_secs(359));
    assert!(Arc::ptr_eq(&first, &verifier.verify(&token).await.unwrap()), "it is not looked at again");
    clock.advance(Duration::from_secs(3));
    assert!(matches!(verifier.verify(&token).await, Err(TokenError::Expired)));
}

#[tokio::test]
async fn a_key_that_is_taken_out_of_its_file_counts_no_more_at_once() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), ManualClock::new());
    let path = folder.path().join("jwks.json");
    let (old, new) = (Issuer::p256(), Issuer::p256());
    let token =
        |issuer: &Issuer, kid| issuer.token_with(&json!({"alg": "ES256", "kid": kid}), &claims(&clock));
    write(&path, jwks(&[(&old, "old")]));
    let trusted = TrustedKeys::jwks_file(&path, Arc::new(clock.clone())).await.unwrap();
    let verifier = verifier(vec![trusted], &clock);
    verifier.verify(&token(&old, "old")).await.unwrap();
    assert!(matches!(verifier.verify(&token(&new, "new")).await, Err(TokenError::UnknownKey)));

    let remembered = token(&old, "old");
    verifier.verify(&remembered).await.unwrap();
    replace(&path, jwks(&[(&old, "old"), (&new, "new")]));
    clock.advance(Duration::from_secs(1));
    verifier.verify(&token(&new, "new")).await.unwrap();
    verifier.verify(&remembered).await.unwrap();

    replace(&path, jwks(&[(&new, "new")]));
    clock.advance(Duration::from_secs(1));
    assert!(matches!(verifier.verify(&remembered).await, Err(TokenError::UnknownKey)));
    verifier.verify(&token(&new, "new")).await.unwrap();

    replace(&path, "{");
    clock.advance(Duration::from_secs(1));
    verifier.verify(&token(&new, "new")).await.unwrap();
}

#[tokio::test]
async fn certificates_and_keys_may_be_trusted_side_by_side() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), ManualClock::new());
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::default().self_signed(&key).unwrap();
    let (bundle, set) = (folder.path().join("bundle.pem"), folder.path().join("jwks.json"));
    let (by_bundle, by_set) = (Issuer::from_pkcs8(key.serialized_der()), Issuer::p256());
    write(&bundle, certificate.pem());
    write(&set, jwks(&[(&by_set, "set")]));
    let time: Arc<dyn Clock> = Arc::new(clock.clone());
    let trusted = vec![
        TrustedKeys::certificates(&bundle, Arc::clone(&time)).await.unwrap(),
        TrustedKeys::jwks_file(&set, time).await.unwrap(),
    ];
    let verifier = verifier(trusted, &clock);
    for issuer in [by_bundle, by_set] {
        verifier.verify(&issuer.token(&claims(&clock))).await.unwrap();
    }
}

#[tokio::test]
async fn a_file_without_keys_is_an_error_at_the_start() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), ManualClock::new());
    let path = folder.path().join("keys");
    for text in ["", "{\"keys\":[]}"] {
        write(&path, text);
        assert!(TrustedKeys::jwks_file(&path, Arc::new(clock.clone())).await.is_err());
        assert!(TrustedKeys::certificates(&path, Arc::new(clock.clone())).await.is_err());
    }
}
