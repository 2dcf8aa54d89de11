//! `registry access explain`: which rule decides, and why the others do not.

use std::net::IpAddr;

use clap::Args;
use wharf_auth::{Action, Caller, Rules, Scope};
use wharf_oci::{RepositoryName, Tag};

/// The question.
#[derive(Debug, Args)]
pub(crate) struct Question {
    /// Who asks: a user's name, or `anonymous`
    caller: String,
    /// What for
    #[arg(value_parser = ["pull", "push", "delete", "catalog", "admin"])]
    action: String,
    /// The repository; `-` for catalog and admin, which are about all of them
    repository: Option<String>,
    /// A tag to push
    #[arg(long)]
    tag: Option<String>,
    /// A group that the caller's token brings along
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// Where the caller calls from
    #[arg(long)]
    address: Option<IpAddr>,
}

impl Question {
    /// The answer, or what is wrong with the question.
    pub(crate) fn answer(&self, rules: Option<&Rules>) -> Result<String, String> {
        let caller = Caller {
            name: (self.caller != "anonymous").then(|| self.caller.as_str().into()),
            groups: self.groups.iter().map(String::as_str).collect(),
            address: self.address,
            ..Caller::default()
        };
        let repository = self.repository()?;
        let tag: Option<Tag> = match &self.tag {
            Some(tag) => Some(tag.parse().map_err(|_| format!("{tag:?} is no tag"))?),
            None => None,
        };
        let scope = match (self.action.as_str(), &repository) {
            ("catalog", _) => Scope::Catalog,
            ("admin", _) => Scope::Admin,
            (_, None) => return Err("name a repository, as in `acme/app`".to_owned()),
            ("pull", Some(name)) => Scope::Repository(name, Action::Pull),
            ("push", Some(name)) => Scope::Repository(name, Action::Push),
            (_, Some(name)) => Scope::Repository(name, Action::Delete),
        };
        let Some(rules) = rules else {
            return Ok(
                "no rules: without access.rules, auth alone decides who is let in, and to what".to_owned()
            );
        };
        Ok(rules.explain(&caller, scope, tag.as_ref()).to_string())
    }

    fn repository(&self) -> Result<Option<RepositoryName>, String> {
        let Some(name) = self.repository.as_deref().filter(|name| *name != "-") else { return Ok(None) };
        name.parse().map(Some).map_err(|_| format!("{name:?} is no name of a repository"))
    }
}
