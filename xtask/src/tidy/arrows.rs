//! The arrows between the crates: the workspace's table as data, and what each crate must never know.
//!
//! Only what a manifest names is looked at, features and all; what a dependency drags in is its own crate's matter.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, MetadataCommand, Package};

use super::Finding;

/// A member of the workspace, as its manifest describes it.
#[derive(Debug, Clone)]
pub(super) struct Crate {
    pub(super) name: String,
    /// The folder of the manifest, from the root of the checkout.
    pub(super) folder: String,
    pub(super) dependencies: Vec<Dependency>,
}

#[derive(Debug, Clone)]
pub(super) struct Dependency {
    pub(super) name: String,
    /// Of use to the crate's own tests only.
    pub(super) for_tests: bool,
}

/// What a crate is to the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Library,
    Binary,
    /// Tests and chores: may use everything, and nothing that ships may use it.
    Development,
}

/// One row of the table.
#[derive(Debug)]
struct Row {
    name: &'static str,
    role: Role,
    /// Ours.
    may_use: &'static [&'static str],
    /// Others', where a promise would break: "it must never know …".
    must_never_know: &'static [&'static str],
}

/// The development crates that any crate's tests may use.
const FOR_TESTS: &[&str] = &["wharf-models", "wharf-testkit"];

/// Every library of the server's side.
const SERVER_SIDE: &[&str] = &[
    "wharf-oci",
    "wharf-store",
    "wharf-store-fs",
    "wharf-store-object",
    "wharf-core",
    "wharf-auth",
    "wharf-events",
    "wharf-http",
];

/// The table. Rows of crates that are planned and not yet here are kept: the arrows are decided.
const TABLE: &[Row] = &[
    Row {
        name: "wharf-oci",
        role: Role::Library,
        may_use: &[],
        must_never_know: &[
            "async-trait",
            "futures-util",
            "http",
            "hyper",
            "hyper-util",
            "rustix",
            "serde-saphyr",
            "tokio",
            "tokio-util",
        ],
    },
    Row {
        name: "wharf-store",
        role: Role::Library,
        may_use: &["wharf-oci"],
        must_never_know: &["http", "http-body", "hyper", "hyper-util", "object_store", "serde-saphyr"],
    },
    Row {
        name: "wharf-store-fs",
        role: Role::Library,
        may_use: &["wharf-oci", "wharf-store"],
        must_never_know: &["http", "http-body", "hyper", "hyper-util", "object_store", "serde-saphyr"],
    },
    Row {
        name: "wharf-store-object",
        role: Role::Library,
        may_use: &["wharf-oci", "wharf-store"],
        // hyper-util's client it may know: it is how a bucket is spoken to.
        must_never_know: &["hyper", "rustix", "serde-saphyr"],
    },
    Row {
        name: "wharf-core",
        role: Role::Library,
        may_use: &["wharf-oci", "wharf-store"],
        must_never_know: &[
            "http",
            "http-body",
            "hyper",
            "hyper-util",
            "object_store",
            "rustix",
            "serde-saphyr",
        ],
    },
    Row {
        name: "wharf-auth",
        role: Role::Library,
        may_use: &["wharf-oci"],
        // hyper-util's client it may know: keys that tokens are checked with are fetched from a URL.
        must_never_know: &["hyper", "object_store", "rustix", "serde-saphyr"],
    },
    Row {
        name: "wharf-events",
        role: Role::Library,
        may_use: &["wharf-oci", "wharf-core"],
        must_never_know: &["object_store", "rustix", "serde-saphyr"],
    },
    Row {
        name: "wharf-http",
        role: Role::Library,
        may_use: &["wharf-oci", "wharf-core", "wharf-auth"],
        must_never_know: &["object_store", "rustix", "serde-saphyr"],
    },
    Row {
        name: "wharf-client",
        role: Role::Library,
        may_use: &["wharf-oci"],
        must_never_know: &["object_store", "rustix", "serde-saphyr"],
    },
    Row { name: "wharf", role: Role::Library, may_use: SERVER_SIDE, must_never_know: &["clap", "anyhow"] },
    Row { name: "wharf-server", role: Role::Binary, may_use: SERVER_SIDE, must_never_know: &[] },
    Row {
        name: "wharf-cli",
        role: Role::Binary,
        may_use: &["wharf-oci", "wharf-client"],
        must_never_know: &["object_store"],
    },
    Row { name: "wharf-models", role: Role::Development, may_use: &[], must_never_know: &[] },
    Row { name: "wharf-testkit", role: Role::Development, may_use: &[], must_never_know: &[] },
    Row { name: "wharf-bench", role: Role::Development, may_use: &[], must_never_know: &[] },
    Row { name: "wharf-guard", role: Role::Development, may_use: &[], must_never_know: &[] },
    Row { name: "wharf-e2e", role: Role::Development, may_use: &[], must_never_know: &[] },
    Row { name: "xtask", role: Role::Development, may_use: &[], must_never_know: &[] },
];

