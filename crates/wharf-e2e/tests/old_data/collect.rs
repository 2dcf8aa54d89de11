//! The collectors of the old registries, and what they would take.

use std::collections::BTreeSet;

use wharf_oci::Digest;

use crate::programs::Program;
use crate::tree::Tree;

/// Finds that a collector goes through and would take nothing that a manifest of the tree needs.
#[track_caller]
pub(crate) fn assert_nothing_needed_is_collected(old: Program, tree: &Tree) {
    let doomed = doomed(old, tree);
    let needed = tree.needed();
    let lost: Vec<_> = doomed.intersection(&needed).collect();
    assert!(lost.is_empty(), "{old:?} would take {lost:?}");
}

/// What a collector says it would take: manifests, blobs, links to layers.
#[track_caller]
pub(crate) fn doomed(old: Program, tree: &Tree) -> BTreeSet<Digest> {
    doomed_with(old, tree, &["--dry-run"])
}

/// As [`doomed`], with these options.
#[track_caller]
pub(crate) fn doomed_with(old: Program, tree: &Tree, options: &[&str]) -> BTreeSet<Digest> {
    let output = old.collect(tree, options);
    let said = output.said();
    assert!(said.contains(" blobs marked, "), "it did not get to the end: {output}");
    said.lines()
        .filter(|line| line.contains("eligible for deletion: "))
        .map(|line| {
            let (_, digest) = line.rsplit_once(' ').expect("there is a blank");
            digest.trim().parse().unwrap_or_else(|error| panic!("{line}: {error}"))
        })
        .collect()
}
