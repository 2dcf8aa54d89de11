//! `log`: what is logged and how.

use serde_json::{Number, Value as Json};

use crate::config::reader::Reader;
use crate::config::tree::{Node, Scalar, Value};
use crate::config::{LogConfig, LogFormat};

pub(super) fn read(reader: &mut Reader<'_>) -> LogConfig {
    // Both are read, so that a mistake in either is found; the deprecated one counts only alone.
    let deprecated = level(reader, "loglevel");
    LogConfig {
        level: level(reader, "log.level").or(deprecated).unwrap_or(tracing::Level::INFO),
        format: format(reader).unwrap_or(LogFormat::Text),
        fields: fields(reader),
        access_log: !reader.flag("log.accesslog.disabled").unwrap_or(false),
    }
}

fn level(reader: &mut Reader<'_>, key: &'static str) -> Option<tracing::Level> {
    use tracing::Level;
    let words =
        [("error", Level::ERROR), ("warn", Level::WARN), ("info", Level::INFO), ("debug", Level::DEBUG)];
    reader.word(key, "error, warn, info or debug", &words)
}

fn format(reader: &mut Reader<'_>) -> Option<LogFormat> {
    let words = [("text", LogFormat::Text), ("json", LogFormat::Json), ("logstash", LogFormat::Logstash)];
    reader.word("log.formatter", "text, json or logstash", &words)
}

fn fields(reader: &Reader<'_>) -> Vec<(String, Json)> {
    let fields = reader.node("log.fields").and_then(Node::as_mapping);
    fields
        .iter()
        .flat_map(|mapping| mapping.iter())
        .map(|entry| (entry.key.clone(), json(&entry.node)))
        .collect()
}

fn json(node: &Node) -> Json {
    match &node.value {
        Value::Null => Json::Null,
        Value::Scalar(scalar) => json_scalar(scalar),
        Value::Sequence(items) => Json::Array(items.iter().map(json).collect()),
        Value::Mapping(mapping) => {
            Json::Object(mapping.iter().map(|entry| (entry.key.clone(), json(&entry.node))).collect())
        }
    }
}

/// A number or a truth where the text is exactly how JSON writes one, so that nothing is lost: `007` stays text.
fn json_scalar(scalar: &Scalar) -> Json {
    let text = scalar.text.as_str();
    if scalar.quoted {
        return Json::from(text);
    }
    match text.parse::<Number>() {
        Ok(number) if number.to_string() == text => Json::Number(number),
        _ => text.parse().map_or_else(|_| Json::from(text), Json::Bool),
    }
}
