//! The project's own chores: `cargo xtask <chore>`.
//!
//! Each chore is a module with a `run`; this file only reads the command line. Nothing here is part of the product.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a development tool: it talks to a terminal, reads files and clocks, and serves nobody"
)]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod bench;
mod ci;
mod conformance;
mod fuzz;
mod guard;
mod project;
mod tidy;

/// The project's own chores.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// The whole gate: fmt, clippy, test, doc, deny, tidy.
    Ci(ci::Selection),
    /// The registry beside the ones it succeeds: a table of rates, costs and budgets.
    Bench(bench::Options),
    /// What a request costs in instructions and system calls, held against what is written down.
    Guard(guard::Options),
    /// The rules no compiler knows: crate arrows, file sizes, names, READMEs, words.
    Tidy,
    /// Four runs of the OCI conformance suite against a release binary.
    Conformance {
        /// The registry to test; by default `registry` of the release build.
        #[arg(long, value_name = "PATH")]
        registry_binary: Option<PathBuf>,
        /// Where `.ci/tools.sh` keeps its tools; by default its own choice.
        #[arg(long, value_name = "DIR")]
        tools: Option<PathBuf>,
    },
    /// Random input for every parser.
    Fuzz {
        /// How long each target runs.
        #[arg(long, default_value_t = 30)]
        seconds: u64,
        /// Which targets; all of them if none is named.
        targets: Vec<String>,
    },
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().chore {
        Chore::Ci(selection) => ci::run(&selection),
        Chore::Bench(options) => bench::run(&options),
        Chore::Guard(options) => guard::run(&options),
        Chore::Tidy => tidy::run(),
        Chore::Conformance { registry_binary, tools } => conformance::run(registry_binary, tools.as_deref()),
        Chore::Fuzz { seconds, targets } => fuzz::run(seconds, &targets),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
