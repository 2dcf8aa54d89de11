//! Decides whether a trace that was recorded from a backend is a path of a model.
//!
//! Knows nothing of any one protocol, and nothing of how a backend records.

#[cfg(test)]
mod tests;
mod trace;

use std::collections::{BTreeSet, HashSet};

pub use trace::{ActorRecorder, ENDED, KILLED, RecordedStep, Recorder, Trace};

use crate::protocol::{Progress, Protocol, State, TransitionKind};

/// Whether the trace is a path of the model, as [`Replay::accepts`] with nothing relaxed.
///
/// # Errors
///
/// The first step that the model does not permit, and what it permits there.
pub fn accepts<P: Protocol>(protocol: &P, trace: &Trace) -> Result<(), String> {
    Replay::of(protocol).accepts(trace)
}

/// In which order the steps of a trace were taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// As recorded: the test's gates decide it.
    Total,
    /// Those of one actor as recorded, those of different actors in any order: threads ran freely, and one may have acted
    /// between another's step and the record of it.
    PerActor,
}

/// A comparison of traces with a model.
#[derive(Debug)]
pub struct Replay<'a, P> {
    protocol: &'a P,
    order: Order,
    unrecorded: Vec<&'static str>,
}

/// A place in the search: a state of the model, and how many of each actor's recorded steps led there.
type Place<P> = (State<P>, Vec<usize>);

/// A trace, sorted by the actors of the model.
struct Lanes<'t> {
    /// Of each actor its recorded steps, with their places in the trace. No step at all: the actor is not recorded.
    of_actor: Vec<Vec<(usize, &'t str)>>,
    order: Order,
}

/// How far a search came, for the message when it fails.
struct Furthest {
    taken: usize,
    expected: BTreeSet<String>,
    permitted: BTreeSet<String>,
}

// === impl Replay ===

impl<'a, P: Protocol> Replay<'a, P> {
    /// A comparison with `protocol`, in which every step is recorded and their order is the recorded one.
    pub fn of(protocol: &'a P) -> Self {
        Self { protocol, order: Order::Total, unrecorded: Vec::new() }
    }

    /// The same comparison with another order.
    #[must_use]
    pub fn in_order(self, order: Order) -> Self {
        Self { order, ..self }
    }

    /// The same comparison where recorded actors need not record `step`, as the backend does not see it.
    #[must_use]
    pub fn without(mut self, step: &'static str) -> Self {
        self.unrecorded.push(step);
        self
    }

    /// Whether `trace` is a path of the model.
    ///
    /// An actor with a step in the trace takes exactly its recorded steps. Any other actor of the model takes what steps it
    /// likes in between: what the test did before it began to record, or the clock. A trace may end anywhere; [`ENDED`] says
    /// that an actor's operation has returned, so that no step of it may be missing.
    ///
    /// # Errors
    ///
    /// The first step that the model does not permit, and what it permits there.
    pub fn accepts(&self, trace: &Trace) -> Result<(), String> {
        let lanes = Lanes::sort(self.protocol, trace, self.order)?;
        let first = (State::first(self.protocol), vec![0; lanes.of_actor.len()]);
        let mut seen = HashSet::from([first.clone()]);
        let mut open = vec![first];
        let mut furthest = Furthest { taken: 0, expected: BTreeSet::new(), permitted: BTreeSet::new() };
        while let Some(place) = open.pop() {
            if lanes.taken_all(&place.1) {
                return Ok(());
            }
            furthest.visit(self.protocol, &lanes, &place);
            for next in self.successors(&lanes, &place) {
                if seen.insert(next.clone()) {
                    open.push(next);
                }
            }
        }
        Err(furthest.describe())
    }

