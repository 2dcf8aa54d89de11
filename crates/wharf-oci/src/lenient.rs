//! Reading JSON as Go reads it, for fields in which clients have long relied on that.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

/// Annotations of a manifest or descriptor, in the order of their keys.
pub(crate) type Annotations = BTreeMap<String, String>;

/// Annotations that may be `null`, as a whole or any of them, which is then empty.
#[derive(Debug, Default)]
pub(crate) struct NullableAnnotations(pub(crate) Annotations);

impl<'de> Deserialize<'de> for NullableAnnotations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let entries: Option<BTreeMap<String, Option<String>>> = Option::deserialize(deserializer)?;
        let entries = entries.into_iter().flatten();
        Ok(Self(entries.map(|(key, value)| (key, value.unwrap_or_default())).collect()))
    }
}

/// [`NullableAnnotations`], for a field.
pub(crate) fn annotations<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Annotations, D::Error> {
    Ok(NullableAnnotations::deserialize(deserializer)?.0)
}

/// `null` is the empty value.
pub(crate) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// An empty string is none at all.
pub(crate) fn empty_as_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text: Option<String> = Option::deserialize(deserializer)?;
    Ok(text.filter(|text| !text.is_empty()))
}
