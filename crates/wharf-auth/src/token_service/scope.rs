//! The `scope` of a token request: `repository:acme/app:pull,push`, several of them, and what several come to.
//!
//! What cannot be read asks for nothing: a token server grants what it can and refuses nobody for asking.

use std::collections::HashMap;

use crate::caller::Grant;

/// The most things one token may be asked for. A client that mounts layers from many repositories names them all; a
/// token for more would not fit in a header.
pub(super) const MOST_THINGS: usize = 256;

/// All actions that a token can ever grant; any other asks for nothing.
const ACTIONS: [&str; 4] = ["pull", "push", "delete", "*"];

/// The request names more than [`MOST_THINGS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooMany;

/// What a token is asked to grant: each thing once, with all that was asked for it, in the order of the asking.
///
/// Takes time in proportion to the length of the scopes; the result has at most [`MOST_THINGS`] entries of at most four
/// actions each.
pub(super) fn parse<'a>(scopes: impl IntoIterator<Item = &'a str>) -> Result<Vec<Grant>, TooMany> {
    let mut asked: Vec<Grant> = Vec::new();
    let mut places: HashMap<(&str, &str), usize> = HashMap::new();
    for one in scopes.into_iter().flat_map(str::split_whitespace) {
        let Some((kind, name, actions)) = split(one) else { continue };
        let place = *places.entry((kind, name)).or_insert(asked.len());
        if place == asked.len() {
            if place == MOST_THINGS {
                return Err(TooMany);
            }
            asked.push(Grant { kind: kind.to_owned(), name: name.to_owned(), actions: Vec::new() });
        }
        add(&mut asked[place].actions, actions);
    }
    Ok(asked)
}

/// Adds the actions of a list, `pull,push`, that can be granted and are not among those asked for yet.
fn add(asked: &mut Vec<String>, actions: &str) {
    for action in actions.split(',') {
        let can_be_granted = ACTIONS.iter().any(|known| equal(known, action));
        if can_be_granted && !asked.iter().any(|one| equal(one, action)) {
            asked.push(action.to_owned());
        }
    }
}

/// Whether two words are the same. Every comparison of actions is made here, so that a test can count them.
fn equal(one: &str, other: &str) -> bool {
    #[cfg(test)]
    tests::COMPARISONS.set(tests::COMPARISONS.get() + 1);
    one == other
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

    thread_local! {
        pub(super) static COMPARISONS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
    }

    #[test]
    fn work_grows_with_the_length_of_the_request_and_not_with_its_square() {
        let actions = (0..20_000).map(|n| format!("a{n}")).collect::<Vec<_>>().join(",");
        let rows = [
            vec![format!("repository:a:pull,{actions},push,delete,*,{actions}")],
            (0..20_000).map(|n| format!("repository:a:a{n},pull")).collect(),
        ];
        for scopes in rows {
            COMPARISONS.set(0);
            let asked = parse(scopes.iter().map(String::as_str)).unwrap();
            let comparisons = COMPARISONS.get();
            assert!(comparisons <= 40_004 * 8, "{comparisons} comparisons");
            assert_eq!(asked.len(), 1);
            assert!(asked[0].actions.len() <= 4, "only what can be granted is kept");
        }
    }

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
