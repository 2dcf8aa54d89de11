//! Work that runs to its end.

use std::future::Future;
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

/// How long tasks may take in any case: an upload whose client was cut off records how far it came.
pub const MIN_DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// Tasks that outlive the request they were begun for: the process counts them and waits for them before it stops.
///
/// The only place that spawns what changes anything.
#[derive(Debug, Clone, Default)]
pub struct Tasks(TaskTracker);

impl Tasks {
    /// Runs `work` to its end, also when the caller stops waiting; a panic in it goes on in the caller.
    pub async fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        match self.0.spawn(work.in_current_span()).await {
            Ok(output) => output,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // Nobody aborts these, so the runtime is going down, and the caller with it at this very await.
                Err(_) => std::future::pending().await,
            },
        }
    }

    /// How many are running.
    pub fn running(&self) -> usize {
        self.0.len()
    }

    /// Waits until none is running, for so long, but at least for [`MIN_DRAIN_TIMEOUT`], and returns how many still are.
    /// Call it when no request can begin another.
    pub async fn drain_within(&self, time_left: Duration) -> usize {
        match timeout(time_left.max(MIN_DRAIN_TIMEOUT), self.drain()).await {
            Ok(()) => 0,
            Err(_) => self.running(),
        }
    }

    /// Waits until none is running, without a limit. Call it when no request can begin another.
    pub async fn drain(&self) {
        self.0.close();
        self.0.wait().await;
    }
}
