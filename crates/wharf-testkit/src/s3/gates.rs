//! Clients that are stopped at one of their requests, until the test lets them go on.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use tokio::sync::watch;

/// The clients that may be stopped, by the name they give themselves (`User-Agent`).
#[derive(Debug, Default)]
pub(super) struct Gates(Mutex<HashMap<String, watch::Sender<Gate>>>);

/// How far a client may go.
#[derive(Debug, Clone, Copy, Default)]
struct Gate {
    /// Requests that have come.
    come: usize,
    /// Requests that may pass.
    allowed: usize,
    /// Requests that have passed and were answered.
    answered: usize,
}

/// A request that has passed; dropped when it is answered.
#[derive(Debug)]
pub(super) struct Passed(Option<watch::Sender<Gate>>);

// === impl Gates ===

impl Gates {
    fn all(&self) -> MutexGuard<'_, HashMap<String, watch::Sender<Gate>>> {
        self.0.lock().unwrap()
    }

    /// From now on so many requests of the client pass, and the next ones wait.
    pub(super) fn hold_after(&self, agent: &str, requests: usize) {
        let (gate, _) = watch::channel(Gate { allowed: requests, ..Gate::default() });
        self.all().insert(agent.to_owned(), gate);
    }

    /// Lets all pass that wait, and all that come.
    pub(super) fn release(&self, agent: &str) {
        if let Some(gate) = self.all().remove(agent) {
            gate.send_modify(|gate| gate.allowed = usize::MAX);
        }
    }

    /// Waits until a request of the client waits, and those that passed before it are answered.
    pub(super) async fn held(&self, agent: &str) {
        let gate = self.all().get(agent).map(watch::Sender::subscribe);
        if let Some(mut gate) = gate {
            // The sender goes when it is released, and then nothing waits any more.
            let _ = gate.wait_for(|gate| gate.come > gate.allowed && gate.answered == gate.allowed).await;
        }
    }

    /// Waits until a request of the client may be looked at.
    pub(super) async fn pass(&self, agent: &str) -> Passed {
        let (turn, sender) = {
            let all = self.all();
            let Some(gate) = all.get(agent) else { return Passed(None) };
            gate.send_modify(|gate| gate.come += 1);
            (gate.borrow().come, gate.clone())
        };
        let _ = sender.subscribe().wait_for(|gate| turn <= gate.allowed).await;
        Passed(Some(sender))
    }
}

impl Drop for Passed {
    fn drop(&mut self) {
        if let Some(gate) = &self.0 {
            gate.send_modify(|gate| gate.answered += 1);
        }
    }
}
