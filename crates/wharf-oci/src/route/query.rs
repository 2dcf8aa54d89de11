//! The query of a request. Which parameters there are is not known here; those nobody asks for are passed
//! over.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::RouteError;

/// What follows the `?`, read anew for each parameter: there are few, and most requests have none.
///
/// A `+` is a plus sign. Forms write blanks so, but no value here has a blank, while
/// `artifactType=application/vnd.example+json` is commonly sent as it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Query<'a>(&'a str);

// === impl Query ===

impl<'a> Query<'a> {
    pub(super) fn new(query: Option<&'a str>) -> Self {
        Self(query.unwrap_or_default())
    }

    /// The first value of a parameter; an empty one is as good as none.
    pub(super) fn first(self, name: &'static str) -> Result<Option<String>, RouteError> {
        let value = self.raw(name).next().map(|raw| value(name, raw)).transpose()?;
        Ok(value.filter(|value| !value.is_empty()))
    }

    /// The same, but what cannot be decoded is given as it is: for values that may be wrong without harm.
    pub(super) fn first_lossy(self, name: &str) -> Option<Cow<'a, str>> {
        let raw = self.raw(name).next()?;
        Some(decode(raw).unwrap_or(Cow::Borrowed(raw))).filter(|value| !value.is_empty())
    }

    /// Every value of a parameter that may be repeated, empty ones too.
    pub(super) fn all(self, name: &'static str) -> Result<Vec<String>, RouteError> {
        self.raw(name).map(|raw| value(name, raw)).collect()
    }

    /// `_state`, the offset that [`upload_path`](super::upload_path) gives out. Anything else is no state,
    /// such as the token in a location that the old registry gave out.
    pub(super) fn state(self) -> Option<u64> {
        let state = self.first_lossy("_state")?;
        if state.starts_with('+') { None } else { state.parse().ok() }
    }

    fn raw(self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0
            .split('&')
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .filter(move |(key, _)| decode(key).is_some_and(|key| key == name))
            .map(|(_, value)| value)
    }
}

/// The first value of a parameter of a query, or `None` if it is absent, empty or badly encoded.
///
/// For parameters that any operation may carry, such as `ns`, the source host when proxying ("Registry
/// Proxying").
pub fn query_value(query: Option<&str>, name: &str) -> Option<String> {
    let raw = Query::new(query).raw(name).next()?;
    decode(raw).map(Cow::into_owned).filter(|value| !value.is_empty())
}

/// Undoes percent-encoding; `None` for broken escapes, and for what is not UTF-8 or has control characters,
/// which could end a line of a header or log.
pub(super) fn decode(text: &str) -> Option<Cow<'_, str>> {
    let well_formed = text.split('%').skip(1).all(|after| {
        after.as_bytes().first_chunk::<2>().is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    });
    if !well_formed {
        return None;
    }
    percent_decode_str(text).decode_utf8().ok().filter(|text| !text.chars().any(char::is_control))
}

fn value(name: &'static str, raw: &str) -> Result<String, RouteError> {
    decode(raw).map(Cow::into_owned).ok_or(RouteError::Encoding { parameter: Some(name) })
}
