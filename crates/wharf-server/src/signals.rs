//! The signals that the process answers.

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::tls::Keeper;

/// The signals we answer to.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

// === impl Signals ===

impl Signals {
    /// Installs the handlers. From here on no signal of these ends the process by itself.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("could not listen for signals");
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    /// Resolves at the next SIGTERM or SIGINT. Until then a SIGHUP reloads the TLS files.
    pub(crate) async fn stop(&mut self, tls: Option<&Keeper>) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return tracing::info!(signal = "SIGTERM", "stopping"),
                _ = self.interrupt.recv() => return tracing::info!(signal = "SIGINT", "stopping"),
                // Many supervisors send it to have the configuration read again, which is read at the start only; the
                // files of TLS are the part of it that can be.
                _ = self.hang_up.recv() => match tls {
                    Some(keeper) => keeper.look_again(),
                    None => tracing::info!(signal = "SIGHUP", "nothing to reload; going on"),
                },
            }
        }
    }
}
