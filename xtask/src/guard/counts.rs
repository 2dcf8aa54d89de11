//! Counts, as they are written down and compared.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context, Result};

/// So much more than written is no reason to fail: no two runs are the same to the last instruction, and processors differ
/// in which copying loops the C library takes.
const TOLERANCE: f64 = 0.05;

/// Waking a thread takes a call more or less as threads happen to run, 4 % of an upload's on a busy machine. Where no thread
/// is woken there are a dozen, and one more of them shows.
const CALLS_TOLERANCE: f64 = 0.07;

/// What one request costs, on average.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Count {
    pub(super) instructions: f64,
    pub(super) calls: f64,
}

/// By case.
#[derive(Debug, PartialEq)]
pub(super) struct Counts(pub(super) BTreeMap<String, Count>);

/// Counts beside those expected.
#[derive(Debug)]
pub(super) struct Report(Vec<Line>);

#[derive(Debug)]
struct Line {
    name: String,
    counted: Option<Count>,
    expected: Option<Count>,
}

/// What is to be said of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    AsExpected,
    Cheaper,
    Dearer,
    /// It is counted and not written down, or the other way round.
    Unmatched,
}

// === impl Counts ===

impl Counts {
    /// As [`text`](Self::text) writes them.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let parse = |line: &str| -> Result<(String, Count)> {
            let mut words = line.split_whitespace();
            let mut word = || words.next().with_context(|| format!("too few words: {line}"));
            let name = word()?.to_owned();
            Ok((name, Count { instructions: word()?.parse()?, calls: word()?.parse()? }))
        };
        lines.map(parse).collect::<Result<_>>().map(Self)
    }

    pub(super) fn text(&self, compiler: &str) -> String {
        let mut text = format!(
            "# One request of each case: instructions, system calls. Written by `cargo xtask guard --bless`,\n\
             # with {compiler}.\n"
        );
        for (name, count) in &self.0 {
            text.push_str(&format!("{name:<20} {:>9.0} {:>7.1}\n", count.instructions, count.calls));
        }
        text
    }

    pub(super) fn compare(&self, expected: &Self) -> Report {
        let mut names: Vec<&String> = self.0.keys().chain(expected.0.keys()).collect();
        names.sort_unstable();
        names.dedup();
        let line = |name: &String| Line {
            name: name.clone(),
            counted: self.0.get(name).copied(),
            expected: expected.0.get(name).copied(),
        };
        Report(names.into_iter().map(line).collect())
    }
}

// === impl Report ===

impl Report {
    pub(super) fn failed(&self) -> bool {
        self.0.iter().any(|line| matches!(line.verdict(), Verdict::Dearer | Verdict::Unmatched))
    }
}

// === impl Line ===

impl Line {
    fn verdict(&self) -> Verdict {
        let (Some(counted), Some(expected)) = (self.counted, self.expected) else {
            return Verdict::Unmatched;
        };
        let instructions = counted.instructions / expected.instructions - 1.0;
        let calls = counted.calls / expected.calls - 1.0;
        if instructions > TOLERANCE || calls > CALLS_TOLERANCE {
            Verdict::Dearer
        } else if instructions < -TOLERANCE || calls < -CALLS_TOLERANCE {
            Verdict::Cheaper
        } else {
            Verdict::AsExpected
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<20} {:>12} {:>9}   {:>12} {:>7}",
            "one request", "instructions", "written", "system calls", "written"
        )?;
        for line in &self.0 {
            let show = |count: Option<Count>| match count {
                Some(count) => (format!("{:.0}", count.instructions), format!("{:.1}", count.calls)),
                None => ("–".to_owned(), "–".to_owned()),
            };
            let ((instructions, calls), (written, calls_written)) = (show(line.counted), show(line.expected));
            let verdict = match line.verdict() {
                Verdict::AsExpected => "",
                Verdict::Cheaper => "  cheaper: write it down with --bless, so that it stays",
                Verdict::Dearer => "  DEARER",
                Verdict::Unmatched => "  NOT IN BOTH",
            };
            writeln!(
                f,
                "{:<20} {instructions:>12} {written:>9}   {calls:>12} {calls_written:>7}{verdict}",
                line.name
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(instructions: f64, calls: f64) -> Counts {
        Counts([("a".to_owned(), Count { instructions, calls })].into())
    }

    #[test]
    fn what_is_written_is_read_again() {
        let counts = counts(61234.0, 11.5);
        assert_eq!(Counts::parse(&counts.text("rustc 1")).unwrap(), counts);
        assert!(Counts::parse("a 12\n").is_err());
    }

    #[test]
    fn more_than_the_tolerance_fails_and_less_does_not() {
        let written = counts(1000.0, 10.0);
        for (instructions, calls, expected) in [
            (1049.0, 10.0, Verdict::AsExpected),
            (1051.0, 10.0, Verdict::Dearer),
            (1000.0, 11.0, Verdict::Dearer),
            (900.0, 11.0, Verdict::Dearer),
            (940.0, 10.0, Verdict::Cheaper),
            (1000.0, 9.0, Verdict::Cheaper),
        ] {
            let report = counts(instructions, calls).compare(&written);
            assert_eq!(report.0[0].verdict(), expected, "{instructions} {calls}");
            assert_eq!(report.failed(), expected == Verdict::Dearer);
        }
    }

    #[test]
    fn a_case_without_a_number_fails() {
        assert!(counts(1.0, 1.0).compare(&Counts(BTreeMap::new())).failed());
        assert!(Counts(BTreeMap::new()).compare(&counts(1.0, 1.0)).failed());
    }
}
