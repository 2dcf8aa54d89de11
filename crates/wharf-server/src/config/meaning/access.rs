//! `access`: who may do what, and the tokens that we give out.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use http::Uri;
use wharf_auth::{Effect, Rule, RulePlace, Rules, TokenOptions, WeakSecret};

use crate::config::duration;
use crate::config::reader::Reader;
use crate::config::tree::{Node, Value};
use crate::config::{AuthConfig, HttpConfig, OwnTokensConfig, SecretPlace};

const RULES: &str = "access.rules";

/// Clients take whatever is shorter for this long.
const SHORTEST_LIFETIME: Duration = Duration::from_mins(1);

/// Reads the rules and the tokens into what is known of `auth`.
pub(super) fn read(reader: &mut Reader<'_>, auth: AuthConfig, http: &HttpConfig) -> AuthConfig {
    let groups = groups(reader);
    let written: Option<Vec<Rule>> = rules(reader);
    let rule_count = written.as_ref().map_or(0, Vec::len);
    if written.is_none() && !groups.is_empty() && !reader.has_errors_at(RULES) {
        reader.reject(RULES, "missing; groups mean nothing without rules");
    }
    let rules = written.and_then(|written| compiled(reader, written, groups));
    let auth = AuthConfig { rules, rule_count, ..auth };
    if let Some(rules) = &auth.rules {
        warn(reader, &auth, rules);
    }
    let own_tokens = own_tokens(reader, &auth, http);
    AuthConfig { own_tokens, ..auth }
}

fn groups(reader: &mut Reader<'_>) -> BTreeMap<String, Vec<String>> {
    let groups = reader.node("access.groups").and_then(Node::as_mapping);
    let mut read = BTreeMap::new();
    for entry in groups.iter().flat_map(|mapping| mapping.iter()) {
        let members = reader.texts(&entry.node, &format!("access.groups.{}", entry.key));
        read.insert(entry.key.clone(), members);
    }
    read
}

/// The rules as they are written; `None` where there are none. That a list without an entry, here or in a rule, is an
/// error was reported before: it must not mean what a list that is not there means.
fn rules(reader: &mut Reader<'_>) -> Option<Vec<Rule>> {
    let node = reader.node(RULES).filter(|node| !node.says_nothing())?;
    let Value::Sequence(items) = &node.value else {
        reader.reject(RULES, format!("expected a list of rules, got {}", node.value));
        return None;
    };
    Some(
        items
            .iter()
            .enumerate()
            .map(|(index, item)| rule(reader, item, &format!("{RULES}[{index}]")))
            .collect(),
    )
}

fn rule(reader: &mut Reader<'_>, item: &Node, key: &str) -> Rule {
    let Value::Mapping(mapping) = &item.value else {
        // Said already, by whoever judges shapes.
        return Rule::default();
    };
    let mut texts = |name: &str| {
        mapping.get(name).map(|node| reader.texts(node, &format!("{key}.{name}"))).unwrap_or_default()
    };
    let effect = match texts("effect").as_slice() {
        [] => Some(Effect::Allow),
        [word] => effect(word),
        [_, _, ..] => None,
    };
    let rule = Rule {
        effect: effect.unwrap_or_default(),
        callers: texts("callers"),
        common_names: texts("commonnames"),
        subjects: texts("subjects"),
        claims: BTreeMap::new(),
        networks: texts("networks"),
        repositories: texts("repositories"),
        actions: texts("actions"),
        tags: texts("tags"),
        immutable_tags: texts("immutabletags"),
    };
    if effect.is_none() {
        let place = mapping.get("effect").unwrap_or(item);
        reader.error_at(
            place,
            &format!("{key}.effect"),
            format!("expected allow or deny, got {}", place.value),
        );
    }
    Rule { claims: claims(reader, mapping.get("claims"), key), ..rule }
}

fn effect(word: &str) -> Option<Effect> {
    match word {
        "allow" => Some(Effect::Allow),
        "deny" => Some(Effect::Deny),
        _ => None,
    }
}

fn claims(reader: &mut Reader<'_>, node: Option<&Node>, key: &str) -> BTreeMap<String, Vec<String>> {
    let claims = node.and_then(Node::as_mapping);
    let mut read = BTreeMap::new();
    for entry in claims.iter().flat_map(|mapping| mapping.iter()) {
        let patterns = reader.texts(&entry.node, &format!("{key}.claims.{}", entry.key));
        read.insert(entry.key.clone(), patterns);
    }
    read
}

