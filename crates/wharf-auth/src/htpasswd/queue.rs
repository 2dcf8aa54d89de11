//! A fair queue for logins: turns go round by address, so that no address waits for all that another one sends.
//!
//! It is given the origin of a login and its kind, and does not know what is verified in a turn. The two kinds have places
//! of their own and alternate. Within a kind each address has one turn a round, and the clients it forwards for share that
//! one. A full kind evicts the latest login of the address with most for one of an address with fewer, so logins of one
//! address never fill it for others.

mod waiting;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::login_origin::LoginOrigin;
use waiting::{Ticket, Waiting};

/// How many logins may wait for their turn.
#[derive(Debug, Clone, Copy)]
pub struct QueueOptions {
    /// Logins whose password was right before, from the same address.
    pub established: usize,
    /// All other logins: this is what invented names share.
    pub newcomers: usize,
    /// Logins of one client, of each kind.
    pub per_client: usize,
    /// Logins of one address whose clients are told apart by what it forwards, of each kind.
    pub per_peer: usize,
}

/// Whether a login comes from where the same password was right before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Established,
    Newcomer,
}

/// There is no place to wait, or there is none any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Busy;

/// So many turns at a time.
#[derive(Debug)]
pub(super) struct Queue(Arc<Shared>);

#[derive(Debug)]
struct Shared(Mutex<State>);

#[derive(Debug)]
struct State {
    /// Turns that are not taken. While there is one, no login waits.
    free: usize,
    serial: u64,
    established: Waiting,
    newcomers: Waiting,
    /// Which kind was served last.
    last: Kind,
}

/// A turn. Dropped, it is the next one's.
#[derive(Debug)]
pub(super) struct Turn(Arc<Shared>);

/// A place in the queue. Dropped, it is free.
struct Place {
    queue: Arc<Shared>,
    origin: LoginOrigin,
    kind: Kind,
    serial: u64,
    turn: oneshot::Receiver<Turn>,
}

impl Default for QueueOptions {
    fn default() -> Self {
        Self { established: 256, newcomers: 768, per_client: 64, per_peer: 256 }
    }
}

// === impl Queue ===

impl Queue {
    pub(super) fn new(turns: usize, options: QueueOptions) -> Self {
        let QueueOptions { established, newcomers, per_client, per_peer } = options;
        Self(Arc::new(Shared(Mutex::new(State {
            free: turns,
            serial: 0,
            established: Waiting::new(established, per_client, per_peer),
            newcomers: Waiting::new(newcomers, per_client, per_peer),
            last: Kind::Newcomer,
        }))))
    }

    /// Waits for a turn. A caller that goes away gives up its place.
    ///
    /// # Errors
    /// All places are taken, or the place was given to an address with fewer.
    pub(super) async fn turn(&self, origin: LoginOrigin, kind: Kind) -> Result<Turn, Busy> {
        let (sender, turn) = oneshot::channel();
        let mut place = {
            let mut state = self.0.state();
            if state.free > 0 {
                state.free -= 1;
                return Ok(Turn(Arc::clone(&self.0)));
            }
            state.serial += 1;
            let serial = state.serial;
            let evicted = state.kind(kind).push(origin, Ticket { serial, turn: sender })?;
            drop(state);
            drop(evicted);
            Place { queue: Arc::clone(&self.0), origin, kind, serial, turn }
        };
        (&mut place.turn).await.map_err(|_| Busy)
    }

    #[cfg(test)]
    pub(super) fn take_all(&self) -> Vec<Turn> {
        let free = std::mem::take(&mut self.0.state().free);
        (0..free).map(|_| Turn(Arc::clone(&self.0))).collect()
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        let state = self.0.state();
        state.established.len() + state.newcomers.len()
    }
}

// === impl Shared ===

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl State ===

impl State {
    fn kind(&mut self, kind: Kind) -> &mut Waiting {
        match kind {
            Kind::Established => &mut self.established,
            Kind::Newcomer => &mut self.newcomers,
        }
    }

    fn next(&mut self) -> Option<Ticket> {
        let order = match self.last {
            Kind::Established => [Kind::Newcomer, Kind::Established],
            Kind::Newcomer => [Kind::Established, Kind::Newcomer],
        };
        order.into_iter().find_map(|kind| {
            let ticket = self.kind(kind).pop()?;
            self.last = kind;
            Some(ticket)
        })
    }
}

// === impl Turn ===

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.0.state();
        match state.next() {
            None => state.free += 1,
            Some(ticket) => {
                drop(state);
                // A receiver that is gone drops the turn, which passes it on.
                let _ = ticket.turn.send(Turn(Arc::clone(&self.0)));
            }
        }
    }
}

// === impl Place ===

impl Drop for Place {
    fn drop(&mut self) {
        let ticket = self.queue.state().kind(self.kind).remove(self.origin, self.serial);
        drop(ticket);
    }
}

#[cfg(test)]
mod tests;
