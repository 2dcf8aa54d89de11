//! Tokens: text that nobody has signed is never believed, and one that is signed says what it says without a panic.
//!
//! The input is taken as a token, and as a header and claims with a line break between them.
#![no_main]

use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use libfuzzer_sys::fuzz_target;
use wharf_auth::{Clock, KeySet, Token, TokenError, TokenRules, TokenVerifier, TrustedKeys, VerifyingKey};

const SECRET: &[u8; 64] = &[7; 64];
const ISSUER: &str = "auth.example.com";

/// One that signed itself; its key is lost.
const CERTIFICATE: &[u8] = b"-----BEGIN CERTIFICATE-----\n\
MIIBjTCCATOgAwIBAgIUK7SktZ8VEBfLuNdvFiyCqHAtu98wCgYIKoZIzj0EAwIw\n\
GzEZMBcGA1UEAwwQYXV0aC5leGFtcGxlLmNvbTAgFw0yNjExMjMxOTQwMzJaGA8y\n\
MTI2MTAzMDE5NDAzMlowGzEZMBcGA1UEAwwQYXV0aC5leGFtcGxlLmNvbTBZMBMG\n\
ByqGSM49AgEGCCqGSM49AwEHA0IABLTmup933/20o1Pt8hDLOlBDoVwBJ4y1N6OH\n\
/CVyY4Fj3/uGxkeAp0oDbF2+MIwnE275TYrzedLJmnzxRrHiVLGjUzBRMB0GA1Ud\n\
DgQWBBSYS8WtcAEIgpoOyMLPrzMZTZzYKDAfBgNVHSMEGDAWgBSYS8WtcAEIgpoO\n\
yMLPrzMZTZzYKDAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCIQDU\n\
XnJd1OIt91hisS4Ibayl/DvAcus3dqc7G/Pdy8GUTgIgQPxIzTRjduuubqngaMiM\n\
Vi72XUXLEI88k9YCkNzgrXQ=\n\
-----END CERTIFICATE-----";

/// A public key of RFC 7515, appendix A.3, a secret of ours, and a certificate that is trusted.
static VERIFIER: LazyLock<TokenVerifier> = LazyLock::new(|| {
    let public = KeySet::from_jwks(br#"{"keys":[{"kty":"EC","kid":"ec","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#);
    let secret = KeySet::new([(Some("hs".to_owned()), VerifyingKey::secret(SECRET).unwrap())]);
    let certificate = KeySet::from_certificates(CERTIFICATE);
    let trusted = [public.unwrap(), secret, certificate.unwrap()].map(TrustedKeys::fixed).into();
    TokenVerifier::new(TokenRules::new(ISSUER, "registry.example.com"), trusted, Arc::new(Noon))
});

/// It is always the same time.
#[derive(Debug)]
struct Noon;

impl Clock for Noon {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    fn uptime(&self) -> Duration {
        Duration::from_secs(1)
    }
}

fuzz_target!(|text: &str| {
    assert!(verify(text).is_err());
    let Some((header, claims)) = text.split_once('\n') else { return };
    assert!(verify(&signed(header, claims, &[8; 64])).is_err());
    match verify(&signed(header, claims, SECRET)) {
        Ok(token) => assert_eq!(token.claims["iss"], ISSUER),
        Err(error) => drop(error.to_string()),
    }
});

/// Nothing has to be waited for: all keys are at hand.
fn verify(text: &str) -> Result<Arc<Token>, TokenError> {
    match Box::pin(VERIFIER.verify(text)).as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => unreachable!("something was waited for"),
    }
}

fn signed(header: &str, claims: &str, secret: &[u8]) -> String {
    let part = |text| BASE64_URL_SAFE_NO_PAD.encode(text);
    let message = format!("{}.{}", part(header), part(claims));
    let hash = match header {
        header if header.contains("HS512") => hmac::HMAC_SHA512,
        header if header.contains("HS384") => hmac::HMAC_SHA384,
        _ => hmac::HMAC_SHA256,
    };
    let signature = hmac::sign(&hmac::Key::new(hash, secret), message.as_bytes());
    format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
}
