//! Typed reads: text becomes a truth, a number or a duration where one is wanted, and nowhere earlier.
//!
//! A read that fails is reported and answers `None`, as a key that is not there: the caller goes on with its default and
//! the errors keep the server from starting.

use std::time::Duration;

use http::{HeaderName, HeaderValue};
use regex::Regex;

use super::findings::{ConfigError, Findings};
use super::tree::{Node, Place, Value};
use super::{duration, web};

const FITS_IN_A_HEADER: &str = "text that fits in a header";

/// Reads keys of one tree.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    root: &'a Node,
    findings: &'a mut Findings,
}

// === impl Reader ===

impl<'a> Reader<'a> {
    pub(super) fn new(root: &'a Node, findings: &'a mut Findings) -> Self {
        Self { root, findings }
    }

    /// The node at a dotted key, unless it is absent or null.
    pub(super) fn node(&self, key: &str) -> Option<&'a Node> {
        self.root.find(key)
    }

    /// Whether the key says anything.
    pub(super) fn is_set(&self, key: &str) -> bool {
        self.written(key).is_some()
    }

    /// Text, which may be empty; every other read takes empty text for a key that is not there.
    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        let node = self.node(key)?;
        text(node, key, self.findings)
    }

    /// Text that becomes a part of a header, unless it is empty.
    pub(super) fn header_text(&mut self, key: &str) -> Option<String> {
        self.parsed(key, FITS_IN_A_HEADER, web::header_text)
    }

    /// Whether the key is there, even with nothing behind it.
    pub(super) fn is_named(&self, key: &str) -> bool {
        self.named(key).is_some()
    }

    /// The node at a dotted key, also a null one.
    fn named(&self, key: &str) -> Option<&'a Node> {
        match key.rsplit_once('.') {
            Some((parent, name)) => self.root.find(parent)?.as_mapping()?.get(name),
            None => self.root.as_mapping()?.get(key),
        }
    }

    /// The texts of a list, or the one that stands in its place; `key` is where it is.
    pub(super) fn texts(&mut self, node: &Node, key: &str) -> Vec<String> {
        let items = match &node.value {
            Value::Sequence(items) => items.as_slice(),
            Value::Null => return Vec::new(),
            Value::Scalar(_) | Value::Mapping(_) => {
                return text(node, key, self.findings).into_iter().collect();
            }
        };
        let read = |(index, item)| text(item, &format!("{key}[{index}]"), self.findings);
        items.iter().enumerate().filter_map(read).collect()
    }

    /// Reports a value that is somewhere in a list.
    pub(super) fn error_at(&mut self, node: &Node, key: &str, message: impl Into<String>) {
        self.findings.error(&node.place, key, message);
    }

    /// Warns about a value that is somewhere in a list.
    pub(super) fn warn_at(&mut self, node: &Node, key: &str, message: &str) {
        self.findings.warning(&node.place, key, message);
    }

    /// Tells of a key that nobody knows, where keys are not in the table.
    pub(super) fn unknown_at(&mut self, place: &Place, key: &str, nearest: Option<&str>) {
        self.findings.unknown_key(place, key, nearest);
    }

    /// A truth that is somewhere in a list.
    pub(super) fn flag_at(&mut self, node: &Node, key: &str) -> Option<bool> {
        flag(node, key, self.findings)
    }

    /// A scalar that is somewhere in a list, and that `parse` understands.
    pub(super) fn parsed_at<T>(
        &mut self,
        node: &Node,
        key: &str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        scalar(node, key, expected, self.findings, parse)
    }

    /// Whether something has been reported about a key, or about what is below it.
    pub(super) fn has_errors_at(&self, key: &str) -> bool {
        let is_below = |at: &str| {
            at.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        self.findings
            .errors
            .iter()
            .any(|error| matches!(error, ConfigError::Key { key, .. } if is_below(key)))
    }

    pub(super) fn flag(&mut self, key: &str) -> Option<bool> {
        let node = self.written(key)?;
        flag(node, key, self.findings)
    }

    pub(super) fn integer(&mut self, key: &str) -> Option<i64> {
        self.parsed(key, "a whole number", |text| text.parse().ok())
    }

    pub(super) fn duration(&mut self, key: &str) -> Option<Duration> {
        self.parsed(key, "a duration such as 10s or 1h30m", duration::parse)
    }

    /// One of a few words, whatever their case; `expected` lists them.
    pub(super) fn word<T: Copy>(&mut self, key: &str, expected: &str, words: &[(&str, T)]) -> Option<T> {
        self.parsed(key, expected, |text| {
            words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text)).map(|(_, meaning)| *meaning)
        })
    }

    /// A scalar that `parse` understands.
    pub(super) fn parsed<T>(
        &mut self,
        key: &str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let node = self.written(key)?;
        scalar(node, key, expected, self.findings, parse)
    }

    pub(super) fn expressions(&mut self, key: &str) -> Vec<Regex> {
        let mut expressions = Vec::new();
        for (index, item) in self.items(key).iter().enumerate() {
            let key = format!("{key}[{index}]");
            let Some(text) = text(item, &key, self.findings) else {
                continue;
            };
            match Regex::new(&text) {
                Ok(expression) => expressions.push(expression),
                Err(error) => {
                    let message = format!("expected a regular expression, got {text:?}: {}", reason(&error));
                    self.findings.error(&item.place, key, message);
                }
            }
        }
        expressions
    }

    /// The items of a list that `parse` understands, or nothing where there is no list.
    pub(super) fn list<T>(
        &mut self,
        key: &str,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<Vec<T>> {
        self.written(key)?;
        let items = self.items(key);
        Some(parsed_items(items, key, expected, self.findings, parse))
    }

    /// The headers of a section whose keys are their names and whose values are lists, or the text of one.
    pub(super) fn headers(&mut self, key: &str) -> Vec<(HeaderName, HeaderValue)> {
        let mut headers = Vec::new();
        for entry in self.node(key).and_then(Node::as_mapping).iter().flat_map(|mapping| mapping.iter()) {
            let key = format!("{key}.{}", entry.key);
            let Some(name) = web::header_name(&entry.key) else {
                let message = format!("expected the name of a header we may add, got {:?}", entry.key);
                self.findings.error(&entry.key_place, key, message);
                continue;
            };
            let items = match &entry.node.value {
                Value::Scalar(_) if !entry.node.is_empty() => std::slice::from_ref(&entry.node),
                _ => list_items(&entry.node, &key, self.findings),
            };
            let values = parsed_items(items, &key, FITS_IN_A_HEADER, self.findings, web::header_value);
            headers.extend(values.into_iter().map(|value| (name.clone(), value)));
        }
        headers
    }

    /// Two texts of every item of a list of mappings, or empty ones where an item leaves one out.
    pub(super) fn pairs(&mut self, key: &str, fields: [&'static str; 2]) -> Vec<[String; 2]> {
        let mut pairs = Vec::new();
        for (index, item) in self.items(key).iter().enumerate() {
            if item.as_mapping().is_none() {
                let message = format!("expected a mapping of {}, got {}", fields.join(" and "), item.value);
                self.findings.error(&item.place, format!("{key}[{index}]"), message);
                continue;
            }
            pairs.push(fields.map(|field| {
                let value = item.find(field);
                value
                    .and_then(|value| text(value, &format!("{key}[{index}].{field}"), self.findings))
                    .unwrap_or_default()
            }));
        }
        pairs
    }

    /// Reports a value that is well formed and yet cannot be.
    pub(super) fn reject(&mut self, key: &str, message: impl Into<String>) {
        let place = self.place(key);
        self.findings.error(&place, key, message);
    }

    /// Warns about a value, or about its absence.
    pub(super) fn warn(&mut self, key: &str, message: &str) {
        let place = self.place(key);
        self.findings.warning(&place, key, message);
    }

    fn written(&self, key: &str) -> Option<&'a Node> {
        self.node(key).filter(|node| !node.is_empty())
    }

    /// The items of a list, or none where there is no list.
    pub(super) fn items(&mut self, key: &str) -> &'a [Node] {
        self.node(key).map_or(&[], |node| list_items(node, key, self.findings))
    }

    fn place(&self, key: &str) -> Place {
        self.named(key).map_or(Place::Unwritten, |node| node.place.clone())
    }
}

