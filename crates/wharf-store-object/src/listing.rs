//! One level of names in the order of the names, from a bucket that sorts by whole keys.
//!
//! A name on a level is what comes before the next slash, so a bucket sorts `1.0-a/…`, `1.0.1/…`, `1.0/…`: `-` and `.`
//! come before the slash. In the order of names `1.0` is first. When a scan has come as far as some key, every name not
//! yet met that should come before one that was is a beginning of that very key, up to a `-` or `.`; those few are
//! looked up by themselves. Everything else has its place.

mod questions;

use std::collections::BTreeSet;

use futures_util::{StreamExt, TryStreamExt, stream};
use wharf_store::Result;

pub(crate) use self::questions::{Question, Questions};
use crate::cloud::Entry;

/// The most keys asked for at once, which is what S3 gives.
const MOST_KEYS: usize = 1000;

/// Keys asked for besides those that the names wanted should take.
const SPARE_KEYS: usize = 8;

/// If a page of keys brings fewer names than one in so many keys, the names are listed without what is in them and looked
/// at one by one: many small requests side by side take less time than many long ones in turn.
const KEYS_A_NAME_AT_MOST: usize = 8;

/// Small requests side by side, for one question; the cloud has a limit for all.
pub(crate) const LOOKS_AT_ONCE: usize = 64;

/// A level, and what makes a name on it count.
#[derive(Debug, Clone)]
pub(crate) struct Level {
    /// What all its keys begin with, a slash at the end.
    pub(crate) prefix: String,
    /// What a name must hold; `None`: anything.
    pub(crate) holding: Option<&'static str>,
}

/// A walk over the keys of a level.
struct Scan<'a> {
    questions: &'a Questions,
    level: &'a Level,
    /// Only names after this one are wanted.
    after: &'a str,
    /// Those that count, of what was met.
    found: BTreeSet<String>,
    /// How far the walk has come, relative to the level: all that is not after this was met.
    at: Option<String>,
    /// Whether there is nothing after that.
    ended: bool,
}

