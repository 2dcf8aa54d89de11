//! The authorizer of a registry that asks who calls: all ways to say who one is, and all that has a say in what one may.
//!
//! Who: a name and a password, a token of ours, a token of somebody else's server, a client certificate, nobody. What:
//! the rules, if there are any, and the token's own grants, if it has any; where both speak, both must allow. Without
//! rules somebody with a password may do everything and a token decides alone, as in the older registry.
//!
//! Nothing that was decided is remembered: every request is decided by the rules as they are.

use std::sync::Arc;

use async_trait::async_trait;
use wharf_oci::{RepositoryName, Tag};

use crate::authorizer::{Action, Authorizer, Refusal, Scope, TagWrite};
use crate::caller::{Caller, CallerGroups, Sender, Token};
use crate::challenge::{Challenge, Realm, TokenFault};
use crate::htpasswd::{Htpasswd, HtpasswdError, Verdict};
use crate::jwt::{TokenError, TokenVerifier};
use crate::rules::Rules;
use crate::token_service::OwnTokens;
use credentials::Credentials;

pub(crate) mod credentials;
mod scopes;

/// Where our own token service answers, below the registry's prefix.
pub const TOKEN_PATH: &str = "/token";

/// Who is let in, and to what.
#[derive(Debug, Default)]
pub struct Guard {
    /// Names and passwords.
    pub passwords: Option<Passwords>,
    /// Tokens that somebody else gives out.
    pub tokens: Option<ForeignTokens>,
    /// Tokens that we give out. Clients are then sent to our own token service.
    pub own_tokens: Option<Arc<OwnTokens>>,
    /// Who may do what. Without rules, everybody who is known may do everything.
    pub rules: Option<Rules>,
}

/// Names and passwords.
#[derive(Debug)]
pub struct Passwords {
    /// What they are for, for people.
    pub realm: String,
    /// Where they are.
    pub file: Htpasswd,
}

/// Tokens that somebody else gives out.
#[derive(Debug)]
pub struct ForeignTokens {
    /// Where they are to be had.
    pub realm: Realm,
    /// For whom they have to be.
    pub service: String,
    /// Which ones are believed.
    pub verifier: TokenVerifier,
}

// === impl Guard ===

impl Guard {
    /// Who has sent a request with these credentials.
    async fn identify(&self, sender: Sender<'_>, credentials: Credentials<'_>) -> Result<Caller, Refusal> {
        let mut caller =
            Caller { certificate: sender.certificate.cloned(), address: sender.address, ..Caller::default() };
        match credentials {
            Credentials::None => {}
            Credentials::Password { user, password } => {
                self.check_password(&user, password.expose(), sender).await?;
                caller.name = Some(user.into());
            }
            Credentials::Token(text) => {
                let token = self.read_token(text).await?;
                caller.groups = self.groups(&token)?;
                caller.name = Some(token.subject.as_str().into()).filter(|name: &Arc<str>| !name.is_empty());
                caller.token = Some(token);
            }
            Credentials::Unreadable => return Err(self.ask(None, None)),
        }
        Ok(caller)
    }

    pub(crate) async fn check_password(
        &self,
        user: &str,
        password: &str,
        sender: Sender<'_>,
    ) -> Result<(), Refusal> {
        let Some(passwords) = &self.passwords else { return Err(self.ask(None, None)) };
        match passwords.file.verify(user, password, sender.origin()).await {
            Ok(Verdict::Accepted) => Ok(()),
            Ok(Verdict::Refused) => Err(self.ask(None, None)),
            Ok(Verdict::TooManyFailures { retry_after }) => Err(Refusal::TooManyFailures { retry_after }),
            Err(HtpasswdError::Busy) => Err(Refusal::Busy),
            Err(error @ HtpasswdError::Failed) => Err(Refusal::Unavailable(error.into())),
        }
    }

    async fn read_token(&self, text: &str) -> Result<Arc<Token>, Refusal> {
        if let Some(own) = &self.own_tokens
            && let Some(token) =
                own.read(text, self.passwords.as_ref().map(|passwords| &passwords.file)).await
        {
            return Ok(token);
        }
        let Some(foreign) = &self.tokens else { return Err(self.ask(None, Some(TokenFault::Invalid))) };
        foreign.verifier.verify(text).await.map_err(|error| match error {
            TokenError::KeysUnavailable(_) => Refusal::Unavailable(error.into()),
            error => {
                tracing::debug!(%error, "a token was refused");
                self.ask(None, Some(TokenFault::Invalid))
            }
        })
    }

