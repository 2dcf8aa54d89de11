//! A bucket as a store, on a server that speaks S3.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod beside;
mod counts;
mod faults;
mod harness;
mod listing;
mod order;
mod removals;
mod renewals;
mod suites;
