//! Text in, text out: nothing a scalar says may change on the way.

use super::*;
use crate::config::tests::flow;

#[track_caller]
fn check(source: &str, expected: &str) {
    let parsed = parse(source).unwrap_or_else(|error| panic!("{source:?}: {error:?}"));
    assert_eq!(flow(&parsed.root), expected, "{source:?}");
}

#[test]
fn scalars_keep_the_text_of_their_author() {
    for text in [
        "012345",
        "yes",
        "True",
        "0x1F",
        "1_000",
        ".nan",
        "1e999",
        "-0",
        "0.10",
        "+5",
        "12345678901234567890123",
        "1.2.3.4:5",
        "2001-01-01",
        "a b",
        "é😀",
        "0b1",
    ] {
        check(text, text);
        check(&format!("a: {text}\nb: [{text}]"), &format!("{{a: {text}, b: [{text}]}}"));
    }
}

#[test]
fn quoted_text_is_told_from_plain_text() {
    check("[a, 'a', \"a\", '5', 'null', '']", r#"[a, "a", "a", "5", "null", ""]"#);
    check("a: |\n  5\nb: >-\n  x\n  y\n", r#"{a: "5\n", b: "x y"}"#);
}

#[test]
fn nothing_is_null() {
    check("a:\nb: ~\nc: null\nd: {}\ne: []", "{a: ~, b: ~, c: ~, d: {}, e: []}");
    check("", "~");
    check("# a comment", "~");
}

#[test]
fn tags_do_not_change_the_text() {
    check("a: !!str 012\nb: !!int \"5\"\nc: !foo x\nd: !!binary aGk=", r#"{a: 012, b: 5, c: x, d: aGk=}"#);
}

#[test]
fn keys_are_text_whatever_they_look_like() {
    check("on: 1\n5: 2\n0x1: 3\n'a b': 4", "{on: 1, 5: 2, 0x1: 3, a b: 4}");
}

#[test]
fn text_survives_marks_line_ends_and_neighbours_of_many_bytes() {
    check("\u{feff}a: 012\r\nb: 0x1\r\n", "{a: 012, b: 0x1}");
    check("é: 01\n😀: 02 # ü\nc: 03\n", "{é: 01, 😀: 02, c: 03}");
}

#[test]
fn anchors_and_merge_keys_are_followed() {
    check(
        "x: &x {a: 007, b: 2}\ny: {<<: *x, b: 03}\nz: *x",
        "{x: {a: 007, b: 2}, y: {b: 03, a: 007}, z: {a: 007, b: 2}}",
    );
    check("s: &s 00.1\nt: *s", "{s: 00.1, t: 00.1}");
}

#[test]
fn the_last_of_equal_keys_is_kept_and_reported() {
    let parsed = parse("a: 1\nb: 2\na: 3").unwrap();
    assert_eq!(flow(&parsed.root), "{b: 2, a: 3}");
    let place = Place::File { line: 3, column: 1 };
    assert_eq!(parsed.repeated, [Repeated { key: "a".to_owned(), place }]);
}

#[test]
fn places_count_from_one() {
    let parsed = parse("a:\n  - x\n  - {b: 5}\n").unwrap();
    let item = |node: &Node| node.place.clone();
    let list = parsed.root.find("a").unwrap();
    let Value::Sequence(items) = &list.value else { panic!("{list:?}") };
    assert_eq!(item(&items[0]), Place::File { line: 2, column: 5 });
    assert_eq!(item(items[1].find("b").unwrap()), Place::File { line: 3, column: 9 });
}

#[test]
fn nesting_without_end_is_refused() {
    for open in ["[", "{a: "] {
        assert!(parse(&open.repeat(100_000)).is_err());
    }
}

#[test]
fn a_bomb_is_refused() {
    let mut source = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        source.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    assert!(parse(&source).is_err());
}
