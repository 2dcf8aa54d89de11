//! Our own tokens as values: what an access token and a refresh token say, and for how long that is true.
//!
//! It knows whose name it writes into a token and not why they may have it.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::keys::KeyRing;
use crate::caller::{CallerGroups, Grant, Token};

/// How far the clocks of two replicas may be apart.
const LEEWAY: Duration = Duration::from_secs(60);

/// The `typ` of what opens repositories.
const ACCESS: &str = "JWT";
/// The `typ` of what only the token service takes.
const REFRESH: &str = "refresh+JWT";

/// How tokens are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenOptions {
    /// For whom they are: the `service` of the challenge, in `aud` and `iss`.
    pub service: String,
    /// How long one opens repositories.
    pub lifetime: Duration,
    /// How long one takes a password's place at the token service; zero for never.
    pub refresh_lifetime: Duration,
}

impl Default for TokenOptions {
    fn default() -> Self {
        Self {
            service: "registry".to_owned(),
            lifetime: Duration::from_mins(5),
            refresh_lifetime: Duration::from_hours(90 * 24),
        }
    }
}

/// What a refresh token says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Refresh {
    iss: String,
    aud: String,
    /// Whose it is.
    pub(super) sub: String,
    iat: u64,
    exp: u64,
    /// Of the password as it was stored when this was issued; another one revokes it.
    pub(super) fingerprint: String,
}

/// The user that a token is for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Holder<'a> {
    pub(super) name: &'a str,
    /// What their password is stored as.
    pub(super) stored: &'a str,
}

/// An access token of ours.
pub(super) struct ReadToken {
    pub(super) token: Token,
    /// Of its holder's password as it was stored when this was issued; another one revokes it. `None` without a holder.
    pub(super) fingerprint: Option<String>,
    /// Which key has signed it.
    pub(super) key: Arc<str>,
    /// From when on it is none any more.
    pub(super) until: SystemTime,
}

/// A token that grants this, with an id of its own.
pub(super) fn access_token(
    keys: &KeyRing,
    options: &TokenOptions,
    now: SystemTime,
    holder: Option<Holder<'_>>,
    access: &[Grant],
) -> Result<String, serde_json::Error> {
    let access: Vec<Value> = access
        .iter()
        .map(|grant| json!({ "type": grant.kind, "name": grant.name, "actions": grant.actions }))
        .collect();
    let issued = seconds(now);
    let mut claims = json!({
        "iss": options.service,
        "sub": holder.map_or("", |holder| holder.name),
        "aud": options.service,
        "exp": issued + options.lifetime.as_secs(),
        "nbf": issued,
        "iat": issued,
        "jti": uuid::Uuid::now_v7().to_string(),
        "access": access,
    });
    if let Some(holder) = holder {
        claims["fingerprint"] = fingerprint(keys, holder.stored).into();
    }
    keys.sign(ACCESS, &claims)
}

/// What a token of ours grants, if it is one and its time is now. Whether its holder's password is still the one it was
/// made for is to be asked of [`still_stored`]. It counts for no longer than tokens are made for today,
/// so a shorter lifetime ends those that are out, and a stolen key makes none that lasts.
pub(super) fn read_access_token(
    keys: &KeyRing,
    options: &TokenOptions,
    now: SystemTime,
    token: &str,
) -> Option<ReadToken> {
    let (claims, key): (Map<String, Value>, _) = keys.verify(ACCESS, token)?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let number = |name: &str| claims.get(name).and_then(Value::as_u64);
    let is_ours = text("iss")? == options.service && text("aud")? == options.service;
    let (issued, expires) = (number("iat")?, number("exp")?);
    let until = UNIX_EPOCH.checked_add(Duration::from_secs(expires))?.checked_add(LEEWAY)?;
    let is_now = now < until
        && number("nbf")? <= seconds(now) + LEEWAY.as_secs()
        && is_not_longer(issued, expires, options.lifetime, now);
    let access = claims.get("access")?.as_array()?.iter().map(grant).collect::<Option<Vec<_>>>()?;
    let subject = text("sub")?.to_owned();
    let fingerprint = text("fingerprint").map(str::to_owned);
    // Their holders log in by password, and are in the groups that list them.
    let groups = Some(CallerGroups::default());
    let token = Token { subject, access: Some(access), groups, claims };
    (is_ours && is_now).then_some(ReadToken { token, fingerprint, key, until })
}

