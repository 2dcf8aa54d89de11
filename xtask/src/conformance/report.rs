//! What the suite wrote: totals and failing tests from its `junit.xml`, verdicts on APIs and data from `results.yaml`.
//!
//! Both come from one program with fixed encoders, so this reads what they write and is no XML or YAML parser.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use anyhow::{Context, Result};

/// The outcome of one run.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) totals: Totals,
    /// Tests that failed or broke; one that did so more than once has its count behind it.
    pub(super) failing: Vec<String>,
    /// APIs and kinds of data whose verdict is not `Pass`. Data that is switched off shows here only, and in no total.
    pub(super) not_passed: Vec<String>,
}

/// How many tests ended how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) passed: usize,
    pub(super) failed: usize,
    pub(super) errors: usize,
    pub(super) skipped: usize,
    pub(super) disabled: usize,
}

// === impl Totals ===

impl Totals {
    pub(super) fn is_flawless(&self) -> bool {
        self.failed + self.errors + self.skipped + self.disabled == 0
    }

    fn parse(junit: &str) -> Result<Self> {
        let suite = tags(junit, "testsuite").next().context("junit.xml has no test suite")?;
        let number = |name: &str| match attribute(suite, name) {
            Some(text) => text.parse().with_context(|| format!("junit.xml: {name}={text:?} is no number")),
            // The suite leaves out `disabled` and `skipped` when they are nought.
            None => Ok(0),
        };
        let total = attribute(suite, "tests").context("junit.xml does not count its tests")?;
        let total: usize = total.parse().context("junit.xml: tests is no number")?;
        let (failed, errors) = (number("failures")?, number("errors")?);
        let (skipped, disabled) = (number("skipped")?, number("disabled")?);
        let passed = total.checked_sub(failed + errors + skipped + disabled);
        Ok(Self { passed: passed.context("junit.xml does not add up")?, failed, errors, skipped, disabled })
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { passed, failed, errors, skipped, disabled } = self;
        write!(
            formatter,
            "{passed} passed, {failed} failed, {errors} errors, {skipped} skipped, {disabled} disabled"
        )
    }
}

// === impl Report ===

impl Report {
    /// Reads what the suite left in `folder`.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let text = |name: &str| {
            std::fs::read_to_string(folder.join(name)).with_context(|| format!("the suite wrote no {name}"))
        };
        Self::parse(&text("junit.xml")?, &text("results.yaml")?)
    }

    fn parse(junit: &str, results: &str) -> Result<Self> {
        let not_passed = verdicts(results)?.into_iter().filter(|verdict| !verdict.ends_with(": Pass"));
        Ok(Self {
            totals: Totals::parse(junit)?,
            failing: failing(junit),
            not_passed: not_passed.map(str::to_owned).collect(),
        })
    }
}

fn failing(junit: &str) -> Vec<String> {
    let mut counts = BTreeMap::<String, usize>::new();
    for test in tags(junit, "testcase") {
        if !matches!(attribute(test, "status"), Some("passed" | "skipped")) {
            *counts.entry(unescape(attribute(test, "name").unwrap_or("?"))).or_default() += 1;
        }
    }
    let named = |(name, count)| {
        if count == 1 { name } else { format!("{name} (x{count})") }
    };
    counts.into_iter().map(named).collect()
}

/// The insides of all opening tags of this name. Text cannot be mistaken for one: the suite escapes every `<` in it.
fn tags<'xml>(xml: &'xml str, name: &str) -> impl Iterator<Item = &'xml str> {
    let opening = format!("<{name} ");
    let starts: Vec<_> = xml.match_indices(&opening).map(|(at, found)| at + found.len()).collect();
    starts.into_iter().map(|start| xml[start..].split('>').next().unwrap_or_default())
}

fn attribute<'tag>(tag: &'tag str, name: &str) -> Option<&'tag str> {
    let opening = format!("{name}=\"");
    let found = tag.match_indices(&opening).find(|(at, _)| *at == 0 || tag[..*at].ends_with(' '))?;
    tag[found.0 + opening.len()..].split('"').next()
}

fn unescape(text: &str) -> String {
    let plain = text.replace("&#34;", "\"").replace("&#39;", "'").replace("&lt;", "<").replace("&gt;", ">");
    plain.replace("&amp;", "&")
}

/// The lines `name: verdict` under `apis:` and `data:`.
fn verdicts(results: &str) -> Result<Vec<&str>> {
    let mut verdicts = Vec::new();
    for section in ["apis:", "data:"] {
        let lines = results.lines().skip_while(|line| *line != section).skip(1);
        let found: Vec<_> = lines.map_while(|line| line.strip_prefix("  ")).collect();
        anyhow::ensure!(!found.is_empty(), "results.yaml has nothing under `{section}`");
        verdicts.extend(found);
    }
    Ok(verdicts)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the suite writes it, shortened.
    const JUNIT: &str = r#"<testsuites time="5.5" tests="6" failures="3" skipped="1">
  <testsuite name="OCI Conformance Test" tests="6" failures="3" errors="0" skipped="1" time="5.5">
    <properties>
      <property name="Config" value="registry: 127.0.0.1:5599&#xA;tls: disabled&#xA;"></property>
    </properties>
    <testcase name="OCI Conformance Test/ping" classname="" time="0.001" status="passed">
      <system-err>&lt;testcase name=&#34;no&#34; status=&#34;failure&#34;&gt;</system-err>
    </testcase>
    <testcase name="OCI Conformance Test/sparse/push/blob &amp; all" classname="" status="failure"></testcase>
    <testcase name="OCI Conformance Test/sparse/tag-list" classname="" status="failure"></testcase>
    <testcase name="OCI Conformance Test/sparse/tag-list" classname="" status="failure"></testcase>
    <testcase name="OCI Conformance Test/sha512 blobs/post only" classname="" status="skipped"></testcase>
  </testsuite>
</testsuites>
"#;

    const RESULTS: &str = "config:\n  tls: disabled\n  data:\n    image: true\n  version: \"1.1\"\n\
                           apis:\n  Ping: Pass\n  Blob get: FAIL\ndata:\n  Image: Pass\n  Sparse Manifests: Disabled\n";

    #[test]
    fn totals_are_those_of_the_suite() {
        let totals = Report::parse(JUNIT, RESULTS).unwrap().totals;

        assert_eq!(totals.to_string(), "2 passed, 3 failed, 0 errors, 1 skipped, 0 disabled");
        assert!(!totals.is_flawless());
    }

    #[test]
    fn failing_tests_are_named_once() {
        let failing = Report::parse(JUNIT, RESULTS).unwrap().failing;

        assert_eq!(
            failing,
            ["OCI Conformance Test/sparse/push/blob & all", "OCI Conformance Test/sparse/tag-list (x2)"]
        );
    }

    #[test]
    fn what_is_switched_off_does_not_count_as_passed() {
        let not_passed = Report::parse(JUNIT, RESULTS).unwrap().not_passed;

        assert_eq!(not_passed, ["Blob get: FAIL", "Sparse Manifests: Disabled"]);
    }

    #[test]
    fn files_that_say_nothing_are_errors() {
        assert!(Report::parse("", RESULTS).is_err());
        assert!(Report::parse(JUNIT, "apis:\n").is_err());
        assert!(Report::parse(&JUNIT.replace("tests=\"6\"", "tests=\"2\""), RESULTS).is_err());
        assert!(Report::read(tempfile::tempdir().unwrap().path()).is_err());
    }
}
