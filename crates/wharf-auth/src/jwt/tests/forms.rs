//! Texts that are no tokens, and headers that say too much or too little.

use super::*;

#[tokio::test]
async fn what_is_no_token_is_malformed() {
    let (clock, issuer) = (ManualClock::new(), Issuer::p256());
    let verifier = believing(issuer.keys(), &clock);
    let good = issuer.token(&claims(&clock));
    let (head, rest) = good.split_once('.').unwrap();
    let deep = BASE64_URL_SAFE_NO_PAD.encode("[".repeat(20_000));
    let rows = [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "a.b.c".to_owned(),
        head.to_owned(),
        format!("{good}."),
        format!("{good}.x"),
        format!(" {good}"),
        format!("{good}\n"),
        format!("{head}=.{rest}"),
        format!("{}.{rest}", part(&json!("ES256"))),
        format!("{}.{rest}", part(&json!([]))),
        format!("{}.{rest}", part(&json!({"kid": "k"}))),
        format!("{}.{rest}", part(&json!({"alg": "ES256", "kid": 7}))),
        format!("{}.{rest}", part(&json!({"alg": "ES256", "kid": "k", "crit": ["exp"], "exp": 1}))),
        format!("{}.{rest}", BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256","alg":"ES256","kid":"k"}"#)),
        format!("{}.{rest}", part(&json!({"alg": "ES256", "x5c": ["*"]}))),
        format!("{deep}.{rest}"),
    ];
    for text in rows {
        let error = verifier.verify(&text).await.unwrap_err();
        assert!(matches!(error, TokenError::Malformed(_)), "{text:.80}: {error:?}");
    }
}

#[tokio::test]
async fn claims_that_are_no_object_are_malformed_whoever_signs_them() {
    let (clock, issuer) = (ManualClock::new(), Issuer::p256());
    let verifier = believing(issuer.keys(), &clock);
    for claims in [json!([]), json!("claims"), json!(null)] {
        let error = verifier.verify(&issuer.token(&claims)).await.unwrap_err();
        assert!(matches!(error, TokenError::Malformed(_)), "{claims}: {error:?}");
    }
}

#[tokio::test]
async fn what_is_too_large_is_not_looked_at() {
    let (clock, issuer) = (ManualClock::new(), Issuer::p256());
    let verifier = believing(issuer.keys(), &clock);
    let long = |length: usize| json!("x".repeat(length));
    let kid = issuer.key.thumbprint();

    let fits = issuer.token(&claims_but(&clock, "note", long(TOKEN_LIMIT_BYTES / 2)));
    assert!(verifier.verify(&fits).await.is_ok());
    let fits = json!({"alg": "ES256", "kid": kid, "note": long(TOKEN_HEADER_LIMIT_BYTES / 2)});
    assert!(verifier.verify(&issuer.token_with(&fits, &claims(&clock))).await.is_ok());

    let token = issuer.token(&claims_but(&clock, "note", long(TOKEN_LIMIT_BYTES)));
    assert!(matches!(verifier.verify(&token).await, Err(TokenError::TooLarge)));
    let header = json!({"alg": "ES256", "kid": kid, "note": long(TOKEN_HEADER_LIMIT_BYTES)});
    let token = issuer.token_with(&header, &claims(&clock));
    assert!(matches!(verifier.verify(&token).await, Err(TokenError::TooLarge)));
    let header = json!({"alg": "ES256", "x5c": vec!["AAAA"; TOKEN_CHAIN_LIMIT + 1]});
    let token = issuer.token_with(&header, &claims(&clock));
    assert!(matches!(verifier.verify(&token).await, Err(TokenError::TooLarge)));
}

#[tokio::test]
async fn a_header_that_names_no_key_or_an_unknown_one_is_not_believed() {
    let (clock, issuer) = (ManualClock::new(), Issuer::p256());
    let verifier = believing(issuer.keys(), &clock);
    for header in [
        json!({"alg": "ES256"}),
        json!({"alg": "ES256", "kid": null}),
        json!({"alg": "ES256", "kid": ""}),
        json!({"alg": "ES256", "kid": "another"}),
        json!({"alg": "ES256", "x5c": [], "kid": "another"}),
        json!({"alg": "ES256", "jwk": {}, "kid": issuer.key.thumbprint()}),
    ] {
        let error = verifier.verify(&issuer.token_with(&header, &claims(&clock))).await.unwrap_err();
        assert!(matches!(error, TokenError::UnknownKey), "{header}: {error:?}");
    }
}

#[tokio::test]
async fn a_key_in_a_header_only_names_one_of_ours() {
    let (clock, trusted, other) = (ManualClock::new(), Issuer::p256(), Issuer::p256());
    let verifier = believing(KeySet::new([(Some("ours".to_owned()), trusted.key.clone())]), &clock);

    let header = json!({"alg": "ES256", "jwk": jwk(&trusted, "ours")});
    assert!(verifier.verify(&trusted.token_with(&header, &claims(&clock))).await.is_ok());

    let header = json!({"alg": "ES256", "jwk": jwk(&other, "theirs")});
    let error = verifier.verify(&other.token_with(&header, &claims(&clock))).await.unwrap_err();
    assert!(matches!(error, TokenError::UnknownKey), "{error:?}");

    let header = json!({"alg": "ES256", "jwk": jwk(&other, "ours")});
    let error = verifier.verify(&other.token_with(&header, &claims(&clock))).await.unwrap_err();
    assert!(matches!(error, TokenError::Signature), "{error:?}");
}