fn grant(value: &Value) -> Option<Grant> {
    let text = |name: &str| value.get(name)?.as_str().map(str::to_owned);
    let actions = value.get("actions")?.as_array()?.iter().map(|action| action.as_str().map(str::to_owned));
    Some(Grant { kind: text("type")?, name: text("name")?, actions: actions.collect::<Option<_>>()? })
}

/// A token in the place of the holder's password.
pub(super) fn refresh_token(
    keys: &KeyRing,
    options: &TokenOptions,
    now: SystemTime,
    holder: Holder<'_>,
) -> Result<String, serde_json::Error> {
    let issued = seconds(now);
    let claims = Refresh {
        iss: options.service.clone(),
        aud: options.service.clone(),
        sub: holder.name.to_owned(),
        iat: issued,
        exp: issued + options.refresh_lifetime.as_secs(),
        fingerprint: fingerprint(keys, holder.stored),
    };
    keys.sign(REFRESH, &claims)
}

/// What a refresh token of ours says, if it is one and its time is now. Whether the password is still the one it was
/// made for is to be asked of [`still_stored`].
pub(super) fn read_refresh_token(
    keys: &KeyRing,
    options: &TokenOptions,
    now: SystemTime,
    token: &str,
) -> Option<Refresh> {
    let (refresh, _key): (Refresh, _) = keys.verify(REFRESH, token)?;
    let is_ours = refresh.iss == options.service && refresh.aud == options.service;
    let is_now =
        seconds(now) < refresh.exp && is_not_longer(refresh.iat, refresh.exp, options.refresh_lifetime, now);
    (is_ours && is_now).then_some(refresh)
}

/// Whether a token was issued by now, and for no longer than `lifetime`.
fn is_not_longer(issued: u64, expires: u64, lifetime: Duration, now: SystemTime) -> bool {
    issued <= seconds(now) + LEEWAY.as_secs()
        && expires.saturating_sub(issued) <= lifetime.saturating_add(LEEWAY).as_secs()
}

fn fingerprint(keys: &KeyRing, stored: &str) -> String {
    keys.fingerprints(stored).next().unwrap_or_default()
}

/// Whether the password is stored as it was when the fingerprint was taken.
pub(super) fn still_stored(keys: &KeyRing, fingerprint: &str, stored: &str) -> bool {
    // The token is signed, so nobody can try one fingerprint after the other: how long this takes tells nothing.
    keys.fingerprints(stored).any(|known| known == fingerprint)
}

