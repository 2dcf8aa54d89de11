//! Every interleaving of a protocol, explored with stateright.
//!
//! Knows nothing of any one protocol.

use stateright::{Checker, HasDiscoveries, Model, Property};

use crate::protocol::{Protocol, State, Transition, TransitionKind};

/// Names of the two properties stateright is given.
const SAFE: &str = "no promise is broken";
const GOAL: &str = "the goal is reached";

/// What exploring a protocol has found.
#[derive(Debug)]
pub struct Verdict {
    /// Different states that were reached; all there are if no promise is broken.
    pub states: usize,
    /// A way to a broken promise, if one was found.
    pub violation: Option<Violation>,
    /// Whether [`Protocol::goal`] was reached.
    pub goal_reached: bool,
}

/// A broken promise and the way there.
#[derive(Debug)]
pub struct Violation {
    /// What is broken.
    pub promise: &'static str,
    /// The steps that led there, each as `actor: step`.
    pub steps: Vec<String>,
}

/// A protocol as stateright's model.
#[derive(Debug)]
struct Interleavings<P>(P);

/// Explores `protocol` until a promise is broken or every state was seen.
pub fn explore<P: Protocol>(protocol: P) -> Verdict {
    let checker =
        Interleavings(protocol).checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let violation = checker.discovery(SAFE).map(|path| describe(&checker.model().0, &path.into_vec()));
    Verdict {
        states: checker.unique_state_count(),
        goal_reached: checker.discovery(GOAL).is_some(),
        violation,
    }
}

fn describe<P: Protocol>(protocol: &P, path: &[(State<P>, Option<Transition>)]) -> Violation {
    let steps = path.iter().filter_map(|(state, taken)| Some(state.describe(protocol, (*taken)?)));
    let promise = path.last().and_then(|(state, _)| state.violation(protocol));
    Violation { promise: promise.unwrap_or("unknown"), steps: steps.collect() }
}

// === impl Interleavings ===

impl<P: Protocol> Model for Interleavings<P> {
    type State = State<P>;
    type Action = Transition;

    fn init_states(&self) -> Vec<State<P>> {
        vec![State::first(&self.0)]
    }

    fn actions(&self, state: &State<P>, actions: &mut Vec<Transition>) {
        actions.extend(state.transitions(&self.0));
    }

    fn next_state(&self, last: &State<P>, action: Transition) -> Option<State<P>> {
        last.after(&self.0, action)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(SAFE, |model, state: &State<P>| state.violation(&model.0).is_none()),
            Property::sometimes(GOAL, |model, state: &State<P>| model.0.goal(state)),
        ]
    }
}

// === impl State ===

impl<P: Protocol> State<P> {
    fn describe(&self, protocol: &P, transition: Transition) -> String {
        let actor = protocol.actors()[transition.actor].name;
        let step = self.step_name(protocol, transition.actor).unwrap_or("nothing");
        match transition.kind {
            TransitionKind::Step { .. } => format!("{actor}: {step}"),
            TransitionKind::Kill => format!("{actor} is killed before: {step}"),
        }
    }
}
