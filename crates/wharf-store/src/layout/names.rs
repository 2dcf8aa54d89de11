//! All repository names of a tree, in byte order of the whole name, without reading more of it than the page needs.
//!
//! Folders do not sort as names do: `a-b` comes after `a` but before `a/c`, because `-` and `.` sort before `/`. So a
//! folder is two things: the repository `a`, and `a/`, all that is below it. What is below waits until the next name of
//! its own level comes after it.

use std::collections::{HashMap, VecDeque};

use wharf_oci::RepositoryName;

use super::Dir;
use crate::error::Result;
use crate::objects::Objects;

/// The longest name a repository can have, as [`RepositoryName`] takes it.
const MAX_NAME_BYTES: usize = 255;

/// Names read of a folder at first; each time there are more, four times as many. A page needs few, and a walk over
/// everything does not ask a hundred thousand names for a few of them at a time.
const FIRST_READ: usize = 128;

/// Folders looked into at once, at first and at most: what is below a repository is nearly always nothing, and asking for
/// each by itself takes longer than the answer.
const LOOK_AHEAD: (usize, usize) = (32, 128);

/// A walk over the folders that could be repositories. Whether one is, the caller finds out.
#[derive(Debug)]
pub struct Names<'a> {
    objects: &'a dyn Objects,
    after: String,
    /// The folders we are in, outermost first.
    within: Vec<Folder>,
}

/// A folder on the way.
#[derive(Debug)]
struct Folder {
    /// Its path, as a name; empty for the top.
    path: String,
    /// Names in it that have been read and not visited.
    read: VecDeque<String>,
    /// Where to go on reading; `None` from the beginning.
    after: Option<String>,
    /// How many to read next; 0 if there are no more.
    next_read: usize,
    /// What is in folders of this one whose turn has not come, as far as it was looked up: by path, the beginnings of
    /// their listings.
    ahead: HashMap<String, Vec<String>>,
    /// How many to look up next.
    next_look_ahead: usize,
    /// Names visited whose inside is still due. Each is a beginning of the one after it, so the last is due first.
    due: Vec<String>,
}

// === impl Names ===

impl<'a> Names<'a> {
    /// Names after `after`; with a prefix only that name and those below it.
    pub fn new(objects: &'a dyn Objects, prefix: Option<&RepositoryName>, after: Option<&str>) -> Self {
        let after = after.unwrap_or_default().to_owned();
        let top = match prefix {
            None => Folder::open(String::new(), &after),
            // As if nothing else were beside it.
            Some(name) => Folder {
                read: VecDeque::from([name.to_string()]),
                next_read: 0,
                ..Folder::open(String::new(), "")
            },
        };
        Self { objects, after, within: vec![top] }
    }

