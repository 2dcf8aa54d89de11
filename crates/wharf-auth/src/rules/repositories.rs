//! Which repositories a rule is about.

use wharf_oci::RepositoryName;

use super::glob::Glob;
use crate::caller::Caller;

const USER: &str = "{user}";

/// Patterns of names.
#[derive(Debug, Clone)]
pub(super) struct Repositories {
    patterns: Vec<Pattern>,
    all: bool,
}

#[derive(Debug, Clone)]
enum Pattern {
    Name(Glob),
    /// `before{user}after`, where `before` is empty or ends at a slash, and `after` is empty or begins with one.
    OfUser {
        before: Box<str>,
        after: Option<Glob>,
    },
}

// === impl Repositories ===

impl Repositories {
    /// None at all means all of them.
    pub(super) fn new(patterns: &[String]) -> Result<Self, String> {
        let patterns: Vec<Pattern> =
            patterns.iter().map(|text| Pattern::new(text)).collect::<Result<_, _>>()?;
        let everything = |pattern: &Pattern| matches!(pattern, Pattern::Name(glob) if glob.is_everything());
        let all = patterns.is_empty() || patterns.iter().any(everything);
        Ok(Self { patterns, all })
    }

    /// Whether no repository is left out, whoever asks.
    pub(super) fn are_all(&self) -> bool {
        self.all
    }

    pub(super) fn include(&self, repository: &RepositoryName, caller: &Caller) -> bool {
        self.all || self.patterns.iter().any(|pattern| pattern.matches(repository.as_str(), caller))
    }
}

// === impl Pattern ===

impl Pattern {
    fn new(text: &str) -> Result<Self, String> {
        let Some((before, after)) = text.split_once(USER) else {
            check(text, text)?;
            return Glob::new(text).map(Self::Name);
        };
        let whole =
            (before.is_empty() || before.ends_with('/')) && (after.is_empty() || after.starts_with('/'));
        if !whole || before.contains('*') || after.contains(USER) {
            return Err(format!("in `{text}` {USER} must be one whole segment, with no star before it"));
        }
        check(text, before)?;
        check(text, after)?;
        let after = if after.is_empty() { None } else { Some(Glob::new(after)?) };
        Ok(Self::OfUser { before: before.into(), after })
    }

    fn matches(&self, name: &str, caller: &Caller) -> bool {
        match self {
            Self::Name(glob) => glob.matches(name),
            Self::OfUser { before, after } => {
                // A name with a slash in it is not one segment, and would reach into somebody else's.
                let Some(user) = caller.known_name().filter(|user| !user.contains('/')) else { return false };
                let rest = name.strip_prefix(&**before).and_then(|rest| rest.strip_prefix(user));
                rest.is_some_and(|rest| match after {
                    Some(glob) => glob.matches(rest),
                    None => rest.is_empty(),
                })
            }
        }
    }
}

/// Refuses what can match no name, so that a slip of the pen is seen.
fn check(whole: &str, part: &str) -> Result<(), String> {
    let fits =
        |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-' | '/' | '*');
    if let Some(wrong) = part.chars().find(|c| !fits(*c)) {
        return Err(format!("`{whole}` matches no repository: there is never a {wrong:?} in a name"));
    }
    if whole.starts_with('/') || whole.ends_with('/') || whole.contains("//") {
        return Err(format!("`{whole}` matches no repository: each segment of a name has something in it"));
    }
    Ok(())
}
