//! The bytes of an object, to the last one: what breaks off in the middle goes on where it ended.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use http::{Method, StatusCode, header};
use object_store::client::HttpError;
use tokio::time::Instant;
use wharf_store::{BoxError, ByteStream};

use super::Inner;
use super::send::{Call, FIRST_PAUSE, Failure, LONGEST_PAUSE, jittered};

/// Where a body is.
pub(super) struct Rest {
    pub(super) inner: Arc<Inner>,
    pub(super) key: String,
    pub(super) etag: String,
    /// The next byte, and the end.
    pub(super) next: u64,
    pub(super) end: u64,
    pub(super) stream: BoxStream<'static, Result<Bytes, HttpError>>,
}

#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("the body of {key} broke off at byte {at}")]
    Early { key: String, at: u64, source: Option<BoxError> },
    #[error("{key} was replaced while it was read")]
    Replaced { key: String },
    #[error("the body of {key} is longer than the server said")]
    Long { key: String },
}

impl Rest {
    pub(super) fn into_stream(self) -> ByteStream {
        stream::try_unfold(self, |mut rest| async move {
            let bytes = rest.take().await?;
            Ok(bytes.map(|bytes| (bytes, rest)))
        })
        .boxed()
    }

    /// The next bytes; goes on with another request, and another, until one brings some or time is up.
    async fn take(&mut self) -> Result<Option<Bytes>, BoxError> {
        let mut given_up: Option<Instant> = None;
        let mut pause = FIRST_PAUSE;
        while self.next < self.end {
            let cause = match self.stream.next().await {
                Some(Ok(bytes)) if bytes.is_empty() => continue,
                Some(Ok(bytes)) => return self.count(bytes).map(Some),
                Some(Err(error)) => Some(error.into()),
                None => None,
            };
            let now = Instant::now();
            match given_up {
                None => given_up = Some(now + self.inner.retry_deadline),
                Some(at) if now > at => {
                    return Err(Broken::Early { key: self.key.clone(), at: self.next, source: cause }.into());
                }
                Some(_) => {
                    tokio::time::sleep(jittered(pause)).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
            if let Some(left_out) = self.inner.retry_log.admit() {
                tracing::warn!(
                    bucket = self.inner.place.url,
                    key = self.key,
                    at = self.next,
                    lines_left_out = left_out,
                    "retrying S3 download: the body ended early, resuming with another request"
                );
            }
            self.go_on().await?;
        }
        Ok(None)
    }

    fn count(&mut self, bytes: Bytes) -> Result<Bytes, BoxError> {
        self.next += bytes.len() as u64;
        if self.next > self.end { Err(Broken::Long { key: self.key.clone() }.into()) } else { Ok(bytes) }
    }

    async fn go_on(&mut self) -> Result<(), BoxError> {
        let call = Call::new(Method::GET, &self.key)
            .header(header::RANGE, &format!("bytes={}-{}", self.next, self.end - 1))
            .header(header::IF_MATCH, &self.etag);
        let early = |source: BoxError| {
            let (key, at) = (self.key.clone(), self.next);
            BoxError::from(Broken::Early { key, at, source: Some(source) })
        };
        match self.inner.open(&call).await {
            // Some servers do not heed the condition.
            Ok(answer) if answer.headers.get(header::ETAG).is_none_or(|etag| *etag != *self.etag) => {
                Err(Broken::Replaced { key: self.key.clone() }.into())
            }
            Ok(answer) if answer.status == StatusCode::PARTIAL_CONTENT => {
                self.stream = answer.body.bytes_stream();
                Ok(())
            }
            // All of it from the beginning: a server without ranges.
            Ok(_) => Err(early("the server sends no part of an object".into())),
            Err(Failure::Refused { error, .. }) if error.status == StatusCode::PRECONDITION_FAILED => {
                Err(Broken::Replaced { key: self.key.clone() }.into())
            }
            Err(Failure::Refused { error, .. }) => Err(early(error.into())),
            Err(Failure::Broken(error) | Failure::Invalid(error)) => Err(early(error)),
        }
    }
}
