//! So many events at once and then one in an interval, for each of many keys.

use std::hash::Hash;
use std::time::Duration;

use crate::bounded_map::BoundedMap;

/// Counts events by key. An event can be charged although there is no room for it; the debt has to be waited off, up to
/// once the burst.
#[derive(Debug)]
pub(crate) struct RateLimiter<K> {
    burst: u32,
    interval: Duration,
    /// When the whole burst of a key is there again.
    whole_at: BoundedMap<K, Duration>,
}

// === impl RateLimiter ===

impl<K: Clone + Eq + Hash> RateLimiter<K> {
    /// A limit of `burst` events at once and one more in each `interval`. Remembers `capacity` keys; beyond that the one that
    /// was charged longest ago has its whole burst again.
    pub(crate) fn new(burst: u32, interval: Duration, capacity: usize) -> Self {
        Self { burst: burst.max(1), interval, whole_at: BoundedMap::new(capacity) }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.whole_at.is_empty()
    }

    /// How long until there is room for one more event; `None` if there is now. `factor` times as many are allowed as usual,
    /// and it must be the same for a key each time.
    pub(crate) fn wait(&self, key: &K, factor: u32, now: Duration) -> Option<Duration> {
        let whole_at = *self.whole_at.get(key)?;
        let wait = (whole_at.max(now) + self.cost(factor)).saturating_sub(now + self.window());
        (!wait.is_zero()).then_some(wait)
    }

    /// Counts an event.
    pub(crate) fn charge(&mut self, key: &K, factor: u32, now: Duration) {
        let (cost, window) = (self.cost(factor), self.window());
        let whole_at = self.whole_at.touch(key);
        *whole_at = ((*whole_at).max(now) + cost).min(now + window * 2);
    }

    /// How long it takes from nothing to the whole burst.
    fn window(&self) -> Duration {
        self.interval.saturating_mul(self.burst)
    }

    fn cost(&self, factor: u32) -> Duration {
        self.interval / factor.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_burst_is_free_and_then_there_is_one_in_an_interval() {
        for (factor, free) in [(1, 5), (4, 20)] {
            let mut limiter = RateLimiter::new(5, SECOND, 10);
            let now = Duration::from_secs(1_000);
            for event in 0..free {
                assert_eq!(limiter.wait(&"a", factor, now), None, "{event}");
                limiter.charge(&"a", factor, now);
            }
            assert_eq!(limiter.wait(&"a", factor, now), Some(SECOND / factor));
            assert_eq!(limiter.wait(&"b", factor, now), None);
            let later = now + SECOND / factor;
            assert_eq!(limiter.wait(&"a", factor, later), None);
            limiter.charge(&"a", factor, later);
            assert_eq!(limiter.wait(&"a", factor, later), Some(SECOND / factor));
            assert_eq!(limiter.wait(&"a", factor, later + SECOND * 5), None);
        }
    }

    #[test]
    fn a_debt_has_to_be_waited_off_and_has_a_limit() {
        let mut limiter = RateLimiter::new(5, SECOND, 10);
        let now = Duration::from_secs(1_000);
        (0..8).for_each(|_| limiter.charge(&"a", 1, now));
        assert_eq!(limiter.wait(&"a", 1, now), Some(SECOND * 4));
        (0..1_000).for_each(|_| limiter.charge(&"a", 1, now));
        assert_eq!(limiter.wait(&"a", 1, now), Some(SECOND * 6));
    }
}
