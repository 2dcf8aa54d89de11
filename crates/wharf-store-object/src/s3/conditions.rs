//! Whether a store heeds conditions, found out by trying: some ignore them without a word.

use bytes::Bytes;
use http::{Method, StatusCode, header};
use uuid::Uuid;
use wharf_store::{BoxError, Error, Result, Retry};

use super::send::{Call, Failure};
use super::{BACKEND, Inner};

/// Where it is tried, below the root, where the tree's other objects are. The name is new each time, so that registries
/// that start together do not disturb one another.
const PROBE: &str = "docker/registry/v2/wharf-probe-";

#[derive(Debug, thiserror::Error)]
#[error(
    "{url} does not heed If-None-Match and If-Match, so nothing can be written on a condition: immutable tags, for \
     example, are not possible here; use a store that has conditional writes"
)]
struct Ignored {
    url: String,
}

impl Inner {
    /// Asks the store once; whoever comes meanwhile waits for the answer.
    pub(super) async fn honours_conditions(&self) -> Result<bool> {
        self.conditions.get_or_try_init(|| self.try_conditions()).await.copied()
    }

    /// An error where conditions are not heeded.
    pub(super) async fn need_conditions(&self) -> Result<()> {
        if self.honours_conditions().await? {
            return Ok(());
        }
        let source: BoxError = Ignored { url: self.place.url.clone() }.into();
        let operation = "write on a condition".to_owned();
        Err(Error::Backend { backend: BACKEND, operation, retry: Retry::Never, source })
    }

    async fn try_conditions(&self) -> Result<bool> {
        let key = format!("{}{PROBE}{}", self.probe_prefix, Uuid::now_v7());
        let absent = (header::IF_NONE_MATCH, "*");
        let another = (header::IF_MATCH, "\"00000000000000000000000000000000\"");
        // The first is let through, if the server knows the header at all; the others must be refused.
        let heeded = match self.probe(&key, &absent).await? {
            Some(false) => Some(self.probe(&key, &absent).await? == Some(true)),
            other => other,
        };
        let heeded = heeded == Some(true) && self.probe(&key, &another).await? == Some(true);
        let delete = self.call(Call::new(Method::DELETE, &key)).await;
        if let Err(failure) = delete {
            let error = self.error(format!("remove {key}"), failure);
            tracing::warn!(error = &error as &dyn std::error::Error, key, "a probe was left in the bucket");
        }
        if !heeded {
            tracing::warn!(bucket = self.place.url, "the store does not heed conditional writes");
        }
        Ok(heeded)
    }

    /// Whether a write is refused for its condition; `None` if the server does not know such a condition.
    async fn probe(&self, key: &str, (name, value): &(header::HeaderName, &str)) -> Result<Option<bool>> {
        let call = Call::new(Method::PUT, key)
            .header(name.clone(), value)
            .body(vec![Bytes::from_static(b"wharf probe")]);
        match self.call(call).await {
            Ok(_) => Ok(Some(false)),
            Err(Failure::Refused { error, .. }) => match error.status {
                StatusCode::PRECONDITION_FAILED | StatusCode::CONFLICT => Ok(Some(true)),
                StatusCode::NOT_IMPLEMENTED | StatusCode::BAD_REQUEST => Ok(None),
                _ => Err(self.error("try out conditions", Failure::Refused { error, ambiguous: false })),
            },
            Err(failure) => Err(self.error("try out conditions", failure)),
        }
    }
}
