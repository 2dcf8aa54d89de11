//! Which callers a rule is about.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use serde_json::Value;

use super::glob::Glob;
use super::rule::Problem;
use super::subjects::SubjectPattern;
use super::{Effect, Miss, Rule, RuleError, RulePlace};
use crate::caller::{Caller, ClientCertificate, is_elsewhere};

/// Conditions on the caller; all must hold.
#[derive(Debug, Clone)]
pub(super) struct Callers {
    who: Vec<Who>,
    common_names: Vec<Glob>,
    subjects: Vec<SubjectPattern>,
    claims: Vec<Claim>,
    networks: Vec<IpNet>,
    /// What the rule says: one that denies fits also where a claim, a certificate's name or the address cannot be read.
    effect: Effect,
}

/// Something in the caller's token.
#[derive(Debug, Clone)]
struct Claim {
    name: Box<str>,
    globs: Vec<Glob>,
}

#[derive(Debug, Clone)]
enum Who {
    Everyone,
    Anonymous,
    Authenticated,
    Named(Glob),
    InGroup(Arc<Group>),
}

/// A group: those listed, and those who bring it along.
#[derive(Debug)]
struct Group {
    name: Box<str>,
    /// In order, to be searched.
    members: Vec<String>,
}

/// The groups that are defined beside the rules.
#[derive(Debug)]
pub(super) struct Groups(BTreeMap<String, Arc<Group>>);

// === impl Groups ===

impl Groups {
    pub(super) fn new(groups: BTreeMap<String, Vec<String>>) -> Result<Self, RuleError> {
        let group = |(name, mut members): (String, Vec<String>)| {
            let wrong =
                |problem: String| RuleError { place: RulePlace::Group { name: name.clone() }, problem };
            if name.is_empty() {
                return Err(wrong("a group needs a name".to_owned()));
            }
            if let Some(member) = members.iter().find(|member| !is_plain_name(member)) {
                return Err(wrong(format!(
                    "`{member}` is no user's name: members are written out, one by one"
                )));
            }
            members.sort();
            let group = Group { name: name.as_str().into(), members };
            Ok((name, Arc::new(group)))
        };
        groups.into_iter().map(group).collect::<Result<_, _>>().map(Self)
    }

    fn named(&self, name: &str, foreign: &mut Vec<String>) -> Arc<Group> {
        self.0.get(name).cloned().unwrap_or_else(|| {
            foreign.push(name.to_owned());
            Arc::new(Group { name: name.into(), members: Vec::new() })
        })
    }
}

/// Whether it is a name, and not one of the words and patterns that a rule may have in its place.
fn is_plain_name(text: &str) -> bool {
    let word = matches!(text, "" | "everyone" | "anonymous" | "authenticated");
    !word && !text.contains('*') && !text.starts_with("group:") && !text.starts_with("user:")
}

// === impl Callers ===

impl Callers {
    pub(super) fn new(rule: &Rule, groups: &Groups, foreign: &mut Vec<String>) -> Result<Self, Problem> {
        let who = rule.callers.iter().map(|text| Who::new(text, groups, foreign));
        let callers = Self {
            who: who.collect::<Result<_, _>>().map_err(|problem| ("callers", problem))?,
            common_names: globs("commonnames", &rule.common_names)?,
            subjects: subjects(&rule.subjects)?,
            claims: claims(&rule.claims)?,
            networks: networks(&rule.networks)?,
            effect: rule.effect,
        };
        if callers.who.is_empty() && !callers.have_proof() {
            let problem = "say who: names, group:<name>, authenticated, anonymous or everyone";
            return Err(("callers", problem.to_owned()));
        }
        Ok(callers)
    }

    /// Whether something must hold that only a certificate or a token can show.
    fn have_proof(&self) -> bool {
        !(self.common_names.is_empty() && self.subjects.is_empty() && self.claims.is_empty())
    }

    pub(super) fn look_at_address(&self) -> bool {
        !self.networks.is_empty()
    }

    pub(super) fn name_groups(&self) -> bool {
        self.who.iter().any(|who| matches!(who, Who::InGroup(_)))
    }

    /// Whether it is possible that somebody fits who has not said who they are.
    pub(super) fn may_be_anonymous(&self) -> bool {
        let open = |who: &Who| matches!(who, Who::Everyone | Who::Anonymous);
        !self.have_proof() && self.who.iter().any(open)
    }

    pub(super) fn fit(&self, caller: &Caller) -> bool {
        self.miss(caller).is_none()
    }

    /// The first condition that does not hold.
    pub(super) fn miss(&self, caller: &Caller) -> Option<Miss> {
        let certificate = caller.certificate.as_deref();
        if !self.who.is_empty() && !self.who.iter().any(|who| who.is(caller)) {
            return Some(Miss::Caller);
        }
        let fits = |fits: fn(&Self, &ClientCertificate) -> bool| {
            certificate.is_some_and(|certificate| fits(self, certificate))
        };
        if !self.common_names.is_empty() && !fits(Self::common_names_fit) {
            return Some(Miss::CommonName);
        }
        if !self.subjects.is_empty() && !fits(Self::subjects_fit) {
            return Some(Miss::Subject);
        }
        if !self.claims.iter().all(|claim| claim.fits(caller, self.effect)) {
            return Some(Miss::Claim);
        }
        (!self.networks.is_empty() && !self.networks_include(caller.address)).then_some(Miss::Network)
    }

