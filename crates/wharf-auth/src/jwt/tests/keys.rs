//! Names of keys, and keys as JSON.

use super::*;

/// The example of RFC 7638, section 3.1.
const RFC_7638_MODULUS: &str = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";

fn decode(text: &str) -> Vec<u8> {
    BASE64_URL_SAFE_NO_PAD.decode(text).unwrap()
}

/// A key whose `x` begins with a zero, and what Go's crypto/x509 and encoding/base32 make of it.
fn zero_key() -> VerifyingKey {
    VerifyingKey::from_spki(&decode(
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEAOEfUVKF88bLlzZC-4JH_JsmfGtUHsENz-MBp8QoN6Tg4feH7IaQNyOSPmsNJo9EAzniewPWj0w4hd-TdZv6ow",
    ))
    .unwrap()
}

#[test]
fn thumbprints_are_those_of_the_standards() {
    let rsa = VerifyingKey::rsa(&decode(RFC_7638_MODULUS), &decode("AQAB")).unwrap();
    assert_eq!(rsa.thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    assert_eq!(rsa.unpadded_thumbprint(), rsa.thumbprint());
    // RFC 8037, appendix A.3.
    let ed25519 = VerifyingKey::ed25519(&decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")).unwrap();
    assert_eq!(ed25519.thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

#[test]
fn a_coordinate_that_begins_with_a_zero_has_two_thumbprints() {
    assert_eq!(zero_key().thumbprint(), "ehm79GfCnXxCKnmyWeC_hPdQGV37_nI8WxN4SYXC6GQ");
    assert_eq!(zero_key().unpadded_thumbprint(), "VnaBCRQVND4MuPXPQal7T_4YiPpQE5MzEvOj-u1zBxE");
}

#[test]
fn libtrust_names_are_those_of_the_registrys_second_version() {
    let rsa = VerifyingKey::rsa(&decode(RFC_7638_MODULUS), &decode("AQAB")).unwrap();
    let names = [
        (rsa, "VUZD:EDHW:YWLN:RBFQ:KOA3:UVZ2:XKG5:2V2J:WTPI:6SRD:U6PZ:VCO5"),
        (zero_key(), "6NM2:64VM:UIRR:R5I4:WUFK:OANR:SUUA:GWHY:EMBG:JMWO:BJ7P:2ITY"),
    ];
    for (key, name) in names {
        assert_eq!(key.libtrust_id().as_deref(), Some(name));
    }
    assert_eq!(VerifyingKey::secret(&[1; 32]).unwrap().libtrust_id(), None);
}

#[test]
fn a_public_key_is_written_as_it_was_read() {
    for algorithm in
        [Algorithm::Es256, Algorithm::Es384, Algorithm::Es512, Algorithm::EdDsa, Algorithm::Rs256]
    {
        let key = Issuer::with(algorithm).key;
        assert_eq!(VerifyingKey::from_spki(&key.to_spki().unwrap()), Ok(key), "{algorithm}");
    }
    assert_eq!(VerifyingKey::from_spki(&zero_key().to_spki().unwrap()), Ok(zero_key()));
}

#[tokio::test]
async fn every_form_of_a_keys_name_finds_it() {
    let (clock, issuer) = (ManualClock::new(), Issuer::p256());
    let verifier =
        believing(KeySet::from_jwks(jwks(&[(&issuer, "release-key")]).as_bytes()).unwrap(), &clock);
    let key = &issuer.key;
    let names =
        ["release-key".to_owned(), key.thumbprint(), key.unpadded_thumbprint(), key.libtrust_id().unwrap()];
    for kid in names {
        let token = issuer.token_with(&json!({"alg": "ES256", "kid": kid}), &claims(&clock));
        assert!(verifier.verify(&token).await.is_ok(), "{kid}");
    }
}

#[tokio::test]
async fn of_two_keys_with_one_name_either_is_believed() {
    let clock = ManualClock::new();
    let issuers = [Issuer::p256(), Issuer::p256(), Issuer::with(Algorithm::EdDsa)];
    let keys = issuers.iter().map(|issuer| (Some("shared".to_owned()), issuer.key.clone()));
    let verifier = believing(KeySet::new(keys), &clock);
    for issuer in &issuers {
        let header = json!({"alg": issuer.algorithm().as_str(), "kid": "shared"});
        assert!(verifier.verify(&issuer.token_with(&header, &claims(&clock))).await.is_ok());
    }
    let header = json!({"alg": "ES256", "kid": "shared"});
    let error = verifier.verify(&Issuer::p256().token_with(&header, &claims(&clock))).await.unwrap_err();
    assert!(matches!(error, TokenError::Signature), "{error:?}");
}

#[tokio::test]
async fn a_key_for_one_algorithm_is_used_with_no_other() {
    let (clock, issuer) = (ManualClock::new(), Issuer::with(Algorithm::Rs256));
    let mut key = jwk(&issuer, "k");
    key["alg"] = json!("PS256");
    let keys = KeySet::from_jwks(json!({"keys": [key]}).to_string().as_bytes()).unwrap();
    let verifier = believing(keys, &clock);
    for (algorithm, believed) in [("PS256", true), ("RS256", false)] {
        let token = issuer.token_with(&json!({"alg": algorithm, "kid": "k"}), &claims(&clock));
        assert_eq!(verifier.verify(&token).await.is_ok(), believed, "{algorithm}");
    }
}

#[test]
fn a_key_that_cannot_check_tokens_is_left_out_and_the_others_stay() {
    let issuer = Issuer::p256();
    let good = jwk(&issuer, "good");
    let but = |name: &str, value: Value| {
        let mut key = jwk(&issuer, "bad");
        key[name] = value;
        key
    };
    let bad = [
        but("use", json!("enc")),
        but("key_ops", json!(["encrypt"])),
        but("alg", json!("ECDH-ES")),
        but("crv", json!("secp256k1")),
        but("kty", json!("PQ")),
        but("x", json!("*")),
        but("x", json!("_".repeat(48))),
        but("x", json!(BASE64_URL_SAFE_NO_PAD.encode([1; 32]))),
        but("y", Value::Null),
        but("kid", json!(7)),
        json!({"kty": "oct", "kid": "bad", "k": "c2hvcnQ"}),
        json!({"kty": "RSA", "kid": "bad", "n": "AQAB", "e": "AQAB"}),
        json!({"kty": "RSA", "kid": "bad", "n": RFC_7638_MODULUS, "e": ""}),
        json!({"kty": "OKP", "kid": "bad", "crv": "X25519", "x": "AAAA"}),
        json!("key"),
        json!(null),
    ];
    for bad in bad {
        let keys = KeySet::from_jwks(json!({"keys": [bad, good]}).to_string().as_bytes()).unwrap();
        assert_eq!((keys.named("good").count(), keys.named("bad").count()), (1, 0), "{bad}");
        let alone = KeySet::from_jwks(json!({"keys": [bad]}).to_string().as_bytes());
        assert!(matches!(alone, Err(KeySetError::Empty)), "{bad}");
    }
}

#[test]
fn a_set_without_keys_is_an_error() {
    assert!(matches!(KeySet::from_jwks(b"{\"keys\": []}"), Err(KeySetError::Empty)));
    for text in ["", "[]", "{}", "{\"keys\": {}}", "-----BEGIN CERTIFICATE-----"] {
        assert!(matches!(KeySet::from_jwks(text.as_bytes()), Err(KeySetError::NotAKeySet(_))), "{text}");
    }
}

#[test]
fn private_parts_padding_and_missing_zeros_do_no_harm() {
    let x = decode("AOEfUVKF88bLlzZC-4JH_JsmfGtUHsENz-MBp8QoN6Q");
    let key = json!({
        "kty": "EC", "crv": "P-256", "d": "c2VjcmV0", "use": "sig", "key_ops": ["sign", "verify"],
        "x": BASE64_URL_SAFE_NO_PAD.encode(&x[1..]), "y": "4OH3h-yGkDcjkj5rDSaPRAM54nsD1o9MOIXfk3Wb-qM=",
    });
    let keys = KeySet::from_jwks(json!({"keys": [key]}).to_string().as_bytes()).unwrap();
    assert_eq!(keys.named(&zero_key().thumbprint()).count(), 1);
}

#[test]
fn a_secret_is_not_shown() {
    let keys = KeySet::new([(None, VerifyingKey::secret(b"a secret of more than 32 bytes here").unwrap())]);
    let printed = format!("{keys:?}");
    assert!(printed.contains("VerifyingKey(secret)") && !printed.contains("97"), "{printed}");
}
