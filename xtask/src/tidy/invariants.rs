//! The table of invariants names tests; each of them must exist.

use std::collections::HashSet;

use super::Finding;
use super::files::File;

/// The page with the table, and the heading the table stands under.
const PAGE: &str = "ARCHITECTURE.md";
const HEADING: &str = "## Invariants";

pub(super) fn check(files: &[File]) -> Vec<Finding> {
    let Some(page) = files.iter().find(|file| file.path == PAGE) else { return Vec::new() };
    let functions = functions(files);
    let lines = page.text.lines().enumerate().skip_while(|(_, line)| *line != HEADING);
    let rows = lines.filter(|(_, line)| line.starts_with("| ") && !line.starts_with("| Invariant"));
    rows.flat_map(|(index, row)| {
        let missing = tests_of(row).into_iter().filter(|name| !functions.contains(name));
        let finding = |name: &str| Finding::error(PAGE, index + 1, format!("there is no test {name}"));
        missing.map(finding).collect::<Vec<_>>()
    })
    .collect()
}

/// The last parts of the names in backticks in the last column of a row; a module named there is no test.
fn tests_of(row: &str) -> Vec<&str> {
    let last = row.trim_end_matches('|').rsplit('|').next().unwrap_or_default();
    let names = last.split('`').skip(1).step_by(2).filter_map(|name| name.rsplit("::").next());
    names.filter(|name| name.contains('_')).collect()
}

fn functions(files: &[File]) -> HashSet<&str> {
    let lines = files.iter().filter(|file| file.is_rust()).flat_map(|file| file.text.lines());
    lines.filter_map(|line| line.split_once("fn ")?.1.split(['(', '<']).next()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::files::file;
    use super::*;

    #[test]
    fn a_test_that_does_not_exist_is_found() {
        let page = "# A\n## Invariants\n\n| Invariant | Why | Held by |\n|---|---|---|\n\
                    | x | y | `it::a_test_that_is_there`, `it::a_test_that_is_not`, `xtask::tidy` |\n";
        let files = [file(PAGE, page), file("tests/it.rs", "async fn a_test_that_is_there() {}\n")];
        let found = check(&files);
        assert_eq!(found, [Finding::error(PAGE, 6, "there is no test a_test_that_is_not")]);
    }
}
