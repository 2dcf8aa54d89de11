//! `auth`: how a caller can say who they are.

use std::path::PathBuf;

use wharf_auth::{Algorithm, Realm};

use crate::config::reader::Reader;
use crate::config::web;
use crate::config::{HtpasswdConfig, JwksPlace, TokenConfig};

const NONE: &str = "auth.none";
/// Where most token servers put the groups of their users.
const GROUPS_CLAIM: &str = "groups";
/// Where the keys of a token server are, one of which is demanded.
const KEY_PLACES: [&str; 2] = ["auth.token.rootcertbundle", "auth.token.jwks"];
const ALGORITHMS: &str = "a signature algorithm such as ES256, RS256 or EdDSA";
/// Where the older registry sends clients that it tells to stay on its host.
const REDIRECT_PATH: &str = "/auth/token";

/// Whether clients are not to be authenticated, which must be said alone.
pub(super) fn none(reader: &mut Reader<'_>) -> bool {
    let is_named = reader.is_named(NONE);
    if is_named {
        if let Some(value) = reader.node(NONE).filter(|value| !value.says_nothing()) {
            reader.reject(NONE, format!("expected nothing below it, got {}", value.value));
        }
        for login in ["auth.htpasswd", "auth.token"] {
            if reader.is_named(login) {
                reader.reject(NONE, format!("{login} is set, too: keep one of them"));
            }
        }
    }
    is_named
}

pub(super) fn htpasswd(reader: &mut Reader<'_>) -> Option<HtpasswdConfig> {
    let realm = reader.header_text("auth.htpasswd.realm");
    let path = reader.text("auth.htpasswd.path").filter(|path| !path.is_empty());
    // Naming it is asking for it: a file that says no more must not leave the door open.
    reader.is_named("auth.htpasswd").then(|| HtpasswdConfig {
        realm: required(
            reader,
            "auth.htpasswd.realm",
            realm,
            "what the passwords are for, as in `realm: Registry`",
        ),
        path: PathBuf::from(required(
            reader,
            "auth.htpasswd.path",
            path,
            "the file that `htpasswd -B` writes",
        )),
    })
}

pub(super) fn token(reader: &mut Reader<'_>) -> Option<TokenConfig> {
    let expected = "the URL of a token server such as https://auth.example.com/token";
    let url = reader.parsed("auth.token.realm", expected, web::base_url_as_written);
    let service = reader.header_text("auth.token.service");
    let issuer = reader.text("auth.token.issuer").filter(|issuer| !issuer.is_empty());
    let redirects = reader.flag("auth.token.autoredirect").unwrap_or(false);
    let redirect = reader.parsed("auth.token.autoredirectpath", "a path such as /auth/token", web::path);
    let bundle = reader.text("auth.token.rootcertbundle").filter(|path| !path.is_empty());
    let jwks = reader.text("auth.token.jwks").filter(|place| !place.is_empty());
    let groups_claim = reader.text("auth.token.groupsclaim").filter(|claim| !claim.is_empty());
    let algorithms = reader.list("auth.token.signingalgorithms", ALGORITHMS, |text| text.parse().ok());
    if !reader.is_named("auth.token") {
        return None;
    }
    let realm = if redirects {
        Realm::Here(redirect.unwrap_or_else(|| REDIRECT_PATH.to_owned()))
    } else {
        let url = reader.is_set("auth.token.realm").then(|| url.unwrap_or_default());
        Realm::Url(required(reader, "auth.token.realm", url, expected))
    };
    let is_reported = |key| reader.has_errors_at(key);
    if bundle.is_none() && jwks.is_none() && !KEY_PLACES.into_iter().any(is_reported) {
        let message =
            "missing; set this to a file of certificates, or auth.token.jwks to a file or URL of keys";
        reader.reject("auth.token.rootcertbundle", message);
    }
    Some(TokenConfig {
        realm,
        service: required(reader, "auth.token.service", service, "whom the tokens are for, their `aud`"),
        issuer: required(reader, "auth.token.issuer", issuer, "whom the tokens are from, their `iss`"),
        root_cert_bundle: bundle.map(PathBuf::from),
        jwks: jwks.map(jwks_place),
        groups_claim: groups_claim.unwrap_or_else(|| GROUPS_CLAIM.to_owned()),
        algorithms: algorithms.filter(|list| !list.is_empty()).unwrap_or_else(|| Algorithm::ALL.to_vec()),
    })
}

fn jwks_place(text: String) -> JwksPlace {
    let is_url = text.starts_with("https://") || text.starts_with("http://");
    if is_url { JwksPlace::Url(text) } else { JwksPlace::File(text.into()) }
}

fn required(reader: &mut Reader<'_>, key: &'static str, value: Option<String>, what: &str) -> String {
    value.unwrap_or_else(|| {
        if !reader.is_set(key) && !reader.has_errors_at(key) {
            reader.reject(key, format!("missing; set it to {what}"));
        }
        String::new()
    })
}
