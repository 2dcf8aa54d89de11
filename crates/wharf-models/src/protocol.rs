//! What a protocol is to the model checker: shared state, and actors whose steps are atomic.
//!
//! Knows nothing of any one protocol, and nothing of how the interleavings are explored.

use std::fmt::Debug;
use std::hash::Hash;

/// What a state is made of: comparable, so that a state that was reached twice is explored once.
pub trait Value: Clone + Debug + Eq + Hash + Send + Sync + 'static {}

impl<T: Clone + Debug + Eq + Hash + Send + Sync + 'static> Value for T {}

/// A protocol between actors. Each step is atomic; between two steps of one actor the others may take any number of theirs.
pub trait Protocol: Debug + Send + Sync + Sized + 'static {
    /// What all actors read and write: names in a folder, keys in a bucket, locks, a clock.
    type Shared: Value;
    /// Where one actor is in its work, with what it remembers from earlier steps.
    type Step: Value;

    /// The shared state before the first step.
    fn start(&self) -> Self::Shared;

    /// The actors. An actor is referred to by its index here.
    fn actors(&self) -> &[Actor<Self::Step>];

    /// The name of a step, as recordings of a backend spell it.
    fn name(&self, step: &Self::Step) -> &'static str;

    /// Every outcome of `step`, taken by actor `me`. No outcome means that the actor is blocked.
    fn outcomes(&self, shared: &Self::Shared, me: usize, step: &Self::Step) -> Vec<Outcome<Self>>;

    /// What the kernel does when actor `me` is killed, such as releasing its locks.
    fn on_kill(&self, _shared: &mut Self::Shared, _me: usize) {}

    /// The promise that `state` breaks, if any.
    fn violation(&self, state: &State<Self>) -> Option<&'static str>;

    /// Whether actors may block each other. If so, a state in which none can go on before all have ended is a deadlock.
    fn has_locks(&self) -> bool {
        false
    }

    /// Whether `state` is one that the test wants to be reached. Without this, a model in which nothing happens would hold.
    fn goal(&self, state: &State<Self>) -> bool;
}

/// One actor of a protocol.
#[derive(Debug, Clone, Copy)]
pub struct Actor<Step> {
    /// Unique among the actors of a protocol.
    pub name: &'static str,
    /// Its first step.
    pub first: Step,
    /// Whether it may be killed before any of its steps. Any actor may be paused: the others go on meanwhile.
    pub may_be_killed: bool,
}

/// What one step leads to.
#[derive(Debug)]
pub struct Outcome<P: Protocol> {
    /// The shared state after the step.
    pub shared: P::Shared,
    /// The actor's next step; `None` when it has ended.
    pub next: Option<P::Step>,
}

/// How far one actor is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Progress<Step> {
    /// Its next step.
    At(Step),
    /// It has come to the end of its work.
    Ended,
    /// It was killed on the way.
    Killed,
}

/// The state of a protocol between two steps.
#[derive(Debug)]
pub struct State<P: Protocol> {
    /// What all actors share.
    pub shared: P::Shared,
    /// Of each actor, how far it is.
    pub progress: Vec<Progress<P::Step>>,
}

/// One transition: an actor, and what it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// The actor's index.
    pub actor: usize,
    /// What it does.
    pub kind: TransitionKind,
}

/// What an actor does in a transition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransitionKind {
    /// It takes its next step, with the outcome of this index.
    Step {
        /// Index into [`Protocol::outcomes`].
        outcome: usize,
    },
    /// It is killed.
    Kill,
}

// === impl Actor ===

impl<Step> Actor<Step> {
    /// An actor that comes to the end of its work, however long it takes.
    pub const fn new(name: &'static str, first: Step) -> Self {
        Self { name, first, may_be_killed: false }
    }

    /// The same actor, which may be killed before any of its steps.
    #[must_use]
    pub fn may_be_killed(self) -> Self {
        Self { may_be_killed: true, ..self }
    }
}

