//! What a Rust file must look like: its head, its size, its name, its last byte, and the few words it must not use.

use std::ops::Range;

use super::Finding;
use super::code;
use super::files::File;

/// From here on a file wants a reason.
const LONG_LINES: usize = 500;
/// From here on a file is refused.
const TOO_LONG_LINES: usize = 800;
/// Names that say nothing of what is inside: such a file takes in whatever has no home.
const EMPTY_NAMES: &[&str] = &["utils", "common", "helpers", "types", "misc"];

/// How a crate root may begin instead of `//!`: its README is its documentation.
const README_AS_DOCUMENTATION: &str = "#![doc = include_str!(\"../README.md\")]\n";

/// Looks at one Rust file.
pub(super) fn check(file: &File) -> Vec<Finding> {
    let code = code::without_comments_and_literals(&file.text);
    let mut findings = check_layout(file);
    findings.extend(check_name(&file.path));
    findings.extend(check_size(file));
    findings.extend(check_attributes(&file.path, &code));
    findings.extend(check_modules(&file.path, &code));
    findings.extend(check_sleeps(&file.path, &file.text, &code));
    findings
}

fn check_layout(file: &File) -> Vec<Finding> {
    let (path, text) = (&file.path, &file.text);
    let mut findings = Vec::new();
    let is_root = path.ends_with("/src/lib.rs") || path.ends_with("/src/main.rs");
    if !(text.starts_with("//!") || is_root && text.starts_with(README_AS_DOCUMENTATION)) {
        findings.push(Finding::error(path, 1, "the first line is not `//!`: say what this file is"));
    }
    let last = text.lines().count();
    if !text.ends_with('\n') || text.ends_with("\n\n") {
        findings.push(Finding::error(path, last.max(1), "the file does not end with one newline"));
    }
    let trailing = text.lines().enumerate().filter(|(_, line)| line.ends_with([' ', '\t']));
    findings.extend(trailing.map(|(index, _)| Finding::error(path, index + 1, "trailing whitespace")));
    findings
}

fn check_size(file: &File) -> Option<Finding> {
    let lines = file.text.lines().count();
    if lines > TOO_LONG_LINES {
        let message = format!("{lines} lines, more than {TOO_LONG_LINES}: split it by noun");
        Some(Finding::error(&file.path, lines, message))
    } else if lines > LONG_LINES {
        let message = format!("{lines} lines, more than {LONG_LINES}: is there a reason?");
        Some(Finding::warning(&file.path, lines, message))
    } else {
        None
    }
}

fn check_name(path: &str) -> Option<Finding> {
    let named = path.split('/').map(|part| part.trim_end_matches(".rs"));
    let empty = named.into_iter().find(|part| EMPTY_NAMES.contains(part))?;
    Some(Finding::error(path, 1, format!("`{empty}` says nothing: name it by its role")))
}

fn check_modules(path: &str, code: &str) -> Vec<Finding> {
    let words: Vec<_> = code::words(code).collect();
    let declared = words.windows(2).filter(|pair| pair[0].1 == "mod" && EMPTY_NAMES.contains(&pair[1].1));
    let finding = |pair: &[(usize, &str)]| {
        let message = format!("`mod {}` says nothing: name it by its role", pair[1].1);
        Finding::error(path, code::line_of(code, pair[1].0), message)
    };
    declared.map(finding).collect()
}

fn check_attributes(path: &str, code: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (line, attribute) in code::attributes(code) {
        if code::words(attribute).next().is_some_and(|(_, word)| word == "ignore") {
            findings.push(Finding::error(
                path,
                line,
                "an ignored test holds no promise: mend it or delete it",
            ));
        }
        if attribute.contains("allow(") && code::has_word(attribute, "allow") {
            let message = "`allow` outlives its cause: `expect(…, reason = \"…\")` does not";
            findings.push(Finding::error(path, line, message));
        }
    }
    findings
}

fn check_sleeps(path: &str, text: &str, code: &str) -> Vec<Finding> {
    let tests =
        if is_test_file(path) { std::iter::once(0..text.len()).collect() } else { test_modules(code) };
    let sleeps = code::words(code).filter(|(at, word)| {
        let wanted = matches!(*word, "sleep" | "sleep_until" | "sleep_ms");
        // A method or function of that name is somebody's clock, which a test may drive.
        let before = code[..*at].trim_end();
        wanted
            && !before.ends_with('.')
            && !before.ends_with("fn")
            && tests.iter().any(|test| test.contains(at))
    });
    let message = "a test that sleeps is slow or flaky: wait for the event, or drive a clock";
    sleeps.map(|(at, _)| Finding::error(path, code::line_of(code, at), message)).collect()
}

fn is_test_file(path: &str) -> bool {
    path.split('/').any(|part| part == "tests" || part == "tests.rs")
}

/// The byte ranges of the modules under `#[cfg(test)]` that are written in place.
fn test_modules(code: &str) -> Vec<Range<usize>> {
    let marked = code.match_indices("#[cfg(test)]");
    marked.filter_map(|(at, _)| module_after(code, at)).collect()
}

fn module_after(code: &str, at: usize) -> Option<Range<usize>> {
    let opening = at + code[at..].find(['{', ';'])?;
    let head = &code[at..opening];
    if !code[opening..].starts_with('{') || !code::has_word(head, "mod") {
        return None;
    }
    let mut depth = 0_usize;
    for (offset, byte) in code[opening..].bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at..opening + offset);
        }
    }
    Some(at..code.len())
}

#[cfg(test)]
mod tests;
