//! The access log, in Apache's combined format on standard output.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::SystemTime;

use wharf_http::{AccessEntry, AccessLog, log_field};

/// Bytes of lines that may wait for a slow reader of our output: those of some tens of thousands of usual requests. More
/// are dropped, and counted: a log must not stop a registry.
const WAITING_BYTES: usize = 8 * 1024 * 1024;

/// What a line takes in the queue beside its text.
const LINE_BYTES: usize = 64;

/// Writes on a thread of its own.
#[derive(Debug)]
pub(crate) struct StdoutLog {
    lines: Mutex<Option<Lines>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    dropped: AtomicU64,
}

/// The end of the queue at which lines are put in.
#[derive(Debug)]
struct Lines {
    sender: Sender<String>,
    /// What the lines in the queue come to.
    waiting_bytes: Arc<AtomicUsize>,
}

/// The end of the queue at which lines are written out.
#[derive(Debug)]
struct WaitingLines {
    receiver: Receiver<String>,
    waiting_bytes: Arc<AtomicUsize>,
}

impl StdoutLog {
    /// Starts the thread.
    #[must_use]
    pub(crate) fn start() -> Self {
        let (lines, waiting) = queue();
        let writer = std::thread::spawn(move || write_lines(&waiting));
        Self { lines: Mutex::new(Some(lines)), writer: Mutex::new(Some(writer)), dropped: AtomicU64::new(0) }
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
        let taken = lines.as_ref().is_some_and(|lines| lines.offer(line));
        if !taken {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

// === impl Lines ===

impl Lines {
    /// Puts a line into the queue, if there is room for it.
    fn offer(&self, line: String) -> bool {
        let bytes = line.len() + LINE_BYTES;
        let before = self.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        let taken = before + bytes <= WAITING_BYTES && self.sender.send(line).is_ok();
        if !taken {
            self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
        taken
    }
}

// === impl WaitingLines ===

impl WaitingLines {
    /// The next line, waited for; `None` if there will be none.
    fn next(&self) -> Option<String> {
        self.receiver.recv().ok().inspect(|line| self.took(line))
    }

    /// The lines that are there.
    fn rest(&self) -> impl Iterator<Item = String> {
        self.receiver.try_iter().inspect(|line| self.took(line))
    }

    fn took(&self, line: &str) {
        self.waiting_bytes.fetch_sub(line.len() + LINE_BYTES, Ordering::Relaxed);
    }
}

fn queue() -> (Lines, WaitingLines) {
    let (sender, receiver) = mpsc::channel();
    let waiting_bytes = Arc::new(AtomicUsize::new(0));
    (Lines { sender, waiting_bytes: Arc::clone(&waiting_bytes) }, WaitingLines { receiver, waiting_bytes })
}

/// Writes line by line while they come one by one, and in one go when they come in a crowd.
fn write_lines(lines: &WaitingLines) {
    let mut out = io::BufWriter::new(io::stdout());
    while let Some(line) = lines.next() {
        let mut written = out.write_all(line.as_bytes());
        for line in lines.rest() {
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
        method = log_field(entry.method.as_str()),
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

/// A client's text, so that it cannot end its field or its line, and is not longer than a field may be.
fn quoted(text: &str) -> String {
    log_field(text)
        .chars()
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
    #[test]
    fn fields_that_clients_make_long_are_cut() {
        let long = "x".repeat(300_000);
        let uri = http::Uri::try_from(format!("/{}", &long[..60_000])).unwrap();
        let method = http::Method::from_bytes(&long.as_bytes()[..60_000]).unwrap();
        let (user, referer, user_agent) = (Some(Arc::from(long.as_str())), Some(long.clone()), Some(long));
        let line = combined(&AccessEntry { user, method, uri, referer, user_agent, ..entry() });
        assert!((5 * 1024..6 * 1024).contains(&line.len()), "{}", line.len());
    }

    #[test]
    fn lines_that_no_one_reads_wait_up_to_a_number_of_bytes() {
        let (lines, waiting) = queue();
        let line = "x".repeat(1000);
        let taken = (0..10_000).filter(|_| lines.offer(line.clone())).count();
        assert_eq!(taken, WAITING_BYTES / (line.len() + LINE_BYTES));
        assert!(waiting.next().is_some());
        assert!(lines.offer(line.clone()) && !lines.offer(line));
        assert_eq!(waiting.rest().count(), taken);
        assert_eq!(waiting.waiting_bytes.load(Ordering::Relaxed), 0);
    }
}
