//! The server's certificate and key: read from files, looked at again while the server runs, renewed without a restart.
//!
//! The old ones stay in use until new ones are whole: readable, in PEM, and a key that is the certificate's own. Programs
//! that renew certificates write one file after the other, so what is wrong once may be right a moment later; it is told
//! if it is still wrong at the next look.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;
use tokio::time::sleep;
use wharf_core::{Clock, SystemClock};
use wharf_http::{Handshake, TlsSource};

use crate::config::TlsConfig;

use self::agreement::agreement;
use self::leaf::Leaf;
use self::material::Material;
use self::prints::Prints;

pub(crate) use self::error::TlsError;

mod agreement;
mod anyone;
mod error;
mod leaf;
mod material;
mod prints;

/// How long between two looks at the files: a few calls to the system each, and renewals are hours ahead of need.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);

/// How long before its end a certificate is warned about: a week after the usual date of renewing one of Let's Encrypt.
const EXPIRY_NOTICE: Duration = Duration::from_hours(14 * 24);

/// How often that is repeated.
const EXPIRY_REMINDER: Duration = Duration::from_hours(24);

/// Keeps what handshakes are made with, as fresh as the files it came from.
#[derive(Debug)]
pub(crate) struct Keeper {
    config: TlsConfig,
    http2: bool,
    clock: Arc<dyn Clock>,
    current: RwLock<Handshake>,
    watched: Mutex<Watched>,
    asked: Notify,
}

/// What was seen of the files.
#[derive(Debug)]
struct Watched {
    /// As they were when what is in use was read.
    in_use: Prints,
    /// As they were when they could not be used, and whether that was told.
    broken: Option<(Prints, Told)>,
    leaf: Leaf,
    reminded: Option<SystemTime>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Yes,
    NotYet,
}

/// Why the files are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    /// Some time has passed.
    Time,
    /// Somebody waits for the result.
    Asked,
}

// === impl Keeper ===

impl Keeper {
    /// Reads the files.
    ///
    /// # Errors
    /// They cannot be used.
    pub(crate) fn open(config: &TlsConfig, http2: bool) -> Result<Self, TlsError> {
        Self::open_with(config, http2, Arc::new(SystemClock))
    }

    fn open_with(config: &TlsConfig, http2: bool, clock: Arc<dyn Clock>) -> Result<Self, TlsError> {
        let in_use = Prints::of(config);
        let material = Material::read(config)?;
        let handshake = agreement(&material, config, http2)?;
        let leaf = material.leaf;
        tracing::info!(subject = leaf.subject, expires = %leaf.expires(), "TLS certificate in use");
        let mut watched = Watched { in_use, broken: None, leaf, reminded: None };
        watched.remind(clock.now());
        Ok(Self {
            config: config.clone(),
            http2,
            clock,
            current: RwLock::new(handshake),
            watched: Mutex::new(watched),
            asked: Notify::new(),
        })
    }

    /// Has the files looked at now.
    pub(crate) fn look_again(&self) {
        self.asked.notify_one();
    }

    /// Looks at the files now and then, until `stop` resolves, also while a file system does not answer.
    pub(crate) async fn run(self: Arc<Self>, stop: impl Future<Output = ()>) {
        tokio::select! {
            () = stop => {}
            () = self.run_for_ever() => {}
        }
    }

    async fn run_for_ever(self: &Arc<Self>) {
        loop {
            let why = tokio::select! {
                () = sleep(LOOK_INTERVAL) => Why::Time,
                () = self.asked.notified() => Why::Asked,
            };
            let keeper = Arc::clone(self);
            // A network file system may make us wait.
            if let Err(error) = tokio::task::spawn_blocking(move || keeper.look(why)).await {
                tracing::error!(error = &error as &dyn std::error::Error, "could not look at the TLS files");
            }
        }
    }

    /// Takes up the files if they have changed and can be used.
    fn look(&self, why: Why) {
        let found = Prints::of(&self.config);
        let mut watched = self.watched();
        if found == watched.in_use {
            watched.broken = None;
            watched.remind(self.clock.now());
            if why == Why::Asked {
                tracing::info!("the TLS files have not changed");
            }
            return;
        }
        match self.load() {
            Ok((handshake, leaf)) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = handshake;
                tracing::info!(subject = leaf.subject, expires = %leaf.expires(), "TLS files loaded again");
                *watched = Watched { in_use: found, broken: None, leaf, reminded: None };
                watched.remind(self.clock.now());
            }
            Err(error) => watched.found_broken(found, &error, why),
        }
    }

    fn load(&self) -> Result<(Handshake, Leaf), TlsError> {
        let material = Material::read(&self.config)?;
        let handshake = agreement(&material, &self.config, self.http2)?;
        Ok((handshake, material.leaf))
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TlsSource for Keeper {
    fn handshake(&self) -> Handshake {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

// === impl Watched ===

impl Watched {
    /// Tells what is wrong, once for each state the files were left in.
    fn found_broken(&mut self, found: Prints, error: &TlsError, why: Why) {
        let told = match &self.broken {
            Some((before, told)) if *before == found => Some(*told),
            _ => None,
        };
        let tell = why == Why::Asked || told == Some(Told::NotYet);
        if tell {
            tracing::error!(
                error = error as &dyn std::error::Error,
                "the new TLS files cannot be used; the old ones stay in use"
            );
        }
        let told = if tell || told == Some(Told::Yes) { Told::Yes } else { Told::NotYet };
        self.broken = Some((found, told));
    }

    /// Warns of a certificate that clients refuse or soon will, once a day.
    fn remind(&mut self, now: SystemTime) {
        let is_due = self.reminded.is_none_or(|before| now >= before + EXPIRY_REMINDER);
        let Some(notice) = self.leaf.notice(now, EXPIRY_NOTICE).filter(|_| is_due) else { return };
        tracing::warn!(subject = self.leaf.subject, expires = %self.leaf.expires(), "{notice}");
        self.reminded = Some(now);
    }
}

#[cfg(test)]
mod tests;
