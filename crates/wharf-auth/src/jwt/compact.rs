//! The form of a token: three parts in base64url, and a header (RFC 7515, sections 4 and 7.1).

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use rustls_pki_types::CertificateDer;
use serde::Deserialize;
use serde_json::Value;

use super::algorithm::Algorithm;
use super::error::TokenError;
use super::{TOKEN_CHAIN_LIMIT, TOKEN_HEADER_LIMIT_BYTES, TOKEN_LIMIT_BYTES};

/// A token in its parts; nothing of it has been checked.
#[derive(Debug)]
pub(super) struct Compact<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) signer: Signer,
    /// What is signed.
    pub(super) message: &'a [u8],
    pub(super) claims: Vec<u8>,
    pub(super) signature: Vec<u8>,
}

/// How a token says whose it is.
#[derive(Debug)]
pub(super) enum Signer {
    /// By certificates, its own first.
    Chain(Vec<CertificateDer<'static>>),
    /// By the name of a key.
    Id(String),
}

/// Members that are looked at; serde refuses one that is there twice.
#[derive(Debug, Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    jwk: Option<HeaderKey>,
    x5c: Option<Vec<String>>,
    crit: Option<Value>,
}

/// A key in a header proves nothing; it may only say which of ours it is.
#[derive(Debug, Deserialize)]
struct HeaderKey {
    kid: Option<String>,
    x5c: Option<Vec<String>>,
}

// === impl Compact ===

impl<'a> Compact<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, TokenError> {
        if text.len() > TOKEN_LIMIT_BYTES {
            return Err(TokenError::TooLarge);
        }
        let parts: Vec<&str> = text.splitn(4, '.').collect();
        let [header, claims, signature] = parts[..] else {
            return Err(TokenError::Malformed("it has not three parts"));
        };
        if header.len() > TOKEN_HEADER_LIMIT_BYTES / 3 * 4 {
            return Err(TokenError::TooLarge);
        }
        let message = &text[..header.len() + 1 + claims.len()];
        let header: Header = serde_json::from_slice(&decode(header)?)
            .map_err(|_| TokenError::Malformed("its header is not what it should be"))?;
        Ok(Self {
            algorithm: header.alg.parse().map_err(|_| TokenError::Algorithm)?,
            signer: header.signer()?,
            message: message.as_bytes(),
            claims: decode(claims)?,
            signature: decode(signature)?,
        })
    }
}

// === impl Header ===

impl Header {
    /// `x5c`, else `jwk`, else `kid`.
    fn signer(self) -> Result<Signer, TokenError> {
        if self.crit.is_some() {
            return Err(TokenError::Malformed("its header wants something understood that is not"));
        }
        if let Some(chain) = self.x5c.filter(|chain| !chain.is_empty()) {
            return certificates(&chain).map(Signer::Chain);
        }
        let id = match self.jwk {
            None => self.kid,
            Some(key) => match key.x5c.filter(|chain| !chain.is_empty()) {
                Some(chain) => return certificates(&chain).map(Signer::Chain),
                None => key.kid,
            },
        };
        id.map(Signer::Id).ok_or(TokenError::UnknownKey)
    }
}

/// RFC 7515, section 4.1.6: not base64url, and with padding.
fn certificates(chain: &[String]) -> Result<Vec<CertificateDer<'static>>, TokenError> {
    if chain.len() > TOKEN_CHAIN_LIMIT {
        return Err(TokenError::TooLarge);
    }
    let decode = |text| BASE64_STANDARD.decode(text).map(CertificateDer::from);
    let decoded: Result<_, _> = chain.iter().map(decode).collect();
    decoded.map_err(|_| TokenError::Malformed("a certificate is not base64"))
}

fn decode(part: &str) -> Result<Vec<u8>, TokenError> {
    BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed("a part is not base64url"))
}
