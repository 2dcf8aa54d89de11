//! The OCI conformance suite against a release binary: four runs, each with a registry and a storage of its own.
//!
//! Two runs have a config that opens everything the suite tests, and must be flawless. Two have no config: there the
//! defaults refuse two kinds of manifest, on purpose, and nothing else may fail.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::project;
use report::Report;
use server::{Config, Server};

mod report;
mod server;

/// A config in which everything the suite tests is permitted.
const CONFIG: &str = "examples/conformance.yml";

/// One run of the suite.
#[derive(Debug)]
struct Run {
    /// The version of the spec, as the suite names it.
    version: &'static str,
    configured: bool,
}

const RUNS: &[Run] = &[
    Run { version: "1.1", configured: true },
    Run { version: "dev", configured: true },
    Run { version: "1.1", configured: false },
    Run { version: "dev", configured: false },
];

/// What the defaults refuse, as the suite names its tests: layers that may live elsewhere, and missing children.
const REFUSED_BY_DEFAULT: &[&str] = &["nondistributable", "non-distributable", "sparse"];

/// Everything on that the suite leaves off by default.
const SUITE_SETTINGS: &[(&str, &str)] = &[
    ("OCI_TLS", "disabled"),
    ("OCI_API_BLOBS_UPLOAD_CANCEL", "true"),
    ("OCI_API_BLOBS_DIGEST_HEADER", "true"),
    ("OCI_API_MANIFESTS_DIGEST_HEADER", "true"),
    ("OCI_API_MANIFESTS_TAG_PARAM", "true"),
    ("OCI_DATA_SPARSE", "true"),
];

// === impl Run ===

impl Run {
    fn title(&self) -> String {
        let config = if self.configured { CONFIG } else { "defaults" };
        format!("conformance {} with {config}", self.version)
    }

    fn folder(&self) -> PathBuf {
        let config = if self.configured { "configured" } else { "defaults" };
        project::target_directory().join("conformance").join(format!("{}-{config}", self.version))
    }

    /// Why the run is not good enough, a line each.
    fn complaints(&self, report: &Report) -> Vec<String> {
        if report.totals.passed == 0 {
            return vec!["nothing passed: did the suite run at all?".to_owned()];
        }
        if self.configured {
            let (failing, rest) = (report.failing.iter(), report.not_passed.iter());
            let totals = (!report.totals.is_flawless()).then(|| format!("not flawless: {}", report.totals));
            totals.into_iter().chain(failing.chain(rest).cloned()).collect()
        } else {
            let unexpected = report.failing.iter().filter(|test| !is_refused_by_default(test));
            unexpected.map(|test| format!("fails with the defaults and should not: {test}")).collect()
        }
    }
}

/// Runs the suite four times and fails if one run is not what it should be.
pub(crate) fn run(registry_binary: Option<PathBuf>, tools: Option<&Path>) -> Result<()> {
    let registry = registry_binary.unwrap_or_else(|| project::target_directory().join("release/registry"));
    let registry = std::path::absolute(registry)?;
    ensure!(registry.is_file(), "{} is not there: cargo build --release -p wharf-server", registry.display());
    let config = project::root().join(CONFIG);
    ensure!(config.is_file(), "{CONFIG} is not there");
    let suite = project::tool("conformance", tools)?;

    let mut bad = Vec::new();
    for run in RUNS {
        let report = execute(run, &registry, &suite).with_context(|| run.title())?;
        if !announce(run, &report) {
            bad.push(run.title());
        }
    }
    ensure!(bad.is_empty(), "not as it should be: {}", bad.join("; "));
    Ok(())
}

