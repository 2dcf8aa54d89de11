//! What the registry needs of a bucket, as requests of S3.

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use http::{HeaderMap, Method, StatusCode, header};
use object_store::path::Path;
use object_store::signer::Signer;
use wharf_oci::{ByteRange, Digest};
use wharf_store::{Error, Result, Retry};

use super::answer::{self, Copied, Created, Multiparts, Removed, ServiceError, Unreadable};
use super::body::Rest;
use super::send::{Call, Failure, source};
use super::{BACKEND, Inner, S3Cloud};
use crate::cloud::{
    Cloud, Condition, Conditions, CredentialExpiry, Deleted, Meta, Multipart, Object, Page, Payload,
    SigningCredential, Start, Stored,
};

/// The most that S3 removes at once.
const MOST_KEYS: usize = 1000;

/// How long a server may move bytes about, or put parts together, before it answers: Amazon begins its answer at once,
/// others when they are done.
const SERVER_WORK: Duration = Duration::from_secs(240);

/// What objects are, as far as the bucket is concerned.
const CONTENT_TYPE: &str = "application/octet-stream";

#[derive(Debug, thiserror::Error)]
#[error("{count} objects could not be removed, the first of them {key} ({code} {message})")]
struct Undeleted {
    count: usize,
    key: String,
    code: String,
    message: String,
}

#[derive(Debug, thiserror::Error)]
#[error("the server sent another part of the object than the one asked for")]
struct OtherRange;

#[async_trait]
impl Cloud for S3Cloud {
    async fn get(&self, key: &str, range: Option<ByteRange>) -> Result<Option<Object>> {
        let operation = || format!("read {key}");
        let mut call = Call::new(Method::GET, key);
        if let Some(range) = range {
            call = call.header(header::RANGE, &format!("bytes={}-{}", range.start, range.last()));
        }
        let answer = match self.inner.open(&call).await {
            Ok(answer) => answer,
            Err(failure) => return self.inner.absent(operation(), failure),
        };
        self.inner.seen.store(true, Ordering::Relaxed);
        let meta =
            answer::meta(&answer.headers).map_err(|problem| Inner::unreadable(operation(), problem))?;
        let (next, end) = match range {
            Some(range) => (range.start, range.start + range.length),
            None => (0, meta.size),
        };
        if range.is_some() && answer.status != StatusCode::PARTIAL_CONTENT && (next, end) != (0, meta.size) {
            return Err(Error::Backend {
                backend: BACKEND,
                operation: operation(),
                retry: Retry::Never,
                source: OtherRange.into(),
            });
        }
        let (inner, key, etag) = (Arc::clone(&self.inner), key.to_owned(), meta.etag.clone());
        let body = Rest { inner, key, etag, next, end, stream: answer.body.bytes_stream() };
        Ok(Some(Object { meta, body: body.into_stream() }))
    }

    async fn head(&self, key: &str) -> Result<Option<Meta>> {
        let operation = || format!("look at {key}");
        match self.inner.call(Call::new(Method::HEAD, key)).await {
            Ok(answer) => {
                self.inner.seen.store(true, Ordering::Relaxed);
                let meta = answer::meta(&answer.headers);
                meta.map(Some).map_err(|problem| Inner::unreadable(operation(), problem))
            }
            Err(failure) => {
                let absent = self.inner.absent(operation(), failure)?;
                if !self.inner.seen.load(Ordering::Relaxed) {
                    self.inner.see().await?;
                }
                Ok(absent)
            }
        }
    }

    async fn put(&self, key: &str, bytes: Payload, condition: Condition) -> Result<Stored> {
        let operation = || format!("write {key}");
        let mut call = self.inner.new_object(Call::new(Method::PUT, key)).body(bytes);
        if condition != Condition::Any {
            self.inner.need_conditions().await?;
        }
        match &condition {
            Condition::Any => {}
            Condition::Absent => call = call.header(header::IF_NONE_MATCH, "*"),
            Condition::Is(etag) => call = call.header(header::IF_MATCH, etag),
        }
        match self.inner.call(call.clone()).await {
            Ok(answer) => etag(&answer.headers)
                .map(Stored::Written)
                .map_err(|problem| Inner::unreadable(operation(), problem)),
            Err(Failure::Refused { error, ambiguous }) if is_refused(&error, &condition) => {
                if ambiguous {
                    self.inner.written_before(&call).await
                } else {
                    Ok(Stored::Refused)
                }
            }
            Err(failure) => Err(self.inner.error(operation(), failure)),
        }
    }

