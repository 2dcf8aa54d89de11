//! What a token says, once its signature is right.

use super::*;
use crate::caller::Grant;

/// Whether claims with `name` changed to `value` are believed; `Err` is how not.
async fn outcome(name: &str, value: impl FnOnce(u64) -> Value) -> Result<Arc<crate::Token>, TokenError> {
    let (clock, issuer) = (ManualClock::new(), Issuer::p256());
    let claims = claims_but(&clock, name, value(seconds(&clock)));
    believing(issuer.keys(), &clock).verify(&issuer.token(&claims)).await
}

macro_rules! refused {
    ($name:literal, $value:expr, $error:pat) => {
        let outcome = outcome($name, $value).await;
        assert!(matches!(outcome, Err($error)), "{} {}: {outcome:?}", $name, stringify!($value));
    };
}

#[tokio::test]
async fn a_token_says_whose_it_is_and_what_it_grants() {
    let (clock, issuer) = (ManualClock::new(), Issuer::p256());
    let mut claims = claims(&clock);
    claims["groups"] = json!(["dev"]);
    claims["access"] = json!([
        {"type": "repository", "class": "plugin", "name": "acme/app", "actions": ["pull", "*"]},
        {"type": "registry", "name": "catalog", "actions": []},
    ]);
    let token = believing(issuer.keys(), &clock).verify(&issuer.token(&claims)).await.unwrap();
    assert_eq!(token.subject, "ann");
    assert_eq!(token.claims["groups"], json!(["dev"]));
    let grant = |kind: &str, name: &str, actions: &[&str]| Grant {
        kind: kind.to_owned(),
        name: name.to_owned(),
        actions: actions.iter().map(ToString::to_string).collect(),
    };
    let expected = vec![grant("repository", "acme/app", &["pull", "*"]), grant("registry", "catalog", &[])];
    assert_eq!(token.access, Some(expected));
}

#[tokio::test]
async fn a_token_that_says_nothing_of_access_is_not_one_that_grants_nothing() {
    assert_eq!(outcome("access", |_| Value::Null).await.unwrap().access, None);
    assert_eq!(outcome("access", |_| json!([])).await.unwrap().access, Some(Vec::new()));
}

#[tokio::test]
async fn access_of_another_form_is_malformed() {
    refused!("access", |_| json!("all"), TokenError::Malformed(_));
    refused!("access", |_| json!({}), TokenError::Malformed(_));
    refused!("access", |_| json!(["repository:acme/app:pull"]), TokenError::Malformed(_));
    refused!("access", |_| json!([{"type": "repository"}]), TokenError::Malformed(_));
    refused!("access", |_| json!([{"type": 1, "name": "a", "actions": []}]), TokenError::Malformed(_));
    refused!(
        "access",
        |_| json!([{"type": "repository", "name": "a", "actions": "pull"}]),
        TokenError::Malformed(_)
    );
    refused!(
        "access",
        |_| json!([{"type": "repository", "name": "a", "actions": [1]}]),
        TokenError::Malformed(_)
    );
}

#[tokio::test]
async fn a_token_is_from_the_issuer() {
    refused!("iss", |_| json!("evil.example.com"), TokenError::Issuer);
    refused!("iss", |_| json!("AUTH.example.com"), TokenError::Issuer);
    refused!("iss", |_| json!([ISSUER]), TokenError::Issuer);
    refused!("iss", |_| Value::Null, TokenError::Issuer);
}

#[tokio::test]
async fn a_token_is_for_us_maybe_among_others() {
    assert!(outcome("aud", |_| json!([AUDIENCE])).await.is_ok());
    assert!(outcome("aud", |_| json!(["other.example.com", AUDIENCE])).await.is_ok());
    refused!("aud", |_| json!("other.example.com"), TokenError::Audience);
    refused!("aud", |_| json!(["other.example.com"]), TokenError::Audience);
    refused!("aud", |_| json!([]), TokenError::Audience);
    refused!("aud", |_| json!(""), TokenError::Audience);
    refused!("aud", |_| Value::Null, TokenError::Audience);
    refused!("aud", |_| json!(7), TokenError::Malformed(_));
    refused!("aud", |_| json!([AUDIENCE, 7]), TokenError::Malformed(_));
}

#[tokio::test]
async fn times_are_held_with_a_minutes_leeway() {
    let clock = ManualClock::new();
    let issuer = Issuer::p256();
    // Halves, so that the fraction of a second the test takes at decides nothing.
    for (name, offset, believed) in [
        ("exp", -59.0, true),
        ("exp", -61.0, false),
        ("exp", 0.5, true),
        ("nbf", 59.0, true),
        ("nbf", 61.5, false),
        ("nbf", -1e6, true),
    ] {
        let now = clock.now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
        let claims = claims_but(&clock, name, json!(now + offset));
        let outcome = believing(issuer.keys(), &clock).verify(&issuer.token(&claims)).await;
        match (believed, name) {
            (true, _) => assert!(outcome.is_ok(), "{name} {offset}: {outcome:?}"),
            (false, "exp") => assert!(matches!(outcome, Err(TokenError::Expired)), "{offset}: {outcome:?}"),
            (false, _) => assert!(matches!(outcome, Err(TokenError::NotYetValid)), "{offset}: {outcome:?}"),
        }
    }
}

#[tokio::test]
async fn the_last_second_of_the_leeway_is_in_and_the_next_is_out() {
    let (clock, issuer) = (ManualClock::new(), Issuer::p256());
    let fraction = clock.now().duration_since(SystemTime::UNIX_EPOCH).unwrap().subsec_nanos();
    clock.advance(Duration::from_nanos(1_000_000_000 - u64::from(fraction)));
    let verifier = believing(issuer.keys(), &clock);
    let (ends, starts) = (seconds(&clock) - 60, seconds(&clock) + 60);
    assert!(verifier.verify(&issuer.token(&claims_but(&clock, "exp", json!(ends)))).await.is_ok());
    assert!(verifier.verify(&issuer.token(&claims_but(&clock, "nbf", json!(starts)))).await.is_ok());

    let expired = issuer.token(&claims_but(&clock, "exp", json!(ends - 1)));
    assert!(matches!(verifier.verify(&expired).await, Err(TokenError::Expired)));
    let future = issuer.token(&claims_but(&clock, "nbf", json!(starts + 1)));
    assert!(matches!(verifier.verify(&future).await, Err(TokenError::NotYetValid)));
}

#[tokio::test]
async fn a_token_without_an_end_has_ended() {
    refused!("exp", |_| Value::Null, TokenError::Expired);
    refused!("exp", |_| json!(0), TokenError::Expired);
    refused!("exp", |_| json!(-1e300), TokenError::Expired);
    assert!(outcome("exp", |_| json!(1e300)).await.is_ok());
    assert!(outcome("exp", |now| json!(now as f64 + 0.25)).await.is_ok());
    refused!("exp", |now| json!((now + 300).to_string()), TokenError::Malformed(_));
    refused!("nbf", |_| json!("now"), TokenError::Malformed(_));
}

#[tokio::test]
async fn a_token_need_not_say_whose_it_is() {
    assert_eq!(outcome("sub", |_| Value::Null).await.unwrap().subject, "");
    refused!("sub", |_| json!(7), TokenError::Malformed(_));
}
