//! How Valgrind is asked, and what it answers with.
//!
//! The program calls `guard_mark` before and after each case, with a path that tells which. At each call Callgrind writes
//! down the instructions since the one before, and the trace has the call that asks for the path.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};

use super::counts::{Count, Counts};

/// Where the trace of system calls goes.
const TRACE: &str = "trace";
/// Where instructions go; each time another number is put behind it.
const INSTRUCTIONS: &str = "instructions";

/// Reading a clock is none: without Valgrind the kernel is not asked for it.
const NOT_COUNTED: &[&str] = &["sys_clock_gettime", "sys_gettimeofday"];

pub(super) fn arguments(notes: &Path) -> [String; 6] {
    let place = |name| notes.join(name).display().to_string();
    [
        "--tool=callgrind".to_owned(),
        format!("--callgrind-out-file={}", place(INSTRUCTIONS)),
        "--dump-before=*guard_mark*".to_owned(),
        "--trace-syscalls=yes".to_owned(),
        format!("--log-file={}", place(TRACE)),
        // Threads take turns in the order in which they ask.
        "--fair-sched=try".to_owned(),
    ]
}

/// What one request of each case cost.
pub(super) fn read(notes: &Path, requests: u32) -> Result<Counts> {
    let trace = std::fs::read(notes.join(TRACE)).context("valgrind wrote no trace")?;
    let segments = segments(&String::from_utf8_lossy(&trace));
    let mut counts = BTreeMap::new();
    for (index, (name, calls)) in segments.into_iter().enumerate() {
        // What came before the first mark is written down first; from there on cases and what is between them take turns.
        let dump = notes.join(format!("{INSTRUCTIONS}.{}", 2 * index + 2));
        let text =
            std::fs::read_to_string(&dump).with_context(|| format!("cannot read {}", dump.display()))?;
        let total =
            text.lines().find_map(|line| line.strip_prefix("totals: ")).context("a dump without a total")?;
        let total: f64 = total.trim().parse()?;
        let each = f64::from(requests);
        counts.insert(name, Count { instructions: total / each, calls: calls as f64 / each });
    }
    Ok(Counts(counts))
}

/// The cases in the order in which they ran, with their system calls.
fn segments(trace: &str) -> Vec<(String, u64)> {
    let mut segments: Vec<(String, u64)> = Vec::new();
    let mut within = false;
    for line in trace.lines() {
        if let Some(name) = mark(line, "begin") {
            segments.push((name, 0));
            within = true;
        } else if mark(line, "end").is_some() {
            within = false;
        } else if within
            && let Some((_, calls)) = segments.last_mut()
            && call(line).is_some_and(|name| !NOT_COUNTED.contains(&name))
        {
            *calls += 1;
        }
    }
    segments
}

fn mark(line: &str, step: &str) -> Option<String> {
    let (_, rest) = line.split_once(&format!("(/wharf-guard/{step}/"))?;
    Some(rest.split_once(')')?.0.to_owned())
}

/// The system call that a line begins: `SYSCALL[1,1](0) sys_read ( … )`. A call that had to wait has a second line.
fn call(line: &str) -> Option<&str> {
    let rest = line.split_once("SYSCALL[")?.1.split_once(')')?.1.trim_start();
    rest.starts_with("sys_").then(|| rest.split([' ', '(']).next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_between_the_marks() {
        let trace = "\
SYSCALL[1,1](0) sys_read ( 1, 2 ) --> [async] ...
SYSCALL[1,1](332) sys_statx ( 4294967196, 0x1(/wharf-guard/begin/a), 0 )[sync] --> Failure(0x2)
SYSCALL[1,1](0) sys_read ( 1, 2 ) --> [async] ...
SYSCALL[1,1](0) ... [async] --> Success(0x0:0x1)
SYSCALL[1,1](228) sys_clock_gettime( 1, 0x1 )[sync] --> Success(0x0)
SYSCALL[1,2](202) sys_futex ( 1 ) --> [async] ...
SYSCALL[1,1](332) sys_statx ( 4294967196, 0x1(/wharf-guard/end/a), 0 )[sync] --> Failure(0x2)
SYSCALL[1,1](0) sys_read ( 1, 2 ) --> [async] ...
";
        assert_eq!(segments(trace), [("a".to_owned(), 2)]);
    }
}
