//! Whether a token is to be believed.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{SHA256, digest};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use rustls_pki_types::CertificateDer;

use super::TOKEN_LIMIT_BYTES;
use super::algorithm::Algorithm;
use super::certificates::Leaf;
use super::claims;
use super::compact::{Compact, Signer};
use super::error::{FetchError, TokenError};
use super::key::{Mismatch, VerifyingKey};
use super::key_set::KeySet;
use super::trusted::TrustedKeys;
use crate::caller::Token;
use crate::clock::Clock;

/// How many believed tokens are remembered, and how long they may be together.
const REMEMBERED_TOKENS: usize = 4_096;
const REMEMBERED_BYTES: u64 = 8 << 20;

/// What a token has to say.
#[derive(Debug, Clone)]
pub struct TokenRules {
    /// Who gives tokens out: the one `iss`.
    pub issuer: String,
    /// Whom they have to be for: one of `aud`.
    pub audience: String,
    /// How they may be signed.
    pub algorithms: Vec<Algorithm>,
    /// The claim that names the holder's groups.
    pub groups_claim: String,
    /// How far their clock may be from ours.
    pub leeway: Duration,
}

/// Checks tokens.
#[derive(Debug)]
pub struct TokenVerifier {
    rules: TokenRules,
    trusted: Vec<TrustedKeys>,
    clock: Arc<dyn Clock>,
    remembered: Cache<[u8; 32], Remembered, Length>,
}

/// A token that was believed.
#[derive(Debug, Clone)]
struct Remembered {
    token: Arc<Token>,
    length: u64,
    until: SystemTime,
    /// The keys as they were then; with others it has to be looked at again.
    keys: Arc<[Option<Arc<KeySet>>]>,
}

#[derive(Debug, Clone)]
struct Length;

/// The keys of every source at one moment, and why those of one are missing.
struct Known {
    keys: Vec<Option<Arc<KeySet>>>,
    failure: Option<FetchError>,
}

/// How a signature was found to be right: until when that holds, if it does not for good.
struct Proven {
    until: Option<SystemTime>,
}

// === impl TokenRules ===

impl TokenRules {
    /// Every algorithm, groups in `groups`, and a minute's leeway.
    #[must_use]
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            audience: audience.into(),
            algorithms: Algorithm::ALL.to_vec(),
            groups_claim: "groups".to_owned(),
            leeway: Duration::from_secs(60),
        }
    }
}

// === impl TokenVerifier ===

impl TokenVerifier {
    /// Believes tokens that follow the rules and are signed by any of the trusted.
    #[must_use]
    pub fn new(rules: TokenRules, trusted: Vec<TrustedKeys>, clock: Arc<dyn Clock>) -> Self {
        let remembered = Cache::with_weighter(REMEMBERED_TOKENS, REMEMBERED_BYTES, Length);
        Self { rules, trusted, clock, remembered }
    }

    /// What the token says, if it is to be believed.
    pub async fn verify(&self, text: &str) -> Result<Arc<Token>, TokenError> {
        if text.len() > TOKEN_LIMIT_BYTES {
            return Err(TokenError::TooLarge);
        }
        let known = self.known().await;
        let name = fingerprint(text);
        if let Some(token) = self.remembered(&name, &known) {
            return Ok(token);
        }
        match self.check(text, &name, &known) {
            Err(TokenError::UnknownKey) => {
                let known = self.look_again(known).await;
                match (self.check(text, &name, &known), known.failure) {
                    // The key may be among those that could not be had.
                    (Err(TokenError::UnknownKey), Some(failure)) => Err(TokenError::KeysUnavailable(failure)),
                    (outcome, _) => outcome,
                }
            }
            outcome => outcome,
        }
    }

    async fn known(&self) -> Known {
        let mut known = Known { keys: Vec::with_capacity(self.trusted.len()), failure: None };
        for source in &self.trusted {
            known.add(source.current().await);
        }
        known
    }

    async fn look_again(&self, before: Known) -> Known {
        let mut known = Known { keys: Vec::with_capacity(self.trusted.len()), failure: None };
        for (source, before) in self.trusted.iter().zip(before.keys) {
            match source.look_again(before.as_ref()).await {
                Ok(keys) => known.keys.push(Some(keys)),
                Err(failure) => {
                    known.keys.push(before);
                    known.failure = Some(failure);
                }
            }
        }
        known
    }