    fn successors(&self, lanes: &Lanes<'_>, (state, taken): &Place<P>) -> Vec<Place<P>> {
        let mut found = Vec::new();
        for transition in state.transitions(self.protocol) {
            let actor = transition.actor;
            let name = match transition.kind {
                TransitionKind::Step { .. } => state.step_name(self.protocol, actor),
                TransitionKind::Kill => Some(KILLED),
            };
            let silent =
                !lanes.is_recorded(actor) || name.is_some_and(|name| self.unrecorded.contains(&name));
            let recorded = name.is_some() && lanes.next(actor, taken) == name;
            let reached = state.after(self.protocol, transition);
            if silent {
                found.extend(reached.clone().map(|state| (state, taken.clone())));
            }
            if recorded {
                found.extend(reached.map(|state| (state, advanced(taken, actor))));
            }
        }
        let ended = (0..taken.len()).filter(|actor| state.progress[*actor] == Progress::Ended);
        let ended = ended.filter(|actor| lanes.next(*actor, taken) == Some(ENDED));
        found.extend(ended.map(|actor| (state.clone(), advanced(taken, actor))));
        found
    }
}

fn advanced(taken: &[usize], actor: usize) -> Vec<usize> {
    let mut taken = taken.to_vec();
    taken[actor] += 1;
    taken
}

// === impl Lanes ===

impl<'t> Lanes<'t> {
    fn sort<P: Protocol>(protocol: &P, trace: &'t Trace, order: Order) -> Result<Self, String> {
        let actors = protocol.actors();
        let mut of_actor = vec![Vec::new(); actors.len()];
        for (at, recorded) in trace.steps().iter().enumerate() {
            let Some(actor) = actors.iter().position(|actor| actor.name == recorded.actor) else {
                let names: Vec<_> = actors.iter().map(|actor| actor.name).collect();
                let (line, known) = (at + 1, names.join(", "));
                return Err(format!("line {line}, `{recorded}`: the model's actors are {known}"));
            };
            of_actor[actor].push((at, recorded.step.as_str()));
        }
        Ok(Self { of_actor, order })
    }

    fn is_recorded(&self, actor: usize) -> bool {
        !self.of_actor[actor].is_empty()
    }

    /// The recorded step that `actor` may take next, with its place in the trace.
    fn due(&self, actor: usize, taken: &[usize]) -> Option<(usize, &'t str)> {
        let (at, step) = *self.of_actor[actor].get(taken[actor])?;
        let is_due = self.order == Order::PerActor || at == taken.iter().sum::<usize>();
        is_due.then_some((at, step))
    }

    fn next(&self, actor: usize, taken: &[usize]) -> Option<&'t str> {
        self.due(actor, taken).map(|(_, step)| step)
    }

    fn taken_all(&self, taken: &[usize]) -> bool {
        self.of_actor.iter().zip(taken).all(|(lane, taken)| lane.len() == *taken)
    }
}

// === impl Furthest ===

impl Furthest {
    fn visit<P: Protocol>(&mut self, protocol: &P, lanes: &Lanes<'_>, (state, taken): &Place<P>) {
        let total = taken.iter().sum::<usize>();
        if total < self.taken {
            return;
        }
        if total > self.taken {
            *self = Self { taken: total, expected: BTreeSet::new(), permitted: BTreeSet::new() };
        }
        for (actor, known) in protocol.actors().iter().enumerate() {
            let Some((line, expected)) = lanes.due(actor, taken) else { continue };
            self.expected.insert(format!("line {}, `{}: {expected}`", line + 1, known.name));
            let permitted = match &state.progress[actor] {
                Progress::At(step) if protocol.outcomes(&state.shared, actor, step).is_empty() => {
                    "is blocked"
                }
                Progress::At(step) => protocol.name(step),
                Progress::Ended => ENDED,
                Progress::Killed => KILLED,
            };
            self.permitted.insert(format!("`{}: {permitted}`", known.name));
        }
    }

    fn describe(&self) -> String {
        let list = |steps: &BTreeSet<String>| steps.iter().cloned().collect::<Vec<_>>().join(" or ");
        format!("{}: the model permits {}", list(&self.expected), list(&self.permitted))
    }
}
