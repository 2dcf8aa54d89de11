//! A server from its configuration to its end.

use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use tokio::sync::watch;
use wharf_core::Registry;
use wharf_http::{AccessLog, Drained, Service};

use crate::access_log::CombinedLog;
use crate::config::{Config, Source, UploadPurging};
use crate::log_writer::{FLUSH_TIMEOUT, LogWriter};
use crate::purging::Purger;
use crate::signals::Signals;
use crate::tls::Keeper;
use crate::{access, banner, exposed_files, listen, logging, memory, open_files, panics, wiring};

/// Serves until told to stop.
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
    let outcome = catch_unwind(AssertUnwindSafe(|| start(config, &log)))
        .unwrap_or_else(|_| Err(anyhow::anyhow!("stopped by a panic; see the log")));
    if let Err(error) = &outcome {
        log.append(failure(error).as_bytes());
    }
    // What is lost now can be reported no more: this is the log that it would be reported in.
    log.close(FLUSH_TIMEOUT);
    if outcome.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn start(config: Config, log: &LogWriter) -> anyhow::Result<()> {
    // The banner says that there is no file.
    if config.source != Source::BuiltIn {
        tracing::info!(path = %config.source, "using configuration");
    }
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    open_files::raise_limit();
    memory::keep_for_bodies();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.context("could not start")?.block_on(serve(config, log))
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

async fn serve(config: Config, log: &LogWriter) -> anyhow::Result<()> {
    let registry = wiring::registry(&config)?;
    let doors = access::open(&config).await?;
    let access_log = open_access_log(&config)?;
    let entries = access_log.clone().map(|log| Arc::new(CombinedLog(log)) as Arc<dyn AccessLog>);
    let options = wiring::http(&config, entries, doors.issuer);
    let service = Service::new(registry.clone(), doors.authorizer, options);
    let keeper = wiring::tls(&config)?;
    let bound = listen::bind(&config.http.listen).await?;
    let listener = match &keeper {
        Some(keeper) => bound.listener.with_tls(keeper.clone()),
        None => bound.listener,
    };
    let signals = Signals::listen()?;
    exposed_files::warn(&config);

    if config.source == Source::BuiltIn {
        log.append(banner::text(&config, &bound.place).as_bytes());
    }
    tracing::info!(
        address = bound.place.shown(keeper.is_some()),
        config = %config.source,
        storage = config.storage.driver.location(),
        "serving"
    );
    let (stopping, stopped) = watch::channel(());
    let stop = async {
        signals.stop(keeper.as_deref()).await;
        drop(stopping);
    };
    let purging = purge(registry, config.storage.upload_purging, stopped.clone());
    let keeping = keep(keeper.clone(), stopped);
    let (drained, (), ()) = tokio::join!(wharf_http::serve(listener, service, stop), purging, keeping);
    report(drained, &config);
    if let Some(socket) = bound.socket {
        socket.remove();
    }
    close_access_log(access_log.as_ref());
    Ok(())
}

/// Purges uploads, where it is asked for, until the other end of `stopped` is dropped.
async fn purge(registry: Registry, purging: Option<UploadPurging>, mut stopped: watch::Receiver<()>) {
    if let Some(purging) = purging {
        Purger::new(registry, purging).run(async { drop(stopped.changed().await) }).await;
    }
}

/// Keeps the files of TLS fresh, where there are any, until the other end of `stopped` is dropped.
async fn keep(keeper: Option<Arc<Keeper>>, mut stopped: watch::Receiver<()>) {
    if let Some(keeper) = keeper {
        keeper.run(async { drop(stopped.changed().await) }).await;
    }
}

fn report(drained: Drained, config: &Config) {
    if drained.is_clean() {
        tracing::info!("stopped; every request was finished");
    } else {
        tracing::warn!(
            connections_cut = drained.connections_cut,
            tasks_left = drained.tasks_left,
            drain_timeout_ms = u64::try_from(config.http.drain_timeout.as_millis()).unwrap_or(u64::MAX),
            "stopped with requests in flight"
        );
    }
}
