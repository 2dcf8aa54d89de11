//! From `auth` and `access` to who decides: the files are opened, the keys are made, and nothing is let in that was not
//! meant to be.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use wharf_auth::{
    AllowAll, Authorizer, Clock, ForeignTokens, Guard, Htpasswd, HtpasswdOptions, HttpJwks, KeyRing,
    OwnTokens, Passwords, RefreshOptions, Secret, SystemClock, TokenIssuer, TokenOptions, TokenRules,
    TokenService, TokenVerifier, TrustedKeys, WatchedError,
};

use crate::config::{Config, HtpasswdConfig, JwksPlace, OwnTokensConfig, SecretPlace, TokenConfig};

/// Who decides, and who gives out tokens if anybody does.
#[derive(Debug)]
pub(crate) struct Doors {
    pub(crate) authorizer: Arc<dyn Authorizer>,
    pub(crate) issuer: Option<Arc<dyn TokenIssuer>>,
}

/// Opens everything that `auth` and `access` name.
pub(crate) async fn open(config: &Config) -> anyhow::Result<Doors> {
    let auth = &config.auth;
    if auth.is_open() {
        return Ok(Doors { authorizer: Arc::new(AllowAll), issuer: None });
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let passwords = match &auth.htpasswd {
        Some(htpasswd) => Some(passwords(htpasswd, &clock).await?),
        None => None,
    };
    let tokens = match &auth.token {
        Some(token) => Some(foreign_tokens(token, &clock).await?),
        None => None,
    };
    let own_tokens = match &auth.own_tokens {
        Some(own) => Some(Arc::new(own_tokens(own, config.http.secret.as_ref(), clock).await?)),
        None => None,
    };
    let guard = Guard { passwords, tokens, own_tokens: own_tokens.clone(), rules: auth.rules.clone() };
    let guard = Arc::new(guard);
    let issuer = match own_tokens {
        Some(own) => Some(Arc::new(TokenService::new(Arc::clone(&guard), own)?) as Arc<dyn TokenIssuer>),
        None => None,
    };
    Ok(Doors { authorizer: guard, issuer })
}

async fn passwords(htpasswd: &HtpasswdConfig, clock: &Arc<dyn Clock>) -> anyhow::Result<Passwords> {
    let path = &htpasswd.path;
    let options = HtpasswdOptions::default();
    let opened = match Htpasswd::open(path, &options, Arc::clone(clock)).await {
        Err(WatchedError::Missing { .. }) => {
            let password = Htpasswd::create(path).await.context("the file of auth.htpasswd.path")?;
            show(path, &password)?;
            Htpasswd::open(path, &options, Arc::clone(clock)).await
        }
        opened => opened,
    };
    let file = opened.context("the file of auth.htpasswd.path")?;
    Ok(Passwords { realm: htpasswd.realm.clone(), file })
}

/// Tells the operator the one password there is: here, and never in the log.
fn show(path: &Path, password: &Secret) -> anyhow::Result<()> {
    tracing::warn!(path = %path.display(), user = "docker", "the htpasswd file was missing and was made with one user");
    let path = path.display();
    let text = format!(
        "\n{path} was missing. It was made, with one user, whose password is shown this once:\n\n  user      docker\n  password  {}\n\n",
        password.expose()
    );
    std::io::stderr().write_all(text.as_bytes()).context("could not show the new password")
}

async fn foreign_tokens(token: &TokenConfig, clock: &Arc<dyn Clock>) -> anyhow::Result<ForeignTokens> {
    let mut trusted = Vec::new();
    if let Some(bundle) = &token.root_cert_bundle {
        let keys = TrustedKeys::certificates(bundle, Arc::clone(clock)).await;
        trusted.push(keys.context("the file of auth.token.rootcertbundle")?);
    }
    match &token.jwks {
        Some(JwksPlace::File(path)) => {
            let keys = TrustedKeys::jwks_file(path, Arc::clone(clock)).await;
            trusted.push(keys.context("the file of auth.token.jwks")?);
        }
        Some(JwksPlace::Url(url)) => {
            let source = HttpJwks::new(url).await.context("the URL of auth.token.jwks")?;
            trusted.push(TrustedKeys::fetched(
                Arc::new(source),
                RefreshOptions::default(),
                Arc::clone(clock),
            ));
        }
        None => {}
    }
    let rules = TokenRules {
        algorithms: token.algorithms.clone(),
        groups_claim: token.groups_claim.clone(),
        ..TokenRules::new(&token.issuer, &token.service)
    };
    Ok(ForeignTokens {
        realm: token.realm.clone(),
        service: token.service.clone(),
        verifier: TokenVerifier::new(rules, trusted, Arc::clone(clock)),
    })
}

async fn own_tokens(
    own: &OwnTokensConfig,
    place: Option<&SecretPlace>,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<OwnTokens> {
    let options = TokenOptions {
        service: own.service.clone(),
        lifetime: own.lifetime,
        refresh_lifetime: own.refresh_lifetime,
    };
    if !own.keys.is_empty() {
        let opened = OwnTokens::with_key_files(options, &own.keys, clock).await;
        return opened.context("a file of access.tokens.keys");
    }
    let secret = match place {
        Some(SecretPlace::Here(secret)) => secret.clone(),
        Some(SecretPlace::File(path)) => read(path)?,
        None => return Ok(OwnTokens::new(options, KeyRing::random()?, clock)),
    };
    OwnTokens::with_secret(options, secret, clock).context(match place {
        Some(SecretPlace::File(path)) => format!("the file of http.secretfile, {}", path.display()),
        Some(SecretPlace::Here(_)) | None => "http.secret".to_owned(),
    })
}

#[expect(clippy::disallowed_methods, reason = "this is the loading of the config")]
fn read(path: &Path) -> anyhow::Result<Secret> {
    let place = || format!("the file of http.secretfile, {}", path.display());
    let text = std::fs::read_to_string(path).with_context(place)?;
    let secret = text.trim_end_matches(['\r', '\n']);
    anyhow::ensure!(!secret.is_empty(), "{}: it is empty", place());
    Ok(secret.into())
}
