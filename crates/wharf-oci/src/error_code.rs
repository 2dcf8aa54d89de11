//! The spec's error codes ("Error Codes") and the body that carries them.
//!
//! Which failure gets which code is decided by those who fail, not here.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::IgnoredAny};
use serde_json::Value;

use crate::lenient::null_as_default;

/// An error code: the spec's, and those that the old registry adds and its clients know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ErrorCode {
    /// code-1: no such blob in this repository.
    BlobUnknown,
    /// code-2: the upload cannot be gone on with.
    BlobUploadInvalid,
    /// code-3: no such upload.
    BlobUploadUnknown,
    /// code-4: a digest is malformed, or is not that of the content.
    DigestInvalid,
    /// code-5: a manifest points to what is not there.
    ManifestBlobUnknown,
    /// code-6: a manifest is not one, or not acceptable.
    ManifestInvalid,
    /// code-7: no such manifest in this repository.
    ManifestUnknown,
    /// Of the old registry: a manifest's signature failed, in the days when they had one.
    ManifestUnverified,
    /// code-8: the name of the repository does not fit the grammar.
    NameInvalid,
    /// code-9: no such repository.
    NameUnknown,
    /// Of the old registry: `n` of a listing is not a number it takes.
    PaginationNumberInvalid,
    /// Of the old registry: bytes were sent for another place than the end of the upload.
    RangeInvalid,
    /// code-10: there are more or fewer bytes than were announced.
    SizeInvalid,
    /// Of the old registry: a tag does not fit the grammar.
    TagInvalid,
    /// code-11: nobody is known to be asking.
    Unauthorized,
    /// code-12: who is asking may not.
    Denied,
    /// code-13: this registry does not do that.
    Unsupported,
    /// code-14: slow down.
    TooManyRequests,
    /// Of the old registry: try again later.
    Unavailable,
    /// Of the old registry: something failed that the client cannot help.
    Unknown,
}

/// The body of an answer that is an error.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ErrorBody {
    /// At least one, where we made it.
    #[serde(default, deserialize_with = "null_as_default")]
    pub errors: Vec<ErrorEntry>,
}

/// One of the errors in an [`ErrorBody`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorEntry {
    /// What went wrong, for programs.
    #[serde(default = "unknown")]
    pub code: ErrorCode,
    /// What went wrong, for people.
    #[serde(default, deserialize_with = "null_as_default")]
    pub message: String,
    /// Whatever else helps. `Some(Value::Null)` is written as `null`, which is not the same as leaving it
    /// out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Value>,
}

// === impl ErrorCode ===

impl ErrorCode {
    /// Every code.
    pub const ALL: [Self; 20] = [
        Self::BlobUnknown,
        Self::BlobUploadInvalid,
        Self::BlobUploadUnknown,
        Self::DigestInvalid,
        Self::ManifestBlobUnknown,
        Self::ManifestInvalid,
        Self::ManifestUnknown,
        Self::ManifestUnverified,
        Self::NameInvalid,
        Self::NameUnknown,
        Self::PaginationNumberInvalid,
        Self::RangeInvalid,
        Self::SizeInvalid,
        Self::TagInvalid,
        Self::Unauthorized,
        Self::Denied,
        Self::Unsupported,
        Self::TooManyRequests,
        Self::Unavailable,
        Self::Unknown,
    ];

    /// The code as it is sent.
    pub const fn as_str(self) -> &'static str {
        self.row().0
    }

    /// The status it is sent with, unless the spec asks for another in that place.
    pub const fn status(self) -> u16 {
        self.row().1
    }

    /// The message it is sent with, unless there is a better one: the old registry's words, which scripts
    /// look for.
    pub const fn message(self) -> &'static str {
        self.row().2
    }

    /// The code that is written like this.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == name)
    }

    const fn row(self) -> (&'static str, u16, &'static str) {
        match self {
            Self::BlobUnknown => ("BLOB_UNKNOWN", 404, "blob unknown to registry"),
            // Not 400: clients that lost an upload look for 404 and begin anew.
            Self::BlobUploadInvalid => ("BLOB_UPLOAD_INVALID", 404, "blob upload invalid"),
            Self::BlobUploadUnknown => ("BLOB_UPLOAD_UNKNOWN", 404, "blob upload unknown to registry"),
            Self::DigestInvalid => ("DIGEST_INVALID", 400, "provided digest did not match uploaded content"),
            Self::ManifestBlobUnknown => ("MANIFEST_BLOB_UNKNOWN", 400, "blob unknown to registry"),
            Self::ManifestInvalid => ("MANIFEST_INVALID", 400, "manifest invalid"),
            Self::ManifestUnknown => ("MANIFEST_UNKNOWN", 404, "manifest unknown"),
            Self::ManifestUnverified => {
                ("MANIFEST_UNVERIFIED", 400, "manifest failed signature verification")
            }
            Self::NameInvalid => ("NAME_INVALID", 400, "invalid repository name"),
            Self::NameUnknown => ("NAME_UNKNOWN", 404, "repository name not known to registry"),
            Self::PaginationNumberInvalid => {
                ("PAGINATION_NUMBER_INVALID", 400, "invalid number of results requested")
            }
            Self::RangeInvalid => ("RANGE_INVALID", 416, "invalid content range"),
            Self::SizeInvalid => ("SIZE_INVALID", 400, "provided length did not match content length"),
            Self::TagInvalid => ("TAG_INVALID", 400, "manifest tag did not match URI"),
            Self::Unauthorized => ("UNAUTHORIZED", 401, "authentication required"),
            Self::Denied => ("DENIED", 403, "requested access to the resource is denied"),
            Self::Unsupported => ("UNSUPPORTED", 405, "The operation is unsupported."),
            Self::TooManyRequests => ("TOOMANYREQUESTS", 429, "too many requests"),
            Self::Unavailable => ("UNAVAILABLE", 503, "service unavailable"),
            Self::Unknown => ("UNKNOWN", 500, "unknown error"),
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for ErrorCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Other registries have codes of their own: what is not known here is read as [`ErrorCode::Unknown`].
impl<'de> Deserialize<'de> for ErrorCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Sent {
            Name(String),
            Other(IgnoredAny),
        }
        Ok(match Sent::deserialize(deserializer)? {
            Sent::Name(name) => Self::from_name(&name).unwrap_or(Self::Unknown),
            Sent::Other(_) => Self::Unknown,
        })
    }
}

