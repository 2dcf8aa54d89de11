//! A clock that stands still until a test moves it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use wharf_store::Clock;

/// 2026-01-01T00:00:00Z: tests that print times print the same ones every day.
const BEGINNING: Duration = Duration::from_secs(1_767_225_600);

/// A [`Clock`] in the hands of a test. Clones are the same clock.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<Mutex<SystemTime>>);

impl Default for ManualClock {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(SystemTime::UNIX_EPOCH + BEGINNING)))
    }
}

impl ManualClock {
    /// Moves the time forward.
    pub fn advance(&self, by: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += by;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> SystemTime {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_stands_still_until_it_is_moved() {
        let clock = ManualClock::default();
        let before = clock.now();
        assert_eq!(clock.now(), before);

        clock.clone().advance(Duration::from_secs(60));

        assert_eq!(clock.now().duration_since(before).unwrap(), Duration::from_secs(60));
    }
}
