//! An authorizer that refuses as it is told to, by the name somebody sends.

use std::sync::Arc;

use async_trait::async_trait;
use wharf_auth::{Authorizer, Caller, Refusal, Scope};

/// Nobody is asked who they are, `broken` cannot be decided about, and everybody else may not.
#[derive(Debug)]
pub(crate) struct ByName;

#[async_trait]
impl Authorizer for ByName {
    async fn caller(&self, authorization: Option<&str>) -> Result<Caller, Refusal> {
        Ok(Caller { name: authorization.map(Arc::from) })
    }

    async fn allow(&self, caller: &Caller, _scope: Scope<'_>) -> Result<(), Refusal> {
        match caller.name.as_deref() {
            None => Err(Refusal::Unauthenticated { challenge: "Basic realm=\"here\"".to_owned() }),
            Some("broken") => Err(Refusal::Unavailable("the directory is down".into())),
            Some(_) => Err(Refusal::Denied),
        }
    }
}
