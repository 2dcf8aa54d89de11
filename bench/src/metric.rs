//! What is made of a load: a few numbers, each with a unit, and the bounds set on them.
//!
//! Pure: it does not know rows, peers or tables.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::load::Load;
use crate::statistics::{Spread, percentile};

/// A number that is taken of a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Metric {
    /// Things done in a second.
    Rate,
    /// Processor time of the server for one of them.
    ServerCpu,
    /// How much more that is than of the same server, asked by anybody, in the same round.
    AddedCpu,
    /// Milliseconds of the middle one.
    P50,
    /// Milliseconds that one in a hundred exceeds.
    P99,
    /// The p99 as a multiple of what it was without those beside it.
    Disturbance,
    /// Processors the client kept busy: near what the machine has left, the client was the limit.
    ClientCores,
    /// MiB of anonymous memory of the server when it has just started.
    IdleMemory,
    /// The most MiB of anonymous memory of the server during the measurement.
    PeakMemory,
}

/// What a row counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Request,
    Gigabyte,
    Image,
    /// Something that is only waited for.
    Wait,
    /// Requests at a steady pace beside others, whose costs are not theirs.
    Probe,
}

/// One measurement, as numbers.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Sample(BTreeMap<Metric, f64>);

/// What a number must keep to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    pub(crate) metric: Metric,
    pub(crate) bound: Bound,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Bound {
    AtMost(f64),
    /// Times the number of the registry that is succeeded.
    TimesAtMost(f64),
    TimesAtLeast(f64),
}

/// A budget held against what was measured.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Verdict {
    pub(crate) budget: String,
    /// Nothing where there was nothing to hold it against.
    pub(crate) met: Option<bool>,
    pub(crate) measured: Option<f64>,
}

// === impl Metric ===

impl Metric {
    /// As a budget or a heading names it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::ServerCpu => "CPU",
            Self::AddedCpu => "CPU over anonymous",
            Self::P50 => "p50",
            Self::P99 => "p99",
            Self::Disturbance => "p99 beside/alone",
            Self::ClientCores => "client",
            Self::IdleMemory => "idle RssAnon",
            Self::PeakMemory => "peak RssAnon",
        }
    }
}

// === impl Unit ===

impl Unit {
    /// What a metric of this unit is written with.
    pub(crate) fn of(self, metric: Metric) -> &'static str {
        match (metric, self) {
            (Metric::Rate, Self::Request) => "req/s",
            (Metric::Rate, Self::Gigabyte) => "MB/s",
            (Metric::Rate, Self::Image) => "img/s",
            (Metric::Rate, Self::Wait | Self::Probe) => "/s",
            (Metric::ServerCpu | Metric::AddedCpu, Self::Request) => "µs",
            (Metric::ServerCpu | Metric::AddedCpu, Self::Gigabyte) => "s/GB",
            (Metric::ServerCpu | Metric::AddedCpu, Self::Image | Self::Wait | Self::Probe) => "ms",
            (Metric::P50 | Metric::P99, _) => "ms",
            (Metric::Disturbance, _) => "×",
            (Metric::ClientCores, _) => "cores",
            (Metric::IdleMemory | Metric::PeakMemory, _) => "MiB",
        }
    }

    fn rate(self, load: &Load) -> Option<f64> {
        match self {
            Self::Request | Self::Image => Some(load.operations as f64 / load.cost.seconds),
            Self::Gigabyte => Some(load.bytes as f64 / 1e6 / load.cost.seconds),
            Self::Wait | Self::Probe => None,
        }
    }

    fn server_cpu(self, load: &Load) -> Option<f64> {
        let (cpu, operations) = (load.cost.server_cpu, load.operations as f64);
        match self {
            Self::Request => Some(cpu * 1e6 / operations),
            Self::Gigabyte => Some(cpu * 1e9 / load.bytes as f64),
            Self::Image | Self::Wait => Some(cpu * 1e3 / operations),
            Self::Probe => None,
        }
    }
}

// === impl Sample ===

