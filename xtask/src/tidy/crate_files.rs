//! What lies beside a crate's sources: a README with its parts, a manifest that takes the workspace's lints.

use super::Finding;
use super::arrows::{Crate, Role, role};
use super::files::File;

/// What a library's README says about its place among the others.
const PARTS: &[&str] = &["**Knows nothing of**", "**Start at**"];

/// Looks at the README and the manifest of every crate.
pub(super) fn check(crates: &[Crate], files: &[File]) -> Vec<Finding> {
    let text = |path: &str| files.iter().find(|file| file.path == path).map(|file| file.text.as_str());
    let mut findings = Vec::new();
    for each in crates {
        let readme = format!("{}/README.md", each.folder);
        match text(&readme) {
            Some(text) => findings.extend(check_readme(each, &readme, text)),
            None => findings.push(Finding::error(&readme, 1, format!("{} has no README.md", each.name))),
        }
        let manifest = each.manifest();
        if !text(&manifest).is_some_and(inherits_lints) {
            let message = "the lints are not the workspace's: [lints] workspace = true";
            findings.push(Finding::error(&manifest, 1, message));
        }
    }
    findings
}

fn check_readme(each: &Crate, path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let title = format!("# {}", each.name);
    if text.lines().next() != Some(&title) {
        findings.push(Finding::error(path, 1, format!("a README begins with `{title}`")));
    }
    if role(&each.name) == Some(Role::Library) {
        let missing = PARTS.iter().filter(|part| !text.contains(**part));
        findings.extend(
            missing.map(|part| Finding::error(path, 1, format!("a library's README has a part `{part}`"))),
        );
    }
    findings
}

fn inherits_lints(manifest: &str) -> bool {
    let mut lines = manifest.lines().map(str::trim).skip_while(|line| *line != "[lints]").skip(1);
    lines.next() == Some("workspace = true")
}

#[cfg(test)]
mod tests {
    use super::super::files::file;
    use super::*;

    const MANIFEST: &str = "[package]\nname = \"x\"\n\n[lints]\nworkspace = true\n";
    const README: &str =
        "# wharf-store\nWhere bytes live.\n**Knows nothing of** HTTP.\n**Start at** `BlobStore`.\n";

    #[track_caller]
    fn check(name: &str, readme: Option<&str>, manifest: &str, expected: &[&str]) {
        let member = Crate { name: name.to_owned(), folder: format!("crates/{name}"), dependencies: vec![] };
        let mut files = vec![file(&member.manifest(), manifest)];
        files.extend(readme.map(|text| file(&format!("crates/{name}/README.md"), text)));
        let found = super::check(&[member], &files);
        let messages: Vec<_> = found.into_iter().map(|finding| finding.message).collect();
        assert_eq!(messages, expected);
    }

    #[test]
    fn a_library_with_every_part_passes() {
        check("wharf-store", Some(README), MANIFEST, &[]);
    }

    #[test]
    fn a_crate_without_a_readme_is_refused() {
        check("wharf-store", None, MANIFEST, &["wharf-store has no README.md"]);
    }

    #[test]
    fn a_readme_under_another_name_is_refused() {
        check("wharf-server", Some("# registry\n"), MANIFEST, &["a README begins with `# wharf-server`"]);
    }

    #[test]
    fn a_library_without_its_parts_is_refused() {
        check(
            "wharf-store",
            Some("# wharf-store\n"),
            MANIFEST,
            &[
                "a library's README has a part `**Knows nothing of**`",
                "a library's README has a part `**Start at**`",
            ],
        );
    }

    #[test]
    fn a_binary_needs_no_parts() {
        check("wharf-server", Some("# wharf-server\n"), MANIFEST, &[]);
    }

    #[test]
    fn lints_of_its_own_are_refused() {
        let expected = ["the lints are not the workspace's: [lints] workspace = true"];
        check("wharf-store", Some(README), "[package]\n", &expected);
        check("wharf-store", Some(README), "[lints]\nrust.unsafe_code = \"allow\"\n", &expected);
    }
}
