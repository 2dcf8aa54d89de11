//! Panics of the process in the log.
//!
//! It does not know what becomes of them: a request answers 500, a background task goes on at its next interval, and a
//! panic of the accept loop ends the process.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;

use wharf_http::log_field;

/// Logs each panic of the process as one line, instead of printing it: in the configured format, with the id of the request
/// whose code panicked, and through the queue of the log, so that an output that is not read cannot stop the thread.
///
/// `RUST_BACKTRACE=1` adds a backtrace.
pub fn log_panics() {
    std::panic::set_hook(Box::new(log));
}

fn log(panic: &PanicHookInfo<'_>) {
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
    tracing::error!(
        panic.location = panic.location().map(tracing::field::display),
        panic.thread = std::thread::current().name(),
        panic.backtrace = backtrace,
        "panicked: {}",
        log_field(message(panic.payload()))
    );
}

fn message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
