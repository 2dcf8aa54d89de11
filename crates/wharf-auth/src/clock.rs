//! What time it is, from one place that a test can take over.
//!
//! Two times, because they are for different things: dates that others wrote (a token's, a certificate's, a file's) are
//! held against the calendar; how long we keep something is counted by a clock that nobody sets.

use std::fmt;
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

/// A source of time.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The date, which may jump.
    fn now(&self) -> SystemTime;

    /// How long it has been since some fixed moment; never goes back.
    fn uptime(&self) -> Duration;
}

/// The system's clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place in this crate that asks the system for the date"
    )]
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the one place in this crate that asks the system for the time"
    )]
    fn uptime(&self) -> Duration {
        static START: OnceLock<Instant> = OnceLock::new();
        START.get_or_init(Instant::now).elapsed()
    }
}

#[cfg(test)]
pub(crate) mod manual {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A clock in the hands of a test. Clones are the same clock.
    #[derive(Debug, Clone)]
    pub(crate) struct ManualClock(Arc<Mutex<(SystemTime, Duration)>>);

    impl ManualClock {
        /// At the date of the system: files that a test writes bear it.
        pub(crate) fn new() -> Self {
            Self(Arc::new(Mutex::new((SystemClock.now(), Duration::from_secs(1_000)))))
        }

        pub(crate) fn advance(&self, by: Duration) {
            let mut times = self.0.lock().unwrap();
            times.0 += by;
            times.1 += by;
        }
    }

    impl Clock for ManualClock {
        fn now(&self) -> SystemTime {
            self.0.lock().unwrap().0
        }

        fn uptime(&self) -> Duration {
            self.0.lock().unwrap().1
        }
    }
}
