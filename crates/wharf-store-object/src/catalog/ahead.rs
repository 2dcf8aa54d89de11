//! What a walk over the folders of a bucket is going to ask, asked before it.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use wharf_oci::RepositoryName;
use wharf_store::layout::{Dir, Key};
use wharf_store::{
    AgedObject, LockMode, Objects, Put, PutIf, PutOutcome, RemoveOutcome, RepositoryLock, Result,
};

use super::{Wanted, exists, top};
use crate::BucketStore;
use crate::listing::{self, LOOKS_AT_ONCE, Questions};

/// Names read of a folder, as many as the walk asks for at first.
const NAMES_OF_A_FOLDER: usize = 256;

/// How often we look one level deeper before the walk goes on by itself.
const LEVELS: usize = 4;

/// A folder and where in it to begin.
type Place = (String, Option<String>);

/// Answers to questions nobody has asked yet; all others go to the store.
#[derive(Debug)]
pub(super) struct Ahead {
    store: BucketStore,
    questions: Questions,
    folders: HashMap<Place, Vec<String>>,
    exist: HashMap<String, bool>,
    /// Folders whose inside comes next, the nearest first.
    next: Vec<String>,
}

// === impl Ahead ===

impl Ahead {
    pub(super) fn new(store: &BucketStore, questions: &Questions) -> Self {
        Self {
            store: store.clone(),
            questions: questions.clone(),
            folders: HashMap::new(),
            exist: HashMap::new(),
            next: Vec::new(),
        }
    }

    /// Whether the repository has a manifest.
    pub(super) async fn exists(&self, name: &RepositoryName) -> Result<bool> {
        match self.exist.get(name.as_str()) {
            Some(known) => Ok(*known),
            None => exists(&self.questions, &top(&self.store), name).await,
        }
    }

    /// These have one.
    pub(super) fn know(&mut self, found: BTreeSet<RepositoryName>) {
        self.exist.extend(found.into_iter().map(|name| (name.to_string(), true)));
    }

    /// Reads the folders on the way to where the walk begins, from there on.
    pub(super) async fn open(&mut self, wanted: Wanted<'_>) -> Result<()> {
        let places = match (wanted.prefix, wanted.after.filter(|after| !after.is_empty())) {
            (Some(prefix), _) => vec![(prefix.to_string(), None)],
            (None, None) => vec![(String::new(), None)],
            (None, Some(after)) => on_the_way(after),
        };
        let read = self.read(places).await?;
        // The innermost folder's names come first.
        for ((path, after), names) in read.into_iter().rev() {
            self.take((path, after), names);
        }
        Ok(())
    }

    /// Looks into the next folders, and into those in them, until there is enough to fill a page.
    pub(super) async fn look(&mut self, enough: usize) -> Result<()> {
        let mut there = 0;
        for _ in 0..LEVELS {
            let next: Vec<String> = std::mem::take(&mut self.next);
            let next: Vec<String> = next.into_iter().take(enough).collect();
            if next.is_empty() || there >= enough {
                return Ok(());
            }
            let places = next.iter().map(|path| (path.clone(), None)).collect();
            let (read, exist) = tokio::try_join!(self.read(places), self.which_exist(next))?;
            there += exist.iter().filter(|(_, exists)| *exists).count();
            self.exist.extend(exist);
            for (place, names) in read {
                self.take(place, names);
            }
        }
        Ok(())
    }

    fn take(&mut self, place: Place, names: Vec<String>) {
        let below = |name: &String| match place.0.as_str() {
            "" => name.clone(),
            path => format!("{path}/{name}"),
        };
        self.next.extend(names.iter().filter(|name| !name.starts_with('_')).map(below));
        self.folders.insert(place, names);
    }

    async fn read(&self, places: Vec<Place>) -> Result<Vec<(Place, Vec<String>)>> {
        stream::iter(places)
            .map(|(path, after)| async move {
                let dir = Dir::Repositories(&path);
                let names = self.names(&dir, after.as_deref(), NAMES_OF_A_FOLDER).await?;
                Ok(((path, after), names))
            })
            .buffered(LOOKS_AT_ONCE)
            .try_collect()
            .await
    }

