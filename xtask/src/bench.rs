//! The benchmark: builds what it measures and what it measures with, installs the peers, and runs it.
//!
//! What is measured and how is `bench/`'s business; the choice of rows, peers and scale is handed on as it is.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::project;

/// What to run and on what.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The registry to measure; by default the release build, which is built first.
    #[arg(long, value_name = "PATH")]
    registry: Option<PathBuf>,
    /// Where `.ci/tools.sh` keeps its tools; by default its own choice.
    #[arg(long, value_name = "DIR")]
    tools: Option<PathBuf>,
    /// Fewer rounds, shorter windows, smaller trees: under three minutes.
    #[arg(long, conflicts_with = "smoke")]
    quick: bool,
    /// Everything once on almost nothing, our registry alone: whether the benchmark works. Seconds.
    #[arg(long)]
    smoke: bool,
    /// Only the rows whose names hold one of these, separated by commas.
    #[arg(long, value_name = "FILTERS")]
    rows: Option<String>,
    /// Only these peers, separated by commas: wharf, distribution, debian, nginx.
    #[arg(long, value_name = "PEERS")]
    peers: Option<String>,
    /// How often each row is measured on each peer.
    #[arg(long, value_name = "COUNT")]
    rounds: Option<u32>,
}

/// Runs the benchmark.
pub(crate) fn run(options: &Options) -> Result<()> {
    let registry = match &options.registry {
        Some(registry) => std::path::absolute(registry)?,
        None => {
            build("wharf-server", Profile::Release)?;
            project::target_directory().join("release/registry")
        }
    };
    ensure!(registry.is_file(), "{} is not there", registry.display());
    // A smoke test measures nothing, and the gate has built everything for development already.
    let profile = if options.smoke { Profile::Development } else { Profile::Release };
    build("wharf-bench", profile)?;
    let folder = project::target_directory().join("bench");
    std::fs::create_dir_all(&folder)?;

    let mut bench = project::command(profile.folder().join("wharf-bench"));
    bench.arg("--registry").arg(registry).arg("--folder").arg(folder);
    if !options.smoke {
        install_peers(options.tools.as_deref());
    }
    if let Ok(distribution) = project::tool("distribution", options.tools.as_deref()) {
        bench.arg("--distribution").arg(distribution);
    }
    options.hand_on(&mut bench);
    let status = bench.status().context("cannot run the benchmark")?;
    ensure!(status.success(), "the benchmark ended with {status}");
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Profile {
    Development,
    Release,
}

// === impl Options ===

impl Options {
    fn hand_on(&self, bench: &mut Command) {
        for (flag, set) in [("--quick", self.quick), ("--smoke", self.smoke)] {
            if set {
                bench.arg(flag);
            }
        }
        let rounds = self.rounds.map(|rounds| rounds.to_string());
        for (name, value) in [("--rows", &self.rows), ("--peers", &self.peers), ("--rounds", &rounds)] {
            if let Some(value) = value {
                bench.arg(name).arg(value);
            }
        }
    }
}

// === impl Profile ===

impl Profile {
    fn folder(self) -> PathBuf {
        project::target_directory().join(match self {
            Self::Development => "debug",
            Self::Release => "release",
        })
    }
}

/// One package at a time: built together, each would get the features the other asks for.
fn build(package: &str, profile: Profile) -> Result<()> {
    let mut cargo = project::command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--locked", "--quiet", "--package", package]);
    if profile == Profile::Release {
        cargo.arg("--release");
    }
    let status = cargo.status().context("cannot run cargo")?;
    ensure!(status.success(), "cannot build {package}");
    Ok(())
}

/// Those that are not there afterwards are left out by the benchmark, which says so.
fn install_peers(cache: Option<&Path>) {
    for peer in ["distribution", "nginx"] {
        let mut install = project::command("bash");
        install.args([".ci/tools.sh", peer]);
        if let Some(cache) = cache {
            install.env("WHARF_TOOLS", cache);
        }
        if !install.status().is_ok_and(|status| status.success()) {
            eprintln!("note: {peer} could not be installed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_chosen_is_handed_on() {
        let options = Options {
            registry: None,
            tools: None,
            quick: true,
            smoke: false,
            rows: Some("push,tags".to_owned()),
            peers: None,
            rounds: Some(7),
        };
        let mut bench = Command::new("bench");
        options.hand_on(&mut bench);
        let arguments: Vec<_> = bench.get_args().collect();
        assert_eq!(arguments, ["--quick", "--rows", "push,tags", "--rounds", "7"]);
    }
}
