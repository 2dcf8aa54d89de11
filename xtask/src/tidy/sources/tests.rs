//! Each rule about a Rust file, seen to pass and seen to fail.

use super::super::Severity;
use super::super::files::file;
use super::*;

/// The lines at which `text`, as the file `path`, is refused.
#[track_caller]
fn check(path: &str, text: &str, expected: &[usize]) {
    let found = super::check(&file(path, text));
    let lines: Vec<_> = found.iter().map(|finding| finding.line).collect();
    assert_eq!(lines, expected, "{found:?}");
}

fn of_length(lines: usize) -> File {
    file("src/a.rs", &format!("//! A.\n{}", "//\n".repeat(lines - 1)))
}

#[test]
fn an_ordinary_file_passes() {
    check("src/a.rs", "//! A.\n\nfn a() {}\n", &[]);
}

#[test]
fn a_file_that_does_not_introduce_itself_is_refused() {
    check("src/a.rs", "fn a() {}\n", &[1]);
    check("src/a.rs", "// A.\n//! A.\n", &[1]);
    check("build.rs", "\n//! A.\n", &[1]);
}

#[test]
fn a_crate_root_may_begin_with_its_readme() {
    let text = "#![doc = include_str!(\"../README.md\")]\n";
    check("crates/a/src/lib.rs", text, &[]);
    check("crates/a/src/b.rs", text, &[1]);
}

#[test]
fn a_file_over_500_lines_is_warned_about() {
    assert_eq!(check_size(&of_length(500)), None);
    assert_eq!(check_size(&of_length(501)).unwrap().severity, Severity::Warning);
    assert_eq!(check_size(&of_length(800)).unwrap().severity, Severity::Warning);
}

#[test]
fn a_file_over_800_lines_is_refused() {
    assert_eq!(check_size(&of_length(801)).unwrap().severity, Severity::Error);
}

#[test]
fn trailing_whitespace_is_refused() {
    check("src/a.rs", "//! A.\nfn a() {} \n\t\n", &[2, 3]);
}

#[test]
fn a_file_ends_with_one_newline() {
    check("src/a.rs", "//! A.", &[1]);
    check("src/a.rs", "//! A.\n\n", &[2]);
}

#[test]
fn names_that_say_nothing_are_refused() {
    check("src/utils.rs", "//! A.\n", &[1]);
    check("src/types/digest.rs", "//! A.\n", &[1]);
    check("src/media_types.rs", "//! A.\n", &[]);
    check("src/lib.rs", "//! A.\n\npub(crate) mod helpers;\nmod common {}\n", &[3, 4]);
}

#[test]
fn an_ignored_test_is_refused() {
    check("src/a.rs", "//! A.\n#[test]\n#[ignore]\nfn a() {}\n", &[3]);
    check("src/a.rs", "//! A.\n#[ignore = \"slow\"]\nfn a() {}\n", &[2]);
    check("src/a.rs", "//! `#[ignore]` is refused.\n", &[]);
}

#[test]
fn allow_is_refused_and_expect_is_not() {
    check("src/a.rs", "//! A.\n#[allow(dead_code)]\nfn a() {}\n", &[2]);
    check("src/a.rs", "//! A.\n#![allow(dead_code)]\n", &[2]);
    check("src/a.rs", "//! A.\n#[cfg_attr(test,\n    allow(dead_code))]\nfn a() {}\n", &[2]);
    check("src/a.rs", "//! A.\n#[expect(dead_code, reason = \"#[allow(x)] ends\")]\nfn a() {}\n", &[]);
    check("src/a.rs", "//! A.\nfn a() { allow([1]) }\n", &[]);
}

#[test]
fn a_test_that_sleeps_is_refused() {
    let sleeping = "//! A.\nfn a() {\n    std::thread::sleep(PAUSE);\n}\n";
    check("crates/a/tests/it/pull.rs", sleeping, &[3]);
    check("src/a/tests.rs", sleeping, &[3]);
    check("src/a.rs", sleeping, &[]);
    check("tests/a.rs", "//! A.\nuse tokio::time::{sleep, timeout};\n", &[2]);
    check("tests/a.rs", "//! A.\nfn a() { clock.sleep(PAUSE) }\n", &[]);
}

#[test]
fn a_sleep_in_a_test_module_is_refused_and_one_beside_it_is_not() {
    let text = "//! A.\nfn a() { sleep(PAUSE) }\n#[cfg(test)]\nmod tests {\n    fn b() { sleep(PAUSE) }\n}\n\
                fn c() { sleep(PAUSE) }\n";
    check("src/a.rs", text, &[5]);
    check("src/a.rs", "//! A.\n#[cfg(test)]\nmod tests;\nfn a() { sleep(PAUSE) }\n", &[]);
}
