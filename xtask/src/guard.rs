//! What a request costs in instructions and system calls, held against the numbers that are written down.
//!
//! What is asked for is `wharf-guard`'s business; this builds it, has Valgrind count, and compares. Both counts are of one
//! request, everything on both ends of the connection included.

mod counts;
mod valgrind;

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use self::counts::Counts;
use crate::project;

/// Where the numbers are written down.
const COUNTS: &str = "crates/wharf-guard/counts.txt";

/// Each case is run so many times between its marks.
const REQUESTS: u32 = 50;

/// A file system in memory: Valgrind knows no `openat2`, without which one on a disk is read from other threads.
const MEMORY: &str = "/dev/shm";

/// Hold the numbers against those written down, or write them down.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Write the new numbers down instead of holding them against the old ones.
    #[arg(long)]
    bless: bool,
}

/// Counts, and compares or writes down.
pub(crate) fn run(options: &Options) -> Result<()> {
    build()?;
    let counted = count(&project::target_directory().join("release/wharf-guard"))?;
    let path = project::root().join(COUNTS);
    if options.bless {
        std::fs::write(&path, counted.text(&compiler()?))?;
        println!("{COUNTS} is written");
        return Ok(());
    }
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {COUNTS}"))?;
    let expected = Counts::parse(&text).with_context(|| format!("{COUNTS} makes no sense"))?;
    let report = counted.compare(&expected);
    println!("{report}");
    if report.failed() {
        bail!(
            "a request costs more than written in {COUNTS}; where it has to be, or the compiler has changed, run \
             `cargo xtask guard --bless` and say why in the commit"
        );
    }
    Ok(())
}

fn build() -> Result<()> {
    let mut cargo = project::command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--locked", "--quiet", "--release", "--package", "wharf-guard"]);
    ensure!(cargo.status().context("cannot run cargo")?.success(), "cannot build wharf-guard");
    Ok(())
}

/// The compiler that the numbers belong to.
fn compiler() -> Result<String> {
    let output = project::command("rustc").arg("--version").output().context("cannot run rustc")?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

fn count(guard: &Path) -> Result<Counts> {
    let memory = Path::new(MEMORY);
    ensure!(memory.is_dir(), "{MEMORY} is not there: the tree that is counted on has to be in memory");
    let tree = tempfile::tempdir_in(memory).with_context(|| format!("cannot make a folder in {MEMORY}"))?;
    let notes = tempfile::tempdir().context("cannot make a folder for what is counted")?;
    let mut command = Command::new("valgrind");
    command.args(valgrind::arguments(notes.path())).arg(guard).arg(tree.path()).arg(REQUESTS.to_string());
    let output = command.output().context("cannot run valgrind; run: .ci/tools.sh apt")?;
    ensure!(
        output.status.success(),
        "wharf-guard ended with {} below valgrind: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    valgrind::read(notes.path(), REQUESTS)
}
