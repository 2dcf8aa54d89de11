//! The rules no compiler knows: which crate may use which, sizes and names of files, READMEs, unsafe code, words.
//!
//! Every rule is a pure `check` in a module below, tested on inputs it refuses; this file feeds them the checkout and
//! prints what they find.

use std::fmt;

use anyhow::{Result, bail};

use crate::project;

mod arrows;
mod code;
mod crate_files;
mod files;
mod invariants;
mod sources;
mod unsafety;
mod words;

/// Something a rule has to say about a place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    path: String,
    /// Counted from 1; 1 also for what concerns a whole file.
    line: usize,
    severity: Severity,
    message: String,
}

/// What a finding does to the outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Severity {
    /// Fails the run.
    Error,
    /// Is printed, and wants a look.
    Warning,
    /// Is printed so that it stays known.
    Note,
}

// === impl Finding ===

impl Finding {
    fn error(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, severity: Severity::Error, message: message.into() }
    }

    fn warning(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(path, line, message) }
    }

    fn note(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { severity: Severity::Note, ..Self::error(path, line, message) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = match self.severity {
            Severity::Error => "",
            Severity::Warning => "warning: ",
            Severity::Note => "note: ",
        };
        write!(formatter, "{}:{}: {prefix}{}", self.path, self.line, self.message)
    }
}

/// Checks the checkout, prints every finding and fails if one is an error.
pub(crate) fn run() -> Result<()> {
    let files = files::tracked(project::root())?;
    let crates = arrows::workspace(project::root())?;

    let mut findings = arrows::check(&crates);
    findings.extend(crate_files::check(&crates, &files));
    findings.extend(files.iter().filter(|file| file.is_rust()).flat_map(sources::check));
    findings.extend(unsafety::check(unsafety::PERMITTED, &files));
    findings.extend(files.iter().flat_map(words::check));
    findings.extend(invariants::check(&files));
    report(findings)
}

fn report(mut findings: Vec<Finding>) -> Result<()> {
    findings.sort();
    findings.dedup();
    for finding in &findings {
        println!("{finding}");
    }
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    println!("tidy: {errors} errors, {warnings} warnings");
    if errors > 0 {
        bail!("tidy found {errors} errors");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_fails_the_run() {
        assert!(report(vec![Finding::error("a.rs", 3, "wrong")]).is_err());
    }

    #[test]
    fn warnings_and_notes_do_not_fail_the_run() {
        assert!(report(vec![Finding::warning("a.rs", 3, "long"), Finding::note("a.rs", 4, "known")]).is_ok());
    }

    #[test]
    fn a_finding_reads_as_place_and_message() {
        assert_eq!(Finding::error("a.rs", 3, "wrong").to_string(), "a.rs:3: wrong");
        assert_eq!(Finding::warning("a.rs", 3, "long").to_string(), "a.rs:3: warning: long");
    }
}
