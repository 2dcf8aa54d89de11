//! The shape of a path: which kind of thing it names, and with which words. The words are not checked here.

use std::borrow::Cow;

use super::RouteError;

/// Methods in alphabetical order, as the old registry lists them.
pub(super) const ALLOW_LIST: &str = "GET";
pub(super) const ALLOW_MANIFEST: &str = "DELETE, GET, HEAD, PUT";
pub(super) const ALLOW_BLOB: &str = "DELETE, GET, HEAD";
pub(super) const ALLOW_UPLOADS: &str = "POST";
pub(super) const ALLOW_UPLOAD: &str = "DELETE, GET, HEAD, PATCH, PUT";

/// What a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resource<'a> {
    Root,
    Base,
    BaseWithoutSlash,
    Catalog,
    Tags { name: &'a str },
    Referrers { name: &'a str, digest: &'a str },
    Manifest { name: &'a str, reference: &'a str },
    Blob { name: &'a str, digest: &'a str },
    Uploads { name: &'a str },
    Upload { name: &'a str, id: &'a str },
}

// === impl Resource ===

impl<'a> Resource<'a> {
    /// Reads a decoded path from its end, since a name has any number of segments and may hold the fixed
    /// words too: `a/manifests` and `a/blobs/uploads` are fine names.
    pub(super) fn parse(path: &'a str) -> Option<Self> {
        let rest = match path {
            "/" => return Some(Self::Root),
            "/v2" => return Some(Self::BaseWithoutSlash),
            "/v2/" => return Some(Self::Base),
            "/v2/_catalog" => return Some(Self::Catalog),
            _ => path.strip_prefix("/v2/")?,
        };
        if let Some(name) = rest.strip_suffix("/tags/list") {
            return Some(Self::Tags { name });
        }
        if let Some(name) =
            rest.strip_suffix("/blobs/uploads/").or_else(|| rest.strip_suffix("/blobs/uploads"))
        {
            return Some(Self::Uploads { name });
        }
        let (before, last) = rest.rsplit_once('/')?;
        if let Some(name) = before.strip_suffix("/manifests") {
            return Some(Self::Manifest { name, reference: last });
        }
        if let Some(name) = before.strip_suffix("/blobs/uploads") {
            return Some(Self::Upload { name, id: last });
        }
        if let Some(name) = before.strip_suffix("/blobs") {
            return Some(Self::Blob { name, digest: last });
        }
        before.strip_suffix("/referrers").map(|name| Self::Referrers { name, digest: last })
    }

    /// The methods it takes, for `Allow`. The first three take any, and are never asked.
    pub(super) const fn allow(&self) -> &'static str {
        match self {
            Self::Root | Self::Base | Self::BaseWithoutSlash => ALLOW_LIST,
            Self::Catalog | Self::Tags { .. } | Self::Referrers { .. } => ALLOW_LIST,
            Self::Manifest { .. } => ALLOW_MANIFEST,
            Self::Blob { .. } => ALLOW_BLOB,
            Self::Uploads { .. } => ALLOW_UPLOADS,
            Self::Upload { .. } => ALLOW_UPLOAD,
        }
    }
}

/// Undoes percent-encoding once: what it gives is what is checked, stored and logged.
pub(super) fn decode(path: &str) -> Result<Cow<'_, str>, RouteError> {
    super::query::decode(path).ok_or(RouteError::Encoding { parameter: None })
}
