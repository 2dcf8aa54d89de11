//! A configuration before anything in it has a meaning: text, lists and keys, each with the place it came from.
//!
//! A scalar keeps the characters its author wrote. What they mean is decided where they are read, so that `012345` and
//! `yes` can be secrets although YAML calls one a number and the other a truth.

use std::fmt;

/// Where something was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// In the file, both counted from 1.
    File { line: u64, column: u64 },
    /// In the environment variable of this name.
    Variable(String),
    /// By nobody: in the defaults of a server without a file, or where something is missing.
    Unwritten,
}

/// A value and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
}

/// The shapes YAML knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// Nothing, `~` or `null`: the same as not writing the key.
    Null,
    Scalar(Scalar),
    Sequence(Vec<Node>),
    Mapping(Mapping),
}

/// One piece of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scalar {
    pub(super) text: String,
    /// Whether it stood in quotes or a block: `"null"` is text and so is `""`.
    pub(super) quoted: bool,
}

/// Keys in the order they were written, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Mapping {
    entries: Vec<Entry>,
}

/// A key and what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_place: Place,
    pub(super) node: Node,
}

// === impl Node ===

impl Node {
    pub(super) fn null(place: Place) -> Self {
        Self { place, value: Value::Null }
    }

    pub(super) fn is_null(&self) -> bool {
        self.value == Value::Null
    }

    /// Whether it says nothing; an empty text is how a template writes "not set".
    pub(super) fn is_empty(&self) -> bool {
        match &self.value {
            Value::Null => true,
            Value::Scalar(scalar) => scalar.text.is_empty(),
            Value::Sequence(_) | Value::Mapping(_) => false,
        }
    }

    /// Whether there is nothing in it: empty, or a list or mapping without an entry.
    pub(super) fn says_nothing(&self) -> bool {
        match &self.value {
            Value::Sequence(items) => items.is_empty(),
            Value::Mapping(mapping) => mapping.iter().next().is_none(),
            Value::Null | Value::Scalar(_) => self.is_empty(),
        }
    }

    /// Whether any of it was said by a variable.
    pub(super) fn is_from_environment(&self) -> bool {
        matches!(self.place, Place::Variable(_))
            || match &self.value {
                Value::Null | Value::Scalar(_) => false,
                Value::Sequence(items) => items.iter().any(Self::is_from_environment),
                Value::Mapping(mapping) => mapping.iter().any(|entry| entry.node.is_from_environment()),
            }
    }

    pub(super) fn as_mapping(&self) -> Option<&Mapping> {
        match &self.value {
            Value::Mapping(mapping) => Some(mapping),
            Value::Null | Value::Scalar(_) | Value::Sequence(_) => None,
        }
    }

    /// The node at a dotted path of keys, unless it is absent or null.
    pub(super) fn find(&self, path: &str) -> Option<&Self> {
        path.split('.').try_fold(self, |node, key| node.as_mapping()?.get(key)).filter(|node| !node.is_null())
    }

    /// The same tree, all of it said in one place.
    pub(super) fn moved_to(self, place: &Place) -> Self {
        let value = match self.value {
            value @ (Value::Null | Value::Scalar(_)) => value,
            Value::Sequence(items) => {
                Value::Sequence(items.into_iter().map(|item| item.moved_to(place)).collect())
            }
            Value::Mapping(mapping) => Value::Mapping(mapping.moved_to(place)),
        };
        Self { place: place.clone(), value }
    }

    /// Makes `storage: filesystem` what it is short for, `storage: {filesystem: }`.
    pub(super) fn expand_scalar(&mut self) {
        if let Value::Scalar(scalar) = &self.value
            && !scalar.text.is_empty()
        {
            let mut mapping = Mapping::default();
            mapping.insert(scalar.text.clone(), self.place.clone(), Self::null(self.place.clone()));
            self.value = Value::Mapping(mapping);
        }
    }

    /// The mapping inside, after replacing whatever else was there by an empty one.
    pub(super) fn make_mapping(&mut self) -> &mut Mapping {
        if self.as_mapping().is_none() {
            self.value = Value::Mapping(Mapping::default());
        }
        match &mut self.value {
            Value::Mapping(mapping) => mapping,
            Value::Null | Value::Scalar(_) | Value::Sequence(_) => unreachable!("a mapping was put there"),
        }
    }

    /// The list inside, after replacing whatever else was there by an empty one.
    pub(super) fn make_sequence(&mut self) -> &mut Vec<Self> {
        if !matches!(self.value, Value::Sequence(_)) {
            self.value = Value::Sequence(Vec::new());
        }
        match &mut self.value {
            Value::Sequence(items) => items,
            Value::Null | Value::Scalar(_) | Value::Mapping(_) => unreachable!("a list was put there"),
        }
    }
}

// === impl Value ===

/// What an operator is told was found: `"maybe"`, `a list`, `a mapping`, `nothing`.
impl fmt::Display for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => formatter.write_str("nothing"),
            Self::Scalar(scalar) => write!(formatter, "{:?}", scalar.text),
            Self::Sequence(_) => formatter.write_str("a list"),
            Self::Mapping(_) => formatter.write_str("a mapping"),
        }
    }
}

// === impl Mapping ===

impl Mapping {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }

    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        self.entries.iter_mut().find(|entry| entry.key == key).map(|entry| &mut entry.node)
    }

    /// Sets `key` and says whether it had been set before.
    pub(super) fn insert(&mut self, key: String, key_place: Place, node: Node) -> bool {
        let before = self.entries.len();
        self.entries.retain(|entry| entry.key != key);
        let replaced = self.entries.len() < before;
        self.entries.push(Entry { key, key_place, node });
        replaced
    }

    /// The node at `key`, made as null if it is not there.
    pub(super) fn entry(&mut self, key: &str, place: &Place) -> &mut Node {
        let index = self.entries.iter().position(|entry| entry.key == key).unwrap_or_else(|| {
            let node = Node::null(place.clone());
            self.entries.push(Entry { key: key.to_owned(), key_place: place.clone(), node });
            self.entries.len() - 1
        });
        &mut self.entries[index].node
    }

    /// Keeps the entries that `keep` says to.
    pub(super) fn retain(&mut self, keep: impl FnMut(&Entry) -> bool) {
        self.entries.retain(keep);
    }

    fn moved_to(self, place: &Place) -> Self {
        let entries = self.entries.into_iter().map(|entry| Entry {
            key: entry.key,
            key_place: place.clone(),
            node: entry.node.moved_to(place),
        });
        Self { entries: entries.collect() }
    }

    /// How `key` is spelt here, whatever its case.
    pub(super) fn spelling(&self, key: &str) -> Option<&str> {
        self.entries.iter().map(|entry| entry.key.as_str()).find(|known| known.eq_ignore_ascii_case(key))
    }
}