/// The rules, if they can be; an error names the key that is wrong.
fn compiled(
    reader: &mut Reader<'_>,
    rules: Vec<Rule>,
    groups: BTreeMap<String, Vec<String>>,
) -> Option<Rules> {
    // What could not be read would only be reported again, as missing.
    if reader.has_errors_at(RULES) || reader.has_errors_at("access.groups") {
        return None;
    }
    let error = match Rules::new(rules, groups) {
        Ok(rules) => return Some(rules),
        Err(error) => error,
    };
    let (place, key) = match &error.place {
        RulePlace::Rule { index, key } => {
            let key = key.replace('_', "");
            let items = reader.node(RULES).map(|node| &node.value);
            let item = match items {
                Some(Value::Sequence(items)) => items.get(*index),
                _ => None,
            };
            (item.map(|item| item.find(&key).unwrap_or(item)), format!("{RULES}[{index}].{key}"))
        }
        RulePlace::Group { name } => {
            let groups = reader.node("access.groups").and_then(Node::as_mapping);
            (groups.and_then(|groups| groups.get(name)), format!("access.groups.{name}"))
        }
    };
    match place {
        Some(node) => reader.error_at(node, &key, error.problem),
        None => reader.reject(RULES, error.problem),
    }
    None
}

fn warn(reader: &mut Reader<'_>, auth: &AuthConfig, rules: &Rules) {
    if rules.look_at_addresses() && reader.node("http.trustedproxies").is_none() {
        reader.warn(
            RULES,
            "rules look at networks, and no proxy is believed in that: name yours in http.trustedproxies, or write `[]` there",
        );
    }
    // Without tokens no caller can ever be in them, and a rule that denies something to one would deny it to no caller.
    let unknown = rules.foreign_groups().iter().filter(|_| auth.token.is_none());
    for (index, group) in unknown {
        let key = format!("{RULES}[{index}].callers");
        let problem = format!("there is no group `{group}`: list its members in access.groups");
        match callers_of(reader, *index) {
            Some(node) => reader.error_at(node, &key, problem),
            None => reader.reject(&key, problem),
        }
    }
}

/// Where the rule names its callers.
fn callers_of<'a>(reader: &Reader<'a>, index: usize) -> Option<&'a Node> {
    match &reader.node(RULES)?.value {
        Value::Sequence(items) => items.get(index)?.find("callers"),
        Value::Null | Value::Scalar(_) | Value::Mapping(_) => None,
    }
}

// === tokens ===

fn own_tokens(reader: &mut Reader<'_>, auth: &AuthConfig, http: &HttpConfig) -> Option<OwnTokensConfig> {
    let defaults = TokenOptions::default();
    let enabled = reader.flag("access.tokens.enabled");
    let service = reader.header_text("access.tokens.service");
    let lifetime =
        reader.parsed("access.tokens.lifetime", "a duration of a minute at least such as 5m", |text| {
            duration::parse(text).filter(|lifetime| *lifetime >= SHORTEST_LIFETIME)
        });
    let refresh = reader.duration("access.tokens.refreshlifetime");
    let keys = reader.list("access.tokens.keys", "the path of a file", |text| {
        (!text.is_empty()).then(|| PathBuf::from(text))
    });
    let wanted = || auth.rules.as_ref().is_some_and(Rules::anonymous_may_do_anything);
    let by_default = auth.htpasswd.is_some() && auth.token.is_none() && wanted();
    if !enabled.unwrap_or(by_default) {
        return None;
    }
    if auth.htpasswd.is_none() {
        reader.reject("access.tokens.enabled", "there is nobody to give tokens to: set auth.htpasswd");
    } else if auth.token.is_some() {
        let message = "auth.token sends clients to another token server, and they can be sent to one only";
        reader.reject("access.tokens.enabled", message);
    }
    let keys = keys.unwrap_or_default();
    if let Some(SecretPlace::Here(secret)) = &http.secret
        && keys.is_empty()
        && let Err(weak) = WeakSecret::check(secret.expose().as_bytes())
    {
        reader.reject("http.secret", format!("{weak}, or set access.tokens.keys"));
    }
    Some(OwnTokensConfig {
        service: service.or_else(|| host(http)).unwrap_or(defaults.service),
        lifetime: lifetime.unwrap_or(defaults.lifetime),
        refresh_lifetime: refresh.unwrap_or(defaults.refresh_lifetime),
        keys,
    })
}

/// The host of `http.host`, with a port where it has one: tokens of one registry are then none of another that has the same
/// secret.
fn host(http: &HttpConfig) -> Option<String> {
    let url: Uri = http.host.as_ref()?.parse().ok()?;
    Some(url.authority()?.as_str().to_ascii_lowercase())
}
