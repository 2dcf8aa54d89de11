//! Scopes in the words of the token specification: what a challenge asks for, and whether a token's grants are enough.

use crate::authorizer::{Action, Scope};
use crate::caller::Grant;

impl Scope<'_> {
    /// What a token has to grant, as in `repository:acme/app:pull,push`; `None` where no token can, or any will do.
    #[must_use]
    pub fn to_text(&self) -> Option<String> {
        match self {
            Self::Base | Self::PullEverything | Self::Admin => None,
            Self::Catalog => Some("registry:catalog:*".to_owned()),
            Self::Repository(repository, action) => {
                Some(format!("repository:{repository}:{}", wanted(*action).join(",")))
            }
        }
    }
}

/// Whether the grants are enough. Their names are whole names: there are no patterns in them.
pub(super) fn cover(grants: &[Grant], scope: Scope<'_>) -> bool {
    let granted = |kind: &str, name: &str, action: &str| {
        let about = |grant: &&Grant| grant.kind == kind && grant.name == name;
        let mut actions = grants.iter().filter(about).flat_map(|grant| &grant.actions);
        actions.any(|granted| granted == action || granted == "*")
    };
    match scope {
        Scope::Base => true,
        Scope::Catalog => granted("registry", "catalog", "*"),
        Scope::PullEverything | Scope::Admin => false,
        Scope::Repository(repository, action) => {
            wanted(action).iter().all(|action| granted("repository", repository.as_str(), action))
        }
    }
}

/// What a token has to grant for an action. Whoever uploads looks at what is there already.
fn wanted(action: Action) -> &'static [&'static str] {
    match action {
        Action::Pull => &["pull"],
        Action::Push => &["pull", "push"],
        Action::Delete => &["delete"],
    }
}

#[cfg(test)]
mod tests {
    use wharf_oci::RepositoryName;

    use super::*;

    fn grant(kind: &str, name: &str, actions: &[&str]) -> Grant {
        let actions = actions.iter().map(ToString::to_string).collect();
        Grant { kind: kind.into(), name: name.into(), actions }
    }

    #[test]
    fn a_scope_is_written_the_same_way_every_time() {
        let app: RepositoryName = "acme/app".parse().unwrap();
        let rows = [
            (Scope::Base, None),
            (Scope::PullEverything, None),
            (Scope::Catalog, Some("registry:catalog:*")),
            (Scope::Repository(&app, Action::Pull), Some("repository:acme/app:pull")),
            (Scope::Repository(&app, Action::Push), Some("repository:acme/app:pull,push")),
            (Scope::Repository(&app, Action::Delete), Some("repository:acme/app:delete")),
        ];
        for (scope, expected) in rows {
            assert_eq!(scope.to_text().as_deref(), expected, "{scope:?}");
        }
    }

    #[test]
    fn grants_are_for_whole_names_and_single_actions() {
        let app: RepositoryName = "acme/app".parse().unwrap();
        let may = |grants: &[Grant]| {
            let [pull, push, delete] = [Action::Pull, Action::Push, Action::Delete]
                .map(|a| cover(grants, Scope::Repository(&app, a)));
            (pull, push, delete, cover(grants, Scope::Catalog))
        };
        let repository = |actions: &[&str]| vec![grant("repository", "acme/app", actions)];
        assert_eq!(may(&[]), (false, false, false, false));
        assert_eq!(may(&repository(&["pull"])), (true, false, false, false));
        assert_eq!(may(&repository(&["push"])), (false, false, false, false));
        assert_eq!(may(&repository(&["push", "pull"])), (true, true, false, false));
        assert_eq!(may(&repository(&["delete"])), (false, false, true, false));
        assert_eq!(may(&repository(&["*"])), (true, true, true, false));
        assert_eq!(may(&[repository(&["pull"]), repository(&["push"])].concat()), (true, true, false, false));
        for (kind, name) in [("repository", "acme/*"), ("repository", "acme"), ("plugin", "acme/app")] {
            assert_eq!(may(&[grant(kind, name, &["*"])]), (false, false, false, false), "{kind} {name}");
        }
        assert_eq!(may(&[grant("registry", "catalog", &["*"])]), (false, false, false, true));
        assert_eq!(may(&[grant("registry", "catalog", &["pull"])]), (false, false, false, false));
        assert!(!cover(&repository(&["*"]), Scope::PullEverything));
        assert!(cover(&[], Scope::Base));
    }
}
