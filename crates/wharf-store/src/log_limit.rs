//! Log lines whose causes may come a thousand times a second.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Admits one line in an interval, and counts those that it leaves out.
#[derive(Debug)]
pub struct LogLimit {
    interval: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    next: Option<Instant>,
    left_out: u64,
}

// === impl LogLimit ===

impl LogLimit {
    /// At most one line in `interval`.
    pub const fn new(interval: Duration) -> Self {
        Self { interval, state: Mutex::new(State { next: None, left_out: 0 }) }
    }

    /// Whether a line may be written now: the number of those that were left out since the last one, or `None`.
    pub fn admit(&self) -> Option<u64> {
        let now = Instant::now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.next.is_some_and(|next| now < next) {
            state.left_out += 1;
            return None;
        }
        state.next = Some(now + self.interval);
        Some(std::mem::take(&mut state.left_out))
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_line_in_an_interval_is_admitted_and_says_how_many_were_left_out() {
        let limit = LogLimit::new(Duration::from_secs(10));
        assert_eq!(limit.admit(), Some(0));
        assert_eq!(limit.admit(), None);
        advance(Duration::from_secs(9)).await;
        assert_eq!(limit.admit(), None);
        advance(Duration::from_secs(1)).await;
        assert_eq!(limit.admit(), Some(2));
        assert_eq!(limit.admit(), None);
    }
}
