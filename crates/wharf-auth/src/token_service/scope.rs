//! The `scope` of a token request: `repository:acme/app:pull,push`, several of them, and what several come to.
//!
//! What cannot be read asks for nothing: a token server grants what it can and refuses nobody for asking.

use crate::caller::Grant;

/// The most things one token may be asked for. A client that mounts layers from many repositories names them all; a
/// token for more would not fit in a header.
pub(super) const MOST_THINGS: usize = 256;

/// Somebody asked for more than [`MOST_THINGS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooMany;

/// What a token is asked to grant: each thing once, with all that was asked for it, in the order of the asking.
pub(super) fn parse<'a>(scopes: impl IntoIterator<Item = &'a str>) -> Result<Vec<Grant>, TooMany> {
    let mut asked: Vec<Grant> = Vec::new();
    for one in scopes.into_iter().flat_map(str::split_whitespace) {
        let Some((kind, name, actions)) = split(one) else { continue };
        let known = asked.iter().position(|grant| grant.kind == kind && grant.name == name);
        let place = known.unwrap_or(asked.len());
        if known.is_none() {
            if asked.len() == MOST_THINGS {
                return Err(TooMany);
            }
            asked.push(Grant { kind: kind.to_owned(), name: name.to_owned(), actions: Vec::new() });
        }
        let had = &mut asked[place].actions;
        for action in actions.split(',').filter(|action| !action.is_empty()) {
            if !had.iter().any(|one| one == action) {
                had.push(action.to_owned());
            }
        }
    }
    Ok(asked)
}

/// Kind, name and actions. A name may hold colons, as `localhost:5000/app` does; a kind may have a class behind it,
/// `repository(plugin)`, which says nothing of what may be done.
fn split(scope: &str) -> Option<(&str, &str, &str)> {
    let (kind, rest) = scope.split_once(':')?;
    let (name, actions) = rest.rsplit_once(':')?;
    let kind = kind.split_once('(').map_or(kind, |(kind, _class)| kind);
    Some((kind, name, actions))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(scopes: &[&str], expected: &[(&str, &str, &[&str])]) {
        let asked = parse(scopes.iter().copied()).unwrap();
        let seen: Vec<_> = asked.iter().map(|one| (&*one.kind, &*one.name, one.actions.clone())).collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(kind, name, actions)| (*kind, *name, actions.iter().map(ToString::to_string).collect()))
            .collect();
        assert_eq!(seen, expected, "{scopes:?}");
    }

    #[test]
    fn several_scopes_in_one_or_many_parameters_are_one_list() {
        check(&["repository:a:pull"], &[("repository", "a", &["pull"])]);
        let both = [("repository", "a", &["pull", "push"] as &[&str]), ("repository", "b/c", &["pull"])];
        check(&["repository:a:pull,push", "repository:b/c:pull"], &both);
        check(&["repository:a:pull,push repository:b/c:pull"], &both);
        check(&["  repository:a:pull,push   repository:b/c:pull "], &both);
        check(&["registry:catalog:*"], &[("registry", "catalog", &["*"])]);
    }

    #[test]
    fn a_repository_asked_for_twice_gets_the_union() {
        let union = [("repository", "a", &["pull", "push", "delete"] as &[&str])];
        check(&["repository:a:pull", "repository:a:pull,push", "repository:a:delete"], &union);
        check(&["repository:a:pull repository:a:push,delete"], &union);
        check(&["repository:a:pull,pull,,push,delete"], &union);
    }

    #[test]
    fn names_with_colons_and_classes_are_understood() {
        check(&["repository:localhost:5000/app:pull"], &[("repository", "localhost:5000/app", &["pull"])]);
        check(&["repository(plugin):acme/app:pull"], &[("repository", "acme/app", &["pull"])]);
        // A name may be a word that is an action elsewhere.
        check(&["repository:push/pull:pull"], &[("repository", "push/pull", &["pull"])]);
    }

    #[test]
    fn what_cannot_be_read_asks_for_nothing() {
        check(&["", " ", "repository", "repository:a"], &[]);
        check(&["repository:a:"], &[("repository", "a", &[])]);
        check(&["::"], &[("", "", &[])]);
    }

    #[test]
    fn there_is_an_end_to_what_one_token_may_be_asked_for() {
        let scopes: Vec<String> = (0..=MOST_THINGS).map(|n| format!("repository:r{n}:pull")).collect();
        assert_eq!(parse(scopes.iter().map(String::as_str)), Err(TooMany));
        assert_eq!(parse(scopes[1..].iter().map(String::as_str)).unwrap().len(), MOST_THINGS);
        // The same thing again is no other thing.
        let again = scopes[1..].iter().chain(&scopes[1..2]).map(String::as_str);
        assert_eq!(parse(again).unwrap().len(), MOST_THINGS);
    }
}
