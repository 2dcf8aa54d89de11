//! What came back, and how a test looks at it.

use bytes::Bytes;
use serde_json::Value;
use wharf_oci::{ErrorBody, ErrorCode};

/// An answer as it was on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The words after it.
    pub reason: String,
    /// The header lines, in their order and in their case.
    pub headers: Vec<(String, String)>,
    /// The body without its framing.
    pub body: Bytes,
}

// === impl Response ===

impl Response {
    pub(super) fn from_head(text: &str) -> Option<Self> {
        let mut lines = text.split("\r\n");
        let (version, rest) = lines.next()?.split_once(' ')?;
        let (status, reason) = rest.split_once(' ').unwrap_or((rest, ""));
        let headers = lines.map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_owned(), value.trim_ascii().to_owned()))
        });
        (version == "HTTP/1.1").then_some(())?;
        Some(Self {
            status: status.parse().ok()?,
            reason: reason.to_owned(),
            headers: headers.collect::<Option<_>>()?,
            body: Bytes::new(),
        })
    }

    /// The one value of a header, whatever the case of its name; a header that came twice stops the test.
    #[track_caller]
    pub fn header(&self, name: &str) -> Option<&str> {
        let values = self.values(name);
        assert!(values.len() < 2, "{name} came {} times: {self:?}", values.len());
        values.first().copied()
    }

    /// Every value of a header, in order.
    pub fn values(&self, name: &str) -> Vec<&str> {
        self.headers
            .iter()
            .filter(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect()
    }

    /// The value of a header that must be there.
    #[track_caller]
    pub fn required(&self, name: &str) -> &str {
        match self.header(name) {
            Some(value) => value,
            None => panic!("{name} is not there: {self:?}"),
        }
    }

    /// Where the answer points to.
    #[track_caller]
    pub fn location(&self) -> &str {
        self.required("Location")
    }

    /// The same answer, found to have this status.
    #[track_caller]
    #[must_use]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    /// The body as text.
    #[track_caller]
    pub fn text(&self) -> &str {
        match std::str::from_utf8(&self.body) {
            Ok(text) => text,
            Err(error) => panic!("the body is no text: {error}"),
        }
    }

    /// The body as JSON, whatever it says it is.
    #[track_caller]
    pub fn json(&self) -> Value {
        match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(error) => panic!("the body is no JSON: {error}: {self:?}"),
        }
    }

    /// The codes of an error in the spec's form, which must be labelled as JSON.
    #[track_caller]
    pub fn codes(&self) -> Vec<ErrorCode> {
        assert_eq!(self.header("Content-Type"), Some("application/json"), "{self:?}");
        match serde_json::from_slice::<ErrorBody>(&self.body) {
            Ok(body) => body.errors.into_iter().map(|entry| entry.code).collect(),
            Err(error) => panic!("the body is no error of the spec: {error}: {self:?}"),
        }
    }

    /// The same answer, found to be an error with this status and this one code.
    #[track_caller]
    #[must_use]
    pub fn refused(self, status: u16, code: ErrorCode) -> Self {
        let found = self.expect(status);
        assert_eq!(found.codes(), [code], "{found:?}");
        found
    }
}
