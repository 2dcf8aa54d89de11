//! `REGISTRY_HTTP_ADDR=:5000` laid over the tree as `http: {addr: ":5000"}`.
//!
//! The rules are those of the registry we replace, with its traps taken out: a variable may create or change any key,
//! whatever the file's author wrote around it; lists take items by index, in the order of the numbers; and a variable
//! that means no key, because a cluster or another program set it, is a warning. Inside of what protects it is an error: no
//! other program sets `REGISTRY_ACCESS_RULES_0_EFECT`.

use self::taken::Closed;
use super::findings::{Findings, unknown};
use super::keys::{self, CHOICES, Purpose, STORAGE_SETTINGS, Shape};
use super::nearest::nearest;
use super::path::{KeyPath, Segment};
use super::tree::{Node, Place, Scalar, Value};
use super::yaml;

mod taken;

const PREFIX: &str = "REGISTRY_";

/// Of podman and skopeo: where they keep their credentials. It is set wherever they are at work, and is no key.
const CLIENTS_CREDENTIALS: &str = "REGISTRY_AUTH_FILE";

/// Names the file, so it is read before there is a tree.
pub(super) const PATH_VARIABLE: &str = "REGISTRY_CONFIGURATION_PATH";

/// Lays every `REGISTRY_*` variable over `root`.
pub(super) fn overlay(root: &mut Node, variables: &[(String, String)], findings: &mut Findings) {
    let mut overrides: Vec<Override<'_>> =
        variables.iter().filter_map(|(name, value)| Override::of(name, value)).collect();
    // `REGISTRY_STORAGE` goes before `REGISTRY_STORAGE_S3_BUCKET`, and `…_9` before `…_10`.
    overrides.sort_by(|left, right| left.parts.cmp(&right.parts));
    expand_choices(root);
    let closed = Closed::by(root);
    let mut applied = Vec::new();
    for one in overrides {
        applied.extend(one.apply(root, findings).map(|path| (path, one.place())));
        expand_choices(root);
    }
    closed.compare(root, &applied, findings);
}

/// The storage driver of a server without a file gives way to one that a variable names, which nobody could remove.
pub(super) fn prefer_named_driver(root: &mut Node) {
    let storage = match &mut root.value {
        Value::Mapping(mapping) => mapping.get_mut("storage").map(|node| &mut node.value),
        Value::Null | Value::Scalar(_) | Value::Sequence(_) => None,
    };
    let Some(Value::Mapping(storage)) = storage else { return };
    let is_driver = |key: &str| !STORAGE_SETTINGS.contains(&key);
    if storage.iter().any(|entry| is_driver(&entry.key) && entry.node.is_from_environment()) {
        storage.retain(|entry| !is_driver(&entry.key) || entry.node.is_from_environment());
    }
}

/// `storage: filesystem` is short for `storage: {filesystem: }`, and a variable below it means the long form.
fn expand_choices(root: &mut Node) {
    if let Value::Mapping(mapping) = &mut root.value {
        for (choice, _) in CHOICES {
            if let Some(node) = mapping.get_mut(choice) {
                node.expand_scalar();
            }
        }
    }
}

/// A variable that may mean a key.
struct Override<'a> {
    name: &'a str,
    parts: Vec<Part>,
    value: &'a str,
}

/// A piece of a variable's name between underscores; numbers sort before words, and by their value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Number(usize),
    Word(String),
}

/// Why a variable sets nothing.
enum Unresolved {
    /// It means no key of the section that it leads to.
    Unknown { section: KeyPath, nearest: Option<String> },
    /// It means an item that would leave a hole before it.
    Gap { list: KeyPath, length: usize },
}

// === impl Override ===

impl<'a> Override<'a> {
    fn of(name: &'a str, value: &'a str) -> Option<Self> {
        let rest = name.strip_prefix(PREFIX).filter(|_| name != PATH_VARIABLE)?;
        Some(Self { name, parts: rest.split('_').map(Part::of).collect(), value })
    }

