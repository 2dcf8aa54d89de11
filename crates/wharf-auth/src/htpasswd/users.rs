//! The lines of the file.
//!
//! Read as the older registry does: blanks around a line are nothing, `#` begins a comment, the last of two lines for
//! one name counts, and only bcrypt is ever right. What is wrong with a line is said by its number, never by its text.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

/// The cost of the hash that strangers are held against if the file has none that could be.
const DEFAULT_COST: u32 = 10;

/// The highest cost that is worked for: with it one look takes a minute.
const COST_LIMIT: u32 = 20;

/// `$2b$10$`, 22 characters of salt, 31 of hash.
const BCRYPT_LENGTH: usize = 60;

/// The alphabet of salts and hashes.
const BCRYPT_ALPHABET: &[u8] = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Everybody in the file.
pub(super) struct Users {
    lines: HashMap<String, Option<Arc<str>>>,
    /// A hash that nothing matches, as costly as most in the file.
    stranger: Arc<str>,
}

/// What a name's password is held against.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) hash: Arc<str>,
    /// False for a hash that is only there to take time.
    pub(super) can_match: bool,
}

/// The bcrypt costs in a file.
#[derive(Debug, PartialEq, Eq)]
struct Costs {
    /// The one that most users have; of two as frequent, the higher.
    usual: u32,
    /// How many users have another one: they are told from strangers by the time that a wrong password takes.
    others: usize,
}

/// A line that is neither an entry nor a comment.
#[derive(Debug, thiserror::Error)]
#[error("line {line} has no colon: expected `name:hash`, as `htpasswd -B` writes it")]
pub struct LineError {
    /// Counted from 1.
    pub line: usize,
}

// === impl Users ===

impl Users {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, LineError> {
        let mut lines = HashMap::new();
        for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            let number = number + 1;
            let colon = line.iter().position(|byte| *byte == b':').ok_or(LineError { line: number })?;
            let Ok(name) = str::from_utf8(&line[..colon]) else {
                tracing::warn!(line = number, "a name in the htpasswd file is not UTF-8: it never matches");
                continue;
            };
            lines.insert(name.to_owned(), usable(name, &line[colon + 1..]));
        }
        let costs = Costs::of(lines.values().flatten());
        costs.warn();
        Ok(Self { lines, stranger: costs.stranger() })
    }

    /// What `name`'s password is to be held against. Nobody can tell by the time it takes whether there is such a name.
    pub(super) fn line(&self, name: &str) -> Line {
        match self.lines.get(name) {
            Some(Some(hash)) => Line { hash: Arc::clone(hash), can_match: true },
            Some(None) | None => Line { hash: Arc::clone(&self.stranger), can_match: false },
        }
    }
}

/// The hash, if it is one that can ever match.
fn usable(name: &str, hash: &[u8]) -> Option<Arc<str>> {
    let Some(cost) = bcrypt_cost(hash) else {
        tracing::warn!(
            user = name,
            "the password of a user in the htpasswd file is not hashed with bcrypt: it never matches; make a new one with `htpasswd -B`"
        );
        return None;
    };
    if cost > COST_LIMIT {
        tracing::warn!(
            user = name,
            cost,
            limit = COST_LIMIT,
            "a user's bcrypt cost is too high: it never matches"
        );
        return None;
    }
    str::from_utf8(hash).ok().map(Arc::from)
}

/// The cost of a bcrypt hash; `None` for anything else.
fn bcrypt_cost(hash: &[u8]) -> Option<u32> {
    let rest = [b"$2a$", b"$2b$", b"$2y$"].into_iter().find_map(|version| hash.strip_prefix(version))?;
    let (cost, rest) = rest.split_at_checked(2)?;
    let text = rest.strip_prefix(b"$")?;
    let whole = hash.len() == BCRYPT_LENGTH && text.iter().all(|byte| BCRYPT_ALPHABET.contains(byte));
    if !whole || !cost.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let cost: u32 = str::from_utf8(cost).ok()?.parse().ok()?;
    (4..=31).contains(&cost).then_some(cost)
}

// === impl Costs ===

impl Costs {
    fn of<'a>(hashes: impl Iterator<Item = &'a Arc<str>>) -> Self {
        let mut costs = BTreeMap::<u32, usize>::new();
        for cost in hashes.filter_map(|hash| bcrypt_cost(hash.as_bytes())) {
            *costs.entry(cost).or_default() += 1;
        }
        let users: usize = costs.values().sum();
        let most = costs.into_iter().max_by_key(|(cost, count)| (*count, *cost));
        let (usual, same) = most.unwrap_or((DEFAULT_COST, 0));
        Self { usual, others: users - same }
    }

    /// A hash of the usual cost that nothing matches.
    fn stranger(&self) -> Arc<str> {
        format!("$2b${:02}${}", self.usual, ".".repeat(53)).into()
    }

    fn warn(&self) {
        if self.others > 0 {
            tracing::warn!(
                users = self.others,
                cost = self.usual,
                "the passwords of some users in the htpasswd file have another bcrypt cost than most: the time that a \
                 wrong password takes tells that these users exist; hash all with one cost, as `htpasswd -B -C {}` does",
                self.usual
            );
        }
    }
}

/// Names only.
impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.lines.keys()).finish()
    }
}

#[cfg(test)]
mod tests;
