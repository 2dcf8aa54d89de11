//! Where things are: the root of the checkout, cargo's target directory, the pinned tools.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The root of the checkout this xtask was built from.
pub(crate) fn root() -> &'static Path {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest)
}

/// Where cargo puts what it builds.
pub(crate) fn target_directory() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(directory) => root().join(directory),
        None => root().join("target"),
    }
}

/// A command that runs in the root of the checkout.
pub(crate) fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    command
}

/// The binary of a pinned tool, or an error that says how to install it.
///
/// `.ci/tools.sh` alone knows the versions; `cache` overrides where it looks.
pub(crate) fn tool(name: &str, cache: Option<&Path>) -> Result<PathBuf> {
    let mut ask = command("bash");
    ask.args([".ci/tools.sh", "where", name]);
    if let Some(cache) = cache {
        let cache =
            std::path::absolute(cache).with_context(|| format!("cannot resolve {}", cache.display()))?;
        ask.env("WHARF_TOOLS", cache);
    }
    let answer = ask.output().context("cannot run .ci/tools.sh")?;
    if !answer.status.success() {
        bail!("{}", String::from_utf8_lossy(&answer.stderr).trim());
    }
    Ok(PathBuf::from(String::from_utf8(answer.stdout)?.trim()))
}
