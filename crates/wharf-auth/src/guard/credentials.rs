//! The `Authorization` header: what somebody says of who they are, not yet believed.

use std::fmt;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::secret::Secret;

/// Some clients leave the padding out.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What somebody says of who they are.
pub(crate) enum Credentials<'a> {
    /// Nothing: no header, or an empty name with an empty password, which clients send that have none.
    None,
    /// A name and a password (RFC 7617).
    Password {
        /// The name.
        user: String,
        /// The password.
        password: Secret,
    },
    /// A token (RFC 6750).
    Token(&'a str),
    /// Something else.
    Unreadable,
}

impl<'a> Credentials<'a> {
    pub(crate) fn parse(authorization: Option<&'a str>) -> Self {
        let Some(authorization) = authorization else { return Self::None };
        let (scheme, rest) = authorization.trim().split_once(' ').unwrap_or((authorization.trim(), ""));
        let rest = rest.trim_start();
        if scheme.eq_ignore_ascii_case("basic") {
            return Self::basic(rest).unwrap_or(Self::Unreadable);
        }
        if scheme.eq_ignore_ascii_case("bearer") && !rest.is_empty() {
            return Self::Token(rest);
        }
        Self::Unreadable
    }

    fn basic(encoded: &str) -> Option<Self> {
        let text = String::from_utf8(LENIENT.decode(encoded).ok()?).ok()?;
        let (user, password) = text.split_once(':')?;
        if user.is_empty() && password.is_empty() {
            return Some(Self::None);
        }
        Some(Self::Password { user: user.to_owned(), password: password.into() })
    }
}

impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::None => "None",
            Self::Password { .. } => "Password(***)",
            Self::Token(_) => "Token(***)",
            Self::Unreadable => "Unreadable",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(header: &str) -> String {
        match Credentials::parse(Some(header)) {
            Credentials::Password { user, password } => format!("{user} {}", password.expose()),
            Credentials::Token(token) => token.to_owned(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn headers_are_read_as_clients_write_them() {
        let rows = [
            ("Basic YWxpY2U6c2VjcmV0", "alice secret"),
            ("basic   YWxpY2U6c2VjcmV0 ", "alice secret"),
            ("Basic YWxpY2U6YTpi", "alice a:b"),
            ("Basic OnNlY3JldA==", " secret"),
            ("Basic YWxpY2U6", "alice "),
            ("Basic YWxpY2U6YQ", "alice a"),
            ("Basic Og==", "None"),
            ("Bearer a.b.c", "a.b.c"),
            ("BEARER a.b.c", "a.b.c"),
            ("", "Unreadable"),
            ("Basic", "Unreadable"),
            ("Basic !", "Unreadable"),
            ("Basic YWxpY2U=", "Unreadable"),
            ("Bearer", "Unreadable"),
            ("Bearer ", "Unreadable"),
            ("Digest username=\"a\"", "Unreadable"),
        ];
        for (header, expected) in rows {
            assert_eq!(shown(header), expected, "{header:?}");
        }
        assert!(matches!(Credentials::parse(None), Credentials::None));
    }
}
