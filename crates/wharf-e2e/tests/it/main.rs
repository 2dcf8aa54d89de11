//! The whole registry through its socket: a raw client against a server on port 0, file by file as the URLs go.
//!
//! What is right is written here in full, and nowhere taken from the code that is tested.

mod access;
mod auth;
mod bad_input;
mod base;
mod blobs;
mod catalog;
mod deletes;
mod drain;
mod errors;
mod golden;
mod guard;
mod limits;
mod manifests;
mod mounts;
mod negotiation;
mod panics;
mod promises;
mod ranges;
mod referrers;
mod replays;
mod stress;
mod tags;
mod tls;
mod uploads;

/// A digest that nothing has.
const NOBODYS: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
