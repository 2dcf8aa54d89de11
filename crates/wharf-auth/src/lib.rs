#![doc = include_str!("../README.md")]

mod access;
mod authorizer;
mod caller;
mod challenge;

pub use access::{Access, Delete, Granted, Pull, Push};
pub use authorizer::{Action, AllowAll, Authorizer, Refusal, Scope};
pub use caller::{Caller, ClientCertificate, Grant, Sender, Token};
pub use challenge::{Challenge, Realm, TokenFault};
