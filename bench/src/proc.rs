//! What the kernel says of a process: the processor time it used and the memory it holds.
//!
//! Pure parsers of `/proc`, and a handle on a server's processes. It does not know what they serve.

use std::fs;

use anyhow::{Context, Result};

/// The processes of one server: one, or a master and its workers.
#[derive(Debug, Clone)]
pub(crate) struct Processes {
    ids: Vec<u32>,
}

// === impl Processes ===

impl Processes {
    /// The process `id` and its children as they are now; a server whose workers come and go is not for us.
    pub(crate) fn of(id: u32) -> Self {
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        let children = children.split_ascii_whitespace().filter_map(|id| id.parse().ok());
        Self { ids: std::iter::once(id).chain(children).collect() }
    }

    /// This process.
    pub(crate) fn own() -> Self {
        Self { ids: vec![std::process::id()] }
    }

    /// Processor seconds used so far, by all threads, in user mode and in the kernel.
    pub(crate) fn cpu_seconds(&self) -> Result<f64> {
        let mut ticks = 0;
        for id in &self.ids {
            let path = format!("/proc/{id}/stat");
            let stat = fs::read_to_string(&path).with_context(|| format!("{path}: did the server end?"))?;
            ticks += cpu_ticks(&stat).with_context(|| format!("{path} is not as expected: {stat}"))?;
        }
        Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
    }

    /// Anonymous memory that is resident, in MiB: what the server itself holds, without the page cache.
    pub(crate) fn anonymous_mib(&self) -> Result<f64> {
        let mut kib = 0;
        for id in &self.ids {
            let path = format!("/proc/{id}/status");
            let status = fs::read_to_string(&path).with_context(|| format!("{path}: did the server end?"))?;
            kib += rss_anon_kib(&status).with_context(|| format!("{path} has no RssAnon"))?;
        }
        Ok(kib as f64 / 1024.0)
    }
}

/// `utime` and `stime` of `/proc/<pid>/stat`, which count every thread of the process.
///
/// The name in the second field may hold spaces and brackets, so counting starts after the last bracket.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    // After the name: state is field 3, utime field 14, stime field 15.
    let mut fields = rest.split_ascii_whitespace().skip(14 - 3);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// `RssAnon` of `/proc/<pid>/status`.
fn rss_anon_kib(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_user_and_system_time() {
        let stat = "17 (registry) S 1 17 17 0 -1 4194304 900 0 0 0 250 50 7 8 20 0 5 0 100 1000 200";
        assert_eq!(cpu_ticks(stat), Some(300));
    }

    #[test]
    fn a_name_with_brackets_and_spaces_moves_no_field() {
        let stat = "17 (a) b (c) S 1 17 17 0 -1 4194304 900 0 0 0 1 2 7 8 20 0 5 0 100 1000 200";
        assert_eq!(cpu_ticks(stat), Some(3));
    }

    #[test]
    fn what_is_no_stat_is_refused() {
        assert_eq!(cpu_ticks(""), None);
        assert_eq!(cpu_ticks("17 (registry) S 1"), None);
    }

    #[test]
    fn anonymous_memory_is_read_in_kib() {
        let status = "Name:\tregistry\nVmRSS:\t   99 kB\nRssAnon:\t    5120 kB\nRssFile:\t  1 kB\n";
        assert_eq!(rss_anon_kib(status), Some(5120));
        assert_eq!(rss_anon_kib("Name:\tregistry\n"), None);
    }

    #[test]
    fn this_process_can_be_asked() {
        let own = Processes::own();
        assert!(own.cpu_seconds().unwrap() >= 0.0);
        assert!(own.anonymous_mib().unwrap() > 0.0);
    }
}
