//! All repositories in the order of their names, in as few requests one after the other as can be.
//!
//! Where repositories are small, one page of keys holds many of them, and tells of each whether it has a manifest. Where
//! they are large, the folders are walked as on a file system, but what the walk is going to ask is asked before it, many
//! questions side by side. What was not foreseen costs a request; it never changes the answer.

mod ahead;
mod foresight;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use futures_util::{StreamExt, TryStreamExt, stream};
use wharf_oci::{Algorithm, RepositoryName};
use wharf_store::Result;
use wharf_store::layout::{Dir, Names};

use self::ahead::Ahead;
use self::foresight::Asking;
pub(crate) use self::foresight::Foresight;
use crate::BucketStore;
use crate::cloud::Page;
use crate::listing::{LOOKS_AT_ONCE, Questions, past};

/// The most keys asked for at once, which is what S3 gives.
const MOST_KEYS: usize = 1000;

/// Keys a repository of the smallest kind has: a config, a layer, a manifest, and a tag with its history.
const FEWEST_KEYS: usize = 5;

/// If more pages than these are still to come, repositories are too large to read all their keys: folder by folder, a page
/// of a hundred names takes two small questions for each, which cost about as much.
const MORE_PAGES: usize = 8;

/// Where a repository keeps the links to its manifests.
const REVISIONS: &str = "_manifests/revisions/";

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) prefix: Option<&'a RepositoryName>,
    pub(crate) after: Option<&'a str>,
    pub(crate) limit: usize,
}

/// Repositories read off pages of keys.
struct Scan<'a> {
    questions: &'a Questions,
    wanted: Wanted<'a>,
    /// What all keys of repositories begin with.
    top: String,
    /// Those with a manifest.
    found: BTreeSet<RepositoryName>,
    /// How far the keys were read, relative to the top.
    at: Option<String>,
    ended: bool,
}

/// Repositories that hold a manifest.
pub(crate) async fn repositories(store: &BucketStore, wanted: Wanted<'_>) -> Result<Vec<RepositoryName>> {
    if wanted.limit == 0 {
        return Ok(Vec::new());
    }
    let page = Asking::from(wanted);
    let questions = store.foresight().ask(store.cloud(), &page).await;
    let found = read(store, &questions, wanted).await?;
    store.foresight().remember(page, &questions);
    Ok(found)
}

async fn read(store: &BucketStore, questions: &Questions, wanted: Wanted<'_>) -> Result<Vec<RepositoryName>> {
    let mut scan = Scan::new(questions, top(store), wanted);
    let mut ahead = Ahead::new(store, questions);
    // Which way is better is not known before; a page of keys and the first question of the other way go together.
    let (page, ()) = tokio::try_join!(scan.page(), ahead.open(wanted))?;
    scan.take(&page);
    while !scan.is_done() {
        if scan.is_slow() {
            ahead.know(scan.found);
            return walk(wanted, ahead).await;
        }
        let page = scan.page().await?;
        scan.take(&page);
    }
    scan.look_up_due().await?;
    Ok(scan.found.into_iter().take(wanted.limit).collect())
}

/// Folder by folder.
async fn walk(wanted: Wanted<'_>, mut ahead: Ahead) -> Result<Vec<RepositoryName>> {
    ahead.look(wanted.limit).await?;
    let mut names = Names::new(&ahead, wanted.prefix, wanted.after);
    let mut found = Vec::new();
    loop {
        let mut candidates = Vec::new();
        while found.len() + candidates.len() < wanted.limit {
            let Some(name) = names.next().await? else { break };
            candidates.push(name);
        }
        if candidates.is_empty() {
            return Ok(found);
        }
        let exist: Vec<Option<RepositoryName>> = stream::iter(candidates)
            .map(|name| {
                let ahead = &ahead;
                async move { Ok::<_, wharf_store::Error>(ahead.exists(&name).await?.then_some(name)) }
            })
            .buffered(LOOKS_AT_ONCE)
            .try_collect()
            .await?;
        found.extend(exist.into_iter().flatten());
    }
}

/// Whether a repository holds a manifest.
async fn exists(questions: &Questions, top: &str, name: &RepositoryName) -> Result<bool> {
    let prefix = format!("{top}{name}/{REVISIONS}");
    let mut after: Option<String> = None;
    loop {
        // One is enough, but what somebody else has put there may be before it.
        let limit = if after.is_none() { 1 } else { MOST_KEYS };
        let Page { entries, next } = questions.list(&prefix, after.as_deref(), false, limit).await?;
        let links = entries.iter().filter(|entry| !entry.is_empty_object());
        if links.filter_map(|entry| entry.key().strip_prefix(&prefix)).any(is_link) {
            return Ok(true);
        }
        after = entries.last().map(|last| last.key().to_owned());
        if next.is_none() || after.is_none() {
            return Ok(false);
        }
    }
}

fn top(store: &BucketStore) -> String {
    store.dir(&Dir::Repositories(""))
}

