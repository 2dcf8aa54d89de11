//! What the system may ask of us.

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
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("could not listen for signals");
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    /// Resolves when it is time to stop. Until then, whoever hangs up has the TLS files looked at again.
    pub(crate) async fn stop(mut self, tls: Option<&Keeper>) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return tracing::info!(signal = "SIGTERM", "stopping"),
                _ = self.interrupt.recv() => return tracing::info!(signal = "SIGINT", "stopping"),
                // Many supervisors send it for "read your config again", which we do at a start only; but for the files
                // of TLS it is a wish we can grant.
                _ = self.hang_up.recv() => match tls {
                    Some(keeper) => keeper.look_again(),
                    None => tracing::info!(signal = "SIGHUP", "nothing to reload; going on"),
                },
            }
        }
    }
}
