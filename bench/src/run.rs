//! The rounds: every contender of a row in turn, again and again, so that what the machine does meanwhile hits all.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::bucket::{Buckets, Contents};
use crate::load::Load;
use crate::measure::Measurement;
use crate::metric::{Metric, Sample, Unit, set_added};
use crate::peer::{Peer, Programs};
use crate::proc::Processes;
use crate::rows::{Ceiling, Data, Row, Work};
use crate::scale::Scale;
use crate::scratch::remove_below;
use crate::seed::Seed;
use crate::server::{Place, Server};
use crate::setup::{Secrets, Setup};

/// How often the memory of a server under load is looked at.
const MEMORY_POLL: Duration = Duration::from_millis(20);

/// Everything a run needs to know.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) scale: Scale,
    pub(crate) seed: Seed,
    pub(crate) programs: Programs,
    pub(crate) secrets: Secrets,
    pub(crate) peers: Vec<Peer>,
    /// On the disk whose writes are measured.
    pub(crate) disk: PathBuf,
    /// On a file system in memory.
    pub(crate) memory: PathBuf,
    /// Of the rows on S3.
    pub(crate) buckets: Buckets,
}

/// What one contender of a row came to.
#[derive(Debug, Serialize)]
pub(crate) struct Series {
    pub(crate) name: String,
    #[serde(skip)]
    pub(crate) peer: Option<Peer>,
    /// Whether it is there only for what the same peer is set up with in the row to be compared with it.
    pub(crate) is_baseline: bool,
    pub(crate) rounds: Vec<Sample>,
    /// Why there are no more rounds.
    pub(crate) error: Option<String>,
}

/// Who takes part in a row.
#[derive(Debug)]
enum Contender {
    Server { peer: Peer, setup: Setup, is_baseline: bool, place: Place, running: Option<Box<Server>> },
    Ceiling(Ceiling),
}

// === impl Run ===

impl Run {
    /// Measures one row.
    pub(crate) fn row(&self, row: &Row) -> Result<Vec<Series>> {
        let mut contenders = self.contenders(row)?;
        let mut all: Vec<Series> = contenders.iter().map(Series::new).collect();
        for round in 0..=self.scale.rounds {
            for turn in 0..contenders.len() {
                // Who follows whom changes with the round.
                let index = (turn + round) % contenders.len();
                if all[index].error.is_some() {
                    continue;
                }
                match self.take(row, &mut contenders[index], round) {
                    Ok(sample) if round > 0 => all[index].rounds.push(sample),
                    Ok(_) => {}
                    Err(error) => all[index].error = Some(format!("{error:#}")),
                }
            }
        }
        drop(contenders);
        compare_with_baselines(&mut all);
        if row.data == Data::EmptyMemory {
            // Memory is short, and costs nobody anything to give back.
            remove_below(&self.memory)?;
        }
        Ok(all)
    }

    fn contenders(&self, row: &Row) -> Result<Vec<Contender>> {
        let mut contenders = Vec::new();
        for peer in self.peers.iter().copied().filter(|peer| row.suits(*peer)) {
            let place = self.place(row, peer)?;
            for setup in std::iter::once(row.setup).chain(row.setup.baseline()) {
                let (is_baseline, place) = (setup != row.setup, place.clone());
                contenders.push(Contender::Server { peer, setup, is_baseline, place, running: None });
            }
        }
        contenders.extend(row.ceilings.iter().map(|ceiling| Contender::Ceiling(*ceiling)));
        Ok(contenders)
    }

