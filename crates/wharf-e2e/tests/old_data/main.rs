//! One directory and several programs: Debian's docker-registry 2.8, distribution 3.1.1 and ours.
//!
//! What one of them writes the others serve; they may take turns, and they may run side by side. Every test has a
//! directory, programs and a home for the clients of its own, all on the loopback. What a directory holds is read from
//! its files, and what a program serves over its socket, each byte of it hashed. A program that is not there is a failure.
//!
//! ```text
//! WHARF_REGISTRY=<path of the binary> cargo test -p wharf-e2e --features clients --test old_data
//! ```
//!
//! `docker-registry` and `distribution-registry` (the binary `registry` of distribution, so that it is not ours) are
//! found on PATH, as are skopeo and crane.

#![expect(
    clippy::disallowed_methods,
    reason = "the directory is looked into, and dirtied, behind the programs' backs"
)]

mod collect;
mod copy;
mod dirt;
mod dirty_links;
mod programs;
mod pushed;
mod schema1;
mod served;
mod together;
mod tree;
mod turns;
mod unfinished;
mod written_by_them;
mod written_by_us;

#[path = "../clients/layout.rs"]
#[expect(dead_code, reason = "the tests of the clients use more of it")]
mod layout;
#[path = "../clients/workbench.rs"]
#[expect(dead_code, reason = "the tests of the clients use more of it")]
mod workbench;