impl Sample {
    /// What a load comes to. A number that is none is left out.
    pub(crate) fn of(mut load: Load, unit: Unit) -> Self {
        let mut sample = Self::default();
        sample.set_if_any(Metric::Rate, unit.rate(&load));
        sample.set_if_any(Metric::ServerCpu, unit.server_cpu(&load));
        sample.set(Metric::ClientCores, load.cost.client_cpu / load.cost.seconds);
        load.latencies.sort_unstable();
        load.undisturbed.sort_unstable();
        let milliseconds = |sorted: &[u64], share| percentile(sorted, share).map(|value| value as f64 / 1e6);
        let p99 = milliseconds(&load.latencies, 0.99);
        sample.set_if_any(Metric::P50, milliseconds(&load.latencies, 0.5));
        sample.set_if_any(Metric::P99, p99);
        if let (Some(p99), Some(alone)) = (p99, milliseconds(&load.undisturbed, 0.99)) {
            sample.set(Metric::Disturbance, p99 / alone);
        }
        sample
    }

    pub(crate) fn set(&mut self, metric: Metric, value: f64) {
        if value.is_finite() {
            self.0.insert(metric, value);
        }
    }

    fn set_if_any(&mut self, metric: Metric, value: Option<f64>) {
        self.set(metric, value.unwrap_or(f64::NAN));
    }

    pub(crate) fn get(&self, metric: Metric) -> Option<f64> {
        self.0.get(&metric).copied()
    }
}

/// One metric of a series of rounds, the rounds that lack it as nothing.
fn series(samples: &[Sample], metric: Metric) -> Vec<f64> {
    samples.iter().map(|sample| sample.get(metric).unwrap_or(0.0)).collect()
}

/// The rounds of one metric, if there is one in every round.
pub(crate) fn spread(samples: &[Sample], metric: Metric) -> Option<Spread> {
    samples
        .iter()
        .map(|sample| sample.get(metric))
        .collect::<Option<Vec<_>>>()
        .and_then(|all| Spread::of(&all))
}

/// What `ours` is of `theirs` in one metric.
pub(crate) fn ratio(ours: &[Sample], theirs: &[Sample], metric: Metric) -> Option<Spread> {
    Spread::of_ratios(&series(ours, metric), &series(theirs, metric))
}

/// Sets what each round costs more than the same round of the `baseline`; a round that one of them lacks has no such number.
pub(crate) fn set_added(rounds: &mut [Sample], baseline: &[Sample]) {
    for (sample, without) in rounds.iter_mut().zip(baseline) {
        if let (Some(with), Some(without)) = (sample.get(Metric::ServerCpu), without.get(Metric::ServerCpu)) {
            sample.set(Metric::AddedCpu, with - without);
        }
    }
}

// === impl Budget ===

impl Budget {
    pub(crate) const fn new(metric: Metric, bound: Bound) -> Self {
        Self { metric, bound }
    }

    /// Whether `ours` keeps to it; `reference` are the rounds of the registry that is succeeded.
    pub(crate) fn judge(&self, ours: &[Sample], reference: Option<&[Sample]>, unit: Unit) -> Verdict {
        let ratio = || ratio(ours, reference?, self.metric).map(|spread| spread.median);
        let (measured, limit) = match self.bound {
            Bound::AtMost(limit) => (spread(ours, self.metric).map(|spread| spread.median), limit),
            Bound::TimesAtMost(limit) | Bound::TimesAtLeast(limit) => (ratio(), limit),
        };
        let met = measured.map(|measured| match self.bound {
            Bound::AtMost(_) | Bound::TimesAtMost(_) => measured <= limit,
            Bound::TimesAtLeast(_) => measured >= limit,
        });
        Verdict { budget: self.text(unit), met, measured }
    }

