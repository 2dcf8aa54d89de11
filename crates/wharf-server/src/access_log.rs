//! The access log, in Apache's combined format on standard output.

use std::time::SystemTime;

use wharf_http::{AccessEntry, AccessLog, log_field};

use crate::log_writer::LogWriter;
use crate::logging::escape::is_unsafe;

/// Formats entries as lines.
#[derive(Debug)]
pub(crate) struct CombinedLog(pub(crate) LogWriter);

impl AccessLog for CombinedLog {
    fn record(&self, entry: &AccessEntry) {
        self.0.append(combined(entry).as_bytes());
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
        .flat_map(
            |c| {
                if c == '"' || c == '\\' || is_unsafe(c) { c.escape_default().collect() } else { vec![c] }
            },
        )
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
            claimed: Some([192, 0, 2, 1].into()),
            peer: None,
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
            user_agent: Some("forged\" 200 1 \"\r\nline\u{9b}\u{202e}".to_owned()),
            request_id: Arc::from("r1"),
        }
    }

    #[test]
    fn a_line_is_in_apaches_combined_format() {
        assert_eq!(
            combined(&entry()),
            "127.0.0.1 - - [23/Nov/2026:13:29:44 +0000] \"GET /v2/acme/app/manifests/latest?ns=example.com HTTP/1.1\" \
             200 123 \"\" \"forged\\\" 200 1 \\\"\\r\\nline\\u{9b}\\u{202e}\"\n"
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
}
