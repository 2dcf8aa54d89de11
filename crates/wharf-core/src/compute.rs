//! CPU-bound work on inputs of any size.

use wharf_store::in_current_span;

/// Inputs longer than this are processed on the blocking pool: 256 KiB of JSON take about a millisecond.
const INLINE_BYTES: usize = 256 * 1024;

/// Runs `work` on an input of so many bytes, in place if it is short, else on the blocking pool.
///
/// A panic in it continues in the caller.
pub(crate) async fn compute<T: Send + 'static>(
    input_bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    if input_bytes <= INLINE_BYTES {
        return work();
    }
    match tokio::task::spawn_blocking(in_current_span(work)).await {
        Ok(output) => output,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // Never aborted, so the runtime is shutting down, and drops the caller at this await.
            Err(_) => std::future::pending().await,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::panic::AssertUnwindSafe;

    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_panic_continues_in_the_caller_wherever_the_work_runs() {
        for input_bytes in [INLINE_BYTES, INLINE_BYTES + 1] {
            let work = compute(input_bytes, || panic!("in the work"));
            let panicked: Result<(), _> = AssertUnwindSafe(work).catch_unwind().await;
            assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&"in the work"), "{input_bytes}");
        }
    }
}