/// A truth in any of the spellings of YAML 1.1, quoted or not: nobody who writes `"true"` means something else.
pub(super) fn flag(node: &Node, key: &str, findings: &mut Findings) -> Option<bool> {
    scalar(node, key, "true or false", findings, |text| match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "y" => Some(true),
        "false" | "no" | "off" | "n" => Some(false),
        _ => None,
    })
}

fn list_items<'a>(node: &'a Node, key: &str, findings: &mut Findings) -> &'a [Node] {
    match &node.value {
        Value::Sequence(items) => items,
        _ if node.is_empty() => &[],
        value => {
            findings.error(&node.place, key, format!("expected a list, got {value}"));
            &[]
        }
    }
}

fn parsed_items<T>(
    items: &[Node],
    key: &str,
    expected: &str,
    findings: &mut Findings,
    parse: impl Fn(&str) -> Option<T>,
) -> Vec<T> {
    let read = |(index, item)| scalar(item, &format!("{key}[{index}]"), expected, findings, &parse);
    items.iter().enumerate().filter_map(read).collect()
}

fn text(node: &Node, key: &str, findings: &mut Findings) -> Option<String> {
    scalar(node, key, "text", findings, |text| Some(text.to_owned()))
}

fn scalar<T>(
    node: &Node,
    key: &str,
    expected: &str,
    findings: &mut Findings,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Option<T> {
    let parsed = match &node.value {
        Value::Scalar(scalar) => parse(&scalar.text),
        Value::Null | Value::Sequence(_) | Value::Mapping(_) => None,
    };
    if parsed.is_none() {
        findings.error(&node.place, key, format!("expected {expected}, got {}", node.value));
    }
    parsed
}

/// The last line of a regular expression's error, which says what is wrong; those before draw the place.
fn reason(error: &regex::Error) -> String {
    let message = error.to_string();
    let last = message.lines().last().unwrap_or_default().trim();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}
