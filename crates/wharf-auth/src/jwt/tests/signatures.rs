//! Algorithms and the keys they go with.

use super::*;

#[tokio::test]
async fn every_algorithm_is_believed_with_a_key_of_its_kind() {
    let clock = ManualClock::new();
    for algorithm in Algorithm::ALL {
        let issuer = Issuer::with(algorithm);
        let header = json!({"alg": algorithm.as_str(), "kid": issuer.key.thumbprint()});
        let token = issuer.token_with(&header, &claims(&clock));
        let token = believing(issuer.keys(), &clock).verify(&token).await.unwrap();
        assert_eq!(token.subject, "ann", "{algorithm}");
    }
}

#[tokio::test]
async fn a_signature_by_another_key_under_a_trusted_name_is_wrong() {
    let clock = ManualClock::new();
    for algorithm in Algorithm::ALL.into_iter().filter(|algorithm| !algorithm.as_str().starts_with("HS")) {
        let (trusted, other) = (Issuer::with(algorithm), Issuer::stranger(algorithm));
        let header = json!({"alg": algorithm.as_str(), "kid": trusted.key.thumbprint()});
        let token = other.token_with(&header, &claims(&clock));
        let error = believing(trusted.keys(), &clock).verify(&token).await.unwrap_err();
        assert!(matches!(error, TokenError::Signature), "{algorithm}: {error:?}");
    }
}

#[tokio::test]
async fn no_bit_of_a_token_can_be_changed() {
    let (clock, issuer) = (ManualClock::new(), Issuer::p256());
    let verifier = believing(issuer.keys(), &clock);
    let token = issuer.token(&claims(&clock));
    for place in 0..token.len() {
        for bit in [0, 5] {
            let mut changed = token.clone().into_bytes();
            changed[place] ^= 1 << bit;
            let Ok(changed) = String::from_utf8(changed) else { continue };
            assert!(verifier.verify(&changed).await.is_err(), "{changed}");
        }
    }
}

#[tokio::test]
async fn a_token_that_is_not_signed_is_never_believed() {
    let (clock, issuer) = (ManualClock::new(), Issuer::p256());
    let verifier = believing(issuer.keys(), &clock);
    for name in ["none", "None", "NONE", "", "es256", "ES256K", "HS1"] {
        let header = json!({"alg": name, "kid": issuer.key.thumbprint()});
        for signature in ["", "AAAA"] {
            let token = format!("{}.{}.{signature}", part(&header), part(&claims(&clock)));
            let error = verifier.verify(&token).await.unwrap_err();
            assert!(matches!(error, TokenError::Algorithm), "{name:?}: {error:?}");
        }
    }
    let header = json!({"alg": "ES256", "kid": issuer.key.thumbprint()});
    let token = format!("{}.{}.", part(&header), part(&claims(&clock)));
    assert!(matches!(verifier.verify(&token).await, Err(TokenError::Signature)));
}

#[tokio::test]
async fn a_public_key_is_never_taken_for_a_secret() {
    let clock = ManualClock::new();
    for kind in [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa] {
        let issuer = Issuer::with(kind);
        let verifier = believing(issuer.keys(), &clock);
        let spki = issuer.key.to_spki().unwrap();
        let pem = pem_of(&spki);
        for secret in [spki.as_slice(), pem.as_bytes(), issuer.key.thumbprint().as_bytes()] {
            for algorithm in [Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512] {
                let header = json!({"alg": algorithm.as_str(), "kid": issuer.key.thumbprint()});
                let message = format!("{}.{}", part(&header), part(&claims(&clock)));
                let signature = mac(algorithm, secret, message.as_bytes());
                let token = format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature));
                let error = verifier.verify(&token).await.unwrap_err();
                assert!(matches!(error, TokenError::Algorithm), "{error:?}");
            }
        }
    }
}

fn pem_of(spki: &[u8]) -> String {
    let text = base64::prelude::BASE64_STANDARD.encode(spki);
    format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")
}

#[tokio::test]
async fn an_algorithm_has_to_fit_the_kind_and_the_curve_of_the_key() {
    let clock = ManualClock::new();
    let fits = |key: Algorithm, used: Algorithm| match key {
        Algorithm::Rs256 => matches!(&used.as_str()[..2], "RS" | "PS"),
        Algorithm::Hs256 => &used.as_str()[..2] == "HS",
        key => key == used,
    };
    for key in [
        Algorithm::Es256,
        Algorithm::Es384,
        Algorithm::Es512,
        Algorithm::EdDsa,
        Algorithm::Rs256,
        Algorithm::Hs256,
    ] {
        let issuer = Issuer::with(key);
        for used in Algorithm::ALL.into_iter().filter(|used| !fits(key, *used)) {
            let header = json!({"alg": used.as_str(), "kid": issuer.key.thumbprint()});
            let token = issuer.token_with(&header, &claims(&clock));
            let error = believing(issuer.keys(), &clock).verify(&token).await.unwrap_err();
            assert!(matches!(error, TokenError::Algorithm), "{used} with a key for {key}: {error:?}");
        }
    }
}

#[tokio::test]
async fn an_algorithm_that_is_not_on_the_list_is_not_believed() {
    let (clock, issuer) = (ManualClock::new(), Issuer::with(Algorithm::Rs256));
    let rules = TokenRules { algorithms: vec![Algorithm::Rs512], ..TokenRules::new(ISSUER, AUDIENCE) };
    let verifier =
        TokenVerifier::new(rules, vec![TrustedKeys::fixed(issuer.keys())], Arc::new(clock.clone()));
    for (algorithm, believed) in
        [(Algorithm::Rs256, false), (Algorithm::Rs512, true), (Algorithm::Ps512, false)]
    {
        let header = json!({"alg": algorithm.as_str(), "kid": issuer.key.thumbprint()});
        let outcome = verifier.verify(&issuer.token_with(&header, &claims(&clock))).await;
        match believed {
            true => assert!(outcome.is_ok(), "{algorithm}: {outcome:?}"),
            false => assert!(matches!(outcome, Err(TokenError::Algorithm)), "{algorithm}: {outcome:?}"),
        }
    }
}

#[tokio::test]
async fn a_secret_is_as_long_as_the_hash_it_is_used_with() {
    let clock = ManualClock::new();
    let issuer = Issuer::of(Pair::Secret(vec![1; 48]));
    let verifier = believing(issuer.keys(), &clock);
    for (algorithm, believed) in
        [(Algorithm::Hs256, true), (Algorithm::Hs384, true), (Algorithm::Hs512, false)]
    {
        let header = json!({"alg": algorithm.as_str(), "kid": issuer.key.thumbprint()});
        let outcome = verifier.verify(&issuer.token_with(&header, &claims(&clock))).await;
        assert_eq!(outcome.is_ok(), believed, "{algorithm}: {outcome:?}");
    }
}

#[test]
fn algorithms_are_known_by_their_exact_names() {
    for algorithm in Algorithm::ALL {
        assert_eq!(algorithm.to_string().parse(), Ok(algorithm));
    }
    for name in ["", "none", "rs256", "RS256 ", "ES256K", "Ed25519"] {
        assert_eq!(name.parse::<Algorithm>(), Err(UnknownAlgorithm), "{name}");
    }
}
