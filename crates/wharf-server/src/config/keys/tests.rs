//! The table of keys against itself, and against what reads it.

use super::*;
use crate::config::findings::Findings;
use crate::config::judge::judge;
use crate::config::{Config, ConfigError, Source, UnknownKeys, yaml};

fn path(dotted: &str) -> KeyPath {
    dotted.split('.').fold(KeyPath::default(), |path, segment| match segment.parse() {
        Ok(index) => path.index(index),
        Err(_) => path.key(segment),
    })
}

#[track_caller]
fn check(dotted: &str, expected: Shape) {
    assert_eq!(shape(&path(dotted)), expected, "{dotted}");
}

#[test]
fn a_path_has_one_shape() {
    check("http", Shape::Section);
    check("http.addr", Shape::Leaf(Feature::Built));
    check("http.addr.deeper", Shape::Unknown);
    check("http.address", Shape::Unknown);
    check("http.tls.clientcas", Shape::List(Feature::Built));
    check("http.tls.clientcas.0", Shape::Leaf(Feature::Built));
    check("http.headers", Shape::Section);
    check("http.headers.anything", Shape::List(Feature::Built));
    check("health.file", Shape::List(Feature::HealthChecks));
    check("health.file.0", Shape::Section);
    check("health.file.0.uri", Shape::Unknown);
    check("log.fields", Shape::Section);
    check("log.fields.any.thing", Shape::Open(Feature::Built));
    check("storage.gcs", Shape::Named(Feature::OtherDriver));
    check("storage.gcs.bucket", Shape::Named(Feature::OtherDriver));
    check("storage.s3.bucket", Shape::Leaf(Feature::Built));
    check("storage.s3aws.bucket", Shape::Leaf(Feature::Built));
    check("middleware.storage.0.options.baseurl", Shape::Open(Feature::Built));
    check("storage.tape", Shape::Unknown);
}

#[test]
fn children_are_the_words_that_may_follow() {
    let known: Vec<_> = children(&path("http.headers")).collect();
    assert_eq!(known, [""; 0]);
    assert!(children(&path("storage")).any(|key| key == "s3"));
    assert!(children(&KeyPath::default()).any(|key| key == "storage"));
    assert!(children(&path("health.file.0")).any(|key| key == "interval"));
}

#[test]
fn every_section_has_a_purpose() {
    for (pattern, _) in patterns() {
        let top = pattern[0].trim_end_matches('!');
        assert!(SECTIONS.iter().any(|(section, _)| *section == top), "{top}");
    }
    let protects = |dotted: &str| purpose(&path(dotted)) == Purpose::Protects;
    for key in
        ["access", "auth", "auth.token.realm", "access.rules.0.effect", "http.tls", "http.tls.key", "policy"]
    {
        assert!(protects(key), "{key}");
    }
    for key in ["http", "http.addr", "storage.auth", "redis.tls", "tls", ""] {
        assert!(!protects(key), "{key}");
    }
    for name in UNMISTAKABLE {
        assert!(protects(name), "{name}");
        assert_ne!(shape(&path(name)), Shape::Unknown, "{name}");
    }
}

#[test]
fn every_setting_of_storage_is_known() {
    for setting in STORAGE_SETTINGS {
        check(&format!("storage.{setting}"), Shape::Section);
    }
}

/// A key that is said to work and is read by nobody would be the worst row of all.
#[test]
fn every_key_that_works_is_read() {
    // What may be anything cannot be wrong.
    for pattern in of(Feature::Built).filter(|pattern| !pattern.ends_with("**")) {
        let key = pattern.replace(".[]", "[0]").replace('*', "any").replace('!', "");
        let value = nested(&pattern, "{a: b}");
        let errors = parse(&value).expect_err(&pattern);
        let is_about_it =
            |error: &ConfigError| matches!(error, ConfigError::Key { key: at, .. } if *at == key);
        assert!(errors.iter().any(is_about_it), "{value}: {errors:?}");
    }
}

#[test]
fn every_other_key_is_warned_about_or_refused() {
    for (pattern, feature) in patterns() {
        let value = nested(&pattern.join("."), "x");
        let mut findings = Findings::new("config.yml".to_owned(), UnknownKeys::Refuse);
        judge(&yaml::parse(&value).unwrap().root, &mut findings);
        let errors = findings.errors.iter().map(ToString::to_string);
        let problems: Vec<String> = errors.chain(findings.warnings).collect();
        if let Rule::Warned(message) | Rule::Refused(message) = feature.rule() {
            let is_told = |line: &String| line.ends_with(message) || line.contains(": off, because ");
            assert!(problems.iter().any(is_told), "{value}: {problems:?}");
        }
        assert!(!problems.iter().any(|line| line.contains("unknown")), "{value}: {problems:?}");
    }
}

/// The page that operators read.
const GUIDE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guide/configuration.md"));

/// Every key of the guide's tables with what the guide says of it: `http.addr works`.
fn documented() -> Vec<String> {
    let mut rows = Vec::new();
    for line in GUIDE.lines().filter(|line| line.starts_with("| `")) {
        let mut cells = line.split('|').map(str::trim).skip(1);
        let (keys, rule) = (cells.next().expect("a first cell"), cells.next().expect("a second cell"));
        rows.extend(keys.split(',').map(|key| format!("{} {rule}", key.trim().trim_matches('`'))));
    }
    rows.sort();
    rows
}

/// A pattern as the guide writes it: `health.file[].uri`, `log.fields.*`.
fn shown(pattern: &[&str]) -> String {
    pattern.join(".").replace(".[]", "[]").replace("**", "*").replace('!', "")
}

#[test]
fn the_guide_lists_every_key_and_says_the_truth_about_it() {
    let rule = |feature: Feature| match feature.rule() {
        Rule::Works => "works",
        Rule::Warned(_) => "warned",
        Rule::Refused(_) => "refused",
    };
    let mut known: Vec<String> =
        patterns().map(|(pattern, feature)| format!("{} {}", shown(&pattern), rule(feature))).collect();
    known.sort();
    assert_eq!(documented(), known);
}

fn parse(text: &str) -> Result<Config, Vec<ConfigError>> {
    Config::parse(Source::BuiltIn, text, &[], UnknownKeys::Refuse)
}

/// A file that holds a value at a pattern: `{a: [{b: value}]}` for `a.[].b`.
fn nested(pattern: &str, value: &str) -> String {
    pattern.rsplit('.').fold(value.to_owned(), |inside, segment| {
        match segment.trim_end_matches('!') {
            "[]" => format!("[{inside}]"),
            "*" | "**" => format!("{{any: {inside}}}"),
            // A switch must be thrown to ask for something.
            "enabled" if inside == "x" => "{enabled: true}".to_owned(),
            "disabled" if inside == "x" => "{disabled: false}".to_owned(),
            key => format!("{{{key}: {inside}}}"),
        }
    })
}