    /// Sets the key that it means, and returns it.
    fn apply(&self, root: &mut Node, findings: &mut Findings) -> Option<KeyPath> {
        if self.name == CLIENTS_CREDENTIALS {
            let reason = "it names the credentials of podman and skopeo, not a key";
            findings.ignored_variable(self.name, reason);
            return None;
        }
        match self.resolve(root) {
            Ok(path) if !self.describes_a_port() => {
                set(root, path.segments(), self.node(findings));
                return Some(path);
            }
            Ok(_) | Err(_) if self.is_service_link() => {
                findings.ignored_variable(self.name, "it describes a service of the cluster, not a key");
            }
            Ok(_) => {}
            Err(Unresolved::Unknown { section, nearest }) => {
                let reason = unknown("no such key", nearest.as_deref());
                if is_inside_of_what_protects(&section) {
                    findings.error(&self.place(), section.to_string(), reason);
                } else {
                    findings.ignored_variable(self.name, &reason);
                }
            }
            Err(Unresolved::Gap { list, length }) => {
                let message = format!("items follow one another without a gap, and the next one is {length}");
                findings.error(&self.place(), list.to_string(), message);
            }
        }
        None
    }

    /// The key this variable means.
    fn resolve(&self, root: &Node) -> Result<KeyPath, Unresolved> {
        let mut path = KeyPath::default();
        let mut node = Some(root);
        for part in &self.parts {
            let segment = self.step(part, &path, node)?;
            node = node.and_then(|node| below(node, &segment));
            path = path.child(segment);
        }
        // Which grammar a file has is said in the file: the old registry ignores this variable as well.
        if path.to_string() == "version" {
            return Err(Unresolved::Unknown { section: KeyPath::default(), nearest: None });
        }
        Ok(path)
    }

    /// Where one part of the name leads from a node that may not be there yet.
    fn step(&self, part: &Part, path: &KeyPath, node: Option<&Node>) -> Result<Segment, Unresolved> {
        let items = match node.map(|node| &node.value) {
            Some(Value::Sequence(items)) => Some(items.len()),
            None | Some(Value::Null | Value::Scalar(_)) => Some(0),
            Some(Value::Mapping(_)) => None,
        };
        match (keys::shape(path), part, items) {
            (Shape::List(_), Part::Number(index), _) => at(*index, items.unwrap_or(0), path),
            (Shape::List(_) | Shape::Leaf(_), _, _) => {
                Err(Unresolved::Unknown { section: path.clone(), nearest: None })
            }
            (Shape::Section, part, _) => self.key(part, path, node),
            // Anything goes here: the inside of a choice, even of one nobody knows, has rules of its own.
            (_, Part::Number(index), Some(length)) => at(*index, length, path),
            (_, part, _) => Ok(Segment::Key(spelling(part, path, node))),
        }
    }

    /// One of the keys that may stand in a section.
    fn key(&self, part: &Part, path: &KeyPath, node: Option<&Node>) -> Result<Segment, Unresolved> {
        let key = spelling(part, path, node);
        match keys::shape(&path.key(&key)) {
            Shape::Unknown if !is_choice(path) || self.is_service_link() => {
                let nearest = nearest(&key, keys::children(path));
                let nearest = nearest.map(|nearest| variable(&path.key(nearest)));
                Err(Unresolved::Unknown { section: path.clone(), nearest })
            }
            Shape::Named(_) if self.is_service_link() => {
                Err(Unresolved::Unknown { section: path.clone(), nearest: None })
            }
            _ => Ok(Segment::Key(key)),
        }
    }

    /// The value as YAML, or as plain text where it is not: a secret may begin with `@`.
    fn node(&self, findings: &mut Findings) -> Node {
        let place = self.place();
        match yaml::parse(self.value) {
            Ok(parsed) => {
                for repeated in &parsed.repeated {
                    findings.warning(&place, &repeated.key, "written twice; the last one counts");
                }
                parsed.root.moved_to(&place)
            }
            Err(_) => {
                let scalar = Scalar { text: self.value.to_owned(), quoted: true };
                Node { place, value: Value::Scalar(scalar) }
            }
        }
    }

    fn place(&self) -> Place {
        Place::Variable(self.name.to_owned())
    }

