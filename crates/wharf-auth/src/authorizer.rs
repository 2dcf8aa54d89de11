//! The port that decides.

use std::fmt;

use async_trait::async_trait;
use wharf_oci::RepositoryName;

use crate::caller::{Caller, Sender};
use crate::challenge::Challenge;

/// Decides who a caller is and what they may do.
#[async_trait]
pub trait Authorizer: fmt::Debug + Send + Sync + 'static {
    /// Who sent a request. One that says nothing of its sender is from an anonymous caller; one that says something
    /// wrong is refused, whatever it asks for.
    async fn caller(&self, sender: Sender<'_>) -> Result<Caller, Refusal>;

    /// Whether the caller may act.
    async fn allow(&self, caller: &Caller, scope: Scope<'_>) -> Result<(), Refusal>;
}

/// What somebody wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope<'a> {
    /// Talk to the registry at all (`GET /v2/`).
    Base,
    /// List all repositories.
    Catalog,
    /// Pull from every repository there is: what an anonymous mount takes.
    PullEverything,
    /// Act on one repository.
    Repository(&'a RepositoryName, Action),
}

/// What can be done to a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Read from it.
    Pull,
    /// Write to it.
    Push,
    /// Delete from it.
    Delete,
}

/// Why not.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The caller has to say who they are, or to bring a token for this scope.
    #[error("authentication required")]
    Unauthenticated {
        /// How to.
        challenge: Challenge,
    },
    /// The caller is known and may not.
    #[error("access denied")]
    Denied,
    /// Whoever knows could not be asked.
    #[error("could not decide who may do this")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Everybody may do everything: a registry without `auth` in its config.
#[derive(Debug, Clone, Copy, Default)]
pub struct AllowAll;

#[async_trait]
impl Authorizer for AllowAll {
    async fn caller(&self, _sender: Sender<'_>) -> Result<Caller, Refusal> {
        Ok(Caller::default())
    }

    async fn allow(&self, _caller: &Caller, _scope: Scope<'_>) -> Result<(), Refusal> {
        Ok(())
    }
}
