//! The files that may hold unsafe code, each with the reason why: the compiler refuses it elsewhere, this is the list.

use super::Finding;
use super::code;
use super::files::File;

/// A file with unsafe code in it.
#[derive(Debug)]
pub(super) struct Permit {
    path: &'static str,
    why: &'static str,
}

/// The list. It holds nothing that ships, and should stay short.
pub(super) const PERMITTED: &[Permit] = &[Permit {
    path: "crates/wharf-guard/src/counting.rs",
    why: "counts the allocations of a request; an allocator cannot be written otherwise",
}];

/// Lists the files that lift the lint, and refuses those that have no permit and permits that have no file.
pub(super) fn check(permits: &[Permit], files: &[File]) -> Vec<Finding> {
    let lifting =
        files.iter().filter(|file| file.is_rust()).filter_map(|file| Some((file, lifts_at(&file.text)?)));
    let mut findings = Vec::new();
    let mut used = Vec::new();
    for (file, line) in lifting {
        match permits.iter().find(|permit| permit.path == file.path) {
            Some(permit) => {
                used.push(permit.path);
                findings.push(Finding::note(&file.path, line, format!("unsafe code: {}", permit.why)));
            }
            None => {
                let message = "unsafe code without a permit in xtask/src/tidy/unsafety.rs";
                findings.push(Finding::error(&file.path, line, message));
            }
        }
    }
    let stale = permits.iter().filter(|permit| !used.contains(&permit.path));
    findings.extend(
        stale.map(|permit| Finding::error(permit.path, 1, "has a permit for unsafe code it does not hold")),
    );
    findings
}

/// The line on which the file lifts the lint against unsafe code, if it does.
fn lifts_at(text: &str) -> Option<usize> {
    let code = code::without_comments_and_literals(text);
    let lift = code::attributes(&code).find(|(_, attribute)| {
        code::has_word(attribute, "unsafe_code")
            && (code::has_word(attribute, "expect") || code::has_word(attribute, "allow"))
    })?;
    Some(lift.0)
}

#[cfg(test)]
mod tests {
    use super::super::Severity;
    use super::super::files::file;
    use super::*;

    const UNSAFE: &str = "//! A.\n#![expect(unsafe_code, reason = \"a map\")]\n";
    const PERMIT: &[Permit] = &[Permit { path: "src/map.rs", why: "maps a file" }];

    #[test]
    fn unsafe_code_without_a_permit_is_refused() {
        let found = check(PERMIT, &[file("src/map.rs", UNSAFE), file("src/b.rs", UNSAFE)]);

        assert_eq!(found[0], Finding::note("src/map.rs", 2, "unsafe code: maps a file"));
        assert_eq!(
            (found[1].path.as_str(), found[1].line, found[1].severity),
            ("src/b.rs", 2, Severity::Error)
        );
    }

    #[test]
    fn a_permit_nobody_needs_is_refused() {
        let found = check(PERMIT, &[file("src/map.rs", "//! Has no expect(unsafe_code).\n")]);

        assert_eq!(found, [Finding::error("src/map.rs", 1, "has a permit for unsafe code it does not hold")]);
    }

    #[test]
    fn a_lint_lifted_over_two_lines_is_seen() {
        assert_eq!(lifts_at("#![expect(\n    unsafe_code,\n    reason = \"\"\n)]\n"), Some(1));
    }

    #[test]
    fn a_file_that_forbids_unsafe_code_needs_no_permit() {
        assert_eq!(lifts_at("#![forbid(unsafe_code)]\n"), None);
    }
}
