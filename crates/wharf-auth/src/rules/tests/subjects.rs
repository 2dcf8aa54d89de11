//! Patterns of subjects: what belongs to a value stays in it.

use super::super::subjects::SubjectPattern;

/// Which of the patterns match the subject.
#[track_caller]
fn check(subject: &str, rows: &[(&str, bool)]) {
    for (pattern, expected) in rows {
        let matches = SubjectPattern::new(pattern).unwrap().matches(subject);
        assert_eq!(matches, *expected, "{pattern} {subject}");
    }
}

#[test]
fn a_separator_inside_a_value_ends_no_attribute() {
    for subject in
        [r"CN=x\,O=acme", r"CN=x,O=evil\,O=acme", r"CN=x\\\,O=acme", r"CN=x\+O=acme", "CN=x+O=acme"]
    {
        check(
            subject,
            &[("CN=*,O=acme", false), ("**,O=acme", false), ("CN=*,**,O=acme", false), ("**", true)],
        );
    }
    // Here the backslash is the value's last character, and the comma a separator.
    check(r"CN=x\\,O=acme", &[("CN=*,O=acme", true), (r"CN=x\\,O=acme", true), (r"CN=x\\\,O=acme", false)]);
    check(r"CN=x\,O=acme", &[(r"CN=*\,O=acme", true), (r"CN=x\2C*", true), ("CN=*", true), ("CN=x", false)]);
}

#[test]
fn a_star_is_one_value_or_one_attribute_and_two_are_any_number_of_attributes() {
    check(
        "CN=builder,OU=builds,O=acme,C=SE",
        &[
            ("CN=builder,OU=builds,O=acme,C=SE", true),
            ("CN=builder, OU=builds, O=acme, C=SE", true),
            ("cn=builder,ou=builds,o=acme,2.5.4.6=SE", true),
            ("CN=*,OU=*,O=*,C=*", true),
            ("CN=b*r,*,O=ac**me,*", true),
            ("CN=*,**", true),
            ("CN=*,**,O=acme,**", true),
            ("**,CN=builder,OU=builds,O=acme,C=SE,**", true),
            ("**,O=*,**,C=*", true),
            ("CN=*", false),
            ("CN=*,O=acme", false),
            ("CN=*,O=acme,C=SE", false),
            ("*,*,*", false),
            ("*,*,*,*,*", false),
            ("**,CN=*,CN=*,**", false),
            ("**,O=acme", false),
            ("CN=builder,OU=builds,O=acm,C=SE", false),
            ("CN=Builder,**", false),
        ],
    );
    check("", &[("**", true), ("*", false), ("CN=*", false)]);
    // Nothing in a value stops a star.
    check("CN=host/a.example.com", &[("CN=*", true), ("CN=host/*.com", true), ("CN=*/admin", false)]);
    check("CN=aba", &[("CN=*a", true), ("CN=ab*ba", false), ("CN=a*b*a", true), ("CN=a*a*a", false)]);
}

#[test]
fn attributes_of_one_relative_name_stand_in_any_order() {
    check(
        "CN=a+UID=7,O=acme",
        &[
            ("CN=a+UID=7,O=acme", true),
            ("UID=*+CN=*,O=acme", true),
            ("CN=*,O=acme", false),
            ("CN=*+O=*,O=acme", false),
            ("CN=*+UID=*+O=*,O=acme", false),
            ("*,O=acme", true),
        ],
    );
    check("CN=a+CN=b", &[("CN=*+UID=*", false), ("CN=*", false)]);
}

#[test]
fn values_are_compared_however_a_pattern_escapes_them() {
    check(r#"CN=\#a\+\"b\"\<c\>\;\\"#, &[(r#"CN=\#a\2b\"b\22\<c\3E\;\5C"#, true)]);
    check(r"CN=\ a\ ", &[(r"CN=\ a\ ", true), (r"CN=\20a\20", true), ("CN=a", false)]);
    check(r"CN=a\0ab", &[(r"CN=a\0Ab", true), ("CN=*b", true)]);
    check("CN=Åsa", &[("CN=Åsa", true), (r"CN=\C3\85sa", true), ("CN=Å*", true)]);
    check("1.2.840.113549.1.9.1=#0c03614062", &[("1.2.840.113549.1.9.1=#0C03614062", true)]);
}

#[test]
fn a_pattern_of_many_stars_is_not_slow() {
    let subject = vec!["CN=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"; 64].join(",");
    let pattern = format!("{},O=b", vec!["**,CN=*a*a*a*a*a*a*a*a*a*a"; 32].join(","));
    check(&subject, &[(&pattern, false)]);
}
