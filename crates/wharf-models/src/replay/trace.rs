//! Steps recorded from a backend, and the recorder that a backend's tests hand to it.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

/// Recorded after an actor's last step: its operation has returned.
pub const ENDED: &str = "ended";
/// Recorded in place of further steps: the actor's process was killed.
pub const KILLED: &str = "killed";

/// A list of steps in the order in which they were recorded.
///
/// Its text has a line `actor: step` for each, as a model's violation has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trace(Vec<RecordedStep>);

/// One recorded step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedStep {
    /// The actor's name in the model.
    pub actor: String,
    /// The step's name in the model, [`ENDED`] or [`KILLED`].
    pub step: String,
}

/// Collects the steps of several actors. Clones record into the same trace.
///
/// A step must be recorded while no other actor can act: a test decides with gates which actor runs, or accepts the trace
/// [in any order](super::Order::PerActor).
#[derive(Debug, Clone, Default)]
pub struct Recorder(Arc<Mutex<Vec<RecordedStep>>>);

/// Records the steps of one actor.
#[derive(Debug, Clone)]
pub struct ActorRecorder {
    recorder: Recorder,
    actor: String,
}

// === impl Trace ===

impl Trace {
    /// The recorded steps.
    pub fn steps(&self) -> &[RecordedStep] {
        &self.0
    }
}

impl FromStr for Trace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let steps = lines.map(|line| match line.split_once(": ") {
            Some((actor, step)) => Ok(RecordedStep { actor: actor.to_owned(), step: step.to_owned() }),
            None => Err(format!("`{line}` is not of the form `actor: step`")),
        });
        steps.collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|step| writeln!(f, "{step}"))
    }
}

impl fmt::Display for RecordedStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.actor, self.step)
    }
}

// === impl Recorder ===

impl Recorder {
    /// A recorder of the steps of the model's actor `name`.
    pub fn actor(&self, name: &str) -> ActorRecorder {
        ActorRecorder { recorder: self.clone(), actor: name.to_owned() }
    }

    /// What was recorded so far.
    pub fn trace(&self) -> Trace {
        Trace(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

// === impl ActorRecorder ===

impl ActorRecorder {
    /// Appends a step, [`ENDED`] or [`KILLED`] to the trace.
    pub fn record(&self, step: &str) {
        let step = RecordedStep { actor: self.actor.clone(), step: step.to_owned() };
        self.recorder.0.lock().unwrap_or_else(PoisonError::into_inner).push(step);
    }
}