// === impl Outcome ===

impl<P: Protocol> Outcome<P> {
    /// The only outcome of a step that has one: `act` changes a copy of the shared state and returns the next step.
    pub fn only(shared: &P::Shared, act: impl FnOnce(&mut P::Shared) -> Option<P::Step>) -> Vec<Self> {
        let mut shared = shared.clone();
        let next = act(&mut shared);
        vec![Self { shared, next }]
    }
}

// === impl State ===

impl<P: Protocol> State<P> {
    /// The state before the first step.
    pub fn first(protocol: &P) -> Self {
        let progress = protocol.actors().iter().map(|actor| Progress::At(actor.first.clone())).collect();
        Self { shared: protocol.start(), progress }
    }

    /// Whether any actor was killed.
    pub fn any_killed(&self) -> bool {
        self.progress.contains(&Progress::Killed)
    }

    /// Whether every actor has ended or was killed.
    pub fn all_ended(&self) -> bool {
        !self.progress.iter().any(|progress| matches!(progress, Progress::At(_)))
    }

    /// The name of the step that `actor` takes next; `None` when it has ended or was killed.
    pub fn step_name(&self, protocol: &P, actor: usize) -> Option<&'static str> {
        match &self.progress[actor] {
            Progress::At(step) => Some(protocol.name(step)),
            Progress::Ended | Progress::Killed => None,
        }
    }

    /// Every transition from here.
    pub fn transitions(&self, protocol: &P) -> Vec<Transition> {
        let mut found = Vec::new();
        for (actor, progress) in self.progress.iter().enumerate() {
            let Progress::At(step) = progress else { continue };
            let outcomes = protocol.outcomes(&self.shared, actor, step).len();
            let steps = (0..outcomes).map(|outcome| TransitionKind::Step { outcome });
            let kill = protocol.actors()[actor].may_be_killed.then_some(TransitionKind::Kill);
            found.extend(steps.chain(kill).map(|kind| Transition { actor, kind }));
        }
        found
    }

    /// The state after `transition`, which is one of [`transitions`](Self::transitions).
    pub fn after(&self, protocol: &P, transition: Transition) -> Option<Self> {
        let Transition { actor, kind } = transition;
        let Progress::At(step) = &self.progress[actor] else { return None };
        let (shared, reached) = match kind {
            TransitionKind::Step { outcome } => {
                let outcome = protocol.outcomes(&self.shared, actor, step).into_iter().nth(outcome)?;
                (outcome.shared, outcome.next.map_or(Progress::Ended, Progress::At))
            }
            TransitionKind::Kill => {
                let mut shared = self.shared.clone();
                protocol.on_kill(&mut shared, actor);
                (shared, Progress::Killed)
            }
        };
        let mut progress = self.progress.clone();
        progress[actor] = reached;
        Some(Self { shared, progress })
    }

    /// The promise that is broken here, if any.
    pub fn violation(&self, protocol: &P) -> Option<&'static str> {
        let deadlock = || (protocol.has_locks() && self.is_deadlock(protocol)).then_some("deadlock");
        protocol.violation(self).or_else(deadlock)
    }

    fn is_deadlock(&self, protocol: &P) -> bool {
        let is_step = |transition: &Transition| transition.kind != TransitionKind::Kill;
        !self.all_ended() && !self.transitions(protocol).iter().any(is_step)
    }
}

// Not derived: a derive would require the traits of `P`, which is no part of the state.

impl<P: Protocol> Clone for State<P> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), progress: self.progress.clone() }
    }
}

impl<P: Protocol> PartialEq for State<P> {
    fn eq(&self, other: &Self) -> bool {
        self.shared == other.shared && self.progress == other.progress
    }
}

impl<P: Protocol> Eq for State<P> {}

impl<P: Protocol> Hash for State<P> {
    fn hash<H: std::hash::Hasher>(&self, hasher: &mut H) {
        self.shared.hash(hasher);
        self.progress.hash(hasher);
    }
}
