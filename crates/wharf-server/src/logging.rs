//! The application's log, on standard error, in the three formats of the registry we replace.
//!
//! A line is collected once (`line`) and written by one of `text`, `json` and `logstash`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value as Json;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormattedFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use wharf_core::{Clock, SystemClock};

use self::line::{Fields, Line, SpanFields};
use crate::config::{LogConfig, LogFormat};
use crate::log_writer::LogWriter;

pub(crate) mod escape;
mod json;
mod line;
mod logstash;
mod text;

/// What every crate of ours is named after. Others speak of things an operator cannot change.
const OURS: &str = "wharf";

/// Begins to log as the configuration says. What was logged before is lost; a second start does nothing.
pub(crate) fn start(config: &LogConfig, writer: LogWriter) {
    let levels = Targets::new().with_target(OURS, config.level).with_default(config.level.min(Level::WARN));
    let lines = tracing_subscriber::fmt::layer()
        .fmt_fields(SpanFields)
        .event_format(Lines::new(config.format, fields_of_every_line(config)))
        .with_writer(move || writer.clone())
        .with_ansi(false);
    let started = tracing_subscriber::registry().with(levels).with(lines).try_init();
    // Somebody who embeds us logs already.
    drop(started);
}

/// Which process of which version wrote a line, and what the operator wants to be said.
fn fields_of_every_line(config: &LogConfig) -> Fields {
    let own = [
        ("instance.id".to_owned(), Json::from(uuid::Uuid::now_v7().to_string())),
        ("version".to_owned(), Json::from(env!("CARGO_PKG_VERSION"))),
    ];
    own.into_iter().chain(config.fields.iter().cloned()).collect()
}

/// Writes events as lines.
struct Lines {
    write: fn(&Line) -> String,
    every_line: Fields,
}

// === impl Lines ===

impl Lines {
    fn new(format: LogFormat, every_line: Fields) -> Self {
        let write = match format {
            LogFormat::Text => text::write,
            LogFormat::Json => json::write,
            LogFormat::Logstash => logstash::write,
        };
        Self { write, every_line }
    }
}

impl<S> FormatEvent<S, SpanFields> for Lines
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, SpanFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = self.every_line.clone();
        for span in context.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(written) = span.extensions().get::<FormattedFields<SpanFields>>() {
                fields.extend(line::read(written));
            }
        }
        let line = Line::collect(SystemClock.now(), event, fields);
        writeln!(writer, "{}", (self.write)(&line))
    }
}

/// A field's name, changed where it is one that the format itself uses.
fn unreserved<'name>(name: &'name str, reserved: &[&str]) -> Cow<'name, str> {
    if reserved.contains(&name) { format!("fields.{name}").into() } else { name.into() }
}

/// One JSON object, its keys in order.
fn object(line: &Line, own: &[(&str, &str)]) -> String {
    let reserved: Vec<&str> = own.iter().map(|(name, _)| *name).collect();
    let fields = line.fields.iter().map(|(name, value)| (unreserved(name, &reserved), value.clone()));
    let own = own.iter().map(|(name, value)| ((*name).into(), Json::from(*value)));
    let members: BTreeMap<_, _> = fields.chain(own).collect();
    // Keys are text and values are JSON already, so there is nothing that could fail.
    let written = serde_json::to_string(&members).unwrap_or_default();
    match escape::json(&written) {
        Cow::Borrowed(_) => written,
        Cow::Owned(escaped) => escaped,
    }
}

#[cfg(test)]
mod tests;
