//! The gate: every check a change must pass, in the order in which they fail fastest.
//!
//! It knows the stages and nothing of where it runs; `.ci/run` adds what needs other programs (clients, conformance).

use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};

use crate::{project, tidy};

/// Which part of the gate to run.
#[derive(Debug, Default, Args)]
pub(crate) struct Selection {
    /// Run this stage and no other.
    #[arg(long, value_enum, value_name = "STAGE", conflicts_with = "from")]
    only: Option<Stage>,
    /// Run this stage and those after it.
    #[arg(long, value_enum, value_name = "STAGE")]
    from: Option<Stage>,
}

/// One check, in the order of running.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
enum Stage {
    Fmt,
    Clippy,
    Test,
    Doc,
    Deny,
    Tidy,
}

// === impl Selection ===

impl Selection {
    fn stages(&self) -> impl Iterator<Item = Stage> {
        let (first, only) = (self.from, self.only);
        Stage::value_variants().iter().copied().filter(move |stage| {
            only.is_none_or(|only| *stage == only) && first.is_none_or(|first| *stage >= first)
        })
    }
}

// === impl Stage ===

impl Stage {
    fn name(self) -> &'static str {
        match self {
            Self::Fmt => "fmt",
            Self::Clippy => "clippy",
            Self::Test => "test",
            Self::Doc => "doc",
            Self::Deny => "deny",
            Self::Tidy => "tidy",
        }
    }

    fn run(self) -> Result<()> {
        match self {
            Self::Fmt => succeed(&mut cargo(&["fmt", "--all", "--check"])),
            Self::Clippy => clippy(),
            Self::Test => succeed(&mut cargo(&["test", "--workspace"])),
            Self::Doc => {
                succeed(cargo(&["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))
            }
            Self::Deny => deny(),
            Self::Tidy => tidy::run(),
        }
    }
}

/// Runs the selected stages and stops at the first that fails.
pub(crate) fn run(selection: &Selection) -> Result<()> {
    let begun = Instant::now();
    for stage in selection.stages() {
        let stage_begun = Instant::now();
        let outcome = stage.run();
        let verdict = if outcome.is_ok() { "" } else { " FAILED" };
        println!("[{:7.1}s] {}{verdict}", stage_begun.elapsed().as_secs_f64(), stage.name());
        outcome.with_context(|| format!("stage {} failed", stage.name()))?;
    }
    println!("[{:7.1}s] all", begun.elapsed().as_secs_f64());
    Ok(())
}

/// Lints what everybody builds, then the tests against real tools, which only their feature compiles.
fn clippy() -> Result<()> {
    succeed(&mut cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    succeed(&mut cargo(&[
        "clippy",
        "--package",
        "wharf-e2e",
        "--all-targets",
        "--all-features",
        "--",
        "-D",
        "warnings",
    ]))
}

fn deny() -> Result<()> {
    let cargo_deny = project::tool("deny", None)?;
    succeed(project::command(cargo_deny).args(["check", "licenses", "bans", "sources"]))
}

/// The cargo that started us, so that a `+toolchain` holds for the stages too.
fn cargo(arguments: &[&str]) -> Command {
    let mut command = project::command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments);
    command
}

fn succeed(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_owned();
    let status = command.status().with_context(|| format!("cannot run {}", program.display()))?;
    if !status.success() {
        bail!("{} ended with {status}", program.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(selection: &Selection, expected: &[&str]) {
        let stages: Vec<_> = selection.stages().map(Stage::name).collect();
        assert_eq!(stages, expected);
    }

    #[test]
    fn every_stage_runs_unless_told_otherwise() {
        check(&Selection::default(), &["fmt", "clippy", "test", "doc", "deny", "tidy"]);
    }

    #[test]
    fn only_selects_one_stage() {
        check(&Selection { only: Some(Stage::Doc), from: None }, &["doc"]);
    }

    #[test]
    fn from_selects_a_stage_and_all_after_it() {
        check(&Selection { only: None, from: Some(Stage::Doc) }, &["doc", "deny", "tidy"]);
    }

    #[test]
    fn a_failing_command_is_an_error() {
        assert!(succeed(&mut Command::new("false")).is_err());
        assert!(succeed(&mut Command::new("true")).is_ok());
    }
}
