//! The table for people and the file for programs, from the same numbers.

use std::fmt::Write as _;

use serde::Serialize;

use crate::metric::{Metric, Sample, Verdict, ratio, spread};
use crate::peer::Peer;
use crate::rows::Row;
use crate::run::Series;
use crate::statistics::Spread;

/// All that a run found.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) scale: &'static str,
    pub(crate) rounds: usize,
    /// What must be known to read the numbers.
    pub(crate) notes: Vec<String>,
    pub(crate) rows: Vec<RowReport>,
}

/// One row with its contenders.
#[derive(Debug, Serialize)]
pub(crate) struct RowReport {
    name: &'static str,
    title: &'static str,
    rate_unit: &'static str,
    cpu_unit: &'static str,
    contenders: Vec<ContenderReport>,
    verdicts: Vec<Verdict>,
}

#[derive(Debug, Serialize)]
struct ContenderReport {
    #[serde(flatten)]
    series: Series,
    /// To the registry that is succeeded.
    rate_ratio: Option<Spread>,
    cpu_ratio: Option<Spread>,
    p99_ratio: Option<Spread>,
}

const HEADINGS: [&str; 11] =
    ["row", "who", "rate", "p50 ms", "p99 ms", "CPU", "client", "RssAnon", "rate ×", "CPU ×", "budget"];

// === impl RowReport ===

impl RowReport {
    pub(crate) fn new(row: &Row, all: Vec<Series>) -> Self {
        let rounds_of = |peer| {
            let measured = |series: &&Series| series.peer == Some(peer) && !series.is_baseline;
            all.iter().find(measured).map(|series| series.rounds.clone())
        };
        let reference = rounds_of(Peer::Distribution).filter(|rounds| !rounds.is_empty());
        let ours = rounds_of(Peer::Wharf).unwrap_or_default();
        let judge = |budget: &crate::metric::Budget| budget.judge(&ours, reference.as_deref(), row.unit);
        let contenders = all.into_iter().map(|series| ContenderReport::new(series, reference.as_deref()));
        Self {
            name: row.name,
            title: row.title,
            rate_unit: row.unit.of(Metric::Rate),
            cpu_unit: row.unit.of(Metric::ServerCpu),
            verdicts: row.budget.iter().map(judge).collect(),
            contenders: contenders.collect(),
        }
    }

    /// Whether something of ours could not be measured.
    pub(crate) fn ours_failed(&self) -> bool {
        self.contenders
            .iter()
            .any(|each| each.series.peer == Some(Peer::Wharf) && each.series.error.is_some())
    }

    /// Why a contender was not measured, each in a line.
    pub(crate) fn errors(&self) -> Vec<String> {
        let error = |each: &ContenderReport| {
            Some(format!("{}, {}: {}", self.title, each.series.name, each.series.error.as_ref()?))
        };
        self.contenders.iter().filter_map(error).collect()
    }

    fn lines(&self) -> Vec<[String; HEADINGS.len()]> {
        self.contenders.iter().enumerate().map(|(index, each)| self.line(index, each)).collect()
    }

    fn line(&self, index: usize, each: &ContenderReport) -> [String; HEADINGS.len()] {
        let rounds = &each.series.rounds;
        let is_ours = each.series.peer == Some(Peer::Wharf) && !each.series.is_baseline;
        let number = |metric| median(rounds, metric).map(significant).unwrap_or_default();
        let with_unit = |metric, unit| {
            median(rounds, metric).map(|value| format!("{} {unit}", significant(value))).unwrap_or_default()
        };
        let memory = [Metric::IdleMemory, Metric::PeakMemory].map(number);
        [
            if index == 0 { self.title.to_owned() } else { String::new() },
            each.series.name.clone(),
            with_unit(Metric::Rate, self.rate_unit),
            number(Metric::P50),
            self.p99(rounds),
            with_unit(Metric::ServerCpu, self.cpu_unit) + &added(rounds),
            number(Metric::ClientCores),
            memory.into_iter().find(|text| !text.is_empty()).unwrap_or_default(),
            each.rate_ratio.map(ratio_text).unwrap_or_default(),
            each.cpu_ratio.map(ratio_text).unwrap_or_default(),
            match &each.series.error {
                Some(_) => "failed, see below".to_owned(),
                None if is_ours => self.verdicts.iter().map(verdict_text).collect::<Vec<_>>().join(", "),
                None => String::new(),
            },
        ]
    }

    fn p99(&self, rounds: &[Sample]) -> String {
        let p99 = median(rounds, Metric::P99).map(significant).unwrap_or_default();
        match median(rounds, Metric::Disturbance) {
            Some(times) => format!("{p99} ({} × alone)", significant(times)),
            None => p99,
        }
    }
}

// === impl ContenderReport ===

impl ContenderReport {
    fn new(series: Series, reference: Option<&[Sample]>) -> Self {
        let is_reference = series.peer == Some(Peer::Distribution);
        let to_reference = |metric| match reference {
            Some(reference) if !is_reference && !series.is_baseline => {
                ratio(&series.rounds, reference, metric)
            }
            _ => None,
        };
        Self {
            rate_ratio: to_reference(Metric::Rate),
            cpu_ratio: to_reference(Metric::ServerCpu),
            p99_ratio: to_reference(Metric::P99),
            series,
        }
    }
}

// === impl Report ===

