//! An authorizer that refuses as it is told to, by the name somebody sends.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use wharf_auth::{Authorizer, Caller, Challenge, Refusal, Scope, Sender, TagWrite};
use wharf_oci::{RepositoryName, Tag};

/// Nobody is asked who they are, `broken` cannot be decided about, `guesser` has to wait, and everybody else may not.
#[derive(Debug)]
pub(crate) struct ByName;

#[async_trait]
impl Authorizer for ByName {
    async fn caller(&self, sender: Sender<'_>) -> Result<Caller, Refusal> {
        Ok(Caller { name: sender.authorization.map(Arc::from), ..Caller::default() })
    }

    async fn allow(&self, caller: &Caller, _scope: Scope<'_>) -> Result<(), Refusal> {
        match caller.name.as_deref() {
            None => {
                Err(Refusal::Unauthenticated { challenge: Challenge::Basic { realm: "here".to_owned() } })
            }
            Some("broken") => Err(Refusal::Unavailable("the directory is down".into())),
            Some("guesser") => Err(Refusal::TooManyFailures { retry_after: Duration::from_millis(1500) }),
            Some(_) => Err(Refusal::Denied),
        }
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
