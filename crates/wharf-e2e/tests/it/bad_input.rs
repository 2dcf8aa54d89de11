//! Nothing is fooled: whatever a client sends gets the documented status and code, changes nothing, and leaves the
//! registry and the connection fit for the next request.
//!
//! [`operations`] lists what each operation of the API can refuse; the other files hold the rows. A refusal without a
//! row fails here, and so does a row for a refusal that is not listed.

mod guards;
mod manifests;
mod names;
pub(crate) mod operations;
mod queries;
mod row;
mod uploads;
mod wire;
mod wire_rows;
mod world;

use std::collections::BTreeSet;

use operations::{Method, Operation, Refusal};
use row::Row;
use wharf_oci::{ErrorCode, RouteError};
use wharf_testkit::images::{Image, Manifest};
use wharf_testkit::push;
use wharf_testkit::registry::ScratchRegistry;
use world::{Place, World};

/// Codes that no operation ever answers: manifests have had no signatures for years.
const NEVER: [ErrorCode; 1] = [ErrorCode::ManifestUnverified];

/// Every fault of a request line.
const FAULTS: [&str; 13] = [
    "path",
    "method",
    "name",
    "tag",
    "tag that is looked up",
    "digest",
    "no digest",
    "algorithm",
    "upload",
    "page size",
    "too many tags",
    "tags beside a tag",
    "encoding",
];

fn every_row() -> Vec<Row> {
    [names::rows(), queries::rows(), manifests::rows(), uploads::rows(), guards::rows()].concat()
}

#[test]
fn every_refusal_has_a_row_and_every_row_is_a_refusal() {
    let possible: BTreeSet<Refusal> = operations::refusals().collect();
    let tried: BTreeSet<Refusal> = every_row().iter().map(Row::refusal).collect();

    let untried: Vec<_> = possible.difference(&tried).collect();
    assert!(untried.is_empty(), "no row for {untried:#?}");
    let unlisted: Vec<_> = tried.difference(&possible).collect();
    assert!(unlisted.is_empty(), "not among what can be refused: {unlisted:#?}");

    let answered: BTreeSet<ErrorCode> = possible.iter().map(|refusal| refusal.code).chain(NEVER).collect();
    assert_eq!(answered, BTreeSet::from(ErrorCode::ALL));
}

#[test]
fn every_operation_is_what_its_example_asks_for() {
    for operation in Operation::ALL {
        for method in operation.methods() {
            let route = Row::of(operation, *method).route().unwrap();
            assert_eq!(Operation::of(&route), operation, "{route:?}");
        }
    }
}

/// A row whose request line is right must be filed under what it asks for; one whose line is wrong says what was meant.
#[test]
fn every_row_is_filed_under_what_it_asks_for() {
    for row in every_row() {
        if let Ok(route) = row.route() {
            assert_eq!(Some(Operation::of(&route)), row.operation, "{row:?}");
        }
        assert_eq!(row.operation.is_none(), row.refusal().method == Method::Any, "{row:?}");
    }
}

#[test]
fn every_fault_of_a_request_line_has_a_row() {
    let tried: BTreeSet<&str> =
        every_row().iter().filter_map(|row| row.route().err()).map(|error| fault(&error)).collect();
    assert_eq!(tried, BTreeSet::from(FAULTS));
}

#[tokio::test]
async fn nothing_is_fooled_by_a_request() {
    check(Place::Usual).await;
}

#[tokio::test]
async fn nothing_changes_where_nothing_may() {
    check(Place::ReadOnly).await;
    check(Place::WithoutDeletes).await;
}

#[tokio::test]
async fn nobody_gets_past_the_guard() {
    check(Place::Guarded).await;
}

#[tokio::test]
async fn a_store_that_fails_is_never_taken_for_an_empty_one() {
    check(Place::Later).await;
    check(Place::Broken).await;
}

#[tokio::test]
async fn a_client_that_falls_silent_is_told() {
    check(Place::Impatient).await;
}

/// What can be wrong with a request line. It has no `_`: a new fault does not compile until it is among [`FAULTS`].
fn fault(error: &RouteError) -> &'static str {
    match error {
        RouteError::NotFound => "path",
        RouteError::MethodNotAllowed { .. } => "method",
        RouteError::Name { .. } => "name",
        RouteError::Tag { .. } => "tag",
        RouteError::UnknownTag { .. } => "tag that is looked up",
        RouteError::Digest(_) => "digest",
        RouteError::DigestMissing => "no digest",
        RouteError::Algorithm(_) => "algorithm",
        RouteError::UploadId(_) => "upload",
        RouteError::PageSize { .. } => "page size",
        RouteError::TooManyTags { .. } => "too many tags",
        RouteError::TagParamNeedsDigest => "tags beside a tag",
        RouteError::Encoding { .. } => "encoding",
    }
}

/// Sends every row of a place, and shows all that went wrong at once.
async fn check(place: Place) {
    let mut world = World::start(place).await;
    let mut wrong = Vec::new();
    let rows: Vec<Row> = every_row().into_iter().filter(|row| row.place == place).collect();
    assert!(!rows.is_empty(), "{place:?}");
    for row in rows {
        if let Err(problem) = row.check(&world).await {
            wrong.push(format!("{row:?}: {problem}"));
            // What one row spoils must not be held against the others.
            world = World::start(place).await;
        }
    }
    assert!(wrong.is_empty(), "{} rows went wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// What looks bad and is not: the largest and the strangest that is allowed.
#[tokio::test]
async fn a_request_that_is_odd_but_right_is_answered() {
    let world = World::start(Place::Usual).await;
    let mut wrong = Vec::new();
    for (line, status) in queries::odd_but_right() {
        let (method, target) = line.split_once(' ').unwrap();
        let response = world.asked.request(method, world.fill(target, "")).send().await;
        if response.status != status {
            wrong.push(format!("{line}: {} {}", response.status, response.text()));
        }
    }
    assert!(wrong.is_empty(), "{} rows went wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn the_longest_names_can_be_pushed_and_pulled() {
    let registry = ScratchRegistry::start().await;
    let image = Image::random(1);
    let tag = "x".repeat(128);
    for name in ["a".repeat(255), vec!["a"; 128].join("/"), format!("b/{}", "c".repeat(253))] {
        push::image(&registry, &name, &tag, &image).await;
        let response = registry.get(format!("/v2/{name}/manifests/{tag}")).send().await.expect(200);
        assert_eq!(response.body, image.manifest.bytes);
        let list = registry.get(format!("/v2/{name}/tags/list?n=1")).send().await.expect(200);
        assert_eq!(list.json()["tags"][0], tag);
        let _ = registry.delete(format!("/v2/{name}/manifests/{tag}")).send().await.expect(202);
    }
}

/// Fields that nobody knows may hold anything, however deep; what is taken must come back.
#[tokio::test]
async fn a_manifest_that_is_odd_but_right_comes_back_as_it_is() {
    let registry = ScratchRegistry::start().await;
    for text in manifests::odd_but_right() {
        let manifest = Manifest::from_bytes(wharf_oci::MediaType::OCI_INDEX, text);
        push::manifest(&registry, "a", "odd", &manifest).await;
        for reference in ["odd", &manifest.digest.to_string()] {
            let response = registry.get(format!("/v2/a/manifests/{reference}")).send().await.expect(200);
            assert!(response.body == manifest.bytes);
        }
    }
}