impl Report {
    /// A table in Markdown that also reads well as it is, and what must be known beside it.
    pub(crate) fn table(&self) -> String {
        let mut lines: Vec<[String; HEADINGS.len()]> = vec![HEADINGS.map(str::to_owned)];
        lines.extend(self.rows.iter().flat_map(RowReport::lines));
        let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<_> = (0..HEADINGS.len()).map(width).collect();
        let mut text = String::new();
        for (number, line) in lines.iter().enumerate() {
            for (cell, width) in line.iter().zip(&widths) {
                let _ = write!(text, "| {cell:width$} ");
            }
            text.push_str("|\n");
            if number == 0 {
                widths.iter().for_each(|width| {
                    let _ = write!(text, "|{}", "-".repeat(width + 2));
                });
                text.push_str("|\n");
            }
        }
        text.push('\n');
        for note in &self.notes {
            let _ = writeln!(text, "- {note}");
        }
        for error in self.rows.iter().flat_map(RowReport::errors) {
            let _ = writeln!(text, "- **failed**: {error}");
        }
        text
    }
}

fn median(rounds: &[Sample], metric: Metric) -> Option<f64> {
    spread(rounds, metric).map(|spread| spread.median)
}

fn added(rounds: &[Sample]) -> String {
    let added = median(rounds, Metric::AddedCpu);
    added
        .map(|value| format!(" ({}{})", if value < 0.0 { "" } else { "+" }, significant(value)))
        .unwrap_or_default()
}

fn ratio_text(spread: Spread) -> String {
    format!("{} ({}–{})", significant(spread.median), significant(spread.min), significant(spread.max))
}

fn verdict_text(verdict: &Verdict) -> String {
    let mark = match verdict.met {
        Some(true) => "✓",
        Some(false) => "✗",
        None => "–",
    };
    format!("{mark} {}", verdict.budget)
}

/// Three digits that count; whole numbers from a hundred on.
fn significant(value: f64) -> String {
    let decimals = if value.abs() >= 100.0 {
        0
    } else if value.abs() >= 10.0 {
        1
    } else if value.abs() >= 1.0 {
        2
    } else {
        3
    };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::{Extent, selected};

    fn series(peer: Peer, rates: &[f64]) -> Series {
        let sample = |rate: &f64| {
            let mut sample = Sample::default();
            sample.set(Metric::Rate, *rate);
            sample.set(Metric::ServerCpu, 1e6 / rate);
            sample
        };
        Series {
            name: peer.name().to_owned(),
            peer: Some(peer),
            is_baseline: false,
            rounds: rates.iter().map(sample).collect(),
            error: None,
        }
    }

    fn report(all: Vec<Series>) -> Report {
        let rows = selected(&["manifest-digest".to_owned()], Extent::Whole);
        let rows = rows.into_iter().zip([all]).map(|(row, all)| RowReport::new(row, all)).collect();
        Report { scale: "quick", rounds: 3, notes: vec!["A note.".to_owned()], rows }
    }

    #[test]
    fn the_table_has_the_ratio_with_its_spread_and_the_budgets() {
        let ours = series(Peer::Wharf, &[80_000.0, 60_000.0, 90_000.0]);
        let theirs = series(Peer::Distribution, &[10_000.0, 10_000.0, 10_000.0]);
        let table = report(vec![ours, theirs]).table();

        let line = table.lines().nth(2).unwrap();
        assert!(line.contains("| 80000 req/s "), "{line}");
        assert!(line.contains("8.00 (6.00–9.00)"), "{line}");
        assert!(line.contains("✓ CPU ≤ 20 µs, ✓ rate ≥ 8×"), "{line}");
        assert!(table.ends_with("- A note.\n"), "{table}");
        let widths: Vec<_> = table.lines().take(4).map(|line| line.chars().count()).collect();
        assert!(widths.iter().all(|width| *width == widths[0]), "{table}");
    }

    #[test]
    fn a_budget_without_its_reference_is_open() {
        let table = report(vec![series(Peer::Wharf, &[80_000.0])]).table();
        assert!(table.contains("✓ CPU ≤ 20 µs, – rate ≥ 8×"), "{table}");
    }

    #[test]
    fn a_baseline_is_shown_and_neither_judged_nor_compared() {
        let mut ours = series(Peer::Wharf, &[80_000.0]);
        let mut open = series(Peer::Wharf, &[100_000.0]);
        (open.name, open.is_baseline) = ("wharf, anonymous".to_owned(), true);
        crate::metric::set_added(&mut ours.rounds, &open.rounds);
        let table = report(vec![open, ours, series(Peer::Distribution, &[10_000.0])]).table();

        let lines: Vec<_> = table.lines().collect();
        assert!(lines[2].contains("wharf, anonymous") && !lines[2].contains('≤'), "{table}");
        assert!(!lines[2].contains("10.0 ("), "{table}");
        assert!(lines[3].contains("12.5 µs (+2.50)") && lines[3].contains("8.00 (8.00–8.00)"), "{table}");
    }

    #[test]
    fn a_failure_is_told() {
        let mut ours = series(Peer::Wharf, &[]);
        ours.error = Some("answered 500, not 200".to_owned());
        let report = report(vec![ours]);
        assert!(report.rows[0].ours_failed());
        assert!(report.table().contains("by digest, wharf: answered 500"), "{}", report.table());
    }

    #[test]
    fn numbers_have_three_digits_that_count() {
        let texts = [12345.6, 99.96, 1.234, 0.1234].map(significant);
        assert_eq!(texts, ["12346", "100.0", "1.23", "0.123"]);
    }
}
