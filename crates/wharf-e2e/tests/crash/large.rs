//! One very long upload in small pieces.

#![expect(
    clippy::disallowed_methods,
    reason = "how long it takes is what is measured, and the disk is helped"
)]

use std::path::Path;
use std::time::{Duration, Instant};

use wharf_oci::{Algorithm, Digest, Hasher};
use wharf_testkit::images::noise;
use wharf_testkit::push;
use wharf_testkit::wire::Connection;

use crate::disk::Folder;
use crate::number;
use crate::server::Server;

const GIB: u64 = 1 << 30;
const CHUNK_BYTES: usize = 64 * 1024;
const MIB: u64 = 1 << 20;

/// After so many bytes one looks, and the disk is given the time to take them: no request is to wait for it.
const MARK_BYTES: u64 = 128 * MIB;

/// What the registry may come to need more between the first chunks and the last.
const GROWTH_BYTES: u64 = 8 * MIB;

/// How far it was when one looked.
struct Mark {
    sent: u64,
    worked: Duration,
    memory: u64,
}

/// Chunks that all differ, without making each anew.
struct Chunks {
    chunk: Vec<u8>,
    made: u64,
}

impl Chunks {
    fn next(&mut self) -> Vec<u8> {
        self.chunk[..8].copy_from_slice(&self.made.to_le_bytes());
        self.made += 1;
        self.chunk.clone()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_upload_in_small_chunks_costs_the_same_from_the_first_to_the_last() {
    let bytes = number("WHARF_LARGE_GIB").unwrap_or(1) * GIB;
    let folder = Folder::new();
    let server = Server::start(folder.root());
    let (wire, process) = (server.wire(), server.process());
    let mut connection = wire.connect().await;
    let location = push::begin(&wire, "a").await;
    let mut chunks = Chunks { chunk: noise(1, CHUNK_BYTES).to_vec(), made: 0 };
    let mut hasher = Hasher::new(Algorithm::Sha256);
    let (mut location, mut marks) = (location, Vec::new());
    let (begun, read_before) = (Instant::now(), process.read_bytes());
    let mark = |sent| Mark { sent, worked: process.worked(), memory: process.anonymous_bytes() };
    while hasher.bytes_hashed() < bytes {
        if hasher.bytes_hashed().is_multiple_of(MARK_BYTES) {
            marks.push(mark(hasher.bytes_hashed()));
            sync_data_under(folder.root());
        }
        let chunk = chunks.next();
        hasher.update(&chunk);
        let answer = connection.send(wire.patch(location).body(chunk)).await.expect(202);
        location = answer.location().to_owned();
    }
    marks.push(mark(hasher.bytes_hashed()));
    let (took, read_while) = (begun.elapsed(), process.read_bytes() - read_before);
    let digest = hasher.finish();
    let (read_before, asked) = (process.read_bytes(), Instant::now());
    let _ = connection.send(wire.put(push::finish(&location, &digest)).body("")).await.expect(201);
    let (read_at_commit, commit) = (process.read_bytes() - read_before, asked.elapsed());
    assert_eq!(
        pulled(&mut connection, server.wire().get(format!("/v2/a/blobs/{digest}")), bytes).await,
        digest
    );

    let chunks = bytes / CHUNK_BYTES as u64;
    let quarter = marks.len() / 4;
    let (first, last) = (a_chunk(&marks[..=quarter]), a_chunk(&marks[marks.len() - 1 - quarter..]));
    let (memory, later) = (marks[1].memory, marks[marks.len() - 1].memory);
    eprintln!(
        "{chunks} chunks in {took:?}; the first quarter takes {first:?} of a processor a chunk, the last {last:?}; {} \
         bytes read a chunk, {read_at_commit} at the commit, which took {commit:?}; anonymous memory {} to {} KiB",
        read_while / chunks,
        memory / 1024,
        later / 1024,
    );
    // What grows with what is there already would be seven times as much.
    assert!(last < first * 3, "{first:?} a chunk at first, {last:?} at last");
    assert!(read_while / chunks < 4096, "{read_while} bytes were read beside {chunks} chunks");
    assert!(read_at_commit < MIB, "{read_at_commit} bytes were read again to finish");
    assert!(later < memory + GROWTH_BYTES, "memory grows from {memory} to {later} bytes");
    server.stop_with_nothing_left();
}

/// How long a processor of the registry works for a chunk between the first and the last of `marks`.
fn a_chunk(marks: &[Mark]) -> Duration {
    let (first, last) = (&marks[0], &marks[marks.len() - 1]);
    let chunks = (last.sent - first.sent) / CHUNK_BYTES as u64;
    (last.worked - first.worked) / u32::try_from(chunks).expect("not so many")
}

/// Writes out what has come of the one upload there is, as the kernel would do sooner or later.
fn sync_data_under(root: &Path) {
    let uploads = root.join("docker/registry/v2/repositories/a/_uploads");
    let upload =
        std::fs::read_dir(uploads).expect("a folder").next().expect("an upload").expect("a readable folder");
    std::fs::File::open(upload.path().join("data"))
        .and_then(|data| data.sync_data())
        .expect("a disk that takes it");
}

/// What the bytes hash to that come back.
async fn pulled(connection: &mut Connection, get: wharf_testkit::wire::Request, bytes: u64) -> Digest {
    connection.begin(&get).await;
    let head = connection.head().await.expect(200);
    assert_eq!(head.required("Content-Length"), bytes.to_string());
    let mut hasher = Hasher::new(Algorithm::Sha256);
    while hasher.bytes_hashed() < bytes {
        hasher.update(&connection.read(CHUNK_BYTES).await);
    }
    hasher.finish()
}
