//! Keys that JSON readers disagree on: duplicates, and keys that differ only in case.
//!
//! Go's `encoding/json` takes `Digest` for `digest`, and the last of several; other readers do not. A manifest
//! with such keys means one thing to the registry and another to its clients, so a push of it is refused. This
//! checks the objects that clients read, at every depth, and nothing else of the JSON.

use std::{collections::HashSet, fmt};

use serde::{
    Deserializer,
    de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use crate::{ManifestError, text::excerpt};

/// An object of which clients read these keys.
struct Object(&'static [(&'static str, Value)]);

/// What is expected under a key. Something else is not checked: it fails later, or no client reads it.
#[derive(Clone, Copy)]
enum Value {
    /// A value without keys of its own.
    Scalar,
    /// An object.
    Object(&'static Object),
    /// A list of such objects.
    List(&'static Object),
    /// An object whose keys are free, such as annotations. Readers agree on their case.
    Map,
}

/// The fields of manifests of all kinds, `blobs` being those of an OCI artifact manifest.
static MANIFEST: Object = Object(&[
    ("schemaVersion", Value::Scalar),
    ("mediaType", Value::Scalar),
    ("config", Value::Object(&DESCRIPTOR)),
    ("layers", Value::List(&DESCRIPTOR)),
    ("manifests", Value::List(&DESCRIPTOR)),
    ("blobs", Value::List(&DESCRIPTOR)),
    ("subject", Value::Object(&DESCRIPTOR)),
    ("artifactType", Value::Scalar),
    ("annotations", Value::Map),
]);

static DESCRIPTOR: Object = Object(&[
    ("digest", Value::Scalar),
    ("mediaType", Value::Scalar),
    ("size", Value::Scalar),
    ("urls", Value::Scalar),
    ("annotations", Value::Map),
    ("artifactType", Value::Scalar),
    ("platform", Value::Object(&PLATFORM)),
    ("data", Value::Scalar),
]);

/// `features` is a field of Docker's manifest lists.
static PLATFORM: Object = Object(&[
    ("architecture", Value::Scalar),
    ("os", Value::Scalar),
    ("os.version", Value::Scalar),
    ("os.features", Value::Scalar),
    ("variant", Value::Scalar),
    ("features", Value::Scalar),
]);

/// A key as readers see it.
enum Key {
    /// The field of this number.
    Field(usize),
    /// Not the field of this number, but Go takes it for that.
    Variant(usize, String),
    /// No field. It is compared as if it were one of a later specification.
    Other { written: String, folded: String },
}

/// Reads a key of an object with these fields.
#[derive(Clone, Copy)]
struct KeyOf(&'static Object);

/// Refuses ambiguous keys of one manifest, whose text is JSON.
///
/// Takes time in proportion to the length of the text.
pub(super) fn check(text: &str) -> Result<(), ManifestError> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let checked = Value::Object(&MANIFEST).deserialize(&mut deserializer);
    checked.and_then(|()| deserializer.end()).map_err(|error| {
        // Any value is accepted, so what is wrong with the data was found here.
        let of: fn(String) -> ManifestError =
            if error.is_data() { ManifestError::AmbiguousKey } else { ManifestError::Json };
        of(error.to_string())
    })
}

// === impl Object ===

impl Object {
    fn check<'de, A: MapAccess<'de>>(&'static self, mut map: A) -> Result<(), A::Error> {
        let (mut seen, mut others) = (0_u32, HashSet::new());
        while let Some(key) = map.next_key_seed(KeyOf(self))? {
            let value = match key {
                Key::Field(number) => {
                    let (name, value) = self.0[number];
                    if seen & (1 << number) != 0 {
                        return Err(duplicate(name));
                    }
                    seen |= 1 << number;
                    value
                }
                Key::Variant(number, written) => {
                    let (name, _) = self.0[number];
                    let written = excerpt(&written);
                    return Err(A::Error::custom(format_args!(
                        "key `{written}` differs only in case from `{name}`"
                    )));
                }
                Key::Other { written, folded } => {
                    if !others.insert(folded) {
                        return Err(duplicate(&written));
                    }
                    Value::Scalar
                }
            };
            map.next_value_seed(value)?;
        }
        Ok(())
    }
}

// === impl Value ===

impl<'de> DeserializeSeed<'de> for Value {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self {
            Self::Scalar => deserializer.deserialize_ignored_any(IgnoredAny).map(drop),
            Self::Object(_) | Self::List(_) | Self::Map => deserializer.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Value {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, _value: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _value: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _value: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _value: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _value: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let element = match self {
            Self::List(object) => Self::Object(object),
            Self::Scalar | Self::Object(_) | Self::Map => Self::Scalar,
        };
        while seq.next_element_seed(element)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        match self {
            Self::Object(object) => object.check(map),
            Self::Map => {
                let mut keys = HashSet::new();
                while let Some(key) = map.next_key::<String>()? {
                    if keys.contains(&key) {
                        return Err(duplicate(&key));
                    }
                    keys.insert(key);
                    map.next_value::<IgnoredAny>()?;
                }
                Ok(())
            }
            Self::Scalar | Self::List(_) => IgnoredAny.visit_map(map).map(drop),
        }
    }
}

// === impl KeyOf ===

impl<'de> DeserializeSeed<'de> for KeyOf {
    type Value = Key;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeyOf {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Key, E> {
        let fields = self.0.0;
        if let Some(number) = fields.iter().position(|(name, _)| *name == key) {
            return Ok(Key::Field(number));
        }
        let variant = fields.iter().position(|(name, _)| folded(name).eq(folded(key)));
        Ok(match variant {
            Some(number) => Key::Variant(number, key.to_owned()),
            None => Key::Other { written: key.to_owned(), folded: folded(key).collect() },
        })
    }
}

/// The characters of a key without their case, as far as Go's simple folding makes them ASCII.
fn folded(key: &str) -> impl Iterator<Item = char> {
    key.chars().map(|character| match character {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    })
}

fn duplicate<E: Error>(key: &str) -> E {
    E::custom(format_args!("duplicate key `{}`", excerpt(key)))
}
