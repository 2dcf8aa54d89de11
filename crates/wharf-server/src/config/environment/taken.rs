//! What variables take away from a file: a value that replaces a whole section must not drop what protects, unsaid.
//!
//! `REGISTRY_HTTP={addr: ":5000"}` over a file with `http.tls` would serve in the clear. An empty section is reported where
//! all empty values are, and is no business of this module.

use crate::config::findings::Findings;
use crate::config::keys::{self, Purpose};
use crate::config::path::KeyPath;
use crate::config::tree::{Mapping, Node, Place};

/// Keys that close something by being there. `auth` is not among them: a variable can replace it and not remove it.
const CLOSING: [&[&str]; 4] = [
    &["access", "rules"],
    &["http", "tls"],
    &["http", "tls", "clientcas"],
    &["policy", "repository", "classes"],
];

/// What closes a registry before variables are applied.
pub(super) struct Closed {
    keys: Vec<KeyPath>,
    /// The types of `auth`, where it has some.
    logins: Vec<String>,
}

// === impl Closed ===

impl Closed {
    pub(super) fn by(root: &Node) -> Self {
        let keys = CLOSING.iter().map(|keys| keys.iter().fold(KeyPath::default(), |path, key| path.key(key)));
        Self { keys: keys.filter(|path| node(root, path).is_some()).collect(), logins: logins(root) }
    }

    /// Reports what was taken away, and by which of the variables that set these paths.
    pub(super) fn compare(self, root: &Node, applied: &[(KeyPath, Place)], findings: &mut Findings) {
        for key in self.keys {
            let by = applied.iter().rev().find(|(path, _)| key.segments().starts_with(path.segments()));
            let (Some((path, place)), None) = (by, node(root, &key)) else { continue };
            let is_reported =
                keys::purpose(path) == Purpose::Protects && node(root, path).is_some_and(Node::says_nothing);
            if !is_reported {
                let message = format!(
                    "the file has {key}, which this variable removes; set only the keys that are to change"
                );
                findings.error(place, path.to_string(), message);
                return;
            }
        }
        let none = root.find("auth").and_then(Node::as_mapping).and_then(|auth| auth.get("none"));
        if let Some(place @ Place::Variable(_)) = none.map(|none| &none.place)
            && !self.logins.is_empty()
        {
            let logins = self.logins.join(" and ");
            let message = format!("clients are not authenticated, although the file has auth.{logins}");
            findings.warning(place, "auth.none", &message);
        }
    }
}

/// The node at a path of keys, empty or not.
fn node<'a>(root: &'a Node, path: &KeyPath) -> Option<&'a Node> {
    path.segments().iter().try_fold(root, |node, segment| node.as_mapping()?.get(segment.as_key()?))
}

fn logins(root: &Node) -> Vec<String> {
    let auth = root.find("auth").and_then(Node::as_mapping);
    let types = auth.into_iter().flat_map(Mapping::iter).map(|entry| entry.key.clone());
    types.filter(|login| login != "none").collect()
}