/// Whether this, below the revisions of a repository, is the link to a manifest.
fn is_link(below: &str) -> bool {
    let mut parts = below.split('/');
    let algorithm = parts.next().unwrap_or_default();
    Algorithm::ALL.iter().any(|known| known.as_str() == algorithm)
        && parts.next().is_some()
        && parts.next() == Some("link")
        && parts.next().is_none()
}

// === impl Scan ===

impl<'a> Scan<'a> {
    fn new(questions: &'a Questions, top: String, wanted: Wanted<'a>) -> Self {
        let at = wanted.after.filter(|after| !after.is_empty()).map(str::to_owned);
        Self { questions, wanted, top, found: BTreeSet::new(), at, ended: false }
    }

    fn is_done(&self) -> bool {
        self.ended || self.found.len() >= self.wanted.limit
    }

    /// Whether to go on like this would take long.
    fn is_slow(&self) -> bool {
        let missing = self.wanted.limit.saturating_sub(self.found.len());
        missing > self.found.len().saturating_mul(MORE_PAGES)
    }

    /// The next page of keys.
    async fn page(&self) -> Result<Page> {
        let prefix = match self.wanted.prefix {
            Some(name) => format!("{}{name}/", self.top),
            None => self.top.clone(),
        };
        let start = self.at.as_ref().map(|at| format!("{}{at}", self.top));
        let limit = self.wanted.limit.saturating_mul(2 * FEWEST_KEYS).min(MOST_KEYS);
        self.questions.list(&prefix, start.as_deref(), false, limit).await
    }

    fn take(&mut self, page: &Page) {
        self.ended = page.next.is_none();
        for entry in &page.entries {
            let Some((name, inside)) = entry.key().strip_prefix(&self.top).and_then(split) else { continue };
            if inside.strip_prefix(REVISIONS).is_some_and(is_link)
                && !entry.is_empty_object()
                && self.wanted.after.is_none_or(|after| name > after)
                && self.found.last().is_none_or(|last| last.as_str() != name)
                && let Ok(name) = name.parse()
            {
                self.found.insert(name);
            }
        }
        if let Some(last) = page.entries.last().and_then(|entry| entry.key().strip_prefix(&self.top)) {
            self.at = Some(self.past_what_tells_nothing(last));
        }
    }

    /// Where to go on after the key `last`: much of what a repository holds does not say whether it has a manifest.
    fn past_what_tells_nothing(&self, last: &str) -> String {
        let Some((name, inside)) = split(last) else { return last.to_owned() };
        let is_found = name.parse().is_ok_and(|name: RepositoryName| self.found.contains(&name));
        match inside.split_once('/') {
            Some((part @ ("_layers" | "_uploads"), _)) => past(&format!("{name}/{part}")),
            Some(("_manifests", _)) if is_found || inside >= past("_manifests/revisions").as_str() => {
                past(&format!("{name}/_manifests"))
            }
            Some(("_manifests", below)) if below.starts_with("referrers/") => {
                past(&format!("{name}/_manifests/referrers"))
            }
            _ => last.to_owned(),
        }
    }

    /// Looks up the repositories that come before the last one wanted, although their manifests come after the last key
    /// that was read: each is a beginning of that key.
    async fn look_up_due(&mut self) -> Result<()> {
        let Some(at) = self.at.take().filter(|_| !self.ended) else { return Ok(()) };
        let last = self.found.iter().nth(self.wanted.limit - 1).map(RepositoryName::as_str);
        let ends = at.char_indices().filter(|(_, next)| matches!(next, '-' | '.' | '/'));
        let due: Vec<RepositoryName> = ends
            .map(|(end, _)| &at[..end])
            .filter(|name| format!("{name}/{REVISIONS}") > at && self.is_asked_for(name))
            .filter(|name| last.is_none_or(|last| *name < last))
            .filter_map(|name| name.parse().ok())
            .filter(|name| !self.found.contains(name))
            .collect();
        let (questions, top) = (self.questions, self.top.as_str());
        let looks = due.into_iter().map(|name| async move {
            Ok::<_, wharf_store::Error>((exists(questions, top, &name).await?, name))
        });
        let looks: Vec<(bool, RepositoryName)> =
            stream::iter(looks).buffer_unordered(LOOKS_AT_ONCE).try_collect().await?;
        self.found.extend(looks.into_iter().filter_map(|(exists, name)| exists.then_some(name)));
        Ok(())
    }

    fn is_asked_for(&self, name: &str) -> bool {
        let below = |prefix: &RepositoryName| {
            name.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.wanted.after.is_none_or(|after| name > after) && self.wanted.prefix.is_none_or(below)
    }
}

/// The repository a key belongs to, and where it is in that.
fn split(relative: &str) -> Option<(&str, &str)> {
    let at = relative.find("/_")?;
    Some((&relative[..at], &relative[at + 1..]))
}
