//! From an event to a line.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use super::*;

/// A line of 2026-11-23 15:36:00.123456789.
pub(super) fn line(level: Level, message: &str, fields: &[(&str, Json)]) -> Line {
    Line {
        time: SystemTime::UNIX_EPOCH + Duration::new(1_795_448_160, 123_456_789),
        level,
        message: message.to_owned(),
        fields: fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
    }
}

/// What is logged of a request.
pub(super) fn completed() -> Line {
    line(
        Level::INFO,
        "response completed",
        &[
            ("service", "registry".into()),
            ("http.request.method", "GET".into()),
            ("http.request.host", "localhost:5000".into()),
            ("http.request.uri", "/v2/".into()),
            ("http.response.status", 200.into()),
        ],
    )
}

/// Standard error, for a test.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is written while `work` runs, without the time each line begins with.
fn logged(every_line: &[(&str, Json)], work: impl FnOnce()) -> Vec<String> {
    let written = Written::default();
    let every_line = every_line.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let out = written.clone();
    let lines = tracing_subscriber::fmt::layer()
        .fmt_fields(SpanFields)
        .event_format(Lines::new(LogFormat::Text, every_line))
        .with_writer(move || out.clone());
    tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), work);
    let bytes = written.0.lock().unwrap().clone();
    let text = String::from_utf8(bytes).unwrap();
    text.lines().map(|line| line.split_once(' ').expect("a time").1.to_owned()).collect()
}

#[test]
fn an_event_brings_its_fields_and_those_of_every_line() {
    let lines = logged(&[("service", "registry".into())], || {
        tracing::info!(repo = %"acme/app", size_bytes = 5_u64, ok = true, "stored");
        let missing = io::Error::from(io::ErrorKind::NotFound);
        tracing::error!(error = &missing as &dyn std::error::Error, "storage failed");
    });
    assert_eq!(
        lines,
        [
            "level=info msg=stored ok=true repo=acme/app service=registry size_bytes=5",
            "level=error msg=\"storage failed\" error=\"entity not found\" service=registry",
        ]
    );
}

#[test]
fn an_error_that_repeats_its_source_is_written_once() {
    let lines = logged(&[], || {
        let inner = io::Error::other("connection refused");
        let outer = io::Error::other(Repeats(inner));
        tracing::error!(error = &outer as &dyn std::error::Error, "storage failed");
    });
    assert_eq!(lines, ["level=error msg=\"storage failed\" error=\"cannot connect: connection refused\""]);
}

/// An error whose text has that of its source in it.
#[derive(Debug, thiserror::Error)]
#[error("cannot connect: {0}")]
struct Repeats(#[source] io::Error);

#[test]
fn an_event_brings_what_the_spans_around_it_know() {
    let lines = logged(&[], || {
        let span = tracing::info_span!("request", repo = "a", status = tracing::field::Empty);
        let _entered = span.enter();
        span.record("status", 200);
        tracing::info!("inside");
    });
    assert_eq!(lines, ["level=info msg=inside repo=a status=200"]);
}

#[test]
fn no_format_writes_a_character_that_a_terminal_may_obey() {
    let unsafe_ones =
        ['\u{1b}', '\u{7f}', '\u{9b}', '\u{85}', '\u{2028}', '\u{2029}', '\u{202e}', '\u{2066}', '\u{200f}'];
    let text: String = unsafe_ones.iter().collect();
    let line =
        line(Level::INFO, &text, &[("agent", text.as_str().into()), ("list", vec![text.clone()].into())]);
    for write in [text::write, json::write, logstash::write] {
        let written = write(&line);
        assert!(!written.contains(unsafe_ones), "{written:?}");
        assert!(written.contains("\\u202e") && written.contains("\\u009b"), "{written}");
    }
    let read: serde_json::Value = serde_json::from_str(&json::write(&line)).unwrap();
    assert_eq!(read["agent"], text);
}
