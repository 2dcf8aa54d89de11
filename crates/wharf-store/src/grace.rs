//! How long a collector spares what was last written or renewed, and what follows from that.

use std::time::Duration;

/// The age up to which a collector removes nothing.
///
/// One value for the process: renewals and remembered sizes are derived from it, so that they cannot contradict a
/// collector. All processes on one store must be given the same value, or the collector the largest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grace(Duration);

// === impl Grace ===

impl Grace {
    /// A collector removes only what was last written or renewed more than `period` before it began to look for links.
    pub const fn new(period: Duration) -> Self {
        Self(period)
    }

    /// The whole period.
    pub const fn period(self) -> Duration {
        self.0
    }

    /// The age from which a caller that relies on an object renews it. The other half of the period is left for writing
    /// what refers to the object.
    pub fn renewal_age(self) -> Duration {
        self.0 / 2
    }

    /// How long the size of a blob is remembered after the store was last asked.
    pub fn size_lifetime(self) -> Duration {
        self.0 / 2
    }
}

impl Default for Grace {
    /// One hour.
    fn default() -> Self {
        Self(Duration::from_hours(1))
    }
}
