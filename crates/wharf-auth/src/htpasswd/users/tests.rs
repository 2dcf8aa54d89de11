//! Lines, and what they mean.

use super::*;

/// A hash of `secret`; what it is of does not matter here.
const HASH: &str = "$2y$05$abcdefghijklmnopqrstuuuJ5D1c4JtWLq8TqjfjJ0EDoJYxpWe1O";

fn cost(line: &Line) -> u32 {
    bcrypt_cost(line.hash.as_bytes()).unwrap()
}

#[track_caller]
fn check(text: &str, expected: &[(&str, bool)]) {
    let users = Users::parse(text.as_bytes()).unwrap();
    assert_eq!(users.lines.len(), expected.len(), "{text:?}");
    for (name, can_match) in expected {
        assert!(users.lines.contains_key(*name), "{name} in {text:?}");
        assert_eq!(users.line(name).can_match, *can_match, "{name} in {text:?}");
    }
}

#[test]
fn lines_mean_what_they_mean_to_the_older_registry() {
    check("", &[]);
    check("\n \t\n\r\n# ann:secret\n  # indented\n", &[]);
    check(&format!("ann:{HASH}"), &[("ann", true)]);
    check(&format!("ann:{HASH}\r\nbob:{HASH}\n"), &[("ann", true), ("bob", true)]);
    check(&format!("  ann:{HASH}  \n"), &[("ann", true)]);
    check(&format!("ann smith:{HASH}\n"), &[("ann smith", true)]);
    check(&format!("ann:{HASH}:more\n"), &[("ann", false)]);
    check(&format!(":{HASH}\n"), &[("", true)]);
    check("ann:\n", &[("ann", false)]);
}

#[test]
fn only_bcrypt_ever_matches() {
    for version in ["2a", "2b", "2y"] {
        check(&format!("ann:{}", HASH.replace("2y", version)), &[("ann", true)]);
    }
    let others = [
        "secret",
        "$apr1$r31.....$HqJZimcKQFAMYayBlzkrA/",
        "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
        "$5$rounds=5000$usesomesillystri$KqJWpanXZHKq2BOB43TSaYhEWsQ1Lr5QNyPCDH/Tp.6",
        "rqXexS6ZhobKA",
        &HASH.replace("2y", "2x"),
        &HASH.replace("2y", "2"),
        &HASH.replace("$05$", "$03$"),
        &HASH.replace("$05$", "$32$"),
        &HASH.replace("$05$", "$+5$"),
        &HASH.replace("$05$", "$5$"),
        &HASH.replace('a', "ä"),
        &HASH[..59],
    ];
    for hash in others {
        check(&format!("ann:{hash}"), &[("ann", false)]);
    }
}

#[test]
fn a_cost_that_would_keep_us_busy_for_minutes_never_matches() {
    check(&format!("ann:{}", HASH.replace("$05$", "$20$")), &[("ann", true)]);
    check(&format!("ann:{}", HASH.replace("$05$", "$21$")), &[("ann", false)]);
}

#[test]
fn the_last_line_for_a_name_counts() {
    check(&format!("ann:{HASH}\nann:secret\n"), &[("ann", false)]);
    check(&format!("ann:secret\nann:{HASH}\n"), &[("ann", true)]);
}

#[test]
fn a_line_without_a_colon_is_named_by_its_number_and_never_shown() {
    let text = format!("# users\nann:{HASH}\nhunter2\n");
    let error = Users::parse(text.as_bytes()).unwrap_err();
    assert_eq!(error.line, 3);
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}

#[test]
fn bytes_that_are_no_text_hurt_nobody_else() {
    let mut text = b"# M\xfcller\n\xff:secret\nann:".to_vec();
    text.extend_from_slice(HASH.as_bytes());
    let users = Users::parse(&text).unwrap();
    assert!(users.line("ann").can_match);
}

#[test]
fn a_stranger_costs_as_much_as_most_in_the_file() {
    let of = |costs: &[u32]| {
        let line =
            |(number, cost)| format!("user{number}:{}\n", HASH.replace("$05$", &format!("${cost:02}$")));
        let text: String = costs.iter().enumerate().map(line).collect();
        let stranger = Users::parse(text.as_bytes()).unwrap().line("stranger");
        assert!(!stranger.can_match);
        cost(&stranger)
    };
    assert_eq!(of(&[]), DEFAULT_COST);
    assert_eq!(of(&[5]), 5);
    assert_eq!(of(&[5, 12, 12]), 12);
    assert_eq!(of(&[5, 5, 12]), 5);
    assert_eq!(of(&[5, 12]), 12);
    assert_eq!(of(&[31, 31, 6]), 6, "one that is never worked for does not count");
}

#[test]
fn users_of_another_cost_than_most_are_counted() {
    let costs = |costs: &[u32]| {
        let hashes: Vec<Arc<str>> =
            costs.iter().map(|cost| HASH.replace("$05$", &format!("${cost:02}$")).into()).collect();
        let Costs { usual, others } = Costs::of(hashes.iter());
        (usual, others)
    };
    assert_eq!(costs(&[]), (DEFAULT_COST, 0));
    assert_eq!(costs(&[12, 12]), (12, 0));
    assert_eq!(costs(&[5, 12, 12, 10]), (12, 2));
}

#[test]
fn hashes_are_not_shown() {
    let users = Users::parse(format!("ann:{HASH}").as_bytes()).unwrap();
    assert_eq!(format!("{users:?}"), r#"{"ann"}"#);
}
