//! The binary `registry` as an operator runs it: a file in, answers, logs and exit codes out.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod addresses;
mod auth;
mod lifecycle;
mod logs;
mod running;
mod sockets;
mod storage;
mod switches;
mod tls;
