//! What the operator demands of manifests (`validation` in the config).

use regex::Regex;
use wharf_oci::{Manifest, Platform};

/// The demands.
#[derive(Debug, Clone, Default)]
pub struct Validation {
    /// `validation.disabled`: no rules about URLs, and children of an index need not be there.
    pub disabled: bool,
    /// `validation.manifests.missing`: whether a manifest may name what the repository does not have.
    pub missing: Missing,
    /// `validation.manifests.urls`.
    pub urls: UrlRules,
    /// `validation.manifests.indexes`.
    pub platforms: Platforms,
    /// `policy.repository.classes`: what images may be, `image` or `plugin`; `None` if anything may be pushed.
    pub classes: Option<Vec<String>>,
}

impl Validation {
    /// Why the class of an image does not fit the operator's list; `None` if it does. An index has no class.
    pub(crate) fn class_refused(&self, manifest: &Manifest) -> Option<String> {
        let classes = self.classes.as_ref()?;
        let config = manifest.config.as_ref()?;
        let class = match config.media_type.as_str() {
            "application/vnd.docker.container.image.v1+json" | "application/vnd.oci.image.config.v1+json" => {
                "image"
            }
            "application/vnd.docker.plugin.v1+json" => "plugin",
            other => return Some(format!("unknown manifest class for {other}")),
        };
        let listed = classes.iter().any(|listed| listed == class);
        (!listed).then(|| format!("registry does not allow {class} manifest"))
    }
}

/// Whether a manifest may name what the repository does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Missing {
    /// It may not: a pull never meets a gap.
    #[default]
    Deny,
    /// It may; the operator takes care of the gaps.
    Allow,
}

/// From where a layer may say that it is to be fetched.
#[derive(Debug, Clone, Default)]
pub struct UrlRules {
    /// One of these must match; if there are none at all and no `deny` either, nothing is allowed.
    pub allow: Vec<Regex>,
    /// None of these may match.
    pub deny: Vec<Regex>,
}

/// Which children of an index must be there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Platforms {
    /// Every one.
    #[default]
    All,
    /// None.
    None,
    /// Those for one of these pairs of architecture and operating system.
    List(Vec<(String, String)>),
}

impl UrlRules {
    /// Whether a client may be sent there: plain http or https, no fragment, and as the operator says.
    pub fn allows(&self, url: &str) -> bool {
        let web = url.starts_with("https://") || url.starts_with("http://");
        if !web || url.contains('#') {
            return false;
        }
        let allowed = match (self.allow.is_empty(), self.deny.is_empty()) {
            (true, true) => false,
            (true, false) => true,
            (false, _) => self.allow.iter().any(|rule| rule.is_match(url)),
        };
        allowed && !self.deny.iter().any(|rule| rule.is_match(url))
    }
}

impl Platforms {
    /// Whether the child for `platform` must be there.
    pub fn require(&self, platform: Option<&Platform>) -> bool {
        match (self, platform) {
            (Self::All, _) => true,
            (Self::None, _) | (Self::List(_), None) => false,
            (Self::List(list), Some(platform)) => list
                .iter()
                .any(|(architecture, os)| *architecture == platform.architecture && *os == platform.os),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(allow: &[&str], deny: &[&str]) -> UrlRules {
        let compile = |rules: &[&str]| rules.iter().map(|rule| Regex::new(rule).unwrap()).collect();
        UrlRules { allow: compile(allow), deny: compile(deny) }
    }

    #[test]
    fn urls_are_allowed_as_the_operator_says() {
        let rows = [
            (rules(&[], &[]), "https://example.com/layer", false),
            (rules(&["^https://"], &[]), "https://example.com/layer", true),
            (rules(&["^https://"], &[]), "http://example.com/layer", false),
            (rules(&["."], &[]), "ftp://example.com/layer", false),
            (rules(&["."], &[]), "https://example.com/layer#fragment", false),
            (rules(&["."], &["secret"]), "https://example.com/secret", false),
            (rules(&[], &["secret"]), "https://example.com/layer", true),
        ];
        for (rules, url, allowed) in rows {
            assert_eq!(rules.allows(url), allowed, "{url} under {rules:?}");
        }
    }
}
