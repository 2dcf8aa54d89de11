//! A server from its configuration to its end.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use tokio::sync::watch;
use wharf_core::Registry;
use wharf_http::{AccessLog, Drained, Service};

use crate::access_log::StdoutLog;
use crate::config::{Config, Source, UploadPurging};
use crate::purging::Purger;
use crate::signals::Signals;
use crate::tls::Keeper;
use crate::{access, banner, listen, logging, memory, open_files, wiring};

/// Serves until told to stop.
#[must_use]
pub fn run(config: Config) -> ExitCode {
    logging::start(&config.log);
    // The banner says that there is no file.
    if config.source != Source::BuiltIn {
        tracing::info!(path = %config.source, "using configuration");
    }
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    open_files::raise_limit();
    memory::keep_for_bodies();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&anyhow::Error::new(error).context("could not start")),
    };
    match runtime.block_on(serve(config)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    // Nobody is left to tell if this cannot be written.
    let _ = writeln!(io::stderr(), "error: {error:#}");
    ExitCode::FAILURE
}

async fn serve(config: Config) -> anyhow::Result<()> {
    let registry = wiring::registry(&config)?;
    let doors = access::open(&config).await?;
    let access_log = config.log.access_log.then(|| Arc::new(StdoutLog::start()));
    let options =
        wiring::http(&config, access_log.clone().map(|log| log as Arc<dyn AccessLog>), doors.issuer);
    let service = Service::new(registry.clone(), doors.authorizer, options);
    let keeper = wiring::tls(&config)?;
    let bound = listen::bind(&config.http.listen).await?;
    let listener = match &keeper {
        Some(keeper) => bound.listener.with_tls(keeper.clone()),
        None => bound.listener,
    };
    let signals = Signals::listen()?;

    if config.source == Source::BuiltIn {
        io::stderr()
            .write_all(banner::text(&config, &bound.place).as_bytes())
            .context("could not write the banner")?;
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
    if let Some(log) = access_log {
        log.flush();
    }
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
