//! Patterns against a matcher that is slow and obvious.

use super::super::glob::{Glob, MAX_BYTES};
use super::*;

/// Tries everything there is to try.
fn obviously(pattern: &str, text: &str, begins_segment: bool) -> bool {
    let ends = || (0..=text.len()).filter(|end| text.is_char_boundary(*end));
    if let Some(rest) = pattern.strip_prefix("**") {
        let rest = rest.trim_start_matches('*');
        if let (true, Some(rest)) = (begins_segment, rest.strip_prefix('/')) {
            let after_a_slash =
                |end: usize| text[..end].ends_with('/') && obviously(rest, &text[end..], true);
            return obviously(rest, text, true) || ends().any(after_a_slash);
        }
        return ends().any(|end| obviously(rest, &text[end..], false));
    }
    if let Some(rest) = pattern.strip_prefix('*') {
        return ends()
            .filter(|end| !text[..*end].contains('/'))
            .any(|end| obviously(rest, &text[end..], false));
    }
    let (mut pattern, mut text) = (pattern.chars(), text.chars());
    match (pattern.next(), text.next()) {
        (None, None) => true,
        (Some(wanted), Some(found)) => {
            wanted == found && obviously(pattern.as_str(), text.as_str(), wanted == '/')
        }
        (None, Some(_)) | (Some(_), None) => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn patterns_match_what_they_obviously_match(pattern in "[ab/*é]{1,12}", text in "[ab/é]{0,12}") {
        let matches = Glob::new(&pattern).unwrap().matches(&text);
        prop_assert_eq!(matches, obviously(&pattern, &text, true));
    }

    #[test]
    fn any_pattern_and_any_text_are_taken(pattern in "\\PC*", text in "\\PC*") {
        let matches = Glob::new(&pattern).is_ok_and(|glob| glob.matches(&text));
        let itself = Glob::new(&text).is_ok_and(|glob| glob.matches(&text));
        prop_assert!(itself || text.is_empty() || text.len() > MAX_BYTES);
        prop_assert!(!matches || !pattern.is_empty());
    }
}

/// With backtracking this would take longer than anybody has.
#[test]
fn a_pattern_of_many_stars_is_not_slow() {
    let text = "a".repeat(MAX_BYTES);
    for part in ["*a", "**a", "**/a", "a*a*", "**a*a"] {
        let pattern = format!("{}b", part.repeat((MAX_BYTES - 1) / part.len()));
        assert!(!Glob::new(&pattern).unwrap().matches(&text));
        assert!(!Glob::new(&pattern).unwrap().matches(&"a/".repeat(MAX_BYTES / 2)));
    }
}

#[test]
fn the_longest_pattern_has_room() {
    let pattern = "**/".repeat(MAX_BYTES / 3);
    assert!(Glob::new(&pattern).unwrap().matches(&"a/".repeat(100)));
    let pattern = format!("*{}", "a".repeat(MAX_BYTES - 1));
    assert!(Glob::new(&pattern).unwrap().matches(&"a".repeat(MAX_BYTES)));
    assert!(Glob::new(&"a".repeat(MAX_BYTES + 1)).is_err());
}
