//! Why a request line asks for nothing, and how to say so.

use serde_json::{Value, json};

use super::MAX_TAGS;
use crate::{AlgorithmError, DigestError, ErrorCode, NameError, TagError, UploadIdError};

/// Why a request line is no [`Route`](super::Route).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// No path of this API: 404.
    ///
    /// The code is `UNSUPPORTED`, not `NAME_UNKNOWN`: clients that probe for an extension take the latter for
    /// a repository that is not there.
    #[error("this registry has nothing at this path")]
    NotFound,
    /// The path is one of ours, the method is not one it takes: 405.
    #[error("the method is not allowed here, only {allow}")]
    MethodNotAllowed {
        /// The `Allow` of the answer.
        allow: &'static str,
    },
    /// The repository's name does not fit the grammar.
    #[error("`{given}` is not the name of a repository")]
    Name {
        /// The name, cut to a length fit for a message.
        given: String,
        /// What is wrong with it.
        source: NameError,
    },
    /// A tag that is to be written or removed does not fit the grammar.
    #[error("`{given}` is not a tag")]
    Tag {
        /// The tag, cut to a length fit for a message.
        given: String,
        /// What is wrong with it.
        source: TagError,
    },
    /// A tag that is looked up does not fit the grammar, so there is no manifest of that name: 404.
    #[error("no manifest can have the tag `{given}`")]
    UnknownTag {
        /// The tag, cut to a length fit for a message.
        given: String,
    },
    /// A digest in the path or the query does not fit the grammar.
    #[error(transparent)]
    Digest(DigestError),
    /// An upload is to be finished without saying under which digest.
    #[error("digest missing")]
    DigestMissing,
    /// `digest-algorithm` names none of ours.
    #[error(transparent)]
    Algorithm(AlgorithmError),
    /// No upload can have this id: 404.
    #[error(transparent)]
    UploadId(UploadIdError),
    /// `n` is not a number of entries.
    #[error("the page size `{given}` is not a number of entries")]
    PageSize {
        /// The number, cut to a length fit for a message.
        given: String,
    },
    /// More `tag` parameters than [`MAX_TAGS`]: 414 (end-7b).
    #[error("a push sets at most {MAX_TAGS} tags, not {given}")]
    TooManyTags {
        /// How many.
        given: usize,
    },
    /// `tag` parameters beside a tag in the path.
    #[error("tags in the query need a digest in the path")]
    TagParamNeedsDigest,
    /// Percent-encoding that is broken, or that hides control characters or what is not UTF-8.
    #[error("{} is not well-formed: expected percent-encoded UTF-8 without control characters", place(*.parameter))]
    Encoding {
        /// The parameter of the query, or `None` for the path.
        parameter: Option<&'static str>,
    },
}

// === impl RouteError ===

impl RouteError {
    /// The code to answer with.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::NotFound | Self::MethodNotAllowed { .. } => ErrorCode::Unsupported,
            Self::Name { .. } | Self::Encoding { .. } => ErrorCode::NameInvalid,
            Self::Tag { .. } | Self::TooManyTags { .. } | Self::TagParamNeedsDigest => ErrorCode::TagInvalid,
            Self::UnknownTag { .. } => ErrorCode::ManifestUnknown,
            Self::Digest(_) | Self::DigestMissing | Self::Algorithm(_) => ErrorCode::DigestInvalid,
            Self::UploadId(_) => ErrorCode::BlobUploadUnknown,
            Self::PageSize { .. } => ErrorCode::PaginationNumberInvalid,
        }
    }

    /// The status to answer with: the code's, but for 404 and 414.
    pub const fn status(&self) -> u16 {
        match self {
            Self::NotFound => 404,
            Self::TooManyTags { .. } => 414,
            _ => self.code().status(),
        }
    }

    /// The detail to answer with, in the shapes of the old registry where it has one.
    pub fn detail(&self) -> Option<Value> {
        match self {
            Self::NotFound | Self::MethodNotAllowed { .. } => None,
            Self::Name { given, source } => Some(json!({ "name": given, "reason": source.to_string() })),
            Self::Tag { given, source } => Some(json!({ "tag": given, "reason": source.to_string() })),
            Self::UnknownTag { given } => Some(format!("unknown tag={given}").into()),
            Self::PageSize { given } => Some(json!({ "n": number_or_text(given) })),
            Self::Digest(_)
            | Self::DigestMissing
            | Self::Algorithm(_)
            | Self::UploadId(_)
            | Self::TooManyTags { .. }
            | Self::TagParamNeedsDigest
            | Self::Encoding { .. } => Some(self.to_string().into()),
        }
    }
}

/// `-1` is answered as a number, `x` as a text.
fn number_or_text(given: &str) -> Value {
    given.parse::<i64>().map_or_else(|_| given.into(), Value::from)
}

fn place(parameter: Option<&'static str>) -> String {
    parameter.map_or_else(|| "the path".to_owned(), |name| format!("the parameter `{name}`"))
}
