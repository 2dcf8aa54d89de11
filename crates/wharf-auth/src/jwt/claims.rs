//! What a token claims (RFC 7519, section 4.1), and what it grants.

use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};

use super::error::TokenError;
use super::verifier::TokenRules;
use crate::caller::{CallerGroups, Grant, Token, is_elsewhere};

/// A token whose claims are in order, and until when they are.
pub(super) struct Accepted {
    pub(super) token: Token,
    pub(super) until: SystemTime,
}

/// Holds the claims against the rules. Both ends of a time are still in it, leeway included.
pub(super) fn check(bytes: &[u8], rules: &TokenRules, now: SystemTime) -> Result<Accepted, TokenError> {
    let claims: Map<String, Value> = serde_json::from_slice(bytes)
        .map_err(|_| TokenError::Malformed("its claims are not a JSON object"))?;
    if claims.get("iss").and_then(Value::as_str) != Some(&*rules.issuer) {
        return Err(TokenError::Issuer);
    }
    if !is_for(&claims, &rules.audience)? {
        return Err(TokenError::Audience);
    }
    let (seconds, leeway) = (since_epoch(now), rules.leeway.as_secs_f64());
    // Without an end there is no telling how long ago it was given out.
    let end = date(&claims, "exp")?.ok_or(TokenError::Expired)? + leeway;
    if seconds > end {
        return Err(TokenError::Expired);
    }
    if date(&claims, "nbf")?.is_some_and(|start| seconds < start - leeway) {
        return Err(TokenError::NotYetValid);
    }
    let left = Duration::try_from_secs_f64(end - seconds).unwrap_or(Duration::ZERO);
    let groups = groups(&claims, &rules.groups_claim);
    let token = Token { subject: subject(&claims)?, access: access(&claims)?, groups, claims };
    Ok(Accepted { token, until: now.checked_add(left).unwrap_or(now) })
}

fn is_for(claims: &Map<String, Value>, audience: &str) -> Result<bool, TokenError> {
    match claims.get("aud") {
        None | Some(Value::Null) => Ok(false),
        Some(Value::String(only)) => Ok(only == audience),
        Some(Value::Array(all)) if all.iter().all(Value::is_string) => {
            Ok(all.iter().any(|each| each.as_str() == Some(audience)))
        }
        Some(_) => Err(TokenError::Malformed("`aud` is neither a string nor a list of strings")),
    }
}

/// A date in seconds; a fraction is allowed.
fn date(claims: &Map<String, Value>, name: &str) -> Result<Option<f64>, TokenError> {
    match claims.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(number)) => Ok(number.as_f64().filter(|seconds| seconds.is_finite())),
        Some(_) => Err(TokenError::Malformed("a date is not a number")),
    }
}

fn subject(claims: &Map<String, Value>) -> Result<String, TokenError> {
    match claims.get("sub") {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(subject)) => Ok(subject.clone()),
        Some(_) => Err(TokenError::Malformed("`sub` is not a string")),
    }
}

/// The groups in the claim `name`: text, or a list of texts. `None` if it is anything else, or if the token only says where
/// they are to be had, as some servers do for long lists.
fn groups(claims: &Map<String, Value>, name: &str) -> Option<CallerGroups> {
    match claims.get(name) {
        _ if is_elsewhere(claims, name) => None,
        None | Some(Value::Null) => Some(CallerGroups::default()),
        Some(Value::String(only)) => Some([only.as_str()].into_iter().collect()),
        Some(Value::Array(all)) => all.iter().map(Value::as_str).collect(),
        Some(_) => None,
    }
}

fn access(claims: &Map<String, Value>) -> Result<Option<Vec<Grant>>, TokenError> {
    let grants = match claims.get("access") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Array(grants)) => grants.iter().map(grant).collect(),
        Some(_) => None,
    };
    grants.map(Some).ok_or(TokenError::Malformed("`access` is not a list of type, name and actions"))
}

fn grant(value: &Value) -> Option<Grant> {
    let text = |name: &str| value.get(name)?.as_str().map(str::to_owned);
    let actions = match value.get("actions") {
        None | Some(Value::Null) => Vec::new(),
        Some(actions) => {
            let actions = actions.as_array()?.iter().map(|action| action.as_str().map(str::to_owned));
            actions.collect::<Option<_>>()?
        }
    };
    Some(Grant { kind: text("type")?, name: text("name")?, actions })
}

fn since_epoch(date: SystemTime) -> f64 {
    date.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
