#![doc = include_str!("../README.md")]
#![expect(clippy::disallowed_methods, reason = "a development tool: it writes the tree that is served")]

pub mod cases;
pub mod client;
pub mod counting;
mod tree;
pub mod world;

// Only its features are wanted.
use wharf_server as _;
