//! Names, tags and upload ids against the grammars of the spec.

use proptest::prelude::*;

use super::*;

/// The spec's grammar of a name, for making some.
pub(crate) const NAME: &str = r"[a-z0-9]{1,4}((\.|_|__|-{1,3})[a-z0-9]{1,3}){0,2}(/[a-z0-9]{1,4}((\.|_|__|-{1,3})[a-z0-9]{1,3}){0,2}){0,3}";

/// The spec's grammar of a tag.
pub(crate) const TAG: &str = "[A-Za-z0-9_][A-Za-z0-9._-]{0,127}";

#[test]
fn a_name_fits_the_spec() {
    let longest = "a".repeat(255);
    for text in
        ["a", "0", "a/b", "library/ubuntu", "a.b", "a_b", "a__b", "a-b", "a---b", "a.b-c_d__e/f", &longest]
    {
        let name: RepositoryName = text.parse().unwrap();
        assert_eq!(name.as_str(), text);
        assert_eq!(name.components().collect::<Vec<_>>().join("/"), text);
    }
}

#[test]
fn a_name_that_does_not_fit_says_why() {
    let check = |text: &str, message: &str| {
        let error = text.parse::<RepositoryName>().unwrap_err();
        assert!(error.to_string().contains(message), "{text}: {error}");
    };
    check("", "must not be empty");
    check(&"a".repeat(256), "at most 255 bytes, this one has 256");
    for text in ["/", "/a", "a/", "a//b"] {
        check(text, "before and after each `/`");
    }
    check("Foo", "not 'F'");
    check("a/fooBar", "not 'B'");
    check("a b", "not ' '");
    check("host:5000/x", "not ':'");
    check("é", "not 'é'");
    check("a\0", r"not '\0'");
    for text in
        ["..", ".", "a/../b", "-a", "a-", "_a", "a_", "a..b", "a___b", "a.-b", "a-_b", "a/_catalog", "---"]
    {
        check(text, "is not part of a repository name");
    }
}

#[test]
fn a_tag_fits_the_spec() {
    let longest = "a".repeat(128);
    for text in ["a", "_", "1.0", "LATEST", "v1.2.3-rc_1", "a..b", "a-", "manifests", &longest] {
        assert_eq!(text.parse::<Tag>().unwrap().as_str(), text);
    }
}

#[test]
fn a_tag_that_does_not_fit_says_why() {
    let check = |text: &str, expected: TagError| assert_eq!(text.parse::<Tag>(), Err(expected), "{text}");
    check("", TagError::Empty);
    check(&"a".repeat(129), TagError::TooLong { length: 129 });
    for (text, character) in
        [(".a", '.'), ("-a", '-'), ("a/b", '/'), ("a:b", ':'), ("a b", ' '), ("ä", 'ä'), ("a+", '+')]
    {
        check(text, TagError::Character { character });
    }
}

#[test]
fn an_upload_id_fits_in_one_segment() {
    let longest = "a".repeat(64);
    for text in ["01890a5d-ac96-774b-bcce-b302099a8057", "A", "0-", &longest] {
        assert_eq!(text.parse::<UploadId>().unwrap().as_str(), text);
    }
    assert_eq!("".parse::<UploadId>(), Err(UploadIdError::Empty));
    for text in ["-a", "a/b", "..", "a.b", "a_b", "a=", "é", &"a".repeat(65)] {
        assert!(matches!(text.parse::<UploadId>(), Err(UploadIdError::Malformed { .. })), "{text}");
    }
}

#[test]
fn json_holds_the_text() {
    let name: RepositoryName = serde_json::from_str("\"a/b\"").unwrap();
    assert_eq!(serde_json::to_string(&name).unwrap(), "\"a/b\"");
    assert!(serde_json::from_str::<RepositoryName>("\"A\"").is_err());
    assert!(serde_json::from_str::<Tag>("\"a b\"").is_err());
    assert!(serde_json::from_str::<UploadId>("\"\"").is_err());
}

#[test]
fn values_show_as_their_text() {
    let name: RepositoryName = "a/b".parse().unwrap();
    assert_eq!(format!("{name} {name:?} {name:5}|"), "a/b \"a/b\" a/b  |");
    assert_eq!(name.as_ref(), "a/b");
}

proptest! {
    #[test]
    fn every_name_of_the_grammar_is_read(text in NAME) {
        prop_assert_eq!(text.parse::<RepositoryName>().unwrap().to_string(), text);
    }

    #[test]
    fn every_tag_of_the_grammar_is_read(text in TAG) {
        prop_assert_eq!(text.parse::<Tag>().unwrap().to_string(), text);
    }

    #[test]
    fn whatever_is_read_is_safe_in_a_path(text in ".{0,300}", near in "[a-z0-9._/-]{0,12}") {
        for text in [&text, &near] {
            if let Ok(name) = text.parse::<RepositoryName>() {
                prop_assert!(name.components().all(|part| !part.is_empty() && !part.starts_with(['.', '_', '-'])));
                prop_assert_eq!(name.as_str(), text);
            }
            if let Ok(tag) = text.parse::<Tag>() {
                prop_assert!(!tag.as_str().contains(['/', ':', '%']) && tag.as_str() != "..");
            }
            if let Ok(id) = text.parse::<UploadId>() {
                prop_assert!(!id.as_str().contains(['/', '.']));
            }
        }
    }
}
