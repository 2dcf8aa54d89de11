//! Writes a log's lines to standard output or standard error on a thread of its own.
//!
//! Both logs use it. The threads that serve requests only append to a queue: an output that is not read delays no request.
//! It does not know what the lines say.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Bytes of lines that may wait for a slow reader: those of some tens of thousands of usual requests. More are dropped and
/// counted.
const QUEUE_BYTES: usize = 8 * 1024 * 1024;

/// A buffer larger than this is freed when it has been written.
const KEPT_BYTES: usize = 64 * 1024;

/// How long the first of several lines waits for those that follow: a thread that is woken for each line costs as much as
/// the request.
const GATHER_TIME: Duration = Duration::from_millis(5);

/// How long the end of the process waits for each log's last lines to be written.
pub(crate) const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// The pause before writing again to an output in non-blocking mode that is full.
const FULL_PAUSE: Duration = Duration::from_millis(10);

/// The queue of one log and the thread that writes it. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct LogWriter(Arc<Queue>);

/// Called with the number of lines that were dropped, once later lines could be written.
type Report = Box<dyn Fn(u64) + Send>;

#[derive(Debug, Default)]
struct Queue {
    state: Mutex<State>,
    /// Notified when there is something to do for the thread, or when it has ended.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    pending: Vec<u8>,
    pending_lines: u64,
    /// The size of the batch that the thread is writing, and its lines.
    writing_bytes: usize,
    writing_lines: u64,
    /// Lines dropped and not reported yet.
    lost: u64,
    /// The thread is idle, and is to be woken by the next line.
    idle: bool,
    /// No lines come any more.
    closed: bool,
    /// The thread has written all there was and ended.
    finished: bool,
}

/// What the thread takes from the queue at once.
struct Batch {
    bytes: Vec<u8>,
    /// Lines dropped before it, to be reported.
    lost: u64,
}

// === impl LogWriter ===

impl LogWriter {
    /// Starts the thread that writes to standard output; `report` is called on it.
    pub(crate) fn stdout(report: impl Fn(u64) + Send + 'static) -> io::Result<Self> {
        Self::start(duplicate(&io::stdout())?, Box::new(report))
    }

    /// Starts the thread that writes to standard error; `report` is called on it.
    pub(crate) fn stderr(report: impl Fn(u64) + Send + 'static) -> io::Result<Self> {
        Self::start(duplicate(&io::stderr())?, Box::new(report))
    }

    fn start(out: impl Write + Send + 'static, report: Report) -> io::Result<Self> {
        let queue = Arc::new(Queue::default());
        let thread = Arc::clone(&queue);
        std::thread::Builder::new().name("log".to_owned()).spawn(move || {
            let mut out = out;
            // Begun again after a panic: the log is where that is reported.
            while catch_unwind(AssertUnwindSafe(|| thread.run(&mut out, &report))).is_err() {}
        })?;
        Ok(Self(queue))
    }

    /// Appends one line, or several, with their line breaks. Never blocks; what does not fit is dropped and counted.
    pub(crate) fn append(&self, lines: &[u8]) {
        let mut state = self.0.state();
        if state.pending.len() + state.writing_bytes + lines.len() > QUEUE_BYTES {
            state.lost += count_lines(lines);
            return;
        }
        state.pending.extend_from_slice(lines);
        state.pending_lines += count_lines(lines);
        let wake = std::mem::take(&mut state.idle);
        drop(state);
        if wake {
            self.0.changed.notify_all();
        }
    }

    /// Waits until all lines are written, at most as long as `limit`. Returns how many were not, or were dropped and not
    /// reported.
    pub(crate) fn close(&self, limit: Duration) -> u64 {
        let mut state = self.0.state();
        state.closed = true;
        self.0.changed.notify_all();
        let waited = self.0.changed.wait_timeout_while(state, limit, |state| !state.finished);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.lost + state.pending_lines + state.writing_lines
    }
}

/// So that the application's log can be written by tracing's formatter, which writes a line at a time.
impl Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.append(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

// === impl Queue ===

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, out: &mut impl Write, report: &Report) {
        let mut buffer = Vec::new();
        let mut works = true;
        while let Some(batch) = self.take(buffer, works) {
            if batch.lost > 0 {
                report(batch.lost);
            }
            let unwritten = write(out, &batch.bytes);
            // A reader that has gone, or a full disk: no reason to stop serving, or to stop trying.
            works = unwritten.is_empty();
            self.written(count_lines(unwritten));
            buffer = if batch.bytes.capacity() > KEPT_BYTES { Vec::new() } else { batch.bytes };
        }
        self.state().finished = true;
        self.changed.notify_all();
    }

    /// Waits for lines, gathers those that follow and takes them, leaving `buffer` for those that follow; `None` if the log is closed and there are
    /// none left. Losses are given only while the output `works`, for their report is a line itself.
    fn take(&self, mut buffer: Vec<u8>, works: bool) -> Option<Batch> {
        let nothing_to_do = |state: &mut State| {
            state.idle = state.pending.is_empty() && !(works && state.lost > 0) && !state.closed;
            state.idle
        };
        let first =
            self.changed.wait_while(self.state(), nothing_to_do).unwrap_or_else(PoisonError::into_inner);
        let gathered = self.changed.wait_timeout_while(first, GATHER_TIME, |state| !state.closed);
        let (mut state, _) = gathered.unwrap_or_else(PoisonError::into_inner);
        let lost = if works { std::mem::take(&mut state.lost) } else { 0 };
        if state.pending.is_empty() && lost == 0 {
            return None;
        }
        buffer.clear();
        let bytes = std::mem::replace(&mut state.pending, buffer);
        state.writing_bytes = bytes.len();
        state.writing_lines = std::mem::take(&mut state.pending_lines);
        Some(Batch { bytes, lost })
    }

    fn written(&self, lost: u64) {
        let mut state = self.state();
        (state.writing_bytes, state.writing_lines) = (0, 0);
        state.lost += lost;
    }
}

/// Writes as much as can be written; returns what could not be.
fn write<'b>(out: &mut impl Write, mut bytes: &'b [u8]) -> &'b [u8] {
    while !bytes.is_empty() {
        match out.write(bytes) {
            Ok(0) => return bytes,
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::sleep(FULL_PAUSE),
            Err(_) => return bytes,
        }
    }
    bytes
}

/// The same stream without the lock and the buffer of the standard library: while a write waits for a reader, other code
/// that prints must not wait for that lock.
fn duplicate(stream: &impl AsFd) -> io::Result<File> {
    Ok(File::from(stream.as_fd().try_clone_to_owned()?))
}

fn count_lines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

#[cfg(test)]
mod tests;