// === impl Crate ===

impl Crate {
    pub(super) fn manifest(&self) -> String {
        format!("{}/Cargo.toml", self.folder)
    }

    fn from_package(package: &Package, root: &Path) -> Result<Self> {
        let folder = package.manifest_path.parent().context("a manifest has no folder")?;
        let folder = folder.strip_prefix(root).context("a member is outside the checkout")?;
        let dependencies = package.dependencies.iter().map(|dependency| Dependency {
            name: dependency.name.clone(),
            for_tests: dependency.kind == DependencyKind::Development,
        });
        Ok(Self {
            name: package.name.to_string(),
            folder: folder.to_string(),
            dependencies: dependencies.collect(),
        })
    }
}

/// The role of a crate, if it has a row.
pub(super) fn role(name: &str) -> Option<Role> {
    row(name).map(|row| row.role)
}

fn row(name: &str) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.name == name)
}

/// The members of the workspace, as cargo sees them.
pub(super) fn workspace(root: &Path) -> Result<Vec<Crate>> {
    let metadata = MetadataCommand::new().current_dir(root).no_deps().exec()?;
    let root = metadata.workspace_root.as_std_path();
    metadata.workspace_packages().into_iter().map(|package| Crate::from_package(package, root)).collect()
}

/// Holds every manifest against the table.
pub(super) fn check(crates: &[Crate]) -> Vec<Finding> {
    let ours: BTreeMap<&str, &Crate> = crates.iter().map(|each| (each.name.as_str(), each)).collect();
    let mut findings = Vec::new();
    for each in crates {
        let Some(row) = row(&each.name) else {
            let message =
                format!("{} is not in the table of crates: add a row to xtask/src/tidy/arrows.rs", each.name);
            findings.push(Finding::error(&each.manifest(), 1, message));
            continue;
        };
        let refusals = each.dependencies.iter().filter_map(|dependency| {
            let is_ours =
                ours.contains_key(dependency.name.as_str()) || self::row(&dependency.name).is_some();
            refusal(row, dependency, is_ours)
        });
        findings.extend(refusals.map(|message| Finding::error(&each.manifest(), 1, message)));
    }
    findings
}

/// Why `row` does not permit `dependency`, if it does not.
fn refusal(row: &Row, dependency: &Dependency, is_ours: bool) -> Option<String> {
    let (name, wanted) = (row.name, dependency.name.as_str());
    if !is_ours {
        let forbidden = !dependency.for_tests && row.must_never_know.contains(&wanted);
        return forbidden.then(|| format!("{name} must never know {wanted}"));
    }
    // A crate's tests may switch on features of the crate itself.
    let permitted = row.role == Role::Development
        || row.may_use.contains(&wanted)
        || dependency.for_tests && (FOR_TESTS.contains(&wanted) || wanted == name);
    if permitted {
        return None;
    }
    if role(wanted) == Some(Role::Development) {
        return Some(format!("{name} may not use {wanted}, which is for development only"));
    }
    let allowed = if row.may_use.is_empty() { "nothing of ours".to_owned() } else { row.may_use.join(", ") };
    Some(format!("{name} may not use {wanted}; it may use {allowed}"))
}

#[cfg(test)]
mod tests;
