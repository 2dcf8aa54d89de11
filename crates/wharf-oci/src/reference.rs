//! The spec's `<tag-or-digest>`, and the tag under which clients keep referrers where the API is missing.

use std::{fmt, str::FromStr};

use crate::{Digest, DigestError, Tag, TagError, text::serde_as_text};

/// What names a manifest within a repository (end-3, end-7a, end-9).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reference {
    /// A name that may move.
    Tag(Tag),
    /// The content itself.
    Digest(Digest),
}

/// Why a text is not a [`Reference`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// It has no colon, so it was read as a tag.
    #[error(transparent)]
    Tag(#[from] TagError),
    /// It has a colon, which no tag has.
    #[error(transparent)]
    Digest(#[from] DigestError),
}

/// How much of a digest's hex goes into a [`referrers_tag`].
const MAX_ENCODED: usize = 64;

/// The tag of the spec's "Referrers Tag Schema": `sha256-<hex>`, the hex cut to 64 digits.
pub fn referrers_tag(subject: &Digest) -> Tag {
    let mut hex = subject.hex();
    hex.truncate(MAX_ENCODED);
    Tag::known(&format!("{}-{hex}", subject.algorithm()))
}

// === impl Reference ===

impl Reference {
    /// The tag, if it is one.
    pub const fn tag(&self) -> Option<&Tag> {
        match self {
            Self::Tag(tag) => Some(tag),
            Self::Digest(_) => None,
        }
    }

    /// The digest, if it is one.
    pub const fn digest(&self) -> Option<&Digest> {
        match self {
            Self::Tag(_) => None,
            Self::Digest(digest) => Some(digest),
        }
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        if text.contains(':') { Ok(Self::Digest(text.parse()?)) } else { Ok(Self::Tag(text.parse()?)) }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => fmt::Display::fmt(tag, f),
            Self::Digest(digest) => fmt::Display::fmt(digest, f),
        }
    }
}

impl From<Tag> for Reference {
    fn from(tag: Tag) -> Self {
        Self::Tag(tag)
    }
}

impl From<Digest> for Reference {
    fn from(digest: Digest) -> Self {
        Self::Digest(digest)
    }
}

serde_as_text!(Reference);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Algorithm;

    #[test]
    fn a_colon_makes_it_a_digest() {
        let digest = Digest::of(b"x");
        assert_eq!("latest".parse(), Ok(Reference::Tag("latest".parse().unwrap())));
        assert_eq!(digest.to_string().parse(), Ok(Reference::Digest(digest)));
        assert!(matches!("".parse::<Reference>(), Err(ReferenceError::Tag(TagError::Empty))));
        assert!(matches!(
            "sha256:00".parse::<Reference>(),
            Err(ReferenceError::Digest(DigestError::Length { .. }))
        ));
    }

    #[test]
    fn a_referrers_tag_is_the_digest_cut_to_fit() {
        let check = |algorithm, text: &str| {
            let tag = referrers_tag(&Digest::of_with(algorithm, b"x"));
            assert!(tag.as_str().starts_with(text), "{tag}");
            assert_eq!(tag.as_str().len(), 7 + 64);
            assert_eq!(tag.as_str().parse(), Ok(tag));
        };
        check(Algorithm::Sha256, "sha256-");
        check(Algorithm::Sha384, "sha384-");
        check(Algorithm::Sha512, "sha512-");
    }
}