    /// A rule that allows looks at the most specific name. One that denies looks at all of them, and fits a certificate with
    /// a name that cannot be read.
    fn common_names_fit(&self, certificate: &ClientCertificate) -> bool {
        let fits = |name: &String| holds(&self.common_names, Some(name));
        certificate.common_name.iter().any(fits)
            || (self.effect == Effect::Deny
                && (certificate.is_unreadable || certificate.other_common_names.iter().any(fits)))
    }

    fn subjects_fit(&self, certificate: &ClientCertificate) -> bool {
        self.subjects.iter().any(|pattern| pattern.matches(&certificate.subject))
            || (self.effect == Effect::Deny && certificate.is_unreadable)
    }

    fn networks_include(&self, address: Option<IpAddr>) -> bool {
        let Some(address) = address else { return self.effect == Effect::Deny };
        let address = address.to_canonical();
        self.networks.iter().any(|network| network.contains(&address))
    }
}

// === impl Who ===

impl Who {
    fn new(text: &str, groups: &Groups, foreign: &mut Vec<String>) -> Result<Self, String> {
        Ok(match text {
            "everyone" => Self::Everyone,
            "anonymous" => Self::Anonymous,
            "authenticated" => Self::Authenticated,
            "group:" => return Err("which group? `group:` is followed by its name".to_owned()),
            _ => match text.strip_prefix("group:") {
                Some(group) => Self::InGroup(groups.named(group, foreign)),
                None => Self::Named(Glob::new(text.strip_prefix("user:").unwrap_or(text))?),
            },
        })
    }

    fn is(&self, caller: &Caller) -> bool {
        let name = caller.known_name();
        match self {
            Self::Everyone => true,
            Self::Anonymous => name.is_none(),
            Self::Authenticated => name.is_some(),
            Self::Named(glob) => name.is_some_and(|name| glob.matches(name)),
            Self::InGroup(group) => {
                let listed =
                    |name: &str| group.members.binary_search_by(|member| member.as_str().cmp(name)).is_ok();
                name.is_some_and(listed) || caller.groups.contains(&group.name)
            }
        }
    }
}

fn globs(key: &'static str, patterns: &[String]) -> Result<Vec<Glob>, Problem> {
    patterns.iter().map(|pattern| Glob::new(pattern).map_err(|problem| (key, problem))).collect()
}

fn subjects(patterns: &[String]) -> Result<Vec<SubjectPattern>, Problem> {
    patterns
        .iter()
        .map(|pattern| SubjectPattern::new(pattern).map_err(|problem| ("subjects", problem)))
        .collect()
}

fn claims(claims: &BTreeMap<String, Vec<String>>) -> Result<Vec<Claim>, Problem> {
    let claim = |(name, patterns): (&String, &Vec<String>)| match patterns.as_slice() {
        [] => Err(("claims", format!("`{name}` has no pattern to match; \"**\" is anything"))),
        patterns => Ok(Claim { name: name.as_str().into(), globs: globs("claims", patterns)? }),
    };
    claims.iter().map(claim).collect()
}

/// Networks, or single addresses.
fn networks(texts: &[String]) -> Result<Vec<IpNet>, Problem> {
    let network = |text: &String| {
        let parsed = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        parsed.map_err(|_| {
            ("networks", format!("`{text}` is no network; one looks like 10.0.0.0/8 or fd00::/8"))
        })
    };
    texts.iter().map(network).collect()
}

/// Whether one of the patterns matches; without patterns there is nothing to hold.
fn holds(globs: &[Glob], text: Option<&str>) -> bool {
    globs.is_empty() || text.is_some_and(|text| globs.iter().any(|glob| glob.matches(text)))
}

// === impl Claim ===

impl Claim {
    /// Whether the caller's token claims this. Where that cannot be said, a rule that allows does not fit, and one that
    /// denies does.
    fn fits(&self, caller: &Caller, effect: Effect) -> bool {
        let Some(token) = &caller.token else { return false };
        if effect == Effect::Deny && is_elsewhere(&token.claims, &self.name) {
            return true;
        }
        let Some(value) = token.claims.get(&*self.name) else { return false };
        let values = match value {
            Value::Array(values) => values,
            single => std::slice::from_ref(single),
        };
        let unreadable = |value: &Value| matches!(value, Value::Array(_) | Value::Object(_));
        values.iter().any(|value| is_claimed(value, &self.globs))
            || (effect == Effect::Deny && values.iter().any(unreadable))
    }
}

fn is_claimed(value: &Value, globs: &[Glob]) -> bool {
    match value {
        Value::String(text) => holds(globs, Some(text)),
        Value::Bool(true) => holds(globs, Some("true")),
        Value::Bool(false) => holds(globs, Some("false")),
        // The only thing that allocates, and nobody writes rules about numbers.
        Value::Number(number) => holds(globs, Some(&number.to_string())),
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}
