//! `log.formatter: text`, for people: `time="…" level=info msg="…" name=value`.

use std::fmt::Write as _;

use serde_json::Value as Json;

use super::escape::is_unsafe;
use super::line::Line;
use super::unreserved;

const RESERVED: [&str; 3] = ["time", "level", "msg"];

pub(super) fn write(line: &Line) -> String {
    let mut out = format!("time=\"{}\" level={}", line.time(), line.level());
    if !line.message.is_empty() {
        put(&mut out, "msg", &line.message);
    }
    for (name, value) in &line.fields {
        let name = unreserved(name, &RESERVED);
        match value {
            Json::String(text) => put(&mut out, &name, text),
            other => put(&mut out, &name, &other.to_string()),
        }
    }
    out
}

fn put(out: &mut String, name: &str, value: &str) {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._/@^+".contains(c);
    out.push(' ');
    out.push_str(name);
    out.push('=');
    if value.chars().all(is_plain) { out.push_str(value) } else { quote(out, value) }
}

/// As Go quotes: nothing in it can end the value or the line.
fn quote(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // Writing to a String cannot fail.
            c if c.is_ascii_control() => drop(write!(out, "\\x{:02x}", u32::from(c))),
            c if is_unsafe(c) => drop(write!(out, "\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logging::tests::{completed, line};

    #[test]
    fn a_line_is_as_the_old_registry_wrote_it() {
        assert_eq!(
            write(&completed()),
            "time=\"2026-11-23T15:36:00.123456789Z\" level=info msg=\"response completed\" \
             http.request.host=\"localhost:5000\" http.request.method=GET http.request.uri=/v2/ \
             http.response.status=200 service=registry"
        );
    }

    #[test]
    fn a_value_can_end_neither_itself_nor_its_line() {
        let line = line(
            tracing::Level::WARN,
            "stop",
            &[("a", "x\" level=error\n\u{7}é\\".into()), ("b", "".into())],
        );
        assert_eq!(
            write(&line),
            "time=\"2026-11-23T15:36:00.123456789Z\" level=warning msg=stop \
             a=\"x\\\" level=error\\n\\x07é\\\\\" b="
        );
    }

    #[test]
    fn fields_named_like_our_own_are_told_from_them() {
        let line = line(tracing::Level::ERROR, "x", &[("level", "low".into()), ("time", 5.into())]);
        assert_eq!(
            write(&line),
            "time=\"2026-11-23T15:36:00.123456789Z\" level=error msg=x fields.level=low fields.time=5"
        );
    }
}
