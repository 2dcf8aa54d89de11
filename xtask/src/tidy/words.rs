//! Words that tie the project to one machine: absolute paths of a workplace, hosts that packages come from.
//!
//! They are put together from halves here, so that this file does not find itself.

use super::Finding;
use super::files::File;

/// What must not be in the text of any file, and why.
const FORBIDDEN: &[(&str, &str)] = &[
    (concat!("/work", "/main"), "a path of one machine"),
    (concat!("/work", "/shared"), "a path of one machine"),
    (concat!("/ro", "ot/"), "a path of one machine"),
    (concat!("/tmp", "/target"), "a path of one machine"),
    (concat!("crates", ".io"), "a package registry: its choice is the machine's"),
    (concat!("proxy.", "golang.org"), "a package registry: its choice is the machine's"),
    (concat!("sum.", "golang.org"), "a package registry: its choice is the machine's"),
    (concat!("deb.", "debian.org"), "a package registry: its choice is the machine's"),
    (concat!("pypi", ".org"), "a package registry: its choice is the machine's"),
    (concat!("registry.", "npmjs.org"), "a package registry: its choice is the machine's"),
];

/// What is read: files that people write. `.ci/run` has no extension.
const EXTENSIONS: &[&str] = &["md", "rs", "toml", "yml", "yaml", "sh"];

/// Looks at one file.
pub(super) fn check(file: &File) -> Vec<Finding> {
    let written_by_people = file.path.starts_with(".ci/")
        || file.extension().is_some_and(|extension| EXTENSIONS.contains(&extension));
    if !written_by_people {
        return Vec::new();
    }
    let lines = file.text.lines().enumerate();
    lines.flat_map(|(index, line)| check_line(&file.path, index + 1, line)).collect()
}

fn check_line(path: &str, number: usize, line: &str) -> Vec<Finding> {
    let present = FORBIDDEN.iter().filter(|(word, _)| line.contains(word));
    present.map(|(word, why)| Finding::error(path, number, format!("`{word}`: {why}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::files::file;
    use super::*;

    #[track_caller]
    fn check(path: &str, text: &str, expected: &[usize]) {
        let lines: Vec<_> = super::check(&file(path, text)).iter().map(|finding| finding.line).collect();
        assert_eq!(lines, expected);
    }

    #[test]
    fn every_forbidden_word_is_refused() {
        for (word, _) in FORBIDDEN {
            check("docs/a.md", &format!("first\nsee {word}x\n"), &[2]);
        }
    }

    #[test]
    fn every_kind_of_written_file_is_read() {
        let word = FORBIDDEN[0].0;
        for path in ["a.md", "a.rs", "a.toml", "a.yml", "a.yaml", ".ci/tools.sh", ".ci/run"] {
            check(path, word, &[1]);
        }
        check("Cargo.lock", word, &[]);
    }

    #[test]
    fn an_ordinary_text_passes() {
        check("a.md", "Data lives under /var/lib/registry.\n", &[]);
    }
}
