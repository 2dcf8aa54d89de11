//! The names of the distribution spec ("Pulling manifests"): repositories and tags; and ids of upload
//! sessions.
//!
//! A name that exists as a value fits its grammar, and so fits a URL path and a key in any store as it is.

use std::{fmt, str::FromStr, sync::Arc};

use crate::text::{excerpt, serde_as_text};

/// The spec's `<name>`: lower-case components joined by `/`, at most 255 bytes.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RepositoryName(Arc<str>);

/// A tag: a movable name for a manifest within a repository.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(Arc<str>);

/// The id of an upload session, the last segment of a `<blob-push-location>` (end-4a).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UploadId(Arc<str>);

/// Why a text is not a [`RepositoryName`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing at all.
    #[error("a repository name must not be empty")]
    Empty,
    /// Longer than any store or client takes.
    #[error("a repository name has at most {MAX_NAME_BYTES} bytes, this one has {length}")]
    TooLong {
        /// Its bytes.
        length: usize,
    },
    /// Two slashes in a row, or one at an end.
    #[error("a repository name has something before and after each `/`")]
    EmptyComponent,
    /// A character no name has; capital letters are among them.
    #[error("a repository name has only a-z, 0-9, `.`, `_`, `-` and `/`, not {character:?}")]
    Character {
        /// The first such character.
        character: char,
    },
    /// Separators at an end of a component, or a run of them that is not allowed, such as `..`.
    #[error(
        "`{component}` is not part of a repository name: letters or digits stand at both ends and are joined by one `.`, \
         one or two `_`, or any number of `-`"
    )]
    Separator {
        /// The component at fault, cut to a length fit for a message.
        component: String,
    },
}

/// Why a text is not a [`Tag`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TagError {
    /// Nothing at all.
    #[error("a tag must not be empty")]
    Empty,
    /// Longer than the spec's 128 characters.
    #[error("a tag has at most {MAX_TAG_BYTES} characters, this one has {length} bytes")]
    TooLong {
        /// Its bytes.
        length: usize,
    },
    /// A character that no tag has, or that no tag begins with.
    #[error(
        "a tag has only letters, digits, `_`, `.` and `-`, and begins with neither `.` nor `-`; not {character:?}"
    )]
    Character {
        /// The first such character.
        character: char,
    },
}

/// Why a text is not an [`UploadId`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UploadIdError {
    /// Nothing at all.
    #[error("no upload is named")]
    Empty,
    /// Something, but no id that a registry gave out.
    #[error("`{given}` is not the id of an upload")]
    Malformed {
        /// What was given, cut to a length fit for a message.
        given: String,
    },
}

/// What stores and other registries take; the spec notes that clients count the host in as well.
const MAX_NAME_BYTES: usize = 255;

/// From the spec's grammar of a tag.
const MAX_TAG_BYTES: usize = 128;

/// A UUID has 36 characters; this leaves room for another kind of id, and none for a path.
const MAX_UPLOAD_ID_BYTES: usize = 64;

// === impl RepositoryName ===

impl RepositoryName {
    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The parts between the slashes, at least one.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }
}

impl FromStr for RepositoryName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.len() > MAX_NAME_BYTES {
            return Err(NameError::TooLong { length: text.len() });
        }
        text.split('/').try_for_each(check_component)?;
        Ok(Self(text.into()))
    }
}

// === impl Tag ===

impl Tag {
    /// The tag as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A tag put together from parts that cannot but fit the grammar.
    pub(crate) fn known(text: &str) -> Self {
        debug_assert!(text.parse::<Self>().is_ok(), "{text} is no tag");
        Self(text.into())
    }
}

impl FromStr for Tag {
    type Err = TagError;

    fn from_str(text: &str) -> Result<Self, TagError> {
        if text.len() > MAX_TAG_BYTES {
            return Err(TagError::TooLong { length: text.len() });
        }
        let first = text.chars().next().ok_or(TagError::Empty)?;
        let wrong = if is_word(first) {
            text.chars().find(|c| !is_word(*c) && !matches!(c, '.' | '-'))
        } else {
            Some(first)
        };
        match wrong {
            Some(character) => Err(TagError::Character { character }),
            None => Ok(Self(text.into())),
        }
    }
}

// === impl UploadId ===

impl UploadId {
    /// The id as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UploadId {
    type Err = UploadIdError;

    fn from_str(text: &str) -> Result<Self, UploadIdError> {
        if text.is_empty() {
            return Err(UploadIdError::Empty);
        }
        let fits = text.len() <= MAX_UPLOAD_ID_BYTES
            && !text.starts_with('-')
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if fits { Ok(Self(text.into())) } else { Err(UploadIdError::Malformed { given: excerpt(text) }) }
    }
}

macro_rules! written_as_held {
    ($($name:ty),+) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    )+};
}
written_as_held!(RepositoryName, Tag, UploadId);
serde_as_text!(RepositoryName, Tag, UploadId);

/// Checks `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`: cut at every letter and digit, what remains are the
/// separators, and the first and the last of them must be nothing.
fn check_component(component: &str) -> Result<(), NameError> {
    if component.is_empty() {
        return Err(NameError::EmptyComponent);
    }
    if let Some(character) =
        component.chars().find(|c| !is_lower_or_digit(*c) && !matches!(c, '.' | '_' | '-'))
    {
        return Err(NameError::Character { character });
    }
    let ends_well = component.starts_with(is_lower_or_digit) && component.ends_with(is_lower_or_digit);
    if ends_well && component.split(is_lower_or_digit).all(is_separator) {
        return Ok(());
    }
    Err(NameError::Separator { component: excerpt(component) })
}

fn is_separator(text: &str) -> bool {
    matches!(text, "" | "." | "_" | "__") || text.bytes().all(|byte| byte == b'-')
}

fn is_lower_or_digit(c: char) -> bool {
    matches!(c, 'a'..='z' | '0'..='9')
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

#[cfg(test)]
pub(crate) mod tests;