    /// The groups that the token names. Where rules name any, one whose groups cannot be read is refused: a rule that denies
    /// something to a group would not fit.
    fn groups(&self, token: &Token) -> Result<CallerGroups, Refusal> {
        match &token.groups {
            Some(groups) => Ok(groups.clone()),
            None if self.rules.as_ref().is_some_and(Rules::name_groups) => {
                tracing::warn!(
                    subject = token.subject,
                    "refused a token: rules name groups, and its claim for them is no list of texts, or says that they \
                     are to be had elsewhere; have the token server write them into the token, or leave them out for \
                     users who are in many"
                );
                Err(self.ask(None, Some(TokenFault::Invalid)))
            }
            None => Ok(CallerGroups::default()),
        }
    }

    /// Tells a caller to say who they are, or, where nobody could, that they may not.
    fn ask(&self, scope: Option<String>, error: Option<TokenFault>) -> Refusal {
        let bearer = |realm, service| Challenge::Bearer { realm, service, scope, error };
        let challenge = match self {
            Self { own_tokens: Some(own), .. } => {
                bearer(Realm::Here(TOKEN_PATH.to_owned()), own.service().to_owned())
            }
            Self { tokens: Some(foreign), .. } => bearer(foreign.realm.clone(), foreign.service.clone()),
            Self { passwords: Some(passwords), .. } => Challenge::Basic { realm: passwords.realm.clone() },
            Self { .. } => return Refusal::Denied,
        };
        Refusal::Unauthenticated { challenge }
    }

    /// Whether there is a way to say who one is besides a certificate.
    fn can_ask(&self) -> bool {
        self.own_tokens.is_some() || self.tokens.is_some() || self.passwords.is_some()
    }

    fn base(&self, caller: &Caller) -> Result<(), Refusal> {
        let allows = |caller: &Caller| {
            self.rules.as_ref().is_some_and(|rules| rules.decide(caller, Scope::Base).allowed)
        };
        if caller.is_known() || caller.token.is_some() {
            return Ok(());
        }
        // Clients look only here for how to log in, so they are told although there may be something for them already.
        // But who has a certificate that is good for something has said who they are.
        let by_certificate = || {
            let without = Caller { certificate: None, ..caller.clone() };
            caller.certificate.is_some() && !allows(&without)
        };
        if (!self.can_ask() || by_certificate()) && allows(caller) {
            return Ok(());
        }
        Err(self.ask(None, None))
    }

    /// Whether the rules allow it or, where there are none, whether the caller is anybody.
    fn rules_allow(&self, caller: &Caller, scope: Scope<'_>) -> bool {
        match &self.rules {
            Some(rules) => rules.decide(caller, scope).allowed,
            None => caller.is_known() || caller.token.is_some(),
        }
    }

    /// Whether the caller's token leaves it to them. One that says nothing of what it grants is a name, and a name is
    /// something only to rules.
    fn token_allows(&self, caller: &Caller, scope: Scope<'_>) -> bool {
        match caller.token.as_deref() {
            None => true,
            Some(Token { access: None, .. }) => self.rules.is_some(),
            Some(Token { access: Some(grants), .. }) => scopes::cover(grants, scope),
        }
    }

    /// What somebody is told who may not do it.
    fn refuse(&self, caller: &Caller, scope: Scope<'_>, by_rules: bool) -> Refusal {
        // Another token of theirs would not help them.
        if by_rules && caller.is_known() {
            return Refusal::Denied;
        }
        let fault = caller.token.is_some().then_some(TokenFault::InsufficientScope);
        self.ask(scope.to_text(), fault)
    }
}

#[async_trait]
impl Authorizer for Guard {
    async fn caller(&self, sender: Sender<'_>) -> Result<Caller, Refusal> {
        self.identify(sender, Credentials::parse(sender.authorization)).await
    }

    async fn allow(&self, caller: &Caller, scope: Scope<'_>) -> Result<(), Refusal> {
        if scope == Scope::Base {
            return self.base(caller);
        }
        if !self.rules_allow(caller, scope) {
            return Err(self.refuse(caller, scope, true));
        }
        if !self.token_allows(caller, scope) {
            return Err(self.refuse(caller, scope, false));
        }
        Ok(())
    }

    async fn tag_write(
        &self,
        caller: &Caller,
        repository: &RepositoryName,
        tag: &Tag,
    ) -> Result<TagWrite, Refusal> {
        let Some(rules) = &self.rules else { return Ok(TagWrite::Any) };
        let scope = Scope::Repository(repository, Action::Push);
        rules.tag_write(caller, repository, tag).ok_or_else(|| self.refuse(caller, scope, true))
    }

    fn sees(&self, caller: &Caller, repository: &RepositoryName) -> bool {
        self.rules.as_ref().is_none_or(|rules| rules.sees(caller, repository))
    }
}

#[cfg(test)]
mod tests;