    fn remembered(&self, name: &[u8; 32], known: &Known) -> Option<Arc<Token>> {
        let remembered = self.remembered.get(name)?;
        let same = |(then, now): (&Option<Arc<KeySet>>, &Option<Arc<KeySet>>)| match (then, now) {
            (Some(then), Some(now)) => Arc::ptr_eq(then, now),
            (None, None) => true,
            _ => false,
        };
        let holds = remembered.keys.iter().zip(&known.keys).all(same) && self.clock.now() <= remembered.until;
        if !holds {
            self.remembered.remove(name);
        }
        holds.then_some(remembered.token)
    }

    fn check(&self, text: &str, name: &[u8; 32], known: &Known) -> Result<Arc<Token>, TokenError> {
        let now = self.clock.now();
        let compact = Compact::parse(text)?;
        let proven = self.check_signature(&compact, known, now)?;
        let accepted = claims::check(&compact.claims, &self.rules, now)?;
        let token = Arc::new(accepted.token);
        let remembered = Remembered {
            token: Arc::clone(&token),
            length: text.len() as u64,
            until: proven.until.map_or(accepted.until, |until| until.min(accepted.until)),
            keys: known.keys.clone().into(),
        };
        self.remembered.insert(*name, remembered);
        Ok(token)
    }

    fn check_signature(
        &self,
        token: &Compact<'_>,
        known: &Known,
        now: SystemTime,
    ) -> Result<Proven, TokenError> {
        if !self.rules.algorithms.contains(&token.algorithm) {
            return Err(TokenError::Algorithm);
        }
        match &token.signer {
            Signer::Chain(chain) => {
                let leaf = known.leaf(chain, now)?;
                verify(&leaf.key, token)?;
                Ok(Proven { until: Some(leaf.until) })
            }
            Signer::Id(id) => known.verify(id, token).map(|()| Proven { until: None }),
        }
    }
}

// === impl Known ===

impl Known {
    fn add(&mut self, keys: Result<Arc<KeySet>, FetchError>) {
        match keys {
            Ok(keys) => self.keys.push(Some(keys)),
            Err(failure) => {
                self.keys.push(None);
                self.failure = Some(failure);
            }
        }
    }

    fn sets(&self) -> impl Iterator<Item = &KeySet> {
        self.keys.iter().flatten().map(Arc::as_ref)
    }

    fn leaf(&self, chain: &[CertificateDer<'_>], now: SystemTime) -> Result<Leaf, TokenError> {
        let mut refusal = TokenError::Chain("no certificate is trusted here".to_owned());
        for roots in self.sets().map(KeySet::roots).filter(|roots| !roots.is_empty()) {
            match roots.verify(chain, now) {
                Ok(leaf) => return Ok(leaf),
                Err(why) => refusal = TokenError::Chain(why),
            }
        }
        Err(refusal)
    }

    /// Several keys may go by one name; one has to fit.
    fn verify(&self, id: &str, token: &Compact<'_>) -> Result<(), TokenError> {
        let mut refusal = TokenError::UnknownKey;
        for trusted in self.sets().flat_map(|set| set.named(id)) {
            let other = trusted.algorithm.is_some_and(|only| only != token.algorithm);
            let outcome = if other { Err(TokenError::Algorithm) } else { verify(&trusted.key, token) };
            match outcome {
                Ok(()) => return Ok(()),
                // That a signature is wrong says more than that another key is of another kind.
                Err(_) if matches!(refusal, TokenError::Signature) => {}
                Err(why) => refusal = why,
            }
        }
        Err(refusal)
    }
}

fn verify(key: &VerifyingKey, token: &Compact<'_>) -> Result<(), TokenError> {
    key.verify(token.algorithm, token.message, &token.signature).map_err(|mismatch| match mismatch {
        Mismatch::Signature => TokenError::Signature,
        Mismatch::Algorithm => TokenError::Algorithm,
    })
}

fn fingerprint(text: &str) -> [u8; 32] {
    let mut name = [0; 32];
    name.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    name
}

impl Weighter<[u8; 32], Remembered> for Length {
    fn weight(&self, _: &[u8; 32], remembered: &Remembered) -> u64 {
        remembered.length
    }
}