fn execute(run: &Run, registry: &Path, suite: &Path) -> Result<Report> {
    let folder = run.folder();
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    let config = if run.configured { Config::File(project::root().join(CONFIG)) } else { Config::Defaults };
    let server = Server::start(registry, &config, &folder.join("registry.log"))?;

    let mut command = Command::new(suite);
    command.current_dir(&folder).envs(SUITE_SETTINGS.iter().copied());
    command.env("OCI_REGISTRY", server.address().to_string());
    command.env("OCI_VERSION", run.version).env("OCI_RESULTS_DIR", &folder);
    let output = command.output().context("cannot run the suite")?;
    std::fs::write(folder.join("suite.out"), &output.stdout)?;
    std::fs::write(folder.join("suite.log"), &output.stderr)?;
    server.stop()?;

    // The suite's exit code says nothing: it is 1 when a test fails and 0 when it could not run at all.
    let report = Report::read(&folder);
    match report {
        Ok(report) => Ok(report),
        Err(error) => bail!("{error:#}; the suite said: {}", String::from_utf8_lossy(&output.stderr).trim()),
    }
}

/// Prints a run's totals and what is wrong with it; whether nothing is.
fn announce(run: &Run, report: &Report) -> bool {
    println!("{}: {}", run.title(), report.totals);
    if !run.configured {
        for test in &report.failing {
            println!("  failing: {test}");
        }
    }
    let complaints = run.complaints(report);
    for complaint in &complaints {
        println!("  WRONG: {complaint}");
    }
    if !complaints.is_empty() {
        println!("  see {}", run.folder().display());
    }
    complaints.is_empty()
}

fn is_refused_by_default(test: &str) -> bool {
    let test = test.to_lowercase();
    REFUSED_BY_DEFAULT.iter().any(|name| test.contains(name))
}

#[cfg(test)]
mod tests {
    use super::report::Totals;
    use super::*;

    const CONFIGURED: Run = Run { version: "1.1", configured: true };
    const DEFAULTS: Run = Run { version: "1.1", configured: false };
    const FLAWLESS: Totals = Totals { passed: 9, failed: 0, errors: 0, skipped: 0, disabled: 0 };

    fn failing(tests: &[&str]) -> Report {
        let failing: Vec<_> = tests.iter().map(|test| (*test).to_owned()).collect();
        Report { totals: Totals { failed: failing.len(), ..FLAWLESS }, failing, not_passed: vec![] }
    }

    #[test]
    fn a_flawless_run_has_no_complaints() {
        assert!(CONFIGURED.complaints(&failing(&[])).is_empty());
        assert!(DEFAULTS.complaints(&failing(&[])).is_empty());
    }

    #[test]
    fn a_configured_run_may_not_fail_skip_or_disable() {
        assert_eq!(CONFIGURED.complaints(&failing(&["T/sparse/push"])).len(), 2);
        for totals in [
            Totals { skipped: 1, ..FLAWLESS },
            Totals { errors: 1, ..FLAWLESS },
            Totals { disabled: 1, ..FLAWLESS },
        ] {
            assert_eq!(CONFIGURED.complaints(&Report { totals, ..failing(&[]) }).len(), 1);
        }
    }

    #[test]
    fn a_configured_run_may_not_leave_an_api_out() {
        let report = Report { not_passed: vec!["Tag Param: Disabled".to_owned()], ..failing(&[]) };
        assert_eq!(CONFIGURED.complaints(&report), ["Tag Param: Disabled"]);
    }

    #[test]
    fn the_defaults_may_refuse_two_kinds_of_manifest_and_no_more() {
        let refused = failing(&["T/sparse/push", "T/non-distributable-layers/pull", "T/Nondistributable/x"]);
        assert!(DEFAULTS.complaints(&refused).is_empty());
        assert_eq!(DEFAULTS.complaints(&failing(&["T/sparse/push", "T/image/pull"])).len(), 1);
    }

    #[test]
    fn a_run_in_which_nothing_passed_is_wrong() {
        let report = Report { totals: Totals { passed: 0, ..FLAWLESS }, ..failing(&[]) };
        assert_eq!(CONFIGURED.complaints(&report).len(), 1);
        assert_eq!(DEFAULTS.complaints(&report).len(), 1);
    }
}
