//! The port that decides.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use wharf_oci::{RepositoryName, Tag};

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

    /// On which condition somebody who may push to the repository may write this tag of it.
    async fn tag_write(
        &self,
        caller: &Caller,
        repository: &RepositoryName,
        tag: &Tag,
    ) -> Result<TagWrite, Refusal>;

    /// Whether the repository is in the lists that are shown to the caller. It is asked about each entry of a list, so
    /// it has to be answered from what is at hand.
    fn sees(&self, caller: &Caller, repository: &RepositoryName) -> bool;
}

/// The condition on which a tag may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TagWrite {
    /// None.
    Any,
    /// It may be made, and then stays as it is.
    Create,
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
    /// See how the registry is doing, and do its chores.
    Admin,
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
    /// Too many tries to say who one is have failed; the next ones are not looked at.
    #[error("too many failed logins; try again in {} s", retry_after.as_secs().max(1))]
    TooManyFailures {
        /// How long to wait.
        retry_after: Duration,
    },
    /// Too many are being verified, in all or from this address; the next ones may be, in some seconds.
    #[error("too many logins at once")]
    Busy,
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

    async fn tag_write(
        &self,
        _caller: &Caller,
        _repository: &RepositoryName,
        _tag: &Tag,
    ) -> Result<TagWrite, Refusal> {
        Ok(TagWrite::Any)
    }

    fn sees(&self, _caller: &Caller, _repository: &RepositoryName) -> bool {
        true
    }
}
