//! Giving out tokens: who asks, what they get of what they ask for.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::own;
use super::request::{Claimed, TokenRequest};
use super::scope::{self, MOST_THINGS};
use super::{IssueError, IssuedToken, OwnTokens, TokenIssuer};
use crate::authorizer::Refusal;
use crate::caller::{Caller, Grant, Sender};
use crate::challenge::Challenge;
use crate::guard::Guard;
use crate::guard::credentials::Credentials;
use crate::rules::{Rule, RuleError, Rules};
use crate::secret::Secret;

/// Gives tokens to whomever a guard knows, for what the guard would let them do.
#[derive(Debug)]
pub struct TokenService {
    guard: Arc<Guard>,
    tokens: Arc<OwnTokens>,
    /// What counts where the guard has no rules: whoever is known may do everything.
    everything: Rules,
}

/// How somebody has shown who they are.
struct Asker {
    caller: Caller,
    login: Option<Login>,
}

/// A user who has logged in.
struct Login {
    /// What their password was stored as before it was verified: a token that is made now ends with it.
    stored: Arc<str>,
    /// The refresh token they brought instead of the password.
    refresh_token: Option<Secret>,
}

// === impl TokenService ===

impl TokenService {
    /// One that gives out `tokens`, which `guard` is to take as well.
    ///
    /// # Errors
    /// None that anybody has seen: the one rule that is made here is well formed.
    pub fn new(guard: Arc<Guard>, tokens: Arc<OwnTokens>) -> Result<Self, RuleError> {
        let everything = Rule {
            callers: vec!["authenticated".to_owned()],
            actions: vec!["*".to_owned()],
            ..Rule::default()
        };
        let everything = Rules::new(vec![everything], std::collections::BTreeMap::new())?;
        Ok(Self { guard, tokens, everything })
    }

    async fn asker(&self, sender: Sender<'_>, claimed: Claimed) -> Result<Asker, IssueError> {
        match claimed {
            Claimed::Password { user, password } if user.is_empty() && password.expose().is_empty() => {
                Ok(Asker::nobody(sender))
            }
            Claimed::Password { user, password } => self.by_password(sender, user, password.expose()).await,
            Claimed::RefreshToken(token) => self.by_refresh_token(sender, token).await,
            Claimed::ByTheRequest => match Credentials::parse(sender.authorization) {
                Credentials::None => Ok(Asker::nobody(sender)),
                Credentials::Password { user, password } => {
                    self.by_password(sender, user, password.expose()).await
                }
                // With a token one could get the next one for ever, and nobody could take that away.
                Credentials::Token(_) | Credentials::Unreadable => Err(self.wrong()),
            },
        }
    }

    async fn by_password(
        &self,
        sender: Sender<'_>,
        user: String,
        password: &str,
    ) -> Result<Asker, IssueError> {
        let stored = self.stored(&user).await;
        match self.guard.check_password(&user, password, sender).await {
            Ok(()) => {
                let stored = stored.ok_or_else(|| self.wrong())?;
                Ok(Asker::with(sender, user, Login { stored, refresh_token: None }))
            }
            Err(Refusal::Unauthenticated { .. } | Refusal::Denied) => Err(self.wrong()),
            Err(refusal) => Err(refusal.into()),
        }
    }

    async fn by_refresh_token(&self, sender: Sender<'_>, token: Secret) -> Result<Asker, IssueError> {
        let keys = self.tokens.keys().await.ok_or_else(|| self.wrong())?;
        let refresh =
            own::read_refresh_token(&keys, &self.tokens.options, self.tokens.clock.now(), token.expose())
                .ok_or_else(|| self.wrong())?;
        let stored = self.stored(&refresh.sub).await.ok_or_else(|| self.wrong())?;
        if !own::still_stored(&keys, &refresh.fingerprint, &stored) {
            return Err(self.wrong());
        }
        Ok(Asker::with(sender, refresh.sub, Login { stored, refresh_token: Some(token) }))
    }

    /// What the user's password is stored as.
    async fn stored(&self, user: &str) -> Option<Arc<str>> {
        self.guard.passwords.as_ref()?.file.stored(user).await
    }

    fn granted(&self, caller: &Caller, asked: &[Grant]) -> Vec<Grant> {
        self.guard.rules.as_ref().unwrap_or(&self.everything).grants(caller, asked)
    }

    /// A refresh token, if there can be one: it must be good for longer than this process.
    async fn refresh_token(&self, asker: &Asker) -> Result<Option<String>, IssueError> {
        let Some(holder) = asker.holder() else { return Ok(None) };
        if let Some(Login { refresh_token: Some(token), .. }) = &asker.login {
            return Ok(Some(token.expose().to_owned()));
        }
        let options = &self.tokens.options;
        let Some(keys) = self.tokens.keys().await.filter(super::KeyRing::is_lasting) else {
            return Ok(None);
        };
        if options.refresh_lifetime == Duration::ZERO {
            return Ok(None);
        }
        own::refresh_token(&keys, options, self.tokens.clock.now(), holder)
            .map(Some)
            .map_err(IssueError::Unwritable)
    }

    /// What they gave belongs to nobody.
    fn wrong(&self) -> IssueError {
        let realm = self.guard.passwords.as_ref().map_or(self.tokens.service(), |passwords| &passwords.realm);
        IssueError::WrongCredentials { challenge: Challenge::Basic { realm: realm.to_owned() } }
    }
}

#[async_trait]
impl TokenIssuer for TokenService {
    async fn issue(&self, sender: Sender<'_>, request: TokenRequest) -> Result<IssuedToken, IssueError> {
        let options = &self.tokens.options;
        if let Some(asked) = request.service.filter(|asked| !asked.is_empty() && *asked != options.service) {
            return Err(IssueError::OtherService { ours: options.service.clone(), asked });
        }
        let asker = self.asker(sender, request.claimed).await?;
        let asked = scope::parse(request.scopes.iter().map(String::as_str))
            .map_err(|scope::TooMany| IssueError::TooMuch { most: MOST_THINGS })?;
        let access = self.granted(&asker.caller, &asked);
        let keys = self.tokens.keys().await.ok_or_else(|| self.wrong())?;
        let now = self.tokens.clock.now();
        let token = own::access_token(&keys, options, now, asker.holder(), &access)
            .map_err(IssueError::Unwritable)?;
        let refresh_token = if request.offline { self.refresh_token(&asker).await? } else { None };
        Ok(IssuedToken {
            holder: asker.caller.name,
            token,
            lifetime: options.lifetime,
            issued_at: now,
            refresh_token,
        })
    }
}

// === impl Asker ===

impl Asker {
    /// Somebody who has said nothing of who they are, or not yet.
    fn nobody(sender: Sender<'_>) -> Self {
        let caller =
            Caller { certificate: sender.certificate.cloned(), address: sender.address, ..Caller::default() };
        Self { caller, login: None }
    }

    fn with(sender: Sender<'_>, user: String, login: Login) -> Self {
        let caller = Caller { name: Some(user.into()), ..Self::nobody(sender).caller };
        Self { caller, login: Some(login) }
    }

    /// For whom a token is made.
    fn holder(&self) -> Option<own::Holder<'_>> {
        let (name, login) = (self.caller.known_name()?, self.login.as_ref()?);
        Some(own::Holder { name, stored: &login.stored })
    }
}