    fn text(&self, unit: Unit) -> String {
        let name = self.metric.name();
        match self.bound {
            Bound::AtMost(limit) => format!("{name} ≤ {limit} {}", unit.of(self.metric)),
            Bound::TimesAtMost(limit) => format!("{name} ≤ {limit}×"),
            Bound::TimesAtLeast(limit) => format!("{name} ≥ {limit}×"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Cost;

    fn load() -> Load {
        Load {
            operations: 1_000,
            bytes: 2_000_000_000,
            latencies: (1..=100).rev().map(|ms| ms * 1_000_000).collect(),
            undisturbed: vec![50_000_000],
            cost: Cost { seconds: 2.0, server_cpu: 0.5, client_cpu: 1.0 },
        }
    }

    #[track_caller]
    fn check(unit: Unit, metric: Metric, expected: f64) {
        let got = Sample::of(load(), unit).get(metric).unwrap();
        assert!((got - expected).abs() < 1e-9, "{got} is not {expected}");
    }

    #[test]
    fn every_unit_counts_its_own() {
        check(Unit::Request, Metric::Rate, 500.0);
        check(Unit::Request, Metric::ServerCpu, 500.0);
        check(Unit::Gigabyte, Metric::Rate, 1_000.0);
        check(Unit::Gigabyte, Metric::ServerCpu, 0.25);
        check(Unit::Image, Metric::ServerCpu, 0.5);
        check(Unit::Request, Metric::P50, 50.0);
        check(Unit::Request, Metric::P99, 99.0);
        check(Unit::Request, Metric::Disturbance, 1.98);
        check(Unit::Request, Metric::ClientCores, 0.5);
        assert_eq!(Sample::of(load(), Unit::Wait).get(Metric::Rate), None);
    }

    #[test]
    fn a_load_that_did_nothing_has_no_cost_of_one() {
        let sample = Sample::of(Load::default(), Unit::Request);
        assert_eq!(sample.get(Metric::ServerCpu), None);
        assert_eq!(sample.get(Metric::P99), None);
    }

    fn rates(values: &[f64]) -> Vec<Sample> {
        let sample = |value: &f64| {
            let mut sample = Sample::default();
            sample.set(Metric::Rate, *value);
            sample
        };
        values.iter().map(sample).collect()
    }

    #[test]
    fn a_budget_is_held_against_the_median() {
        let at_most = Budget::new(Metric::Rate, Bound::AtMost(3.0));
        assert_eq!(at_most.judge(&rates(&[9.0, 1.0, 3.0]), None, Unit::Request).met, Some(true));
        assert_eq!(at_most.judge(&rates(&[9.0, 1.0, 4.0]), None, Unit::Request).met, Some(false));
    }

    #[test]
    fn what_is_added_is_taken_round_by_round() {
        let cpu = |value: f64| {
            let mut sample = Sample::default();
            sample.set(Metric::ServerCpu, value);
            sample
        };
        let mut rounds = [cpu(14.0), cpu(30.0), cpu(15.0)];
        set_added(&mut rounds, &[cpu(12.0), cpu(31.0)]);
        let added = rounds.each_ref().map(|sample| sample.get(Metric::AddedCpu));
        assert_eq!(added, [Some(2.0), Some(-1.0), None]);

        let budget = Budget::new(Metric::AddedCpu, Bound::AtMost(3.0));
        let verdict = budget.judge(&rounds[..2], None, Unit::Request);
        assert_eq!((verdict.met, verdict.measured), (Some(true), Some(0.5)));
        assert_eq!(verdict.budget, "CPU over anonymous ≤ 3 µs");
    }

    #[test]
    fn a_ratio_needs_somebody_to_compare_with() {
        let at_least = Budget::new(Metric::Rate, Bound::TimesAtLeast(2.0));
        let (ours, theirs) = (rates(&[4.0, 5.0]), rates(&[2.0, 2.0]));
        let verdict = at_least.judge(&ours, Some(&theirs), Unit::Request);
        assert_eq!((verdict.met, verdict.measured), (Some(true), Some(2.25)));
        assert_eq!(verdict.budget, "rate ≥ 2×");
        assert_eq!(at_least.judge(&ours, None, Unit::Request).met, None);
    }
}
