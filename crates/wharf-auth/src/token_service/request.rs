//! What somebody asks of the token service, out of a query or a form.

use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

use super::IssueError;
use crate::secret::Secret;

/// The longest form taken, in bytes: scopes of many repositories, and a token.
pub const FORM_BYTES: usize = 16 * 1024;

/// A request for a token.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct TokenRequest {
    /// For whom the token is to be.
    pub service: Option<String>,
    /// What it is to grant, as it was written.
    pub scopes: Vec<String>,
    /// Whether a refresh token is wanted too (`offline_token`, `access_type=offline`).
    pub offline: bool,
    /// Who asks.
    pub claimed: Claimed,
}

/// How somebody who asks for a token says who they are.
#[derive(Debug, Default, PartialEq, Eq)]
pub enum Claimed {
    /// As every request does, by its headers or its connection.
    #[default]
    ByTheRequest,
    /// By a name and a password in the form.
    Password {
        /// The name.
        user: String,
        /// The password.
        password: Secret,
    },
    /// By a refresh token.
    RefreshToken(Secret),
}

// === impl TokenRequest ===

impl TokenRequest {
    /// Out of the query of a `GET`: `service`, any number of `scope`s, `offline_token`. `account` and `client_id` say
    /// nothing that is believed.
    #[must_use]
    pub fn from_query(query: &str) -> Self {
        let mut request = Self::default();
        for (name, value) in pairs(query) {
            match name.as_str() {
                "service" => request.service = Some(value),
                "scope" => request.scopes.push(value),
                "offline_token" => request.offline = matches!(value.as_str(), "true" | "1"),
                _ => {}
            }
        }
        request
    }

    /// Out of the form of a `POST`, as OAuth 2 has it (RFC 6749, sections 4.3 and 6).
    ///
    /// # Errors
    /// The grant is of a type we do not know, or lacks something.
    pub fn from_form(form: &[u8]) -> Result<Self, IssueError> {
        let form = std::str::from_utf8(form).map_err(|_| IssueError::Malformed("the form is no text"))?;
        let mut request = Self::default();
        let [mut grant, mut user] = [const { None }; 2];
        let [mut password, mut refresh] = [const { None }; 2];
        for (name, value) in pairs(form) {
            match name.as_str() {
                "service" => request.service = Some(value),
                "scope" => request.scopes.push(value),
                "access_type" => request.offline = value == "offline",
                "grant_type" => grant = Some(value),
                "username" => user = Some(value),
                "password" => password = Some(Secret::new(value)),
                "refresh_token" => refresh = Some(Secret::new(value)),
                _ => {}
            }
        }
        request.claimed = match (grant.as_deref(), user, password, refresh) {
            (Some("password"), Some(user), Some(password), _) => Claimed::Password { user, password },
            (Some("password"), ..) => return Err(IssueError::Malformed("username or password is missing")),
            (Some("refresh_token"), _, _, Some(token)) => Claimed::RefreshToken(token),
            (Some("refresh_token"), ..) => return Err(IssueError::Malformed("refresh_token is missing")),
            (Some(_), ..) => return Err(IssueError::UnsupportedGrant),
            (None, ..) => return Err(IssueError::Malformed("grant_type is missing")),
        };
        Ok(request)
    }
}

/// Names and values of `application/x-www-form-urlencoded`.
fn pairs(text: &str) -> impl Iterator<Item = (String, String)> {
    text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), decoded(value))
    })
}

fn decoded(text: &str) -> String {
    // What is decoded may be a password: the copy is wiped.
    let spaced = Zeroizing::new(text.replace('+', " "));
    percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_as_clients_write_it() {
        // crane, docker and skopeo in turn.
        let request = TokenRequest::from_query(
            "scope=repository%3Aacme%2Fapp%3Apush%2Cpull&scope=repository:b:pull&service=registry",
        );
        assert_eq!(request.service.as_deref(), Some("registry"));
        assert_eq!(request.scopes, ["repository:acme/app:push,pull", "repository:b:pull"]);
        assert!(!request.offline);

        let request = TokenRequest::from_query("account=ci&client_id=docker&offline_token=true&service=r");
        assert!(request.offline && request.scopes.is_empty());

        let request = TokenRequest::from_query("scope=repository%3Aa%3Apull+repository%3Ab%3Apull");
        assert_eq!(request.scopes, ["repository:a:pull repository:b:pull"]);
        assert_eq!(TokenRequest::from_query(""), TokenRequest::default());
    }

    #[test]
    fn a_form_is_read_as_clients_write_it() {
        let form = "access_type=offline&client_id=containerd-client&grant_type=password&password=p%26%3D%25+w\
                    &scope=repository%3Aa%3Apull&service=registry&username=ci";
        let request = TokenRequest::from_form(form.as_bytes()).unwrap();
        let password = "p&=% w".into();
        assert_eq!(request.claimed, Claimed::Password { user: "ci".into(), password });
        assert_eq!((request.scopes.len(), request.offline), (1, true));

        let form = "grant_type=refresh_token&refresh_token=abc.def&service=registry&scope=";
        let request = TokenRequest::from_form(form.as_bytes()).unwrap();
        assert_eq!(request.claimed, Claimed::RefreshToken("abc.def".into()));
    }

    #[test]
    fn a_form_that_lacks_something_is_told_what() {
        let rows: [(&[u8], &str); 6] = [
            (b"", "grant_type is missing"),
            (b"\xff", "the form is no text"),
            (b"grant_type=password&username=ci", "username or password is missing"),
            (b"grant_type=refresh_token", "refresh_token is missing"),
            (b"grant_type=client_credentials", "grant_type is password or refresh_token"),
            (b"scope=a&service=b", "grant_type is missing"),
        ];
        for (form, message) in rows {
            assert_eq!(TokenRequest::from_form(form).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let form = b"grant_type=password&username=ci&password=hunter2";
        let shown = format!("{:?}", TokenRequest::from_form(form).unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
        let form = b"grant_type=refresh_token&refresh_token=hunter2";
        let shown = format!("{:?}", TokenRequest::from_form(form).unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