    async fn conditions(&self) -> Result<Conditions> {
        self.inner.conditions().await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        match self.inner.call(Call::new(Method::DELETE, key)).await {
            Ok(_) => Ok(()),
            Err(failure) => {
                self.inner.absent::<()>(format!("remove {key}"), failure)?;
                Ok(())
            }
        }
    }

    async fn delete_if(&self, key: &str, etag: &str) -> Result<Deleted> {
        self.inner.need_conditional_deletes().await?;
        match self.inner.call(Call::new(Method::DELETE, key).header(header::IF_MATCH, etag)).await {
            Ok(_) => Ok(Deleted::Deleted),
            Err(Failure::Refused { error, .. }) if error.status == StatusCode::PRECONDITION_FAILED => {
                Ok(Deleted::Changed)
            }
            Err(failure) => {
                // An attempt that was not heard of may have removed it.
                let unheard = matches!(&failure, Failure::Refused { ambiguous: true, .. });
                self.inner.absent::<()>(format!("remove {key} on a condition"), failure)?;
                Ok(if unheard { Deleted::Deleted } else { Deleted::Absent })
            }
        }
    }

    async fn delete_all(&self, keys: Vec<String>) -> Result<()> {
        let pages = keys.chunks(MOST_KEYS).map(<[String]>::to_vec);
        stream::iter(pages).map(|page| self.delete_page(page)).buffer_unordered(4).try_collect().await
    }

    async fn list(&self, prefix: &str, start: Option<&Start>, one_level: bool, limit: usize) -> Result<Page> {
        self.inner.list(prefix, start, one_level, limit).await
    }

    async fn copy(&self, from: &str, to: &str) -> Result<()> {
        let call = self.inner.new_object(Call::new(Method::PUT, to));
        let call = call
            .header(header::HeaderName::from_static("x-amz-copy-source"), &source(&self.inner.bucket, from))
            .header(header::HeaderName::from_static("x-amz-metadata-directive"), "REPLACE")
            .patience(SERVER_WORK);
        let answer = self.inner.call(call).await;
        answer.map(drop).map_err(|failure| self.inner.error(format!("copy {from} to {to}"), failure))
    }

    async fn create_multipart(&self, key: &str) -> Result<String> {
        let operation = || format!("begin {key} in parts");
        let call = self.inner.new_object(Call::new(Method::POST, key)).query("uploads", "");
        let answer = self.inner.call(call).await;
        let answer = answer.map_err(|failure| self.inner.error(operation(), failure))?;
        let created = answer::document::<Created>(&answer.body);
        created.map(|created| created.upload_id).map_err(|problem| Inner::unreadable(operation(), problem))
    }

    async fn put_part(&self, key: &str, id: &str, number: u32, bytes: Payload) -> Result<String> {
        let operation = || format!("write part {number} of {key}");
        let call = part(Call::new(Method::PUT, key), id, number).body(bytes);
        let answer = self.inner.call(call).await;
        let answer = answer.map_err(|failure| self.inner.error(operation(), failure))?;
        etag(&answer.headers).map_err(|problem| Inner::unreadable(operation(), problem))
    }

    async fn copy_part(
        &self,
        from: &str,
        range: ByteRange,
        key: &str,
        id: &str,
        number: u32,
    ) -> Result<String> {
        let operation = || format!("copy {from} to part {number} of {key}");
        let call = part(Call::new(Method::PUT, key), id, number)
            .header(header::HeaderName::from_static("x-amz-copy-source"), &source(&self.inner.bucket, from))
            .header(
                header::HeaderName::from_static("x-amz-copy-source-range"),
                &format!("bytes={}-{}", range.start, range.last()),
            )
            .patience(SERVER_WORK);
        let answer = self.inner.call(call).await;
        let answer = answer.map_err(|failure| self.inner.error(operation(), failure))?;
        let copied = answer::document::<Copied>(&answer.body);
        copied.map(|copied| copied.etag).map_err(|problem| Inner::unreadable(operation(), problem))
    }

    async fn complete_multipart(&self, key: &str, id: &str, parts: &[String]) -> Result<bool> {
        let call = Call::new(Method::POST, key)
            .query("uploadId", id)
            .body(vec![completion(parts)])
            .patience(SERVER_WORK);
        match self.inner.call(call).await {
            Ok(_) => Ok(true),
            Err(Failure::Refused { error, ambiguous }) if is_unknown_part(&error) => {
                // Perhaps it is not known because an attempt before this one has done it.
                Ok(ambiguous && self.is_of_parts(key, parts.len()).await?)
            }
            Err(failure) => Err(self.inner.error(format!("put the parts of {key} together"), failure)),
        }
    }

