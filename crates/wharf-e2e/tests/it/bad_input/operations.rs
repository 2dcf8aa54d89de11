//! What there is to ask for, and every code it can be refused with.

use std::fmt;

use wharf_oci::{ErrorCode, Route};

/// One way to be refused: an operation asked for with a method, and the code of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Refusal {
    /// `None`: the request line asks for no operation at all.
    pub(super) operation: Option<Operation>,
    pub(super) method: Method,
    pub(super) code: ErrorCode,
}

/// The methods that operations take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
    /// Of a request line that asks for nothing.
    Any,
}

/// Who stands between a client and an operation: the guard, and whatever the operation does with the store.
const GUARD: [ErrorCode; 4] =
    [ErrorCode::Unauthorized, ErrorCode::Denied, ErrorCode::TooManyRequests, ErrorCode::Unavailable];
const GUARD_AND_STORE: [ErrorCode; 5] = [
    ErrorCode::Unauthorized,
    ErrorCode::Denied,
    ErrorCode::TooManyRequests,
    ErrorCode::Unavailable,
    ErrorCode::Unknown,
];
const NOBODY: [ErrorCode; 0] = [];

/// What can be wrong with a request line that asks for nothing.
const OF_NO_OPERATION: [ErrorCode; 3] =
    [ErrorCode::Unsupported, ErrorCode::NameInvalid, ErrorCode::BlobUploadUnknown];

/// Writes the table below as an enum like [`Route`]. `of` has no `_`: a new route does not compile until it has a line.
macro_rules! operations {
    ($($name:ident: [$($method:ident)+] $example:literal, $between:ident, [$($code:ident)*];)+) => {
        /// The routes, without what is in them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Operation {
            $($name,)+
        }

        impl Operation {
            pub(crate) const ALL: [Self; [$($example),+].len()] = [$(Self::$name),+];

            pub(crate) fn of(route: &Route) -> Self {
                match route {
                    $(Route::$name { .. } => Self::$name,)+
                }
            }

            pub(crate) fn methods(self) -> &'static [Method] {
                match self {
                    $(Self::$name => &[$(Method::$method),+],)+
                }
            }

            /// A target that asks for it, in repository `a`.
            pub(crate) fn example(self) -> &'static str {
                match self {
                    $(Self::$name => $example,)+
                }
            }

            /// What the guard and the store can answer in its place.
            pub(super) fn between(self) -> &'static [ErrorCode] {
                match self {
                    $(Self::$name => &$between,)+
                }
            }

            /// What it can answer itself.
            fn own(self) -> &'static [ErrorCode] {
                match self {
                    $(Self::$name => &[$(ErrorCode::$code),*],)+
                }
            }
        }
    };
}

operations! {
    Root: [Get] "/", NOBODY, [];
    Base: [Get] "/v2/", GUARD, [];
    BaseWithoutSlash: [Get] "/v2", NOBODY, [];
    Options: [Options] "/v2/a/tags/list", NOBODY, [];
    Catalog: [Get] "/v2/_catalog", GUARD_AND_STORE,
        [NameInvalid PaginationNumberInvalid];
    ListTags: [Get] "/v2/a/tags/list", GUARD_AND_STORE,
        [NameInvalid NameUnknown PaginationNumberInvalid];
    ListReferrers: [Get] "/v2/a/referrers/{image}", GUARD_AND_STORE,
        [NameInvalid DigestInvalid PaginationNumberInvalid];
    GetManifest: [Get] "/v2/a/manifests/latest", GUARD_AND_STORE,
        [NameInvalid DigestInvalid ManifestUnknown ManifestInvalid];
    HeadManifest: [Head] "/v2/a/manifests/latest", GUARD_AND_STORE,
        [NameInvalid DigestInvalid ManifestUnknown ManifestInvalid];
    PutManifest: [Put] "/v2/a/manifests/latest", GUARD_AND_STORE,
        [NameInvalid TagInvalid DigestInvalid ManifestInvalid ManifestBlobUnknown SizeInvalid Unsupported];
    DeleteManifest: [Delete] "/v2/a/manifests/latest", GUARD_AND_STORE,
        [NameInvalid TagInvalid DigestInvalid ManifestUnknown Unsupported];
    GetBlob: [Get] "/v2/a/blobs/{blob}", GUARD_AND_STORE,
        [NameInvalid DigestInvalid BlobUnknown RangeInvalid];
    HeadBlob: [Head] "/v2/a/blobs/{blob}", GUARD_AND_STORE,
        [NameInvalid DigestInvalid BlobUnknown];
    DeleteBlob: [Delete] "/v2/a/blobs/{blob}", GUARD_AND_STORE,
        [NameInvalid DigestInvalid BlobUnknown Unsupported];
    BeginUpload: [Post] "/v2/a/blobs/uploads/", GUARD_AND_STORE,
        [NameInvalid DigestInvalid SizeInvalid Unsupported];
    UploadStatus: [Get Head] "/v2/a/blobs/uploads/{open}", GUARD_AND_STORE,
        [NameInvalid BlobUploadUnknown];
    AppendUpload: [Patch] "/v2/a/blobs/uploads/{open}", GUARD_AND_STORE,
        [NameInvalid BlobUploadUnknown BlobUploadInvalid RangeInvalid SizeInvalid Unsupported];
    FinishUpload: [Put] "/v2/a/blobs/uploads/{open}?digest={blob}", GUARD_AND_STORE,
        [NameInvalid DigestInvalid BlobUploadUnknown RangeInvalid SizeInvalid Unsupported];
    CancelUpload: [Delete] "/v2/a/blobs/uploads/{open}", GUARD_AND_STORE,
        [NameInvalid BlobUploadUnknown RangeInvalid Unsupported];
}

/// Every way to be refused.
pub(super) fn refusals() -> impl Iterator<Item = Refusal> {
    let of_none = OF_NO_OPERATION.map(|code| Refusal { operation: None, method: Method::Any, code });
    let of_one = |operation: Operation| {
        operation.methods().iter().flat_map(move |&method| {
            let codes = operation.between().iter().chain(operation.own());
            codes.map(move |&code| Refusal { operation: Some(operation), method, code })
        })
    };
    of_none.into_iter().chain(Operation::ALL.into_iter().flat_map(of_one))
}

// === impl Operation ===

impl Operation {
    /// Whether it is about one repository.
    pub(super) fn has_name(self) -> bool {
        self != Self::Options && self.example().starts_with("/v2/a/")
    }

    /// Whether it changes anything.
    pub(super) fn changes(self) -> bool {
        !matches!(self.methods()[0], Method::Get | Method::Head | Method::Options)
    }
}

// === impl Method ===

impl Method {
    /// The method that is sent like this.
    pub(super) fn named(name: &str) -> Self {
        match name {
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "PATCH" => Self::Patch,
            "DELETE" => Self::Delete,
            "OPTIONS" => Self::Options,
            _ => Self::Any,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
            Self::Any => "ANY",
        })
    }
}
