//! From a request line to a [`Route`]: methods, parameters, and the checks of everything named.

use super::{
    BeginUpload, MAX_TAGS, Method, Page, Route, RouteError,
    path::{self, Resource},
    query::Query,
};
use crate::{
    Algorithm, Digest, Reference, ReferenceError, RepositoryName, Tag, UploadIdError, text::excerpt,
};

// === impl Route ===

impl Route {
    /// Reads a request line: the method, the path as it was sent, and what follows its `?`.
    pub fn parse(method: &str, path: &str, query: Option<&str>) -> Result<Self, RouteError> {
        let path = path::decode(path)?;
        let resource = Resource::parse(&path).ok_or(RouteError::NotFound)?;
        let allow = resource.allow();
        let method = Method::parse(method);
        let query = Query::new(query);
        match (resource, method) {
            (Resource::Root, _) => Ok(Self::Root),
            (Resource::Base, _) => Ok(Self::Base),
            (Resource::BaseWithoutSlash, _) => Ok(Self::BaseWithoutSlash),
            (_, Some(Method::Options)) => Ok(Self::Options { allow }),
            (Resource::Catalog, Some(Method::Get)) => Ok(Self::Catalog { page: page(query)? }),
            (Resource::Tags { name }, Some(Method::Get)) => {
                Ok(Self::ListTags { name: repository(name)?, page: page(query)? })
            }
            (Resource::Referrers { name, digest }, Some(Method::Get)) => {
                Self::list_referrers(name, digest, query)
            }
            (Resource::Manifest { name, reference }, Some(method)) => {
                Self::manifest(method, repository(name)?, reference, query)
            }
            (Resource::Blob { name, digest }, Some(method)) => Self::blob(method, repository(name)?, digest),
            (Resource::Uploads { name }, method) => Self::uploads(method, repository(name)?, query),
            (Resource::Upload { name, id }, Some(method)) => {
                Self::upload(method, repository(name)?, id, query)
            }
            _ => Err(RouteError::MethodNotAllowed { allow }),
        }
    }

    fn list_referrers(name: &str, subject: &str, query: Query<'_>) -> Result<Self, RouteError> {
        let mut artifact_types = query.all("artifactType")?;
        artifact_types.retain(|artifact_type| !artifact_type.is_empty());
        Ok(Self::ListReferrers {
            name: repository(name)?,
            subject: digest(subject)?,
            artifact_types,
            page: page(query)?,
        })
    }

    fn manifest(
        method: Method,
        name: RepositoryName,
        reference: &str,
        query: Query<'_>,
    ) -> Result<Self, RouteError> {
        match method {
            Method::Get => Ok(Self::GetManifest { name, reference: existing_reference(reference)? }),
            Method::Head => Ok(Self::HeadManifest { name, reference: existing_reference(reference)? }),
            Method::Delete => Ok(Self::DeleteManifest { name, reference: written_reference(reference)? }),
            Method::Put => {
                let reference = written_reference(reference)?;
                let (tags, digest) = push_parameters(&reference, query)?;
                Ok(Self::PutManifest { name, reference, tags, digest })
            }
            Method::Post | Method::Patch | Method::Options => {
                Err(RouteError::MethodNotAllowed { allow: path::ALLOW_MANIFEST })
            }
        }
    }

    fn blob(method: Method, name: RepositoryName, text: &str) -> Result<Self, RouteError> {
        let digest = digest(text);
        match method {
            Method::Get => Ok(Self::GetBlob { name, digest: digest? }),
            Method::Head => Ok(Self::HeadBlob { name, digest: digest? }),
            Method::Delete => Ok(Self::DeleteBlob { name, digest: digest? }),
            Method::Post | Method::Put | Method::Patch | Method::Options => {
                Err(RouteError::MethodNotAllowed { allow: path::ALLOW_BLOB })
            }
        }
    }

    /// Where uploads begin. A client that got no id out of a location asks here for an upload: there is none.
    fn uploads(method: Option<Method>, name: RepositoryName, query: Query<'_>) -> Result<Self, RouteError> {
        match method {
            Some(Method::Post) => Ok(Self::BeginUpload { name, begin: begin_upload(query)? }),
            Some(_) => Err(RouteError::UploadId(UploadIdError::Empty)),
            None => Err(RouteError::MethodNotAllowed { allow: path::ALLOW_UPLOADS }),
        }
    }

