//! Whole configurations: what they mean, and every line an operator may be shown.

use std::path::Path;

use super::*;

mod accepted;
mod access;
mod bucket;
mod cache;
mod drop_in;
mod errors;
mod examples;
mod meaning;
mod middleware;
mod slips;
mod tls;
mod unsupported;

/// What every file needs; a test adds lines from the fourth on.
const BASE: &str = "version: 0.1\nstorage: {filesystem: }\nhttp: {addr: ':5000'}\n";

fn parse(
    text: &str,
    variables: &[(&str, &str)],
    unknown_keys: UnknownKeys,
) -> Result<Config, Vec<ConfigError>> {
    let variables: Vec<(String, String)> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Config::parse(Source::File("config.yml".into()), text, &variables, unknown_keys)
}

#[track_caller]
fn config(text: &str) -> Config {
    parse(text, &[], UnknownKeys::Warn).unwrap_or_else(|errors| panic!("{text}\n{errors:#?}"))
}

/// [`BASE`] and some lines.
#[track_caller]
fn based(lines: &str) -> Config {
    config(&format!("{BASE}{lines}\n"))
}

/// The errors of a whole file.
#[track_caller]
fn check_errors(text: &str, expected: &[&str]) {
    let errors = parse(text, &[], UnknownKeys::Warn).expect_err(text);
    assert_eq!(errors.iter().map(ToString::to_string).collect::<Vec<_>>(), expected, "{text}");
}

/// The warnings of a whole file, which has no errors.
#[track_caller]
fn check_warnings(text: &str, expected: &[&str]) {
    assert_eq!(config(text).warnings, expected, "{text}");
}

#[track_caller]
fn check_based_errors(lines: &str, expected: &[&str]) {
    check_errors(&format!("{BASE}{lines}\n"), expected);
}

#[track_caller]
fn check_based_warnings(lines: &str, expected: &[&str]) {
    check_warnings(&format!("{BASE}{lines}\n"), expected);
}

/// A tree in one line, quoted text in quotes.
pub(super) fn flow(node: &Node) -> String {
    match &node.value {
        Value::Null => "~".to_owned(),
        Value::Scalar(scalar) if scalar.quoted => format!("{:?}", scalar.text),
        Value::Scalar(scalar) => scalar.text.clone(),
        Value::Sequence(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::Mapping(mapping) => {
            let entries = mapping.iter().map(|entry| format!("{}: {}", entry.key, flow(&entry.node)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
    }
}

#[test]
fn a_file_that_is_not_there_is_one_error() {
    let errors = Config::load(Some(Path::new("/no/such/config.yml")), [], UnknownKeys::Warn).unwrap_err();
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(lines, ["/no/such/config.yml: cannot be read"]);
}
