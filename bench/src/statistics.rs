//! Medians, percentiles, and the ratio of two series of rounds with its spread.
//!
//! Pure arithmetic: it does not know what was measured.

use serde::Serialize;

/// A series of rounds in three numbers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Spread {
    /// The middle one.
    pub(crate) median: f64,
    /// The smallest.
    pub(crate) min: f64,
    /// The largest.
    pub(crate) max: f64,
}

// === impl Spread ===

impl Spread {
    /// Nothing for an empty series.
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let (low, high) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
        Some(Self { median: f64::midpoint(low, high), min, max })
    }

    /// What `ours` is of `theirs`, round by round: what a noisy moment does to one it does to its neighbour.
    ///
    /// Rounds in which either is nothing say nothing: it was less than the clock can tell.
    pub(crate) fn of_ratios(ours: &[f64], theirs: &[f64]) -> Option<Self> {
        let pairs = ours.iter().zip(theirs).filter(|(ours, theirs)| **ours > 0.0 && **theirs > 0.0);
        Self::of(&pairs.map(|(ours, theirs)| ours / theirs).collect::<Vec<_>>())
    }
}

/// The smallest of `sorted` that at least `share` (0 to 1) of them do not exceed.
pub(crate) fn percentile(sorted: &[u64], share: f64) -> Option<u64> {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_odd_series_is_its_middle() {
        let spread = Spread::of(&[5.0, 1.0, 3.0]).unwrap();
        assert_eq!(spread, Spread { median: 3.0, min: 1.0, max: 5.0 });
    }

    #[test]
    fn the_median_of_an_even_series_is_between_its_middles() {
        assert_eq!(Spread::of(&[4.0, 1.0, 2.0, 3.0]).unwrap().median, 2.5);
    }

    #[test]
    fn an_empty_series_has_no_median() {
        assert_eq!(Spread::of(&[]), None);
        assert_eq!(percentile(&[], 0.5), None);
    }

    #[test]
    fn a_ratio_is_taken_round_by_round() {
        // Both were twice as slow in the second round, so the ratio is the same in each.
        let spread = Spread::of_ratios(&[30.0, 15.0], &[10.0, 5.0]).unwrap();
        assert_eq!(spread, Spread { median: 3.0, min: 3.0, max: 3.0 });
    }

    #[test]
    fn a_round_without_a_measure_makes_no_ratio() {
        assert_eq!(Spread::of_ratios(&[1.0], &[0.0]), None);
        assert_eq!(Spread::of_ratios(&[0.0], &[1.0]), None);
        assert_eq!(Spread::of_ratios(&[1.0, 4.0], &[0.0, 2.0]).unwrap().median, 2.0);
    }

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let values: Vec<u64> = (1..=100).collect();
        assert_eq!(percentile(&values, 0.5), Some(50));
        assert_eq!(percentile(&values, 0.99), Some(99));
        assert_eq!(percentile(&values, 1.0), Some(100));
        assert_eq!(percentile(&[7], 0.01), Some(7));
        assert_eq!(percentile(&[7, 9], 0.99), Some(9));
    }
}