    /// The next name, or `None` at the end.
    pub async fn next(&mut self) -> Result<Option<RepositoryName>> {
        while let Some(folder) = self.within.last_mut() {
            folder.fill(self.objects).await?;
            if let Some(due) = folder.take_due() {
                if !is_past(&due, &self.after) {
                    let inside = folder.look_into(self.objects, due, &self.after).await?;
                    self.within.push(inside);
                }
                continue;
            }
            let Some(child) = folder.read.pop_front() else {
                self.within.pop();
                continue;
            };
            if let Some(name) = folder.visit(child)
                && name.as_str() > self.after.as_str()
                && let Ok(name) = name.parse()
            {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }
}

/// Whether all names below `path` come before `after`.
fn is_past(path: &str, after: &str) -> bool {
    let below = after.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'));
    !below && path.bytes().chain([b'/']).lt(after.bytes())
}

// === impl Folder ===

impl Folder {
    /// The folder at `path`, from the first name that can matter for names after `after`.
    fn open(path: String, after: &str) -> Self {
        let inside = match path.as_str() {
            "" => Some(after),
            path => after.strip_prefix(path).and_then(|rest| rest.strip_prefix('/')),
        };
        let component = inside.and_then(|inside| inside.split('/').next()).filter(|name| !name.is_empty());
        let mut folder = Self {
            path,
            read: VecDeque::new(),
            after: None,
            next_read: FIRST_READ,
            ahead: HashMap::new(),
            next_look_ahead: LOOK_AHEAD.0,
            due: Vec::new(),
        };
        if let Some(component) = component {
            folder.after = Some(component.to_owned());
            folder.due =
                beginnings(component).filter(|name| folder.is_name(name)).map(str::to_owned).collect();
        }
        folder
    }

    /// The folder at `path`, which is one of this folder's, with what is known to be in it.
    async fn look_into(&mut self, objects: &dyn Objects, path: String, after: &str) -> Result<Self> {
        let mut inside = Self::open(path, after);
        if inside.after.is_some() {
            return Ok(inside);
        }
        let names = match self.ahead.remove(&inside.path) {
            Some(names) => names,
            None => self.look_ahead(objects, &inside.path).await?,
        };
        inside.take(names, FIRST_READ);
        Ok(inside)
    }

    /// What is in the folder at `path`; what is in those after it is kept for their turn.
    async fn look_ahead(&mut self, objects: &dyn Objects, path: &str) -> Result<Vec<String>> {
        let next = self.read.iter().filter(|name| !name.starts_with('_')).map(|name| self.full(name));
        let paths: Vec<String> =
            std::iter::once(path.to_owned()).chain(next).take(self.next_look_ahead).collect();
        let dirs: Vec<Dir<'_>> = paths.iter().map(|path| Dir::Repositories(path)).collect();
        let mut each = objects.children_of_each(&dirs, FIRST_READ).await?.into_iter();
        let names = each.next().unwrap_or_default();
        self.ahead.extend(paths.into_iter().skip(1).zip(each));
        self.next_look_ahead = (self.next_look_ahead * 2).min(LOOK_AHEAD.1);
        Ok(names)
    }

    /// The next names, of which `asked` were asked for.
    fn take(&mut self, names: Vec<String>, asked: usize) {
        self.next_read = if names.len() < asked { 0 } else { asked.saturating_mul(4) };
        self.after = names.last().cloned().or(self.after.take());
        self.read = names.into();
    }

    /// Whether a folder of this name may be asked for: where to start comes from a client.
    fn is_name(&self, name: &str) -> bool {
        self.full(name).parse::<RepositoryName>().is_ok()
    }

    fn full(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { [self.path.as_str(), name].join("/") }
    }

    async fn fill(&mut self, objects: &dyn Objects) -> Result<()> {
        if !self.read.is_empty() || self.next_read == 0 {
            return Ok(());
        }
        let asked = self.next_read;
        let names = objects.children(&Dir::Repositories(&self.path), self.after.as_deref(), asked).await?;
        self.take(names, asked);
        Ok(())
    }

    /// The path of the folder whose inside comes before the next name, if one does.
    fn take_due(&mut self) -> Option<String> {
        let due = self.due.last()?;
        if self.read.front().is_some_and(|next| comes_before_inside(next, due)) {
            return None;
        }
        let due = self.due.pop()?;
        Some(self.full(&due))
    }

    /// The whole name of a child, whose inside is due from now on.
    fn visit(&mut self, child: String) -> Option<String> {
        // `_layers`, `_manifests` and `_uploads` are parts of a repository, not repositories.
        if child.starts_with('_') {
            return None;
        }
        let full = self.full(&child);
        // Nothing below can be a name any more. A link that leads back up would have us go on for ever.
        if full.len() > MAX_NAME_BYTES {
            return None;
        }
        self.due.push(child);
        Some(full)
    }
}

/// Whether `name` comes before what is in the folder `due`: before `due/`.
fn comes_before_inside(name: &str, due: &str) -> bool {
    name.bytes().lt(due.bytes().chain([b'/']))
}

/// The beginnings of `component` whose inside comes after it, shortest first, and itself: `a` and `a-b` of `a-b`.
fn beginnings(component: &str) -> impl Iterator<Item = &str> {
    let ends = component.char_indices().filter(|(at, next)| *at > 0 && *next < '/').map(|(at, _)| at);
    ends.chain([component.len()]).map(|end| &component[..end])
}

#[cfg(test)]
mod tests;
