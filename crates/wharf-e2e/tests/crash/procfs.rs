//! What the kernel knows of a process.

#![expect(clippy::disallowed_methods, reason = "the kernel tells it in files")]

use std::path::PathBuf;
use std::time::Duration;

/// A process that is running.
#[derive(Debug, Clone)]
pub(crate) struct Process(PathBuf);

impl Process {
    pub(crate) fn of(id: u32) -> Self {
        Self(format!("/proc/{id}").into())
    }

    /// What it has open: files, sockets and what the runtime needs, each as the kernel names it, in order.
    pub(crate) fn open(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.join("fd")).expect("the process runs");
        // What goes away between the listing and the look is not open.
        let links = entries.flatten().filter_map(|entry| std::fs::read_link(entry.path()).ok());
        let mut names: Vec<String> = links.map(|link| link.to_string_lossy().into_owned()).collect();
        // The files of locks stay open once they are used: a fixed number of them, two for each.
        names.retain(|name| !name.contains("/wharf/locks/"));
        names.sort();
        names
    }

    /// Lets it open so many files and no more.
    pub(crate) fn limit_open_files(&self, files: u64) {
        let id = self.0.file_name().and_then(|name| name.to_str()).expect("its id");
        let limit = format!("--nofile={files}:{files}");
        let status = std::process::Command::new("prlimit").args(["--pid", id, &limit]).status();
        assert!(status.expect("prlimit runs").success());
    }

    /// How much memory it keeps that no file stands behind.
    pub(crate) fn anonymous_bytes(&self) -> u64 {
        self.number("status", "RssAnon:") * 1024
    }

    /// Bytes it has read from files, from the disk or not.
    pub(crate) fn read_bytes(&self) -> u64 {
        self.number("io", "rchar:")
    }

    /// How long processors have worked for it, to a hundredth of a second.
    pub(crate) fn worked(&self) -> Duration {
        let text = std::fs::read_to_string(self.0.join("stat")).expect("the process runs");
        // The name before the bracket may have blanks in it. Of what follows, utime and stime are the 12th and the 13th.
        let (_, rest) = text.rsplit_once(')').expect("a name in brackets");
        let ticks =
            rest.split_whitespace().skip(11).take(2).map(|number| number.parse::<u64>().expect("a number"));
        Duration::from_millis(ticks.sum::<u64>() * 10)
    }

    /// The number after `field` in one of its files.
    fn number(&self, file: &str, field: &str) -> u64 {
        let text = std::fs::read_to_string(self.0.join(file)).expect("the process runs");
        let rest = text.lines().find_map(|line| line.strip_prefix(field)).expect("the kernel knows it");
        rest.split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number")
    }
}
