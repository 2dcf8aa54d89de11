//! The benchmark: our registry beside the ones it succeeds, the same client, the same data, in turn.
//!
//! `cargo xtask bench` builds what is needed and runs it; this file reads the command line and puts the parts together.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a development tool: it talks to a terminal, writes files, reads clocks, and serves nobody"
)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, bail, ensure};
use clap::Parser;

use bucket::Buckets;
use peer::{Peer, Programs};
use report::{Report, RowReport};
use rows::Extent;
use run::Run;
use scale::Scale;
use scratch::{Scratch, remove_left_overs};
use seed::Seed;
use setup::Secrets;

mod bucket;
mod ceiling;
mod load;
mod machine;
mod measure;
mod metric;
mod peer;
mod proc;
mod report;
mod rows;
mod run;
mod scale;
mod scratch;
mod seed;
mod server;
mod setup;
mod statistics;
mod wire;

/// Measures the registry beside the ones it succeeds.
#[derive(Debug, Parser)]
#[command(name = "wharf-bench")]
struct Cli {
    /// Our registry, built for release.
    #[arg(long, value_name = "PATH")]
    registry: PathBuf,
    /// distribution v3.1.1; by default `distribution-registry` on PATH.
    #[arg(long, value_name = "PATH")]
    distribution: Option<PathBuf>,
    /// Where data and results go; the disk it is on is the one that is measured.
    #[arg(long, value_name = "DIR")]
    folder: PathBuf,
    /// A folder on a file system in memory, for rows that leave the disk out.
    #[arg(long, value_name = "DIR", default_value = "/dev/shm")]
    memory: PathBuf,
    /// Fewer rounds, shorter windows, smaller trees: under three minutes.
    #[arg(long, conflicts_with = "smoke")]
    quick: bool,
    /// One round of everything on almost nothing, of our registry alone: whether the benchmark works.
    #[arg(long)]
    smoke: bool,
    /// Only the rows whose names hold one of these, separated by commas.
    #[arg(long, value_name = "FILTERS", value_delimiter = ',')]
    rows: Vec<String>,
    /// Only these peers, separated by commas.
    #[arg(long, value_enum, value_name = "PEERS", value_delimiter = ',')]
    peers: Vec<Peer>,
    /// How often each row is measured on each peer.
    #[arg(long, value_name = "COUNT")]
    rounds: Option<usize>,
}

fn main() -> ExitCode {
    match execute(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn execute(cli: &Cli) -> Result<()> {
    let rows = rows::selected(&cli.rows, if cli.quick { Extent::Quick } else { Extent::Whole });
    ensure!(!rows.is_empty(), "no row's name holds {}; there are: {}", cli.rows.join(" or "), row_names());
    machine::open_more_files()?;
    let scale = cli.scale();
    let programs = Programs { wharf: cli.registry.clone(), distribution: cli.distribution.clone() };
    let mut notes = notes(&scale);
    let peers = cli.present_peers(&programs, &mut notes)?;
    let load_before = machine::load_average();

    // The peers have working folders of their own.
    let folder = std::path::absolute(&cli.folder)?;
    remove_left_overs(&folder)?;
    remove_left_overs(&cli.memory)?;
    eprintln!("seeding ({})", scale.name);
    let seed = Seed::prepare(&folder.join(format!("seed-{}", scale.name)), &scale.shape)?;
    // Only clean pages can be dropped from the cache, and writing them must not be on anybody's bill.
    scale.settle();
    let (disk, memory) = (Scratch::inside(&folder)?, Scratch::inside(&cli.memory)?);
    let (disk, memory) = (disk.path(), memory.path());
    let secrets = Secrets::make(disk)?;
    let (disk, memory) = (disk.to_owned(), memory.to_owned());
    let run = Run { scale, seed, programs, secrets, peers, disk, memory, buckets: Buckets::default() };
    let mut report = Report { scale: run.scale.name, rounds: run.scale.rounds, notes, rows: Vec::new() };
    for row in rows {
        let begun = Instant::now();
        report.rows.push(RowReport::new(row, run.row(row)?));
        // Whoever stops a long run keeps what it has found.
        write(&report, &folder)?;
        eprintln!("[{:6.1}s] {}", begun.elapsed().as_secs_f64(), row.name);
    }
    report.notes.push(format!("load average {load_before} before, {} after.", machine::load_average()));
    write(&report, &folder)?;
    println!("{}\nwritten to {} as {}.md and .json", report.table(), folder.display(), report.scale);
    ensure!(!report.rows.iter().any(RowReport::ours_failed), "our registry failed in a row");
    Ok(())
}

fn write(report: &Report, folder: &Path) -> Result<()> {
    std::fs::write(folder.join(format!("{}.json", report.scale)), serde_json::to_vec_pretty(report)?)?;
    std::fs::write(folder.join(format!("{}.md", report.scale)), report.table())?;
    Ok(())
}

// === impl Cli ===

impl Cli {
    fn scale(&self) -> Scale {
        let mut scale = match (self.quick, self.smoke) {
            (true, _) => Scale::quick(),
            (_, true) => Scale::smoke(),
            _ => Scale::full(),
        };
        if let Some(rounds) = self.rounds {
            scale.rounds = rounds;
        }
        scale
    }

    /// The peers that are wanted and there; a note for each that is not.
    fn present_peers(&self, programs: &Programs, notes: &mut Vec<String>) -> Result<Vec<Peer>> {
        let wanted = match (self.peers.is_empty(), self.smoke, self.quick) {
            (false, ..) => self.peers.clone(),
            (_, true, _) => vec![Peer::Wharf],
            (_, _, true) => vec![Peer::Wharf, Peer::Distribution, Peer::Nginx],
            _ => vec![Peer::Wharf, Peer::Distribution, Peer::Debian, Peer::Nginx],
        };
        let mut present = Vec::new();
        for peer in wanted {
            match peer.program(programs) {
                Ok(_) => present.push(peer),
                Err(remedy) if peer == Peer::Wharf => bail!("our registry is not there; {remedy}"),
                Err(remedy) => notes.push(format!("{} is not there; {remedy}", peer.name())),
            }
        }
        Ok(present)
    }
}

fn row_names() -> String {
    rows::ROWS.iter().map(|row| row.name).collect::<Vec<_>>().join(", ")
}

/// What must be known to read the numbers of this run.
fn notes(scale: &Scale) -> Vec<String> {
    let shape = &scale.shape;
    vec![
        format!("{}.", machine::description()),
        format!(
            "`{}`, {} rounds, medians; × is to distribution v3.1.1, round by round (min–max).",
            scale.name, scale.rounds
        ),
        "CPU is the server's, user and system, all threads, for one request, GB (10⁹ bytes) or image."
            .to_owned(),
        "client: processors the client kept busy; together with the server's, what there is is the limit."
            .to_owned(),
        "RssAnon in MiB: the most under load, in the row of the start when idle.".to_owned(),
        "wharf runs with fsync full, the others do not sync at all.".to_owned(),
        "cold: pages dropped with posix_fadvise before each reading.".to_owned(),
        "TLS 1.3, AES-128-GCM; (+n) is the CPU of a request beyond that of the same server without passwords."
            .to_owned(),
        "in brackets: what the machine does without a registry, in the same rounds; CPU is then its own."
            .to_owned(),
        "s3: one server in the process of the clients, redirects off; the seeded bucket is read by all.".to_owned(),
        format!(
            "small and large repositories: {} and {} tags; catalog: {} repositories.",
            shape.tags[0], shape.tags[1], shape.repositories
        ),
    ]
}
