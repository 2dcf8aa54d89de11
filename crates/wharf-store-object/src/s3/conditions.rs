//! Which conditions a store heeds, found out by trying: some ignore them without a word.
//!
//! MinIO heeds those of PUT and ignores that of DELETE: it answers 204 and removes the object. So DELETE is tried as well,
//! on an object of our own.

use bytes::Bytes;
use http::{Method, StatusCode, header};
use uuid::Uuid;
use wharf_store::{BoxError, Error, Result, Retry};

use super::requests::etag;
use super::send::{Call, Failure};
use super::{BACKEND, Inner};
use crate::cloud::Conditions;

/// Where it is tried, below the root, where the tree's other objects are. The name is new each time, so that registries
/// that start together do not disturb one another.
const PROBE: &str = "docker/registry/v2/wharf-probe-";

/// The tag of no object.
const NO_ETAG: &str = "\"00000000000000000000000000000000\"";

#[derive(Debug, thiserror::Error)]
enum Ignored {
    #[error(
        "{url} does not heed If-None-Match and If-Match, so nothing can be written on a condition: immutable tags, for \
         example, are not possible here; use a store that has conditional writes"
    )]
    Writes { url: String },
    #[error("{url} does not heed If-Match of DELETE")]
    Deletes { url: String },
}

/// What a request that has a condition comes to.
enum Probed {
    /// It was carried out; with the tag of what was written.
    Done(String),
    /// It was refused for its condition.
    Refused,
    /// The server does not know such a condition.
    Unknown,
}

impl Inner {
    /// Tries the store once; callers that come meanwhile wait for the answer.
    pub(super) async fn conditions(&self) -> Result<Conditions> {
        self.conditions.get_or_try_init(|| self.try_conditions()).await.copied()
    }

    /// An error where the conditions of writes are not heeded.
    pub(super) async fn need_conditions(&self) -> Result<()> {
        if self.conditions().await? != Conditions::Ignored {
            return Ok(());
        }
        let source = Ignored::Writes { url: self.place.url.clone() };
        Err(unusable("write on a condition", source.into()))
    }

    /// An error where the condition of DELETE is not heeded.
    pub(super) async fn need_conditional_deletes(&self) -> Result<()> {
        if self.conditions().await? == Conditions::WritesAndDeletes {
            return Ok(());
        }
        let source = Ignored::Deletes { url: self.place.url.clone() };
        Err(unusable("remove on a condition", source.into()))
    }

    async fn try_conditions(&self) -> Result<Conditions> {
        let key = format!("{}{PROBE}{}", self.probe_prefix, Uuid::now_v7());
        let heeded = self.try_writes(&key).await?;
        let conditions = match &heeded {
            Some(etag) if self.try_deletes(&key, etag).await? => Conditions::WritesAndDeletes,
            Some(_) => Conditions::Writes,
            None => Conditions::Ignored,
        };
        if conditions != Conditions::WritesAndDeletes
            && let Err(failure) = self.call(Call::new(Method::DELETE, &key)).await
        {
            let error = self.error(format!("remove {key}"), failure);
            tracing::warn!(error = &error as &dyn std::error::Error, key, "a probe was left in the bucket");
        }
        if conditions == Conditions::Ignored {
            tracing::warn!(bucket = self.place.url, "the store does not heed conditional writes");
        }
        Ok(conditions)
    }

    /// The probe's tag, if writes are refused for their conditions.
    async fn try_writes(&self, key: &str) -> Result<Option<String>> {
        let absent = (header::IF_NONE_MATCH, "*");
        let another = (header::IF_MATCH, NO_ETAG);
        // The first is let through, if the server knows the header at all; the others must be refused.
        let Probed::Done(etag) = self.probe(Method::PUT, key, &absent).await? else { return Ok(None) };
        let heeded = matches!(self.probe(Method::PUT, key, &absent).await?, Probed::Refused)
            && matches!(self.probe(Method::PUT, key, &another).await?, Probed::Refused);
        Ok(heeded.then_some(etag))
    }

    /// Whether DELETE is refused for its condition, and carried out when that holds.
    async fn try_deletes(&self, key: &str, etag: &str) -> Result<bool> {
        let refused =
            matches!(self.probe(Method::DELETE, key, &(header::IF_MATCH, NO_ETAG)).await?, Probed::Refused);
        Ok(refused
            && matches!(self.probe(Method::DELETE, key, &(header::IF_MATCH, etag)).await?, Probed::Done(_)))
    }

    async fn probe(
        &self,
        method: Method,
        key: &str,
        (name, value): &(header::HeaderName, &str),
    ) -> Result<Probed> {
        let mut call = Call::new(method.clone(), key).header(name.clone(), value);
        if method == Method::PUT {
            call = call.body(vec![Bytes::from_static(b"wharf probe")]);
        }
        match self.call(call).await {
            Ok(_) if method == Method::DELETE => Ok(Probed::Done(String::new())),
            Ok(answer) => {
                let etag = etag(&answer.headers);
                etag.map(Probed::Done).map_err(|problem| Self::unreadable("try out conditions", problem))
            }
            Err(Failure::Refused { error, ambiguous }) => match error.status {
                StatusCode::PRECONDITION_FAILED | StatusCode::CONFLICT => Ok(Probed::Refused),
                StatusCode::NOT_IMPLEMENTED | StatusCode::BAD_REQUEST => Ok(Probed::Unknown),
                // An attempt that was not heard of has removed it.
                StatusCode::NOT_FOUND if ambiguous && method == Method::DELETE => {
                    Ok(Probed::Done(String::new()))
                }
                _ => Err(self.error("try out conditions", Failure::Refused { error, ambiguous })),
            },
            Err(failure) => Err(self.error("try out conditions", failure)),
        }
    }
}

fn unusable(operation: &str, source: BoxError) -> Error {
    Error::Backend { backend: BACKEND, operation: operation.to_owned(), retry: Retry::Never, source }
}