    async fn abort_multipart(&self, key: &str, id: &str) -> Result<()> {
        match self.inner.call(Call::new(Method::DELETE, key).query("uploadId", id)).await {
            Ok(_) => Ok(()),
            Err(failure) => {
                self.inner.absent::<()>(format!("forget the parts of {key}"), failure)?;
                Ok(())
            }
        }
    }

    async fn multiparts(&self, prefix: &str) -> Result<Option<Vec<Multipart>>> {
        let operation = || format!("list what is unfinished below {prefix}");
        let mut found = Vec::new();
        let mut marker: Option<(String, String)> = None;
        loop {
            let mut call = Call::new(Method::GET, "").query("uploads", "").query("prefix", prefix);
            if let Some((key, id)) = marker {
                call = call.query("key-marker", key).query("upload-id-marker", id);
            }
            let answer = match self.inner.call(call).await {
                Ok(answer) => answer,
                Err(Failure::Refused { error, .. }) if is_unsupported(&error) => return Ok(None),
                Err(failure) => return Err(self.inner.error(operation(), failure)),
            };
            let page = answer::document::<Multiparts>(&answer.body)
                .map_err(|problem| Inner::unreadable(operation(), problem))?;
            for row in page.upload {
                let begun = answer::time(&row.initiated)
                    .map_err(|problem| Inner::unreadable(operation(), problem))?;
                found.push(Multipart { key: row.key, id: row.upload_id, begun });
            }
            if !page.is_truncated || page.next_key_marker.is_empty() {
                // Some servers do not heed the prefix.
                found.retain(|multipart: &Multipart| multipart.key.starts_with(prefix));
                return Ok(Some(found));
            }
            marker = Some((page.next_key_marker, page.next_upload_id_marker));
        }
    }

    async fn signed_url(&self, key: &str, lifetime: Duration) -> Result<Option<String>> {
        let failed = |source: object_store::Error| Error::Backend {
            backend: BACKEND,
            operation: format!("sign an address of {key}"),
            retry: Retry::Later,
            source: source.into(),
        };
        let path = Path::parse(key).map_err(|error| failed(error.into()))?;
        let url = self.inner.signer.signed_url(Method::GET, &path, lifetime).await.map_err(failed)?;
        Ok(Some(url.into()))
    }

    async fn signing_credential(&self) -> Result<SigningCredential> {
        let credential = self.inner.credentials.get_credential().await.map_err(|source| Error::Backend {
            backend: BACKEND,
            operation: "get the credentials that sign addresses".to_owned(),
            retry: Retry::Later,
            source: source.into(),
        })?;
        let mut hasher = DefaultHasher::new();
        (&credential.key_id, &credential.secret_key, &credential.token).hash(&mut hasher);
        // object_store does not say when a credential ends. One with a session token does.
        let expiry = match credential.token {
            Some(_) => CredentialExpiry::Unknown,
            None => CredentialExpiry::Never,
        };
        Ok(SigningCredential { fingerprint: hasher.finish(), expiry })
    }
}

// === impl S3Cloud ===

impl S3Cloud {
    async fn delete_page(&self, keys: Vec<String>) -> Result<()> {
        let body = Bytes::from(removal(&keys));
        let checksum = STANDARD.encode(Digest::of(&body).as_bytes());
        let call = Call::new(Method::POST, "")
            .query("delete", "")
            .header(header::HeaderName::from_static("x-amz-checksum-sha256"), &checksum)
            .header(header::CONTENT_TYPE, "application/xml")
            .body(vec![body]);
        let answer = match self.inner.call(call).await {
            Ok(answer) => answer,
            Err(Failure::Refused { error, .. }) if is_unsupported(&error) || wants_md5(&error) => {
                return self.delete_in_turn(keys).await;
            }
            Err(failure) => return Err(self.inner.error("remove many objects", failure)),
        };
        let mut removed = answer::document::<Removed>(&answer.body)
            .map_err(|problem| Inner::unreadable("remove many objects", problem))?;
        removed.error.retain(|row| row.code != "NoSuchKey");
        let count = removed.error.len();
        match removed.error.into_iter().next() {
            None => Ok(()),
            Some(row) => {
                let undeleted = Undeleted { count, key: row.key, code: row.code, message: row.message };
                let (operation, retry) = ("remove many objects".to_owned(), Retry::Later);
                Err(Error::Backend { backend: BACKEND, operation, retry, source: undeleted.into() })
            }
        }
    }

    /// For servers that remove one at a time only.
    async fn delete_in_turn(&self, keys: Vec<String>) -> Result<()> {
        let delete = |key: String| async move { self.delete(&key).await };
        stream::iter(keys).map(delete).buffer_unordered(self.inner.concurrency).try_collect().await
    }

