//! The release binary on buckets: real clients, several replicas, faults at every step, and distribution 3.1.1 beside it.
//!
//! The buckets are of the S3 server in this process (`wharf_testkit::s3`), which can be told to fail or to ignore
//! conditions, and of moto. All is on the loopback; a program that is not there is a failure.
//!
//! ```text
//! WHARF_REGISTRY=<path of the binary> cargo test -p wharf-e2e --features s3 --test s3
//! ```
//!
//! `WHARF_ROUNDS=1000` runs more rounds of pushes and deletes by two replicas than CI does, `WHARF_SEED` others.
//!
//! `WHARF_S3_PEER=1` puts distribution 3.1.1 in the place of our binary wherever a test runs one: what fails then is the
//! test's fault, or theirs.

#![expect(
    clippy::disallowed_methods,
    reason = "programs are named by the environment and configured by files"
)]

mod clients;
mod exchange;
mod faults;
mod memory;
mod programs;
mod proxy;
mod replicas;
mod rounds;
mod served;
mod stores;
mod uploads;

#[path = "../clients/docker/engine.rs"]
#[expect(dead_code, reason = "the tests of the clients use more of it")]
mod engine;
#[path = "../clients/layout.rs"]
#[expect(dead_code, reason = "the tests of the clients use more of it")]
mod layout;
#[path = "../crash/procfs.rs"]
#[expect(dead_code, reason = "the tests that kill use more of it")]
mod procfs;
#[path = "../clients/workbench.rs"]
mod workbench;
