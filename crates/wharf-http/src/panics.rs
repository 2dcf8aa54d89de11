//! Panics in the code of a request: an error of that request, so that its connection and the process go on.
//!
//! They are not logged here: the process's panic hook has the place, and runs in the span of the request.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};

use futures_util::FutureExt;

/// That the code of a request panicked.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the code of the request panicked")]
pub(crate) struct Panicked;

/// Runs `work` to its end, or to its panic.
///
/// What it shared with other requests is left as a request leaves it that is dropped at this point, which every future of
/// ours must allow; locks are not poisoned for those who come later.
pub(crate) async fn catch<T>(work: impl Future<Output = T>) -> Result<T, Panicked> {
    AssertUnwindSafe(work).catch_unwind().await.map_err(|_| Panicked)
}

/// As [`catch`], for one poll.
pub(crate) fn catch_poll<T>(poll: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(poll)).map_err(|_| Panicked)
}
