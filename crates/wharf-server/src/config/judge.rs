//! Walks a whole configuration and asks of every key in it: known, honoured, harmless, or a reason not to start?
//!
//! Where a section protects, two slips that are harmless elsewhere are reasons not to start: a key that is not known, and
//! one without a value.

use super::findings::{Findings, unknown};
use super::keys::{self, CHOICES, Feature, Purpose, Rule, Shape};
use super::nearest::nearest;
use super::path::KeyPath;
use super::reader;
use super::tree::{Entry, Mapping, Node, Place, Value};

/// Reports every unknown key, and every feature asked for that does not work, once.
pub(super) fn judge(root: &Node, findings: &mut Findings) {
    let mut judge = Judge { root, findings, reported: Vec::new() };
    if let Some(mapping) = root.as_mapping() {
        judge.mapping(mapping, &KeyPath::default());
    }
}

struct Judge<'a> {
    root: &'a Node,
    findings: &'a mut Findings,
    reported: Vec<Feature>,
}

// === impl Judge ===

impl Judge<'_> {
    fn mapping(&mut self, mapping: &Mapping, path: &KeyPath) {
        if self.is_switched_off(mapping, path) {
            return;
        }
        for entry in mapping.iter() {
            let child = path.key(&entry.key);
            match keys::shape(&child) {
                Shape::Unknown => self.unknown(path, &entry.key, &entry.key_place),
                Shape::Section | Shape::List(_) | Shape::Leaf(_) | Shape::Open(_)
                    if must_have_a_value(&child) && entry.node.says_nothing() =>
                {
                    self.empty(entry, &child);
                }
                Shape::Named(feature) => self.asked(feature, &child, &entry.key_place),
                shape => self.node(&entry.node, shape, &child, &entry.key_place),
            }
        }
    }

    fn node(&mut self, node: &Node, shape: Shape, path: &KeyPath, key_place: &Place) {
        match (&node.value, shape) {
            _ if node.is_empty() => {}
            (Value::Mapping(mapping), Shape::Section) => self.mapping(mapping, path),
            (value, Shape::Section) => {
                let message = format!("expected a mapping, got {value}");
                self.findings.error(&node.place, path.to_string(), message);
            }
            (Value::Sequence(items), Shape::List(_)) => self.items(items, path),
            (
                _,
                Shape::List(feature) | Shape::Leaf(feature) | Shape::Open(feature) | Shape::Named(feature),
            ) => {
                self.asked(feature, path, key_place);
            }
            (_, Shape::Unknown) => {}
        }
    }

    fn items(&mut self, items: &[Node], path: &KeyPath) {
        for (index, item) in items.iter().enumerate() {
            let path = path.index(index);
            self.node(item, keys::shape(&path), &path, &item.place);
        }
    }

    /// A section with `enabled: false` or `disabled: true` asks for nothing.
    fn is_switched_off(&mut self, mapping: &Mapping, path: &KeyPath) -> bool {
        [("enabled", false), ("disabled", true)].into_iter().any(|(switch, off)| {
            let path = path.key(switch);
            let is_switch = matches!(keys::shape(&path), Shape::Leaf(feature) if feature != Feature::Built);
            let Some(node) = mapping.get(switch).filter(|node| is_switch && !node.is_empty()) else {
                return false;
            };
            // GitLab writes `prefer`, too: whatever is not off asks for the database.
            if path.to_string() == "database.enabled" {
                let off = ["false", "no", "off", "n"];
                return matches!(&node.value, Value::Scalar(text) if off.iter().any(|word| word.eq_ignore_ascii_case(&text.text)));
            }
            reader::flag(node, &path.to_string(), self.findings) == Some(off)
        })
    }

    fn asked(&mut self, feature: Feature, path: &KeyPath, place: &Place) {
        if self.reported.contains(&feature) {
            return;
        }
        self.reported.push(feature);
        match self.rule(feature) {
            Rule::Works => {}
            Rule::Warned(message) => self.findings.warning(place, &path.to_string(), message),
            Rule::Refused(message) => self.findings.error(place, path.to_string(), message),
        }
    }

    /// The rule of a feature, and what the registry we replace did where the key that switches it on is missing.
    fn rule(&self, feature: Feature) -> Rule {
        let is_set = |key: &str| self.root.find(key).is_some_and(|node| !node.is_empty());
        match feature {
            Feature::PullThrough if !is_set("proxy.remoteurl") => {
                Rule::Warned("off, because proxy.remoteurl is not set")
            }
            Feature::GitLabDatabase if !is_set("database.enabled") => {
                Rule::Warned("off, because database.enabled is not set")
            }
            Feature::Acme if !is_set("http.tls.letsencrypt.cachefile") => {
                Rule::Warned("off, because http.tls.letsencrypt.cachefile is not set")
            }
            Feature::RedisTuning | Feature::RedisSentinel if !self.keeps_in_redis() => {
                Rule::Warned("off, because storage.cache.blobdescriptor is not redis")
            }
            _ => feature.rule(),
        }
    }

    fn keeps_in_redis(&self) -> bool {
        let written = |key: &str| self.root.find(key).filter(|node| !node.is_empty());
        let cache = written("storage.cache.blobdescriptor").or_else(|| written("storage.cache.layerinfo"));
        matches!(cache.map(|node| &node.value), Some(Value::Scalar(text)) if text.text.eq_ignore_ascii_case("redis"))
    }

    fn unknown(&mut self, section: &KeyPath, key: &str, place: &Place) {
        let path = section.key(key).to_string();
        let nearest = nearest(key, keys::children(section));
        let choice = CHOICES.into_iter().find(|(name, _)| section.to_string() == *name);
        if let Some((_, what)) = choice {
            return self.findings.error(place, path, unknown(&format!("unknown {what}"), nearest));
        }
        let misplaced = keys::misplaced(key);
        let means_one = nearest.is_some_and(|nearest| protects(&section.key(nearest)));
        if protects(section) || means_one || misplaced.is_some() {
            self.findings.error(place, path, unknown("unknown key", nearest.or(misplaced)));
        } else {
            self.findings.unknown_key(place, &path, nearest);
        }
    }

    fn empty(&mut self, entry: &Entry, path: &KeyPath) {
        let place = match &entry.node.place {
            variable @ Place::Variable(_) => variable,
            Place::File { .. } | Place::Unwritten => &entry.key_place,
        };
        let path = path.to_string();
        let advice = match path.as_str() {
            "auth" => "write `auth: none` to serve without authentication",
            "access.rules" => "without a rule every request is denied",
            "http.tls" => "leave the key out to serve without TLS",
            _ => "leave the key out where it is not to count",
        };
        self.findings.error(place, path, format!("expected a value, got nothing; {advice}"));
    }
}

fn protects(path: &KeyPath) -> bool {
    match keys::purpose(path) {
        Purpose::Protects => true,
        Purpose::Serves => false,
    }
}

/// Whether a key without a value is an error. A login is none: what it lacks is told key by key where it is read.
fn must_have_a_value(path: &KeyPath) -> bool {
    let is_login = path.segments().len() == 2 && path.segments()[0].as_key() == Some("auth");
    protects(path) && !is_login
}
