//! How a caller is told to say who they are (RFC 9110, section 11.6.1).

/// What the `WWW-Authenticate` header asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Challenge {
    /// A name and a password (RFC 7617).
    Basic {
        /// What the password is for, for people.
        realm: String,
    },
    /// A token (RFC 6750) from a token server, as the distribution project specifies it.
    Bearer {
        /// Where tokens are to be had.
        realm: Realm,
        /// For whom the token is to be: the `service` to ask for.
        service: String,
        /// What the token has to grant, as in `repository:acme/app:pull,push`; several are parted by a space.
        scope: Option<String>,
        /// What is wrong with the token that was brought; `None` if none was.
        error: Option<TokenFault>,
    },
}

/// Where a token server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Realm {
    /// At this URL.
    Url(String),
    /// At this path of the very host that the client has reached us at.
    Here(String),
}

/// What is wrong with a token (RFC 6750, section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenFault {
    /// It is malformed, expired, or not from whom it should be.
    Invalid,
    /// It grants less than is asked for.
    InsufficientScope,
}

impl Challenge {
    /// Asks for a token that grants this as well; where no scope is asked for, none is.
    pub fn add_scope(&mut self, more: &str) {
        if let Self::Bearer { scope: Some(scope), .. } = self {
            scope.push(' ');
            scope.push_str(more);
        }
    }

    /// The header's text; `here` is what makes a path of ours a URL for the client, as in `https://example.com`.
    #[must_use]
    pub fn to_header(&self, here: &str) -> String {
        match self {
            Self::Basic { realm } => format!("Basic realm={}", quoted(realm)),
            Self::Bearer { realm, service, scope, error } => {
                let realm = match realm {
                    Realm::Url(url) => quoted(url),
                    Realm::Here(path) => quoted(&format!("{here}{path}")),
                };
                let scope = scope.iter().map(|scope| format!(",scope={}", quoted(scope)));
                let error = error.iter().map(|error| format!(",error={}", quoted(error.as_str())));
                let rest: String = scope.chain(error).collect();
                format!("Bearer realm={realm},service={}{rest}", quoted(service))
            }
        }
    }
}

impl TokenFault {
    fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid_token",
            Self::InsufficientScope => "insufficient_scope",
        }
    }
}

/// A quoted string (RFC 9110, section 5.6.4).
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_written_as_clients_read_it() {
        let bearer = |realm, scope: Option<&str>, error| Challenge::Bearer {
            realm,
            service: "registry.example.com".to_owned(),
            scope: scope.map(str::to_owned),
            error,
        };
        let rows = [
            (Challenge::Basic { realm: "My \"own\" Realm".to_owned() }, r#"Basic realm="My \"own\" Realm""#),
            (
                bearer(Realm::Url("https://auth.example.com/token".to_owned()), None, None),
                r#"Bearer realm="https://auth.example.com/token",service="registry.example.com""#,
            ),
            (
                bearer(
                    Realm::Here("/token".to_owned()),
                    Some("repository:a:pull,push"),
                    Some(TokenFault::InsufficientScope),
                ),
                r#"Bearer realm="https://example.com/token",service="registry.example.com",scope="repository:a:pull,push",error="insufficient_scope""#,
            ),
        ];
        for (challenge, expected) in rows {
            assert_eq!(challenge.to_header("https://example.com"), expected, "{challenge:?}");
        }
    }
}