// === impl ErrorEntry ===

impl ErrorEntry {
    /// An error with the usual message of its code and no detail.
    pub fn new(code: ErrorCode) -> Self {
        Self { code, message: code.message().to_owned(), detail: None }
    }

    /// The same with another message.
    #[must_use]
    pub fn with_message(self, message: impl Into<String>) -> Self {
        Self { message: message.into(), ..self }
    }

    /// The same with a detail.
    #[must_use]
    pub fn with_detail(self, detail: impl Into<Value>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }
}

// === impl ErrorBody ===

impl ErrorBody {
    /// The JSON to send, with a line feed at its end as the old registry has it.
    pub fn to_json(&self) -> Vec<u8> {
        // Strings and JSON values always serialise; should that ever change, an empty list is still a valid
        // body.
        let mut json = serde_json::to_vec(self).unwrap_or_else(|_| br#"{"errors":[]}"#.to_vec());
        json.push(b'\n');
        json
    }
}

impl From<ErrorEntry> for ErrorBody {
    fn from(entry: ErrorEntry) -> Self {
        Self { errors: vec![entry] }
    }
}

const fn unknown() -> ErrorCode {
    ErrorCode::Unknown
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sent(entry: ErrorEntry) -> String {
        String::from_utf8(ErrorBody::from(entry).to_json()).unwrap()
    }

    #[test]
    fn a_body_is_the_spec_envelope_and_a_line_feed() {
        let entry = ErrorEntry::new(ErrorCode::RangeInvalid);
        assert_eq!(
            sent(entry),
            "{\"errors\":[{\"code\":\"RANGE_INVALID\",\"message\":\"invalid content range\"}]}\n"
        );
        let entry = ErrorEntry::new(ErrorCode::Unauthorized).with_detail(Value::Null);
        assert_eq!(
            sent(entry),
            "{\"errors\":[{\"code\":\"UNAUTHORIZED\",\"message\":\"authentication required\",\"detail\":null}]}\n"
        );
        let entry = ErrorEntry::new(ErrorCode::NameUnknown).with_detail(json!({"name": "zz"}));
        assert!(sent(entry).contains(r#""detail":{"name":"zz"}"#));
    }

    #[test]
    fn every_code_is_written_and_read_alike() {
        for code in ErrorCode::ALL {
            assert_eq!(ErrorCode::from_name(code.as_str()), Some(code));
            assert!((400..=599).contains(&code.status()), "{code}");
            let body = ErrorBody::from(ErrorEntry::new(code).with_detail("d"));
            assert_eq!(serde_json::from_slice::<ErrorBody>(&body.to_json()).unwrap(), body);
        }
    }

    #[test]
    fn bodies_of_other_registries_are_read() {
        let check = |json: &str, expected: &[ErrorCode]| {
            let body: ErrorBody = serde_json::from_str(json).unwrap();
            let codes: Vec<_> = body.errors.iter().map(|entry| entry.code).collect();
            assert_eq!(codes, expected, "{json}");
        };
        check("{}", &[]);
        check(r#"{"errors":null}"#, &[]);
        check(r#"{"errors":[{"code":"OUR_OWN","message":null}]}"#, &[ErrorCode::Unknown]);
        check(r#"{"errors":[{"code":404}]}"#, &[ErrorCode::Unknown]);
        check(
            r#"{"errors":[{"message":"x"},{"code":"DENIED","more":1}]}"#,
            &[ErrorCode::Unknown, ErrorCode::Denied],
        );
    }
}
