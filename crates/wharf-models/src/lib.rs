#![doc = include_str!("../README.md")]

pub mod blob_in_bucket;
pub mod blob_on_disk;
mod interleavings;
mod protocol;
pub mod replay;
pub mod tags_in_bucket;
pub mod tags_on_disk;

pub use interleavings::{Verdict, Violation, explore};
pub use protocol::{Actor, Outcome, Progress, Protocol, State, Transition, TransitionKind, Value};

#[cfg(test)]
mod expect;
