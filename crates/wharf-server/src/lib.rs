#![doc = include_str!("../README.md")]

mod access;
mod access_log;
mod banner;
pub mod cli;
pub mod config;
pub mod descriptors;
mod explain;
mod exposed_files;
mod listen;
mod log_writer;
mod logging;
mod memory;
mod open_files;
pub mod panics;
mod purging;
pub mod serve;
mod signals;
mod storage_check;
mod stores;
mod tls;
mod wiring;
