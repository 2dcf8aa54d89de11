//! CPU-bound work on inputs of any size.

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
    match tokio::task::spawn_blocking(work).await {
        Ok(output) => output,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // Never aborted, so the runtime is shutting down, and drops the caller at this await.
            Err(_) => std::future::pending().await,
        },
    }
}
