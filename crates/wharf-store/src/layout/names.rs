//! All repository names of a tree, in byte order of the whole name, without reading more of it than the page needs.
//!
//! Folders do not sort as names do: `a-b` comes after `a` but before `a/c`, because `-` and `.` sort before `/`. So each
//! folder `x` counts as two entries, `x` (the repository itself) and `x/` (everything below it), and these are sorted.

use wharf_oci::RepositoryName;

use super::Dir;
use crate::error::Result;
use crate::objects::Objects;

/// The longest name a repository can have, as [`RepositoryName`] takes it.
const MAX_NAME_BYTES: usize = 255;

/// A walk over the folders that could be repositories. Whether one is, the caller finds out.
#[derive(Debug)]
pub struct Names<'a> {
    objects: &'a dyn Objects,
    after: String,
    /// What is still to visit, the next entry last.
    stack: Vec<Entry>,
}

#[derive(Debug)]
enum Entry {
    /// The folder as a repository.
    Name(String),
    /// What is below the folder.
    Below(String),
}

impl<'a> Names<'a> {
    /// Names after `after`; with a prefix only that name and those below it.
    pub fn new(objects: &'a dyn Objects, prefix: Option<&RepositoryName>, after: Option<&str>) -> Self {
        let stack = match prefix {
            Some(name) => vec![Entry::Below(name.to_string()), Entry::Name(name.to_string())],
            None => vec![Entry::Below(String::new())],
        };
        Self { objects, after: after.unwrap_or_default().to_owned(), stack }
    }

    /// The next name, or `None` at the end.
    pub async fn next(&mut self) -> Result<Option<RepositoryName>> {
        while let Some(entry) = self.stack.pop() {
            match entry {
                Entry::Name(name) if name.as_str() > self.after.as_str() => {
                    if let Ok(name) = name.parse() {
                        return Ok(Some(name));
                    }
                }
                Entry::Name(_) => {}
                Entry::Below(path) => self.open(&path).await?,
            }
        }
        Ok(None)
    }

    /// Puts what is in the folder `path` on the stack.
    async fn open(&mut self, path: &str) -> Result<()> {
        if !path.is_empty() && self.is_past(path) {
            return Ok(());
        }
        let mut entries = Vec::new();
        for child in self.objects.children(&Dir::Repositories(path), None, usize::MAX).await? {
            // `_layers`, `_manifests` and `_uploads` are parts of a repository, not repositories.
            if child.starts_with('_') {
                continue;
            }
            let full = if path.is_empty() { child } else { format!("{path}/{child}") };
            // Nothing below can be a name any more. A link that leads back up would have us go on for ever.
            if full.len() > MAX_NAME_BYTES {
                continue;
            }
            entries.push(Entry::Below(full.clone()));
            entries.push(Entry::Name(full));
        }
        entries.sort_by(|a, b| b.sort_key().cmp(a.sort_key()));
        self.stack.append(&mut entries);
        Ok(())
    }

    /// Whether all names below `path` come before the one we start after.
    fn is_past(&self, path: &str) -> bool {
        let first = format!("{path}/");
        self.after.as_str() > first.as_str() && !self.after.starts_with(&first)
    }
}

impl Entry {
    /// Bytes whose order is the order of the names: the slash counts.
    fn sort_key(&self) -> impl Iterator<Item = u8> + '_ {
        let (text, slash) = match self {
            Self::Name(text) => (text, None),
            Self::Below(text) => (text, Some(b'/')),
        };
        text.bytes().chain(slash)
    }
}
