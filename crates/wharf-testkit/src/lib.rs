#![doc = include_str!("../README.md")]
#![expect(clippy::unwrap_used, reason = "this is the inside of tests: one that cannot go on should stop")]

pub mod clock;
pub mod credentials;
pub mod deadline;
pub mod flaky;
pub mod images;
pub mod push;
pub mod registry;
pub mod rounds;
#[cfg(feature = "s3")]
pub mod s3;
pub mod tls;
pub mod wire;

pub mod process;
