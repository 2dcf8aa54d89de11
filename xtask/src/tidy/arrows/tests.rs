//! The table, held against workspaces that break it.

use super::*;

fn member(name: &str, normal: &[&str], dev: &[&str]) -> Crate {
    let dependency = |for_tests| move |name: &&str| Dependency { name: (*name).to_owned(), for_tests };
    let dependencies = normal.iter().map(dependency(false)).chain(dev.iter().map(dependency(true)));
    Crate { name: name.to_owned(), folder: format!("crates/{name}"), dependencies: dependencies.collect() }
}

#[track_caller]
fn check(name: &str, normal: &[&str], dev: &[&str], expected: &[&str]) {
    let found = super::check(&[member(name, normal, dev)]);
    let messages: Vec<_> = found.iter().map(|finding| finding.message.as_str()).collect();
    assert_eq!(messages, expected);
    assert!(found.iter().all(|finding| finding.path == format!("crates/{name}/Cargo.toml")));
}

#[test]
fn arrows_of_the_table_are_permitted() {
    check("wharf-core", &["wharf-oci", "wharf-store", "tokio"], &["wharf-testkit", "hyper"], &[]);
    check("wharf-server", SERVER_SIDE, &[], &[]);
    check("wharf-store-fs", &["wharf-store"], &["wharf-models"], &[]);
    check("wharf-e2e", &["wharf-testkit", "wharf-client", "hyper"], &[], &[]);
}

#[test]
fn an_arrow_upwards_is_refused() {
    check("wharf-store", &["wharf-core"], &[], &["wharf-store may not use wharf-core; it may use wharf-oci"]);
    check(
        "wharf-oci",
        &["wharf-store"],
        &[],
        &["wharf-oci may not use wharf-store; it may use nothing of ours"],
    );
}

#[test]
fn an_arrow_that_only_tests_use_is_refused_too() {
    check("wharf-auth", &[], &["wharf-core"], &["wharf-auth may not use wharf-core; it may use wharf-oci"]);
}

#[test]
fn a_development_crate_is_refused_in_what_ships() {
    check(
        "wharf-core",
        &["wharf-testkit"],
        &[],
        &["wharf-core may not use wharf-testkit, which is for development only"],
    );
    check(
        "wharf-store-fs",
        &["wharf-models"],
        &[],
        &["wharf-store-fs may not use wharf-models, which is for development only"],
    );
    check(
        "wharf-core",
        &[],
        &["wharf-e2e"],
        &["wharf-core may not use wharf-e2e, which is for development only"],
    );
}

#[test]
fn what_a_crate_must_never_know_is_refused() {
    check("wharf-core", &["hyper"], &[], &["wharf-core must never know hyper"]);
    check("wharf-http", &["serde-saphyr"], &[], &["wharf-http must never know serde-saphyr"]);
}

#[test]
fn a_crate_without_a_row_is_refused() {
    check(
        "wharf-proxy",
        &[],
        &[],
        &["wharf-proxy is not in the table of crates: add a row to xtask/src/tidy/arrows.rs"],
    );
}

#[test]
fn a_crate_without_a_row_is_no_arrow_target() {
    let crates = [member("wharf-proxy", &[], &[]), member("wharf-core", &["wharf-proxy"], &[])];
    let found = super::check(&crates);

    assert_eq!(found[1].message, "wharf-core may not use wharf-proxy; it may use wharf-oci, wharf-store");
}

#[test]
fn every_name_in_a_row_has_a_row() {
    for used in TABLE.iter().flat_map(|row| row.may_use) {
        assert!(row(used).is_some(), "{used}");
    }
}

#[test]
fn the_workspace_is_read_from_cargo() {
    let crates = workspace(crate::project::root()).unwrap();

    let this = crates.iter().find(|each| each.name == "xtask").unwrap();
    assert_eq!(this.folder, "xtask");
    assert!(this.dependencies.iter().any(|dependency| dependency.name == "clap"));
}
