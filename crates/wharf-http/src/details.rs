//! What the application's log says of a request besides what the access log has: gathered only if somebody listens.
//!
//! The names of the fields are those of the registry we succeed, which log pipelines know.

use std::time::Duration;

use http::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderName};
use http::request::Parts;
use wharf_oci::{Reference, Route};

use crate::errors::ApiError;
use crate::log::{AccessEntry, LOG_FIELD_BYTES, log_field};

/// The details of one request.
#[derive(Debug, Default)]
pub(crate) struct Details {
    host: Option<String>,
    content_type: Option<String>,
    response_content_type: Option<String>,
    name: Option<String>,
    reference: Option<String>,
    digest: Option<String>,
    upload: Option<String>,
    error: Option<Failure>,
}

/// What was answered instead.
#[derive(Debug)]
struct Failure {
    code: &'static str,
    message: String,
    detail: Option<String>,
}

impl Details {
    /// Begins to gather, if the log takes such lines.
    pub(crate) fn begin(head: &Parts) -> Option<Box<Self>> {
        tracing::enabled!(tracing::Level::INFO).then(|| {
            let (host, content_type) = (text(&head.headers, &HOST), text(&head.headers, &CONTENT_TYPE));
            Box::new(Self { host, content_type, ..Self::default() })
        })
    }

    /// What the request is about.
    pub(crate) fn route(&mut self, route: &Route) {
        self.name = route.name().map(ToString::to_string);
        match route {
            Route::GetManifest { reference, .. }
            | Route::HeadManifest { reference, .. }
            | Route::PutManifest { reference, .. }
            | Route::DeleteManifest { reference, .. } => self.reference = Some(reference_text(reference)),
            Route::GetBlob { digest, .. }
            | Route::HeadBlob { digest, .. }
            | Route::DeleteBlob { digest, .. } => {
                self.digest = Some(digest.to_string());
            }
            Route::ListReferrers { subject, .. } => self.digest = Some(subject.to_string()),
            Route::UploadStatus { id, .. }
            | Route::AppendUpload { id, .. }
            | Route::CancelUpload { id, .. } => {
                self.upload = Some(id.to_string());
            }
            Route::FinishUpload { id, digest, .. } => {
                self.upload = Some(id.to_string());
                self.digest = Some(digest.to_string());
            }
            Route::Root
            | Route::Base
            | Route::BaseWithoutSlash
            | Route::Options { .. }
            | Route::Catalog { .. }
            | Route::ListTags { .. }
            | Route::BeginUpload { .. } => {}
        }
    }

    /// What is answered instead of what was asked for.
    pub(crate) fn error(&mut self, error: &ApiError) {
        self.error = error.first().map(|entry| Failure {
            code: entry.code.as_str(),
            message: log_field(&entry.message).to_owned(),
            detail: entry.detail.as_ref().map(|detail| match detail.as_str() {
                Some(text) => log_field(text).to_owned(),
                None => log_field(&detail.to_string()).to_owned(),
            }),
        });
    }

    /// What the response says of itself.
    pub(crate) fn response(&mut self, headers: &HeaderMap) {
        self.response_content_type = text(headers, &CONTENT_TYPE);
    }

    /// Writes the line. A client's mistake is not an error of ours; what went wrong with us was told where it did.
    pub(crate) fn tell(&self, entry: &AccessEntry, broken: bool) {
        let failure = self.error.as_ref();
        tracing::info!(
            auth.user.name = entry.user.as_deref().map(log_field),
            err.code = failure.map(|failure| failure.code),
            err.message = failure.map(|failure| failure.message.as_str()),
            err.detail = failure.and_then(|failure| failure.detail.as_deref()),
            http.request.id = &*entry.request_id,
            http.request.method = log_field(entry.method.as_str()),
            http.request.host = self.host.as_deref(),
            http.request.uri = entry.uri.path_and_query().map(|target| log_field(target.as_str())),
            http.request.referer = entry.referer.as_deref(),
            http.request.useragent = entry.user_agent.as_deref(),
            http.request.remoteaddr = entry.claimed.or(entry.remote).map(|remote| remote.to_string()),
            http.request.peeraddr = entry.peer.map(|peer| peer.to_string()),
            http.request.contenttype = self.content_type.as_deref(),
            http.response.status = entry.status.as_u16(),
            http.response.written = entry.bytes,
            http.response.contenttype = self.response_content_type.as_deref(),
            http.response.duration = go_duration(entry.duration),
            vars.name = self.name.as_deref(),
            vars.reference = self.reference.as_deref(),
            vars.digest = self.digest.as_deref(),
            vars.uuid = self.upload.as_deref(),
            "{}",
            message(entry.aborted, broken, failure.is_some())
        );
    }
}

fn message(aborted: bool, broken: bool, failed: bool) -> &'static str {
    match (aborted, broken, failed) {
        (_, true, _) => "response cut short: its body could not be read",
        (true, false, _) => "response cut short by the client",
        (false, false, true) => "response completed with error",
        (false, false, false) => "response completed",
    }
}

/// As Go writes durations, in whole microseconds: `1.234ms`, `1.5s`, `1m0s`, `26h3m0.5s`.
fn go_duration(duration: Duration) -> String {
    let micros = duration.as_micros();
    match micros {
        0 => "0s".to_owned(),
        1..1_000 => format!("{micros}µs"),
        1_000..1_000_000 => format!("{}ms", decimal(micros, 1_000)),
        _ => {
            let (minutes, rest) = (micros / 60_000_000, micros % 60_000_000);
            let seconds = decimal(rest, 1_000_000);
            match (minutes / 60, minutes % 60) {
                (0, 0) => format!("{seconds}s"),
                (0, minutes) => format!("{minutes}m{seconds}s"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
            }
        }
    }
}

/// `count` in units of `unit`, a power of ten, without zeros at the end.
fn decimal(count: u128, unit: u128) -> String {
    let digits = unit.ilog10() as usize;
    let text = format!("{}.{:0digits$}", count / unit, count % unit);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn reference_text(reference: &Reference) -> String {
    match reference {
        Reference::Tag(tag) => tag.to_string(),
        Reference::Digest(digest) => digest.to_string(),
    }
}

/// A header's text, fit for a log: no longer than a field may be, for it is in memory as long as its request.
pub(crate) fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let value = headers.get(name)?.as_bytes();
    Some(String::from_utf8_lossy(&value[..value.len().min(LOG_FIELD_BYTES)]).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_go_writes_them() {
        for (micros, written) in [
            (0, "0s"),
            (15, "15µs"),
            (999, "999µs"),
            (1_000, "1ms"),
            (1_234, "1.234ms"),
            (10_010, "10.01ms"),
            (999_999, "999.999ms"),
            (1_000_000, "1s"),
            (1_500_000, "1.5s"),
            (59_999_999, "59.999999s"),
            (60_000_000, "1m0s"),
            (61_500_000, "1m1.5s"),
            (3_600_000_000, "1h0m0s"),
            (93_780_000_001, "26h3m0.000001s"),
        ] {
            assert_eq!(go_duration(Duration::from_micros(micros)), written);
        }
    }
}
