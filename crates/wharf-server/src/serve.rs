//! A server from its configuration to its end.

use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::watch;
use wharf_core::Registry;
use wharf_http::{AccessLog, Drained, Listener, Service};

use crate::access_log::CombinedLog;
use crate::config::{Config, Source, UploadPurging};
use crate::listen::{Place, SocketFile};
use crate::log_writer::{FLUSH_TIMEOUT, LogWriter};
use crate::purging::Purger;
use crate::signals::Signals;
use crate::tls::Keeper;
use crate::{
    access, banner, exposed_files, listen, logging, memory, open_files, panics, storage_check, wiring,
};

/// How long the process waits at its end for blocking jobs: long enough for any that is not stuck in a system call.
const BLOCKING_TIMEOUT: Duration = Duration::from_secs(1);

/// Everything that is opened before the first connection is accepted.
struct Started {
    registry: Registry,
    service: Service,
    keeper: Option<Arc<Keeper>>,
    access_log: Option<LogWriter>,
    listener: Listener,
    place: Place,
    socket: Option<SocketFile>,
}

/// How serving ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The drain has ended.
    Drained { connections_cut: usize, tasks_left: usize },
    /// A second signal has ended the drain.
    Interrupted { tasks_left: usize },
}

/// Serves until a signal says to stop.
#[must_use]
pub fn run(config: Config) -> ExitCode {
    let log = match LogWriter::stderr(|lost| report_lost_lines("application log", "standard error", lost)) {
        Ok(log) => log,
        Err(error) => return print_failure(&anyhow::Error::new(error).context("could not start the log")),
    };
    logging::start(&config.log, log.clone());
    panics::log_panics();
    // A panic that comes here is the accept loop's or of the start: without them nothing can be served, so the process ends
    // and its supervisor starts another. The panic itself is in the log.
    let outcome = catch_unwind(AssertUnwindSafe(|| run_logged(config, &log)))
        .unwrap_or_else(|_| Err(anyhow::anyhow!("stopped by a panic; see the log")));
    if let Err(error) = &outcome {
        log.append(failure(error).as_bytes());
    }
    // What is lost now can be reported no more: this is the log that it would be reported in.
    log.close(FLUSH_TIMEOUT);
    if outcome.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run_logged(config: Config, log: &LogWriter) -> anyhow::Result<()> {
    open_files::raise_limit();
    memory::keep_for_bodies();
    let (runtime, signals) = start_runtime().context("could not start")?;
    // The banner says that there is no file.
    if config.source != Source::BuiltIn {
        tracing::info!(path = %config.source, "using configuration");
    }
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let served = runtime.block_on(serve(Arc::new(config), signals, log));
    // A thread that is stuck in a read from a disk or a network mount cannot be ended, and is not waited for.
    runtime.shutdown_timeout(BLOCKING_TIMEOUT);
    served
}

/// The runtime, and the handlers of signals: without them a SIGHUP ends the process, so they are installed before the log
/// says anything and before anything is opened.
fn start_runtime() -> anyhow::Result<(Runtime, Signals)> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let signals = {
        let _context = runtime.enter();
        Signals::listen()?
    };
    Ok((runtime, signals))
}

/// Prints an error where there is no log yet.
fn print_failure(error: &anyhow::Error) -> ExitCode {
    // There is no other place to report that this cannot be written.
    let _ = io::stderr().write_all(failure(error).as_bytes());
    ExitCode::FAILURE
}

fn failure(error: &anyhow::Error) -> String {
    format!("error: {error:#}\n")
}

fn report_lost_lines(log: &'static str, output: &'static str, lines_lost: u64) {
    tracing::warn!(
        log,
        lines_lost,
        "{lines_lost} lines lost: {output} was not read, or could not be written"
    );
}

/// Writes the last lines of the access log, and reports those that could not be written.
fn close_access_log(log: Option<&LogWriter>) {
    let lost = log.map_or(0, |log| log.close(FLUSH_TIMEOUT));
    if lost > 0 {
        report_lost_access_lines(lost);
    }
}

fn open_access_log(config: &Config) -> anyhow::Result<Option<LogWriter>> {
    if !config.log.access_log {
        return Ok(None);
    }
    let log = LogWriter::stdout(report_lost_access_lines).context("could not start the access log")?;
    Ok(Some(log))
}

fn report_lost_access_lines(lost: u64) {
    report_lost_lines("access log", "standard output", lost);
}

