//! Random input for every parser, for a while.
//!
//! The targets and what they have learnt are in `fuzz/`. What a run learns is not kept: a corpus grows by decision. The
//! compiler is the project's own, in the mode that knows the flags fuzzing needs (`RUSTC_BOOTSTRAP`).

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::project;

/// How many targets run at once: a core each, on the smallest machine this runs on.
const AT_ONCE: usize = 2;

/// The longest input tried. What is longer is refused before it is parsed, or is no other than what is shorter.
const INPUT_BYTES: &str = "4096";

/// A target that runs.
struct Running {
    name: String,
    child: Child,
    log: PathBuf,
}

/// Runs `targets`, or all, each for `seconds`.
pub(crate) fn run(seconds: u64, targets: &[String]) -> Result<()> {
    let all = all()?;
    for target in targets {
        ensure!(all.contains(target), "there is no target {target}; there are {}", all.join(", "));
    }
    let chosen = if targets.is_empty() { &all } else { targets };
    build()?;
    let scratch = tempfile::tempdir().context("cannot make a folder for what is learnt")?;
    let mut failed = Vec::new();
    for group in chosen.chunks(AT_ONCE) {
        let running: Vec<Running> =
            group.iter().map(|name| start(name, seconds, scratch.path())).collect::<Result<_>>()?;
        for each in running {
            failed.extend(finish(each)?);
        }
    }
    if failed.is_empty() { Ok(()) } else { bail!("{} found something", failed.join(", ")) }
}

/// The names of all targets.
fn all() -> Result<Vec<String>> {
    let folder = project::root().join("fuzz/fuzz_targets");
    let entries = std::fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        let path = entry?.path();
        names.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
    }
    names.sort();
    Ok(names)
}

fn target_directory() -> PathBuf {
    project::target_directory().join("fuzz")
}

/// Without a sanitizer: nothing below the parsers is unsafe, and without it ten times as much is tried.
fn build() -> Result<()> {
    let mut command = Command::new(project::tool("fuzz", None)?);
    command.args(["fuzz", "build", "--sanitizer", "none", "--target-dir"]).arg(target_directory());
    let status = command.current_dir(project::root()).env("RUSTC_BOOTSTRAP", "1").status();
    ensure!(status.context("cannot run cargo-fuzz")?.success(), "the fuzz targets do not build");
    Ok(())
}

fn binary(name: &str) -> Result<PathBuf> {
    let directory = target_directory();
    let entries =
        std::fs::read_dir(&directory).with_context(|| format!("cannot list {}", directory.display()))?;
    // One folder is named for the machine; cargo-fuzz always builds for one by name.
    let found = entries
        .filter_map(|entry| Some(entry.ok()?.path().join("release").join(name)))
        .find(|path| path.is_file());
    found.with_context(|| format!("cargo-fuzz built no {name}"))
}

fn start(name: &str, seconds: u64, scratch: &Path) -> Result<Running> {
    let (learnt, log) = (scratch.join(name), scratch.join(format!("{name}.log")));
    std::fs::create_dir(&learnt)?;
    let artifacts = project::root().join("fuzz/artifacts").join(name);
    std::fs::create_dir_all(&artifacts)?;
    let corpus = project::root().join("fuzz/corpus").join(name);
    let output = std::fs::File::create(&log)?;
    let mut command = Command::new(binary(name)?);
    command.arg(&learnt).arg(&corpus).arg(format!("-max_total_time={seconds}"));
    command.arg(format!("-max_len={INPUT_BYTES}")).arg(format!("-artifact_prefix={}/", artifacts.display()));
    let child = command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).spawn();
    Ok(Running { name: name.to_owned(), child: child.with_context(|| format!("cannot start {name}"))?, log })
}

/// Waits for a target; its name if it found something.
fn finish(mut running: Running) -> Result<Option<String>> {
    let status = running.child.wait()?;
    let log = String::from_utf8_lossy(&std::fs::read(&running.log)?).into_owned();
    let done = log.lines().rev().find(|line| line.starts_with("Done "));
    match done {
        Some(done) if status.success() => {
            println!("fuzz {}: {done}", running.name);
            Ok(None)
        }
        _ => {
            println!("fuzz {}: {status}\n{log}", running.name);
            Ok(Some(running.name))
        }
    }
}