    async fn which_exist(&self, paths: Vec<String>) -> Result<Vec<(String, bool)>> {
        let names = paths.into_iter().filter(|path| !self.exist.contains_key(path));
        let names: Vec<RepositoryName> = names.filter_map(|path| path.parse().ok()).collect();
        stream::iter(names)
            .map(|name| async move { Ok((name.to_string(), self.exists(&name).await?)) })
            .buffered(LOOKS_AT_ONCE)
            .try_collect()
            .await
    }

    async fn names(&self, dir: &Dir<'_>, after: Option<&str>, limit: usize) -> Result<Vec<String>> {
        listing::names(&self.questions, &self.store.level(dir), after, limit).await
    }

    /// The beginning of a folder's listing, if that was read.
    fn answer(&self, dir: &Dir<'_>, after: Option<&str>, limit: usize) -> Option<Vec<String>> {
        let Dir::Repositories(path) = dir else { return None };
        let names = self.folders.get(&((*path).to_owned(), after.map(str::to_owned)))?;
        let is_enough = names.len() < NAMES_OF_A_FOLDER || names.len() >= limit;
        is_enough.then(|| names.iter().take(limit).cloned().collect())
    }
}

/// The folders that `after` leads through, and in each the name it leads to.
fn on_the_way(after: &str) -> Vec<Place> {
    let starts = std::iter::once(0).chain(after.match_indices('/').map(|(at, _)| at + 1));
    let places = starts.map(|start| {
        let component = after[start..].split('/').next().unwrap_or_default();
        (after[..start].trim_end_matches('/').to_owned(), Some(component.to_owned()))
    });
    // Where to begin comes from a client; what is no name is left to the walk.
    places
        .take_while(|(path, component)| {
            (path.is_empty() || path.parse::<RepositoryName>().is_ok())
                && component.as_ref().is_some_and(|component| !component.is_empty())
        })
        .take(LEVELS)
        .collect()
}

#[async_trait]
impl Objects for Ahead {
    async fn get(&self, key: &Key<'_>) -> Result<Option<Bytes>> {
        self.store.get(key).await
    }

    async fn get_with_age(&self, key: &Key<'_>) -> Result<Option<AgedObject>> {
        self.store.get_with_age(key).await
    }

    async fn lock(&self, repository: &RepositoryName, mode: LockMode) -> Result<RepositoryLock> {
        self.store.lock(repository, mode).await
    }

    async fn put(&self, key: &Key<'_>, bytes: Bytes, condition: PutIf) -> Result<PutOutcome> {
        Objects::put(&self.store, key, bytes, condition).await
    }

    async fn put_all(&self, groups: Vec<Vec<Put<'_>>>) -> Result<()> {
        self.store.put_all(groups).await
    }

    async fn remove(&self, key: &Key<'_>) -> Result<bool> {
        Objects::remove(&self.store, key).await
    }

    async fn remove_if(&self, key: &Key<'_>, seen: &AgedObject) -> Result<RemoveOutcome> {
        self.store.remove_if(key, seen).await
    }

    async fn remove_all(&self, dir: &Dir<'_>) -> Result<()> {
        self.store.remove_all(dir).await
    }

    async fn children(&self, dir: &Dir<'_>, after: Option<&str>, limit: usize) -> Result<Vec<String>> {
        match self.answer(dir, after, limit) {
            Some(names) => Ok(names),
            None => self.names(dir, after, limit).await,
        }
    }

    async fn children_of_each(&self, dirs: &[Dir<'_>], limit: usize) -> Result<Vec<Vec<String>>> {
        // As far as it was foreseen: what comes after that may be on the next page.
        let known: Vec<Vec<String>> = dirs.iter().map_while(|dir| self.answer(dir, None, limit)).collect();
        if known.is_empty() { self.store.children_of_each(dirs, limit).await } else { Ok(known) }
    }

    async fn have_children(&self, dirs: &[Dir<'_>]) -> Result<Vec<bool>> {
        self.store.have_children(dirs).await
    }

    async fn renew(&self, key: &Key<'_>, seen: SystemTime, older_than: Duration) -> Result<bool> {
        self.store.renew(key, seen, older_than).await
    }
}
