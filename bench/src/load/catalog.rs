//! The first page of the catalog after something has changed in the registry.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::json;
use wharf_oci::ManifestKind;
use wharf_testkit::images::Manifest;

use super::{Cost, Load, Meter, nanoseconds, push};
use crate::proc::Processes;
use crate::wire::{Connection, Request};

/// What is asked for.
pub(crate) const FIRST_PAGE: &str = "/v2/_catalog?n=100";
/// Where the changes are made; whoever measures takes them away again.
pub(crate) const CHANGED: &str = "changed";
/// More changes than this say no more.
const MOST_CHANGES: u64 = 20;

/// Adds a repository and asks for the first page, again until `window` has passed. Only the page is measured.
pub(crate) fn after_a_change(
    address: SocketAddr,
    server: &Processes,
    round: usize,
    window: Duration,
) -> Result<Load> {
    let mut connection = Connection::open(address)?;
    let kind = ManifestKind::OciIndex;
    let body = json!({ "schemaVersion": 2, "mediaType": kind.media_type(), "manifests": [] });
    let index = Manifest::new(kind.media_type(), &body);
    let mut load = Load::default();
    while load.operations < MOST_CHANGES && load.cost.seconds < window.as_secs_f64() {
        let repository = format!("{CHANGED}/by-{}-{round}-{}", address.port(), load.operations);
        push::push_manifest(&mut connection, &repository, "v1", &index)?;
        let page = first_page(&mut connection, server)?;
        load.operations += 1;
        load.bytes += page.bytes;
        load.latencies.extend(page.latencies);
        load.cost = Cost::and(load.cost, page.cost);
    }
    Ok(load)
}

/// Asks for the first page once.
pub(crate) fn first_page(connection: &mut Connection, server: &Processes) -> Result<Load> {
    let meter = Meter::start(server)?;
    let begun = Instant::now();
    let answer = connection.exchange(&Request::get(FIRST_PAGE, &[]))?.expect(200).context("a page")?;
    let latencies = vec![nanoseconds(begun.elapsed())];
    let cost = meter.stop()?;
    Ok(Load { operations: 1, bytes: answer.body_bytes, latencies, cost, ..Load::default() })
}