    fn upload(method: Method, name: RepositoryName, id: &str, query: Query<'_>) -> Result<Self, RouteError> {
        let id = id.parse().map_err(RouteError::UploadId);
        match method {
            Method::Get | Method::Head => Ok(Self::UploadStatus { name, id: id? }),
            Method::Patch => Ok(Self::AppendUpload { name, id: id?, state: query.state() }),
            Method::Put => {
                let (id, given) = (id?, query.first("digest")?.ok_or(RouteError::DigestMissing)?);
                Ok(Self::FinishUpload { name, id, digest: digest(&given)?, state: query.state() })
            }
            Method::Delete => Ok(Self::CancelUpload { name, id: id? }),
            Method::Post | Method::Options => Err(RouteError::MethodNotAllowed { allow: path::ALLOW_UPLOAD }),
        }
    }
}

fn repository(text: &str) -> Result<RepositoryName, RouteError> {
    text.parse().map_err(|source| RouteError::Name { given: excerpt(text), source })
}

fn digest(text: &str) -> Result<Digest, RouteError> {
    text.parse().map_err(RouteError::Digest)
}

fn tag(text: &str) -> Result<Tag, RouteError> {
    text.parse().map_err(|source| RouteError::Tag { given: excerpt(text), source })
}

/// A reference that is looked up: one that cannot be a tag is a manifest that does not exist.
fn existing_reference(text: &str) -> Result<Reference, RouteError> {
    text.parse().map_err(|error| match error {
        ReferenceError::Tag(_) => RouteError::UnknownTag { given: excerpt(text) },
        ReferenceError::Digest(source) => RouteError::Digest(source),
    })
}

/// A reference that is to be changed.
fn written_reference(text: &str) -> Result<Reference, RouteError> {
    text.parse().map_err(|error| match error {
        ReferenceError::Tag(source) => RouteError::Tag { given: excerpt(text), source },
        ReferenceError::Digest(source) => RouteError::Digest(source),
    })
}

/// `tag` and `digest` of a push: end-7b with a digest, its counterpart with a tag.
fn push_parameters(
    reference: &Reference,
    query: Query<'_>,
) -> Result<(Vec<Tag>, Option<Digest>), RouteError> {
    let given = query.all("tag")?;
    if given.len() > MAX_TAGS {
        return Err(RouteError::TooManyTags { given: given.len() });
    }
    if reference.digest().is_none() {
        if !given.is_empty() {
            return Err(RouteError::TagParamNeedsDigest);
        }
        let stored_as = query.first("digest")?.map(|text| digest(&text)).transpose()?;
        return Ok((Vec::new(), stored_as));
    }
    let mut tags = Vec::with_capacity(given.len());
    for text in &given {
        let tag = tag(text)?;
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    Ok((tags, None))
}

/// A mount is only ever a shortcut, so one that makes no sense becomes the session it would have been without
/// it.
fn begin_upload(query: Query<'_>) -> Result<BeginUpload, RouteError> {
    let algorithm = || -> Result<Option<Algorithm>, RouteError> {
        query.first("digest-algorithm")?.map(|text| text.parse().map_err(RouteError::Algorithm)).transpose()
    };
    if let Some(mount) = query.first_lossy("mount") {
        let algorithm = algorithm()?;
        let from = query.first_lossy("from").map(|from| from.parse()).transpose();
        return Ok(match (mount.parse(), from) {
            (Ok(digest), Ok(from)) => BeginUpload::Mount { digest, from, algorithm },
            _ => BeginUpload::Session { algorithm },
        });
    }
    match query.first("digest")? {
        Some(text) => Ok(BeginUpload::Monolithic { digest: digest(&text)? }),
        None => Ok(BeginUpload::Session { algorithm: algorithm()? }),
    }
}

fn page(query: Query<'_>) -> Result<Page, RouteError> {
    let n = query.first("n")?.map(|text| page_size(&text)).transpose()?;
    Ok(Page { n, last: query.first("last")? })
}

fn page_size(text: &str) -> Result<u64, RouteError> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(text.parse().unwrap_or(u64::MAX));
    }
    Err(RouteError::PageSize { given: excerpt(text) })
}
