//! YAML text to a tree that keeps every scalar as it was written.
//!
//! Through serde a plain `012345` arrives as the number 12345. Its place arrives too, so the text is cut out of the
//! source again; that is all this module knows that a `Deserialize` derive would not.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{
    DuplicateKeyPolicy, Location, NonFiniteFloatPolicy, Options, Spanned, UserMessageFormatter,
};

use super::tree::{Mapping, Node, Place, Scalar, Value};

/// A tree, and the keys that were written more than once.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) root: Node,
    pub(super) repeated: Vec<Repeated>,
}

/// A key written again, and where: the last one counts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Repeated {
    pub(super) key: String,
    pub(super) place: Place,
}

/// Text that is not YAML.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed {
    pub(super) place: Place,
    pub(super) message: String,
}

/// Reads one YAML document.
pub(super) fn parse(source: &str) -> Result<Parsed, Malformed> {
    let root = serde_saphyr::from_str_with_options::<Spanned<Raw>>(source, options())
        .map_err(|error| Malformed::new(&error))?;
    let mut builder = Builder { source, repeated: Vec::new() };
    let root = builder.node(root);
    Ok(Parsed { root, repeated: builder.repeated })
}

/// Nothing is refused or turned into a number, a truth or an infinity before the one who wants it asks.
fn options() -> Options {
    serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        ignore_binary_tag_for_string: true,
        // Far more than anybody writes by hand, far less than a bomb needs.
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: 10_000 },
        with_snippet: false,
    }
}

/// A node as the YAML crate hands it over.
enum Raw {
    Null,
    /// A number or a truth, printed; its original spelling is in the source.
    Inferred(String),
    Text(String),
    Sequence(Vec<Spanned<Self>>),
    Mapping(Vec<(Spanned<String>, Spanned<Self>)>),
}

/// Makes nodes of raw nodes.
struct Builder<'source> {
    source: &'source str,
    repeated: Vec<Repeated>,
}

// === impl Malformed ===

impl Malformed {
    fn new(error: &serde_saphyr::Error) -> Self {
        let message = error.without_snippet().render_with_formatter(&UserMessageFormatter);
        let (place, suffix) = match error.location() {
            Some(at) => (place(at), format!(" at line {}, column {}", at.line(), at.column())),
            None => (Place::Unwritten, String::new()),
        };
        let message = message.strip_suffix(&suffix).unwrap_or(&message).replace('\n', " ");
        Self { place, message }
    }
}

// === impl Builder ===

impl Builder<'_> {
    fn node(&mut self, raw: Spanned<Raw>) -> Node {
        // For an alias this is where its anchor stands: the text to correct.
        let location = raw.defined;
        let value = match raw.value {
            Raw::Null => Value::Null,
            Raw::Inferred(printed) => Value::Scalar(self.inferred(printed, location)),
            Raw::Text(text) => Value::Scalar(Scalar { text, quoted: self.is_quoted(location) }),
            Raw::Sequence(items) => Value::Sequence(items.into_iter().map(|item| self.node(item)).collect()),
            Raw::Mapping(entries) => Value::Mapping(self.mapping(entries)),
        };
        Node { place: place(location), value }
    }

    fn mapping(&mut self, entries: Vec<(Spanned<String>, Spanned<Raw>)>) -> Mapping {
        let mut mapping = Mapping::default();
        for (key, raw) in entries {
            let at = place(key.referenced);
            let node = self.node(raw);
            if mapping.insert(key.value.clone(), at.clone(), node) {
                self.repeated.push(Repeated { key: key.value, place: at });
            }
        }
        mapping
    }

    fn inferred(&self, printed: String, location: Location) -> Scalar {
        // `!!int "5"` is a number in quotes: only then is the printed form nearer to the text than the source is.
        let plain = self.slice(location).filter(|text| !text.is_empty() && !is_quote(text));
        Scalar { text: plain.map_or(printed, str::to_owned), quoted: false }
    }

    fn is_quoted(&self, location: Location) -> bool {
        // A block scalar's span begins after its `|`, and only a block or quotes can hold more than a line.
        self.slice(location).is_some_and(|text| is_quote(text) || text.contains('\n'))
    }

    fn slice(&self, location: Location) -> Option<&str> {
        let span = location.span();
        let start = usize::try_from(span.byte_offset()?).ok()?;
        let length = usize::try_from(span.byte_len()?).ok()?;
        self.source.get(start..start.checked_add(length)?)
    }
}

fn is_quote(text: &str) -> bool {
    text.starts_with(['"', '\''])
}

fn place(location: Location) -> Place {
    Place::File { line: location.line(), column: location.column() }
}

// === impl Raw ===

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("YAML")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Inferred(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Inferred(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Inferred(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Inferred(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut sequence = Vec::new();
        while let Some(item) = items.next_element()? {
            sequence.push(item);
        }
        Ok(Raw::Sequence(sequence))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
        let mut mapping = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            mapping.push(entry);
        }
        Ok(Raw::Mapping(mapping))
    }
}

#[cfg(test)]
mod tests;
