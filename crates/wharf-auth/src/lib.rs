#![doc = include_str!("../README.md")]

mod access;
mod authorizer;

pub use access::{Access, Delete, Granted, Pull, Push};
pub use authorizer::{Action, AllowAll, Authorizer, Caller, Refusal, Scope};