    /// What a peer serves in a row. What is written to is never used again, and deleted when all is over.
    fn place(&self, row: &Row, peer: Peer) -> Result<Place> {
        let name = format!("{}-{}", row.name, peer.name());
        let root = match row.data {
            Data::Small => return Ok(Place::Tree(self.seed.small())),
            Data::Large => return Ok(Place::Tree(self.seed.large())),
            Data::Bucket(contents, _) => {
                return Ok(Place::Bucket(self.buckets.storage(contents, &name, &self.seed)?));
            }
            Data::OwnSmall | Data::EmptyDisk => self.disk.join(name),
            Data::EmptyMemory => self.memory.join(name),
        };
        fs::create_dir_all(&root).with_context(|| format!("cannot make {}", root.display()))?;
        if row.data == Data::OwnSmall {
            self.seed.copy_small(&root)?;
        }
        Ok(Place::Tree(root))
    }

    fn take(&self, row: &Row, contender: &mut Contender, round: usize) -> Result<Sample> {
        let scale = if round == 0 { &self.scale.warming_up() } else { &self.scale };
        if row.work.leaves_dirty_pages() {
            scale.settle();
        }
        match contender {
            Contender::Ceiling(ceiling) => {
                Ok(Sample::of(ceiling.take(scale, &self.disk, &self.memory, round)?, row.unit))
            }
            Contender::Server { peer, setup, place, running, .. } => {
                if let Data::Bucket(_, latency) = row.data {
                    self.buckets.set_latency(latency);
                }
                if row.work.needs_a_fresh_process() {
                    *running = None;
                }
                if running.is_none() {
                    let folder = self.disk.join("servers");
                    let (programs, secrets) = (&self.programs, &self.secrets);
                    let server = Server::start(*peer, *setup, programs, secrets, place, &folder)?;
                    *running = Some(Box::new(server));
                }
                let Some(server) = running else { return Ok(Sample::default()) };
                let measurement = Measurement { server, seed: &self.seed, scale, round };
                let sample = sample(&measurement, &row.work, row.unit);
                if row.data.bucket() == Some(Contents::Empty) {
                    self.buckets.forget(&format!("{}-{}", row.name, peer.name()));
                }
                sample
            }
        }
    }
}

// === impl Series ===

impl Series {
    fn new(contender: &Contender) -> Self {
        let (name, peer, is_baseline) = match contender {
            Contender::Server { peer, is_baseline: true, .. } => {
                (format!("{}, anonymous", peer.name()), Some(*peer), true)
            }
            Contender::Server { peer, .. } => (peer.name().to_owned(), Some(*peer), false),
            Contender::Ceiling(ceiling) => (ceiling.name().to_owned(), None, false),
        };
        Self { name, peer, is_baseline, rounds: Vec::new(), error: None }
    }
}

/// What each peer's setup adds to its own baseline, round by round.
fn compare_with_baselines(all: &mut [Series]) {
    let (baselines, measured): (Vec<&mut Series>, Vec<_>) = all.iter_mut().partition(|each| each.is_baseline);
    for series in measured {
        if let Some(baseline) = baselines.iter().find(|baseline| baseline.peer == series.peer) {
            set_added(&mut series.rounds, &baseline.rounds);
        }
    }
}

fn sample(measurement: &Measurement<'_>, work: &Work, unit: Unit) -> Result<Sample> {
    let processes = measurement.server.processes();
    let (load, peak) = with_peak_memory(processes, || measurement.take(work))?;
    let mut sample = Sample::of(load, unit);
    sample.set(Metric::PeakMemory, peak);
    if matches!(work, Work::Start) {
        sample.set(Metric::IdleMemory, processes.anonymous_mib()?);
    }
    Ok(sample)
}

/// Does `work` and looks meanwhile how much memory the server holds at most.
fn with_peak_memory(processes: &Processes, work: impl FnOnce() -> Result<Load>) -> Result<(Load, f64)> {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut peak = 0.0_f64;
            while !over.load(Ordering::Relaxed) {
                // One that cannot be read has ended, which the work will notice.
                peak = peak.max(processes.anonymous_mib().unwrap_or(0.0));
                thread::sleep(MEMORY_POLL);
            }
            Ok(peak)
        });
        let load = work();
        over.store(true, Ordering::Relaxed);
        let peak = crate::load::join(watcher)?;
        Ok((load?, peak))
    })
}
