//! Uploads over the raw client: in chunks, from one server to the next, and larger than a test would hold.

use std::sync::Arc;

use bytes::Bytes;
use wharf_oci::{Algorithm, Digest, Hasher};
use wharf_testkit::images::{Blob, noise};
use wharf_testkit::push;
use wharf_testkit::wire::{Response, Server};

/// Sends the bytes from `offset` on as one chunk.
pub(crate) async fn patch(server: &Server, location: &str, offset: usize, bytes: Bytes) -> Response {
    let request = server
        .patch(location)
        .header("Content-Type", "application/octet-stream")
        .header("Content-Range", format!("{offset}-{}", offset + bytes.len() - 1));
    request.body(bytes).send().await
}

/// A blob in chunks, each to the next of the servers.
pub(crate) async fn in_chunks(servers: &[&Server], repository: &str, blob: &Blob, chunk_bytes: usize) {
    let mut turns = servers.iter().cycle();
    let mut next = || turns.next().expect("there are servers");
    let mut location = push::begin(next(), repository).await;
    for offset in (0..blob.bytes.len()).step_by(chunk_bytes) {
        let chunk = blob.bytes.slice(offset..blob.bytes.len().min(offset + chunk_bytes));
        let end = offset + chunk.len() - 1;
        let accepted = patch(next(), &location, offset, chunk).await.expect(202);
        assert_eq!(accepted.required("Range"), format!("0-{end}"));
        location = accepted.location().to_owned();
        let status = next().get(&location).send().await.expect(204);
        assert_eq!(status.required("Range"), format!("0-{end}"));
    }
    let _ = next().put(push::finish(&location, &blob.digest)).body("").send().await.expect(201);
}

/// Blobs that are alike but for their first bytes, so that many take the memory of one.
#[derive(Debug, Clone)]
pub(crate) struct Bulk {
    common: Arc<Bytes>,
    times: usize,
}

// === impl Bulk ===

impl Bulk {
    /// So many times the same MiB.
    pub(crate) fn of_mib(times: usize) -> Self {
        Self { common: Arc::new(noise(99, 1 << 20)), times }
    }

    /// Sends the `number`-th blob: in one PUT, its digest known to the server before the first byte, or in a PATCH.
    pub(crate) async fn push(&self, server: &Server, repository: &str, number: u64, in_one: bool) {
        let first = noise(number, 64);
        let digest = self.digest(&first);
        let location = push::begin(server, repository).await;
        let request = match in_one {
            true => server.put(push::finish(&location, &digest)),
            false => server.patch(&location),
        };
        let length = first.len() + self.times * self.common.len();
        let request = request
            .header("Content-Type", "application/octet-stream")
            .header("Content-Length", length.to_string());
        let mut connection = server.connect().await;
        connection.begin(&request).await;
        connection.write(&first).await;
        for _ in 0..self.times {
            connection.write(&*self.common).await;
        }
        if in_one {
            let _ = connection.response("PUT").await.expect(201);
            return;
        }
        let location = connection.response("PATCH").await.expect(202).location().to_owned();
        let _ = server.put(push::finish(&location, &digest)).body("").send().await.expect(201);
    }

    fn digest(&self, first: &[u8]) -> Digest {
        let mut hasher = Hasher::new(Algorithm::Sha256);
        hasher.update(first);
        (0..self.times).for_each(|_| hasher.update(&self.common));
        hasher.finish()
    }
}
