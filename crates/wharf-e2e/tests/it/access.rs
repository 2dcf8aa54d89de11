//! Who may do what, as clients see it: rules behind every route.
//!
//! [`table`] is the whole of it: each operation, each kind of caller, one answer. A route without a row does not compile.

mod catalog;
mod golden;
mod immutable;
mod mounts;
mod networks;
mod table;
mod world;
