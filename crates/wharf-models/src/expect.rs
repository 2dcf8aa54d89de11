//! Assertions on a protocol: it holds, or a promise is broken.

use crate::{Protocol, explore};

/// Every interleaving is safe, and the goal is reached in one of them.
#[track_caller]
pub(crate) fn holds(protocol: impl Protocol) {
    let verdict = explore(protocol);
    if let Some(violation) = verdict.violation {
        panic!("{}:\n  {}", violation.promise, violation.steps.join("\n  "));
    }
    assert!(verdict.goal_reached, "nothing happens in {} states", verdict.states);
}

/// Some interleaving breaks `promise`.
#[track_caller]
pub(crate) fn breaks(protocol: impl Protocol, promise: &str) {
    let verdict = explore(protocol);
    let violation = verdict.violation.unwrap_or_else(|| panic!("holds in {} states", verdict.states));
    assert_eq!(violation.promise, promise, "{:#?}", violation.steps);
}