    /// Whether the object is one that so many parts made: its tag says how many.
    async fn is_of_parts(&self, key: &str, parts: usize) -> Result<bool> {
        let meta = self.head(key).await?;
        Ok(meta.is_some_and(|meta| meta.etag.trim_matches('"').ends_with(&format!("-{parts}"))))
    }
}

// === impl Inner ===

impl Inner {
    fn new_object(&self, call: Call) -> Call {
        let call = call.header(header::CONTENT_TYPE, CONTENT_TYPE);
        self.new_object
            .iter()
            .fold(call, |call, (name, value)| call.header(header::HeaderName::from_static(name), value))
    }

    /// "There is none" if that is what the server said, or the error.
    fn absent<T>(&self, operation: String, failure: Failure) -> Result<Option<T>> {
        match &failure {
            Failure::Refused { error, .. }
                if error.status == StatusCode::NOT_FOUND && error.code != "NoSuchBucket" =>
            {
                Ok(None)
            }
            _ => Err(self.error(operation, failure)),
        }
    }

    /// Looks whether there is a bucket at all, once.
    async fn see(&self) -> Result<()> {
        let call = Call::new(Method::GET, "").query("list-type", "2").query("max-keys", "1");
        match self.call(call).await {
            Err(Failure::Refused { error, ambiguous }) if error.status == StatusCode::NOT_FOUND => {
                let error = ServiceError { code: "NoSuchBucket".into(), ..error };
                Err(self.error("look into the bucket", Failure::Refused { error, ambiguous }))
            }
            Err(failure @ (Failure::Broken(_) | Failure::Invalid(_))) => {
                Err(self.error("look into the bucket", failure))
            }
            // Forbidden or whatever: there is one.
            Ok(_) | Err(Failure::Refused { .. }) => {
                self.seen.store(true, Ordering::Relaxed);
                Ok(())
            }
        }
    }

    /// After an attempt whose answer we did not hear: whether what is refused now is there because we wrote it.
    async fn written_before(&self, call: &Call) -> Result<Stored> {
        let operation = || format!("read {} back", call.key);
        let answer = match self.call(Call::new(Method::GET, &call.key)).await {
            Ok(answer) => answer,
            Err(failure) => {
                self.absent::<()>(operation(), failure)?;
                return Ok(Stored::Refused);
            }
        };
        let ours: Vec<u8> = call.body.concat();
        if answer.body != ours {
            return Ok(Stored::Refused);
        }
        etag(&answer.headers).map(Stored::Written).map_err(|problem| Inner::unreadable(operation(), problem))
    }
}

/// Whether the condition did not hold. Where nothing is stored, a demand for some content does not hold either.
fn is_refused(error: &ServiceError, condition: &Condition) -> bool {
    match condition {
        Condition::Any => false,
        Condition::Absent => error.status == StatusCode::PRECONDITION_FAILED,
        Condition::Is(_) => {
            error.status == StatusCode::PRECONDITION_FAILED
                || (error.status == StatusCode::NOT_FOUND && error.code != "NoSuchBucket")
        }
    }
}

fn is_unknown_part(error: &ServiceError) -> bool {
    matches!(error.code.as_str(), "NoSuchUpload" | "InvalidPart")
}

fn is_unsupported(error: &ServiceError) -> bool {
    matches!(error.status, StatusCode::NOT_IMPLEMENTED | StatusCode::METHOD_NOT_ALLOWED)
        || error.code == "NotImplemented"
}

/// Some servers know no checksum but the oldest, and want one.
fn wants_md5(error: &ServiceError) -> bool {
    error.status == StatusCode::BAD_REQUEST
        && (error.code == "MissingContentMD5" || error.message.contains("MD5"))
}

fn part(call: Call, id: &str, number: u32) -> Call {
    call.query("partNumber", number.to_string()).query("uploadId", id)
}

pub(super) fn etag(headers: &HeaderMap) -> Result<String, Unreadable> {
    let etag = headers.get(header::ETAG).and_then(|etag| etag.to_str().ok());
    etag.map(str::to_owned).ok_or(Unreadable::Header("ETag"))
}

fn completion(parts: &[String]) -> Bytes {
    let mut xml = String::from("<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    for (index, etag) in parts.iter().enumerate() {
        let (number, etag) = (index + 1, quick_xml::escape::escape(etag.as_str()));
        let _ = write!(xml, "<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>");
    }
    xml.push_str("</CompleteMultipartUpload>");
    Bytes::from(xml)
}

fn removal(keys: &[String]) -> String {
    let mut xml =
        String::from("<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>");
    for key in keys {
        let _ = write!(xml, "<Object><Key>{}</Key></Object>", quick_xml::escape::escape(key.as_str()));
    }
    xml.push_str("</Delete>");
    xml
}
