//! The end of a test's patience. Nothing here sleeps: tests wait for what happens, and not for ever.

use std::future::Future;
use std::time::Duration;

/// How long anything in a test may take: long enough for a machine that compiles beside it, and whose disk is slow to sync.
pub const DEADLINE: Duration = Duration::from_mins(1);

/// What `future` comes to; a test that waits in vain stops here and says for what.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(DEADLINE, future).await {
        Ok(output) => output,
        Err(_) => panic!("waited {DEADLINE:?} in vain: {what}"),
    }
}

/// Asks again and again until there is an answer. The question must itself wait for somebody, such as a server.
pub async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::task::yield_now().await;
        }
    };
    within(what, asking).await
}