    /// Whether Kubernetes makes a variable of this form for a service named `registry` or `registry-…`.
    fn is_service_link(&self) -> bool {
        let is = |part: Option<&Part>, words: &[&str]| {
            part.is_some_and(|part| words.iter().any(|word| part.is(word)))
        };
        (0..self.parts.len()).any(|index| {
            let part = |offset: usize| self.parts.get(index + offset);
            is(part(0), &["SERVICE"]) && is(part(1), &["HOST", "PORT"])
                || is(part(0), &["PORT"])
                    && match part(1) {
                        None => true,
                        Some(Part::Number(_)) => is(part(2), &["TCP", "UDP", "SCTP"]),
                        Some(Part::Word(_)) => false,
                    }
        })
    }

    /// Whether it is such a variable by its value as well, where its name could mean a key (`access.groups.port`).
    fn describes_a_port(&self) -> bool {
        self.is_service_link()
            && ["tcp://", "udp://", "sctp://"].into_iter().any(|scheme| self.value.starts_with(scheme))
    }
}

// === impl Part ===

impl Part {
    fn of(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::Word(text.to_owned()), Self::Number)
    }

    fn to_key(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Word(word) => word.to_lowercase(),
        }
    }

    fn is(&self, word: &str) -> bool {
        matches!(self, Self::Word(own) if own == word)
    }
}

/// The old registry took these names from its source code, where they differ from the keys of the file.
fn field_name(section: &KeyPath, key: String) -> String {
    let keys: Vec<&str> = section.segments().iter().filter_map(Segment::as_key).collect();
    let renamed = match (keys.as_slice(), key.as_str()) {
        (["health"], "filecheckers") => "file",
        (["health"], "httpcheckers") => "http",
        (["health"], "tcpcheckers") => "tcp",
        (["notifications"], "eventconfig") => "events",
        (["redis"], "enabletls") => "enableTLS",
        (["redis"], "sentinelmasterset") => "sentinelMasterSet",
        (["log", "hooks"], "mailoptions") => "options",
        _ => return key,
    };
    renamed.to_owned()
}

/// The key a part means: as the file spells it where it may spell it in its own way, as headers, else in small letters.
fn spelling(part: &Part, path: &KeyPath, node: Option<&Node>) -> String {
    let key = field_name(path, part.to_key());
    let written = node.and_then(Node::as_mapping).and_then(|mapping| mapping.spelling(&key));
    // `Log` in a file is no key at all.
    let written = written.filter(|written| keys::shape(&path.key(written)) != Shape::Unknown);
    written.map_or(key.clone(), str::to_owned)
}

/// Whether no other program has a variable of this form. The sections themselves are words that others use:
/// `REGISTRY_ACCESS_TOKEN` is a credential.
fn is_inside_of_what_protects(section: &KeyPath) -> bool {
    section.segments().len() > 1 && keys::purpose(section) == Purpose::Protects
}

fn is_choice(path: &KeyPath) -> bool {
    CHOICES.into_iter().any(|(choice, _)| path.to_string() == choice)
}

fn at(index: usize, length: usize, list: &KeyPath) -> Result<Segment, Unresolved> {
    if index > length {
        return Err(Unresolved::Gap { list: list.clone(), length });
    }
    Ok(Segment::Index(index))
}

fn below<'a>(node: &'a Node, segment: &Segment) -> Option<&'a Node> {
    match (segment, &node.value) {
        (Segment::Key(key), Value::Mapping(mapping)) => mapping.get(key),
        (Segment::Index(index), Value::Sequence(items)) => items.get(*index),
        _ => None,
    }
}

/// Puts `value` at a path, making what is missing on the way.
fn set(node: &mut Node, path: &[Segment], value: Node) {
    let Some((segment, rest)) = path.split_first() else {
        *node = value;
        return;
    };
    let next = match segment {
        Segment::Key(key) => node.make_mapping().entry(key, &value.place),
        Segment::Index(index) => {
            let items = node.make_sequence();
            if items.len() == *index {
                items.push(Node::null(value.place.clone()));
            }
            &mut items[*index]
        }
    };
    set(next, rest, value);
}

/// `REGISTRY_HTTP_ADDR` for `http.addr`.
fn variable(path: &KeyPath) -> String {
    let parts = path.segments().iter().map(|segment| match segment {
        Segment::Key(key) => key.to_uppercase(),
        Segment::Index(index) => index.to_string(),
    });
    format!("{PREFIX}{}", parts.collect::<Vec<_>>().join("_"))
}

#[cfg(test)]
mod tests;
