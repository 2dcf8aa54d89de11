//! Pushes, step by step as the common clients do them: POST, PATCH with all the bytes, PUT, and a manifest at the end.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result};
use wharf_oci::Digest;
use wharf_testkit::images::{Blob, Image, ImageOptions, Manifest, noise};

use super::{Load, Meter, join, nanoseconds};
use crate::proc::Processes;
use crate::wire::{Connection, Endpoint};

/// Every image and blob of a run has bytes of its own, whoever gets them.
static NEXT_SEED: AtomicU64 = AtomicU64::new(1 << 40);

/// Whether the images of one measurement share their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    Distinct,
    /// The same image into every repository: what flatters a registry that need not write it again.
    Shared,
}

/// Images to push at the same time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Images {
    pub(crate) clients: usize,
    pub(crate) count: usize,
    pub(crate) layer_bytes: usize,
    pub(crate) content: Content,
}

/// Blobs that nobody has seen before.
pub(crate) fn make_blobs((count, length): (usize, usize)) -> Vec<Blob> {
    (0..count).map(|_| Blob::new(noise(next_seed(), length))).collect()
}

/// Pushes blobs one after the other.
pub(crate) fn blobs(
    endpoint: &Endpoint,
    server: &Processes,
    repository: &str,
    blobs: &[Blob],
) -> Result<Load> {
    let mut connection = Connection::open(endpoint)?;
    let mut load = Load::default();
    let meter = Meter::start(server)?;
    for blob in blobs {
        let begun = Instant::now();
        push_blob(&mut connection, repository, &blob.bytes, &blob.digest)?;
        load.operations += 1;
        load.bytes += blob.bytes.len() as u64;
        load.latencies.push(nanoseconds(begun.elapsed()));
    }
    load.cost = meter.stop()?;
    Ok(load)
}

/// Pushes images, each into a repository of its own below `repository`, all clients at the same time.
pub(crate) fn images(
    address: SocketAddr,
    server: &Processes,
    repository: &str,
    wanted: &Images,
) -> Result<Load> {
    let made: Vec<_> = (0..wanted.clients).map(|client| share_of(wanted, client)).collect();
    let shared = build(wanted.layer_bytes);
    let made: Vec<Vec<Image>> = made
        .into_iter()
        .map(|count| match wanted.content {
            Content::Distinct => (0..count).map(|_| build(wanted.layer_bytes)).collect(),
            Content::Shared => vec![shared.clone(); count],
        })
        .collect();
    let mut opened: Vec<_> = (0..wanted.clients).map(|_| Connection::open(address)).collect::<Result<_>>()?;

    let meter = Meter::start(server)?;
    let parts: Vec<Vec<u64>> = thread::scope(|scope| {
        let threads: Vec<_> = opened
            .iter_mut()
            .zip(&made)
            .enumerate()
            .map(|(client, (connection, images))| {
                scope.spawn(move || push_all(connection, &format!("{repository}/{client}"), images))
            })
            .collect();
        threads.into_iter().map(join).collect::<Result<_>>()
    })?;
    let cost = meter.stop()?;
    let latencies = parts.concat();
    let bytes = made.iter().flatten().flat_map(Image::blobs).map(|blob| blob.bytes.len() as u64).sum();
    Ok(Load { operations: latencies.len() as u64, bytes, latencies, cost, ..Load::default() })
}

/// Begins an upload; where its bytes go.
pub(crate) fn begin(connection: &mut Connection, repository: &str) -> Result<String> {
    let target = format!("/v2/{repository}/blobs/uploads/");
    let begun = connection.send("POST", &target, &[], &[])?.expect(202).context("begin an upload")?;
    Ok(origin_form(&begun.location.context("an upload without a Location")?).to_owned())
}

/// Pushes a manifest under `reference`.
pub(crate) fn push_manifest(
    connection: &mut Connection,
    repository: &str,
    reference: &str,
    manifest: &Manifest,
) -> Result<()> {
    let target = format!("/v2/{repository}/manifests/{reference}");
    let media_type = manifest.media_type.to_string();
    let headers = [("Content-Type", media_type.as_str())];
    connection.send("PUT", &target, &headers, &manifest.bytes)?.expect(201).context("push a manifest")?;
    Ok(())
}

fn push_blob(connection: &mut Connection, repository: &str, bytes: &[u8], digest: &Digest) -> Result<()> {
    let location = begin(connection, repository)?;
    let headers = [("Content-Type", "application/octet-stream")];
    let sent = connection.send("PATCH", &location, &headers, bytes)?.expect(202).context("send bytes")?;
    let location = sent.location.context("a PATCH without a Location")?;
    let target = with_digest(origin_form(&location), digest);
    connection.send("PUT", &target, &[], &[])?.expect(201).context("finish an upload")?;
    Ok(())
}

fn push_all(connection: &mut Connection, repository: &str, images: &[Image]) -> Result<Vec<u64>> {
    let mut latencies = Vec::new();
    for (index, image) in images.iter().enumerate() {
        let repository = format!("{repository}/{index}");
        let begun = Instant::now();
        for blob in image.blobs() {
            push_blob(connection, &repository, &blob.bytes, &blob.digest)?;
        }
        push_manifest(connection, &repository, "v1", &image.manifest)?;
        latencies.push(nanoseconds(begun.elapsed()));
    }
    Ok(latencies)
}

/// How many of the images are this client's.
fn share_of(wanted: &Images, client: usize) -> usize {
    wanted.count / wanted.clients + usize::from(client < wanted.count % wanted.clients)
}

fn build(layer_bytes: usize) -> Image {
    Image::build(&ImageOptions { seed: next_seed(), layers: 1, layer_bytes, ..ImageOptions::default() })
}

fn next_seed() -> u64 {
    NEXT_SEED.fetch_add(1, Ordering::Relaxed)
}

/// The part of a `Location` that goes into a request line, otherwise verbatim.
fn origin_form(location: &str) -> &str {
    let Some((_, rest)) = location.split_once("://") else { return location };
    rest.find('/').map_or("/", |slash| &rest[slash..])
}

/// What is in a `Location`'s query is the server's, and stays.
fn with_digest(location: &str, digest: &Digest) -> String {
    let separator = if location.contains('?') { '&' } else { '?' };
    format!("{location}{separator}digest={digest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_kept_but_for_its_host() {
        assert_eq!(origin_form("/v2/a/b?_state=x%3D"), "/v2/a/b?_state=x%3D");
        assert_eq!(origin_form("http://127.0.0.1:5000/v2/a?_state=x/y"), "/v2/a?_state=x/y");
        assert_eq!(origin_form("http://example.com"), "/");
    }

    #[test]
    fn a_digest_joins_the_query_that_is_there() {
        let digest = Digest::of(b"");
        assert_eq!(with_digest("/u", &digest), format!("/u?digest={digest}"));
        assert_eq!(with_digest("/u?_state=1", &digest), format!("/u?_state=1&digest={digest}"));
    }

    #[test]
    fn every_image_is_some_clients() {
        let wanted = Images { clients: 10, count: 34, layer_bytes: 1, content: Content::Distinct };
        assert_eq!((0..10).map(|client| share_of(&wanted, client)).sum::<usize>(), 34);
        assert_eq!(share_of(&wanted, 0), 4);
        assert_eq!(share_of(&wanted, 9), 3);
    }
}
