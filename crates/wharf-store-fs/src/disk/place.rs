//! Keys of the tree, taken along to another thread.

use wharf_store::layout::{Dir, Key};

/// Where an object is.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The path below the root.
    pub(crate) path: String,
    /// How many of the innermost folders belong to the object alone.
    pub(crate) own_folders: usize,
    /// Whether a collector removes it without a lock, by way of a name aside.
    pub(crate) removed_aside: bool,
    /// Whether a power cut may take it away. It is never there in part.
    pub(crate) expendable: bool,
}

/// A level that is listed.
#[derive(Debug, Clone)]
pub(crate) struct Level {
    /// The path below the root.
    pub(crate) path: String,
    /// What a name must hold to count.
    pub(crate) holding: Option<&'static str>,
    /// Whether only names that can be a part of a repository's name are wanted.
    pub(crate) repositories: bool,
    /// How many of the folders around it go when it goes, if they are empty.
    pub(crate) own_folders: usize,
}

impl From<&Key<'_>> for Place {
    fn from(key: &Key<'_>) -> Self {
        Self {
            path: key.path(),
            own_folders: key.own_folders(),
            removed_aside: matches!(key, Key::BlobData(_)),
            // Nobody but a collector of the older registries reads the history of a tag, and it minds no gap in it.
            expendable: matches!(key, Key::TagIndexLink(..)),
        }
    }
}

impl From<&Dir<'_>> for Level {
    fn from(dir: &Dir<'_>) -> Self {
        let own_folders = usize::from(matches!(dir, Dir::TagIndex(..)));
        let repositories = matches!(dir, Dir::Repositories(_));
        Self { path: dir.path(), holding: dir.holding(), repositories, own_folders }
    }
}