async fn serve(config: Arc<Config>, mut signals: Signals, log: &LogWriter) -> anyhow::Result<()> {
    let starting = Arc::clone(&config);
    // On a thread of its own: files that do not answer must not keep signals from being answered.
    let starting = tokio::task::spawn_blocking(move || Handle::current().block_on(start(&starting)));
    let Started { registry, service, keeper, access_log, listener, place, socket } = tokio::select! {
        started = starting => started.context("could not start")??,
        () = signals.stop(None) => return Ok(()),
    };
    exposed_files::warn(&config);
    announce(&config, &place, keeper.is_some(), log);
    let (stopping, stopped) = watch::channel(());
    let stop = stopped.clone();
    let serving = async {
        let serving = wharf_http::serve(listener, service, until_dropped(stop));
        let checking = check_storage(registry.clone(), &config, stopped.clone());
        let purging = purge(registry.clone(), config.storage.upload_purging, stopped.clone());
        let keeping = keep(keeper.clone(), stopped);
        let (Drained { connections_cut, time_left }, (), (), ()) =
            tokio::join!(serving, checking, purging, keeping);
        let tasks_left = registry.tasks().drain_within(time_left).await;
        End::Drained { connections_cut, tasks_left }
    };
    let interrupted = async {
        signals.stop(keeper.as_deref()).await;
        drop(stopping);
        signals.stop(keeper.as_deref()).await;
        End::Interrupted { tasks_left: registry.tasks().running() }
    };
    // What is dropped here with its requests in flight closes its connections.
    let end = tokio::select! {
        end = serving => end,
        end = interrupted => end,
    };
    report(end, &config);
    if let Some(socket) = socket {
        socket.remove();
    }
    close_access_log(access_log.as_ref());
    Ok(())
}

/// Opens the stores, the files of `auth` and `http.tls`, and the listener.
async fn start(config: &Config) -> anyhow::Result<Started> {
    storage_check::log_root(&config.storage);
    let registry = wiring::registry(config)?;
    let doors = access::open(config).await?;
    let access_log = open_access_log(config)?;
    let entries = access_log.clone().map(|log| Arc::new(CombinedLog(log)) as Arc<dyn AccessLog>);
    let options = wiring::http(config, entries, doors.issuer);
    let service = Service::new(registry.clone(), doors.authorizer, options);
    let keeper = wiring::tls(config)?;
    let bound = listen::bind(&config.http.listen).await?;
    let listener = match &keeper {
        Some(keeper) => bound.listener.with_tls(keeper.clone()),
        None => bound.listener,
    };
    let (place, socket) = (bound.place, bound.socket);
    Ok(Started { registry, service, keeper, access_log, listener, place, socket })
}

fn announce(config: &Config, place: &Place, has_tls: bool, log: &LogWriter) {
    if config.source == Source::BuiltIn {
        log.append(banner::text(config, place).as_bytes());
    }
    tracing::info!(
        address = place.shown(has_tls),
        config = %config.source,
        storage = config.storage.driver.location(),
        "serving"
    );
}

/// Resolves when the other end of `stopped` is dropped.
async fn until_dropped(mut stopped: watch::Receiver<()>) {
    drop(stopped.changed().await);
}

/// Checks the storage until it answers, or until the other end of `stopped` is dropped.
async fn check_storage(registry: Registry, config: &Config, stopped: watch::Receiver<()>) {
    storage_check::run(registry, &config.storage, until_dropped(stopped)).await;
}

/// Purges uploads, where it is asked for, until the other end of `stopped` is dropped.
async fn purge(registry: Registry, purging: Option<UploadPurging>, stopped: watch::Receiver<()>) {
    if let Some(purging) = purging {
        Purger::new(registry, purging).run(until_dropped(stopped)).await;
    }
}

/// Reloads the files of TLS when they change, where there are any, until the other end of `stopped` is dropped.
async fn keep(keeper: Option<Arc<Keeper>>, stopped: watch::Receiver<()>) {
    if let Some(keeper) = keeper {
        keeper.run(until_dropped(stopped)).await;
    }
}

fn report(end: End, config: &Config) {
    match end {
        End::Drained { connections_cut: 0, tasks_left: 0 } => {
            tracing::info!("stopped; every request was finished");
        }
        End::Drained { connections_cut, tasks_left } => tracing::warn!(
            connections_cut,
            tasks_left,
            drain_timeout_ms = u64::try_from(config.http.drain_timeout.as_millis()).unwrap_or(u64::MAX),
            "stopped with requests in flight"
        ),
        End::Interrupted { tasks_left } => {
            tracing::warn!(tasks_left, "stopped by a second signal without waiting for requests in flight");
        }
    }
}