/// The names of a level after `after`, at most `limit`, in byte order.
pub(crate) async fn names(
    questions: &Questions,
    level: &Level,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<String>> {
    if limit == 0 {
        return Ok(Vec::new());
    }
    let mut scan = Scan {
        questions,
        level,
        after: after.unwrap_or_default(),
        found: BTreeSet::new(),
        at: after.map(str::to_owned),
        ended: false,
    };
    let mut flat = level.holding.is_some();
    while scan.found.len() < limit && !scan.ended {
        let wanted = limit - scan.found.len();
        if flat {
            flat = scan.read_keys(wanted).await?;
        } else {
            scan.read_levels(wanted).await?;
        }
    }
    scan.look_up_due(limit).await?;
    Ok(scan.found.into_iter().take(limit).collect())
}

// === impl Scan ===

impl Scan<'_> {
    fn key(&self, relative: &str) -> String {
        format!("{}{relative}", self.level.prefix)
    }

    fn keep(&mut self, name: &str) {
        if name > self.after && !self.found.contains(name) {
            self.found.insert(name.to_owned());
        }
    }

    /// Reads a page of keys; whether that was a good way to get names.
    async fn read_keys(&mut self, wanted: usize) -> Result<bool> {
        // A tag is two keys, what it means and its history; everything else is one.
        let each = self.level.holding.map_or(1, |holding| 1 + holding.matches('/').count());
        let limit = wanted.saturating_mul(each).saturating_add(SPARE_KEYS).min(MOST_KEYS);
        let start = self.at.as_ref().map(|at| self.key(at));
        let page = self.questions.list(&self.level.prefix, start.as_deref(), false, limit).await?;
        let before = self.found.len();
        for entry in &page.entries {
            if let Some((name, inside)) = self.inside(entry.key())
                && !entry.is_empty_object()
                && self.level.holding.is_none_or(|holding| holding == inside)
            {
                self.keep(name);
            }
        }
        self.ended = page.next.is_none();
        if let Some(last) = page.entries.last().map(Entry::key) {
            self.at = Some(self.after_resolved(last));
        }
        Ok((self.found.len() - before).saturating_mul(KEYS_A_NAME_AT_MOST) >= page.entries.len())
    }

    /// Where to go on after the key `last`: past the rest of what is in its name, if that can tell nothing more.
    fn after_resolved(&self, last: &str) -> String {
        match (self.inside(last), self.level.holding) {
            (Some((name, inside)), Some(holding)) if inside >= holding => past(name),
            (Some((name, _)), None) => past(name),
            _ => last.strip_prefix(&self.level.prefix).unwrap_or_default().to_owned(),
        }
    }

    /// Reads a page of names without what is in them, then looks into each.
    async fn read_levels(&mut self, wanted: usize) -> Result<()> {
        let start = self.at.as_ref().map(|at| self.key(at));
        let limit = wanted.saturating_add(SPARE_KEYS).min(MOST_KEYS);
        let page = self.questions.list(&self.level.prefix, start.as_deref(), true, limit).await?;
        self.ended = page.next.is_none();
        let names = page.entries.iter().filter_map(|entry| match entry {
            Entry::Level(key) => key.strip_prefix(&self.level.prefix)?.strip_suffix('/'),
            Entry::Object(_) => None,
        });
        let names: Vec<String> = names.filter(|name| *name > self.after).map(str::to_owned).collect();
        if self.level.holding.is_some() {
            self.look_into(names).await?;
        } else {
            self.found.extend(names);
        }
        if let Some(last) = page.entries.last() {
            let relative = last.key().strip_prefix(&self.level.prefix).unwrap_or_default();
            self.at = Some(relative.strip_suffix('/').map_or_else(|| relative.to_owned(), past));
        }
        Ok(())
    }

    /// Looks up the names that come before the last one wanted, although the walk has not come to them.
    async fn look_up_due(&mut self, limit: usize) -> Result<()> {
        let Some(at) = self.at.take().filter(|_| !self.ended) else { return Ok(()) };
        let last = self.found.iter().nth(limit - 1);
        let ends = at.char_indices().filter(|(index, next)| *index > 0 && *next < '/');
        let due: Vec<String> = ends
            .map(|(end, _)| &at[..end])
            .filter(|name| *name > self.after && !self.found.contains(*name))
            .filter(|name| last.is_none_or(|last| *name < last.as_str()))
            .map(str::to_owned)
            .collect();
        self.look_into(due).await
    }

    /// Keeps those of `names` that count.
    async fn look_into(&mut self, names: Vec<String>) -> Result<()> {
        let (questions, level) = (self.questions, self.level);
        let looks = names.into_iter().map(|name| async move {
            let there = counts(questions, level, &name).await?;
            Ok::<_, wharf_store::Error>(there.then_some(name))
        });
        let there: Vec<Option<String>> =
            stream::iter(looks).buffer_unordered(LOOKS_AT_ONCE).try_collect().await?;
        self.found.extend(there.into_iter().flatten());
        Ok(())
    }

    /// The name a key belongs to, and where it is in that; `None` for an object that lies on the level itself.
    fn inside<'k>(&self, key: &'k str) -> Option<(&'k str, &'k str)> {
        let (name, inside) = key.strip_prefix(&self.level.prefix)?.split_once('/')?;
        (!name.is_empty()).then_some((name, inside))
    }
}

/// Where everything in `name` is past, and nothing else is: the digit 0 follows the slash.
pub(crate) fn past(name: &str) -> String {
    format!("{name}0")
}

/// Whether a name is there.
async fn counts(questions: &Questions, level: &Level, name: &str) -> Result<bool> {
    let below = format!("{}{name}/", level.prefix);
    match level.holding {
        Some(holding) => {
            let meta = questions.head(&format!("{below}{holding}")).await?;
            Ok(meta.is_some_and(|meta| meta.size > 0))
        }
        None => Ok(!questions.list(&below, None, false, 1).await?.entries.is_empty()),
    }
}
