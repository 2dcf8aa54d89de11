//! What machine this is and how busy, for whoever reads the numbers later; and the limits of a process.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Processor, memory and kernel, in a line.
pub(crate) fn description() -> String {
    let (processors, memory, kernel) =
        (read("/proc/cpuinfo"), read("/proc/meminfo"), read("/proc/sys/kernel/osrelease"));
    let count = std::thread::available_parallelism().map_or(0, usize::from);
    format!(
        "{count} × {}, {} GiB, Linux {}",
        field(&processors, "model name").unwrap_or("an unknown processor"),
        field(&memory, "MemTotal").and_then(gibibytes).map_or_else(|| "?".to_owned(), |gib| gib.to_string()),
        kernel.trim(),
    )
}

/// How many tasks wanted a processor in the last minute, on average.
pub(crate) fn load_average() -> String {
    read("/proc/loadavg").split(' ').next().unwrap_or("?").to_owned()
}

/// A crowd of connections is more than many shells permit.
pub(crate) fn open_more_files() -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })
        .context("cannot raise the limit of open files")
}

/// Whether this process is still there.
pub(crate) fn is_alive(process: &str) -> bool {
    Path::new("/proc").join(process).exists()
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// The value of the first line `name : value`.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = text.lines().filter_map(|line| line.split_once(':'));
    fields.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim())
}

/// `24592764 kB`, rounded.
fn gibibytes(kib: &str) -> Option<u64> {
    let kib: u64 = kib.strip_suffix("kB")?.trim().parse().ok()?;
    Some((kib + (1 << 19)) >> 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_their_whole_names() {
        let text = "model\t\t: 7\nmodel name\t: An Example @ 3 GHz\nmodel name\t: Another\n";
        assert_eq!(field(text, "model name"), Some("An Example @ 3 GHz"));
        assert_eq!(field(text, "name"), None);
    }

    #[test]
    fn memory_is_rounded_to_whole_gibibytes() {
        assert_eq!(gibibytes("24592764 kB"), Some(23));
        assert_eq!(gibibytes("1048576 kB"), Some(1));
        assert_eq!(gibibytes("many"), None);
    }
}
