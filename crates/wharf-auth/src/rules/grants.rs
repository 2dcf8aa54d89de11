//! What a token may say: the rules' answer to a list of scopes.

use wharf_oci::RepositoryName;

use super::Rules;
use crate::authorizer::{Action, Scope};
use crate::caller::{Caller, Grant};

/// What can be done to a repository, in the words of the token specification.
const ACTIONS: [(&str, Action); 3] =
    [("pull", Action::Pull), ("push", Action::Push), ("delete", Action::Delete)];

impl Rules {
    /// What the caller gets of what they ask for: everything they may do, and nothing about the rest. What is asked
    /// about one thing twice is answered once, for all of it; `*` is answered by name.
    pub fn grants(&self, caller: &Caller, requested: &[Grant]) -> Vec<Grant> {
        let mut granted: Vec<Grant> = Vec::new();
        for request in requested {
            let actions = self.granted(caller, request);
            let same = |grant: &&mut Grant| (&grant.kind, &grant.name) == (&request.kind, &request.name);
            match granted.iter_mut().find(same) {
                Some(grant) => grant.actions.extend(actions),
                None => granted.push(Grant { actions, ..request.clone() }),
            }
        }
        granted.retain_mut(|grant| {
            grant.actions.sort_by_key(|action| ACTIONS.iter().position(|(word, _)| word == action));
            grant.actions.dedup();
            !grant.actions.is_empty()
        });
        granted
    }

    fn granted(&self, caller: &Caller, request: &Grant) -> Vec<String> {
        let asks_for = |word: &str| request.actions.iter().any(|action| action == word || action == "*");
        match (request.kind.as_str(), request.name.as_str()) {
            ("registry", "catalog") if asks_for("*") && self.decide(caller, Scope::Catalog).allowed => {
                vec!["*".to_owned()]
            }
            ("repository", name) => {
                let Ok(name) = name.parse::<RepositoryName>() else { return Vec::new() };
                let may = |action| self.decide(caller, Scope::Repository(&name, action)).allowed;
                let actions = ACTIONS.iter().filter(|(word, action)| asks_for(word) && may(*action));
                actions.map(|(word, _)| (*word).to_owned()).collect()
            }
            _ => Vec::new(),
        }
    }
}