fn seconds(time: SystemTime) -> u64 {
    // Before 1970 every token is of the future.
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: Holder<'_> = Holder { name: "alice", stored: "hash" };

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_767_225_600)
    }

    fn grants() -> Vec<Grant> {
        vec![Grant { kind: "repository".into(), name: "a".into(), actions: vec!["pull".into()] }]
    }

    #[test]
    fn a_token_says_what_was_put_in_and_is_true_for_its_time() {
        let (keys, options) = (KeyRing::random().unwrap(), TokenOptions::default());
        let token = access_token(&keys, &options, now(), Some(ALICE), &grants()).unwrap();
        let read = |at: SystemTime| read_access_token(&keys, &options, at, &token);

        let ReadToken { token: seen, fingerprint, .. } = read(now()).unwrap();
        let fingerprint = fingerprint.unwrap();
        assert!(still_stored(&keys, &fingerprint, "hash") && !still_stored(&keys, &fingerprint, "another"));
        assert_eq!((seen.subject.as_str(), seen.access), ("alice", Some(grants())));
        for claim in ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "access"] {
            assert!(seen.claims.contains_key(claim), "{claim}");
        }
        let after = |seconds: u64| now() + Duration::from_secs(seconds);
        assert!(read(after(300 + 59)).is_some());
        assert!(read(after(300 + 60)).is_none());
        assert!(read(now() - Duration::from_secs(60)).is_some());
        assert!(read(now() - Duration::from_secs(61)).is_none());
    }

    #[test]
    fn a_token_that_was_made_for_longer_than_tokens_are_made_for_is_none() {
        let keys = KeyRing::random().unwrap();
        let made_for = |minutes: u64| TokenOptions {
            lifetime: Duration::from_mins(minutes),
            refresh_lifetime: Duration::from_mins(minutes),
            ..TokenOptions::default()
        };
        let reads = |made: u64, read: u64| {
            let token = access_token(&keys, &made_for(made), now(), Some(ALICE), &grants()).unwrap();
            let refresh = refresh_token(&keys, &made_for(made), now(), ALICE).unwrap();
            [
                read_access_token(&keys, &made_for(read), now(), &token).is_some(),
                read_refresh_token(&keys, &made_for(read), now(), &refresh).is_some(),
            ]
        };
        assert_eq!(reads(5, 5), [true, true]);
        assert_eq!(reads(5, 60), [true, true]);
        assert_eq!(reads(6, 5), [true, true], "clocks and settings of replicas may differ by the leeway");
        assert_eq!(reads(7, 5), [false, false]);
        assert_eq!(reads(60, 5), [false, false]);
        // Refresh tokens are switched off, and with them those that are out.
        assert_eq!(reads(60, 0), [false, false]);
    }

    #[test]
    fn a_token_that_hides_its_length_is_none() {
        let (keys, options) = (KeyRing::random().unwrap(), TokenOptions::default());
        let issued = seconds(now());
        let reads = |change: Value| {
            let mut claims = json!({ "iss": "registry", "aud": "registry", "sub": "root", "access": [],
                "nbf": issued, "iat": issued, "exp": issued + 300 });
            for (name, value) in change.as_object().unwrap() {
                claims[name] = value.clone();
            }
            let token = keys.sign(ACCESS, &claims).unwrap();
            read_access_token(&keys, &options, now(), &token).is_some()
        };
        assert!(reads(json!({})));
        assert!(!reads(json!({ "exp": issued + 1_000_000_000 })));
        assert!(!reads(json!({ "exp": issued + 1_000_000_000, "iat": issued + 999_999_999 })));
        assert!(!reads(json!({ "exp": issued + 1_000_000_000, "iat": null })));
        assert!(!reads(json!({ "exp": u64::MAX, "iat": u64::MAX })));
    }

    #[test]
    fn a_token_is_for_one_service() {
        let keys = KeyRing::random().unwrap();
        let (ours, other) =
            (TokenOptions::default(), TokenOptions { service: "other".into(), ..TokenOptions::default() });
        let token = access_token(&keys, &other, now(), Some(ALICE), &[]).unwrap();
        assert!(read_access_token(&keys, &ours, now(), &token).is_none());
        let token = refresh_token(&keys, &other, now(), ALICE).unwrap();
        assert!(read_refresh_token(&keys, &ours, now(), &token).is_none());
    }

    #[test]
    fn a_refresh_token_opens_nothing_and_an_access_token_refreshes_nothing() {
        let (keys, options) = (KeyRing::random().unwrap(), TokenOptions::default());
        let access = access_token(&keys, &options, now(), Some(ALICE), &grants()).unwrap();
        let refresh = refresh_token(&keys, &options, now(), ALICE).unwrap();
        assert!(read_access_token(&keys, &options, now(), &refresh).is_none());
        assert!(read_refresh_token(&keys, &options, now(), &access).is_none());
    }

    #[test]
    fn a_refresh_token_ends_with_the_password_or_its_time() {
        let (keys, options) = (KeyRing::random().unwrap(), TokenOptions::default());
        let token = refresh_token(&keys, &options, now(), ALICE).unwrap();
        let read = |at| read_refresh_token(&keys, &options, at, &token);

        let refresh = read(now()).unwrap();
        assert_eq!(refresh.sub, "alice");
        assert!(still_stored(&keys, &refresh.fingerprint, "hash"));
        assert!(!still_stored(&keys, &refresh.fingerprint, "another"));
        assert!(read(now() + options.refresh_lifetime).is_none());
    }
}
