//! The access log, in Apache's combined format on standard output.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::SystemTime;

use wharf_http::{AccessEntry, AccessLog};

/// Lines that may wait for a slow reader of our output. More are dropped, and counted: a log must not stop a registry.
const WAITING_LINES: usize = 16_384;

/// Writes on a thread of its own.
#[derive(Debug)]
pub(crate) struct StdoutLog {
    lines: Mutex<Option<SyncSender<String>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    dropped: AtomicU64,
}

impl StdoutLog {
    /// Starts the thread.
    #[must_use]
    pub(crate) fn start() -> Self {
        let (sender, receiver) = mpsc::sync_channel(WAITING_LINES);
        let writer = std::thread::spawn(move || write_lines(&receiver));
        Self { lines: Mutex::new(Some(sender)), writer: Mutex::new(Some(writer)), dropped: AtomicU64::new(0) }
    }

    /// Writes out what waits, and says how many lines were dropped.
    pub(crate) fn flush(&self) {
        drop(self.lines.lock().unwrap_or_else(PoisonError::into_inner).take());
        if let Some(writer) = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // A writer that panicked has nothing left to write.
            let _ = writer.join();
        }
        let dropped = self.dropped.load(Ordering::Relaxed);
        if dropped > 0 {
            tracing::warn!(dropped, "the access log has gaps: nobody read standard output fast enough");
        }
    }
}

impl AccessLog for StdoutLog {
    fn record(&self, entry: &AccessEntry) {
        let line = combined(entry);
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = lines.as_ref().is_some_and(|lines| lines.try_send(line).is_ok());
        if !taken {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Writes line by line while they come one by one, and in one go when they come in a crowd.
fn write_lines(lines: &Receiver<String>) {
    let mut out = io::BufWriter::new(io::stdout());
    while let Ok(line) = lines.recv() {
        let mut written = out.write_all(line.as_bytes());
        for line in lines.try_iter() {
            written = written.and_then(|()| out.write_all(line.as_bytes()));
        }
        // Whoever read our output is gone. That is no reason to stop serving.
        if written.and_then(|()| out.flush()).is_err() {
            return;
        }
    }
}

/// `host - user [time] "request" status bytes "referer" "agent"`.
fn combined(entry: &AccessEntry) -> String {
    let host = entry.remote.map_or_else(|| "-".to_owned(), |remote| remote.to_string());
    format!(
        "{host} - {user} [{time}] \"{method} {uri} {version:?}\" {status} {bytes} \"{referer}\" \"{agent}\"\n",
        user = entry.user.as_deref().map_or_else(|| "-".to_owned(), quoted),
        time = apache_time(entry.at),
        method = entry.method,
        uri = quoted(target(&entry.uri)),
        version = entry.version,
        status = entry.status.as_u16(),
        bytes = entry.bytes,
        referer = quoted(entry.referer.as_deref().unwrap_or_default()),
        agent = quoted(entry.user_agent.as_deref().unwrap_or_default()),
    )
}

/// What was asked for, without the scheme and the host that HTTP/2 sends along.
fn target(uri: &http::Uri) -> &str {
    uri.path_and_query().map_or(uri.path(), |target| target.as_str())
}

/// A client's text, so that it cannot end its field or its line.
fn quoted(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            if c == '"' || c == '\\' || c.is_control() { c.escape_default().collect() } else { vec![c] }
        })
        .collect()
}

/// `23/Nov/2026:13:29:44 +0000`.
fn apache_time(at: SystemTime) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let rfc3339 = humantime::format_rfc3339_seconds(at).to_string();
    let (date, time) = rfc3339.trim_end_matches('Z').split_once('T').unwrap_or_default();
    let mut parts = date.splitn(3, '-');
    let (year, month, day) = (parts.next(), parts.next(), parts.next());
    let month = month.and_then(|month| month.parse::<usize>().ok()).and_then(|month| MONTHS.get(month - 1));
    format!("{}/{}/{}:{time} +0000", day.unwrap_or("-"), month.unwrap_or(&"-"), year.unwrap_or("-"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;

    fn entry() -> AccessEntry {
        AccessEntry {
            remote: Some([127, 0, 0, 1].into()),
            user: None,
            at: SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_440_584),
            method: http::Method::GET,
            uri: http::Uri::from_static("/v2/acme/app/manifests/latest?ns=example.com"),
            version: http::Version::HTTP_11,
            status: http::StatusCode::OK,
            bytes: 123,
            duration: Duration::ZERO,
            aborted: false,
            referer: None,
            user_agent: Some("forged\" 200 1 \"\r\nline".to_owned()),
            request_id: Arc::from("r1"),
        }
    }

    #[test]
    fn a_line_is_in_apaches_combined_format() {
        assert_eq!(
            combined(&entry()),
            "127.0.0.1 - - [23/Nov/2026:13:29:44 +0000] \"GET /v2/acme/app/manifests/latest?ns=example.com HTTP/1.1\" \
             200 123 \"\" \"forged\\\" 200 1 \\\"\\r\\nline\"\n"
        );
    }

    #[test]
    fn a_request_in_http_2_is_shown_by_its_path() {
        let uri = http::Uri::from_static("http://registry.example.com/v2/_catalog?n=5");
        let line = combined(&AccessEntry { uri, version: http::Version::HTTP_2, ..entry() });
        assert!(line.contains("\"GET /v2/_catalog?n=5 HTTP/2.0\""), "{line}");
    }
}
