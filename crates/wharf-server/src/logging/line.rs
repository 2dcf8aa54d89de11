//! A line before it has a format: what an event says, and the spans around it.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::time::SystemTime;

use serde_json::Value as Json;
use tracing::field::{Field, Visit};
use tracing::span::Record;
use tracing::{Event, Level};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FormatFields, FormattedFields};

/// Names and values, in the order of the names.
pub(super) type Fields = BTreeMap<String, Json>;

/// The field that tracing puts the message in.
const MESSAGE: &str = "message";

/// One thing that happened.
pub(super) struct Line {
    pub(super) time: SystemTime,
    pub(super) level: Level,
    pub(super) message: String,
    pub(super) fields: Fields,
}

/// Keeps the fields of a span as JSON until an event in it is written.
pub(super) struct SpanFields;

// === impl Line ===

impl Line {
    /// An event, with what is known already.
    pub(super) fn collect(time: SystemTime, event: &Event<'_>, known: Fields) -> Self {
        let mut collector = Collector { fields: known, message: String::new() };
        event.record(&mut collector);
        let Collector { fields, message } = collector;
        Self { time, level: *event.metadata().level(), message, fields }
    }

    /// The level in the words of the registry we replace.
    pub(super) fn level(&self) -> &'static str {
        match self.level {
            Level::ERROR => "error",
            Level::WARN => "warning",
            Level::INFO => "info",
            Level::DEBUG | Level::TRACE => "debug",
        }
    }

    pub(super) fn time(&self) -> String {
        humantime::format_rfc3339_nanos(self.time).to_string()
    }
}

// === impl SpanFields ===

impl<'writer> FormatFields<'writer> for SpanFields {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut collector = Collector::default();
        fields.record(&mut collector);
        writer.write_str(&serde_json::to_string(&collector.fields).map_err(|_| fmt::Error)?)
    }

    fn add_fields(&self, current: &'writer mut FormattedFields<Self>, fields: &Record<'_>) -> fmt::Result {
        let mut collector = Collector { fields: read(current), message: String::new() };
        fields.record(&mut collector);
        current.fields = serde_json::to_string(&collector.fields).map_err(|_| fmt::Error)?;
        Ok(())
    }
}

/// The fields of a span again.
pub(super) fn read(written: &FormattedFields<SpanFields>) -> Fields {
    serde_json::from_str(&written.fields).unwrap_or_default()
}

/// Takes what an event or a span is recorded with.
#[derive(Default)]
struct Collector {
    fields: Fields,
    message: String,
}

impl Collector {
    fn put(&mut self, field: &Field, value: impl Into<Json>) {
        self.fields.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Collector {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        if field.name() == MESSAGE { self.message = text } else { self.put(field, text) }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == MESSAGE { self.message = value.to_owned() } else { self.put(field, value) }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    /// An error says what it is about and what was behind it; what it has said already is not repeated.
    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let chain = std::iter::successors(Some(value), |error| (*error).source());
        let mut text = String::new();
        for message in chain.map(ToString::to_string) {
            if text.ends_with(&message) {
                continue;
            }
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&message);
        }
        self.put(field, text);
    }
}
