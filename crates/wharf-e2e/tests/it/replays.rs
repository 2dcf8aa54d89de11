//! Whole conversations of clients, request by request in their order, for those that cannot be run here.
//!
//! What a request looks like is from the client's source. What an answer must have is what the client looks at.

mod buildkit;
mod containerd;
mod containers_image;
mod cosign;
mod docker_engine;
mod dotnet;
mod go_containerregistry;
mod jib;
mod oras_go;
mod regclient;
mod snapshotters;

use wharf_oci::Digest;
use wharf_testkit::images::{Blob, Manifest};
use wharf_testkit::wire::{Connection, Request, Response, Server};

/// A client with one connection, which it keeps open, and headers that it puts on every request.
#[derive(Debug)]
struct Client {
    connection: Connection,
    user_agent: &'static str,
    accept_encoding: &'static str,
}

// === impl Client ===

impl Client {
    /// One that is written in Go, whose HTTP client would unpack what came packed without being asked to.
    async fn new(server: &Server, user_agent: &'static str) -> Self {
        Self { connection: server.connect().await, user_agent, accept_encoding: "gzip" }
    }

    async fn say(&mut self, request: Request) -> Response {
        let request =
            request.header("User-Agent", self.user_agent).header("Accept-Encoding", self.accept_encoding);
        let response = self.connection.send(request).await;
        assert_eq!(response.header("Content-Encoding"), None, "nobody may change the bytes");
        response
    }
}

/// The target that finishes an upload, with the colon of the digest escaped, as a library for URLs does it.
fn finish(location: &str, digest: &Digest) -> String {
    let separator = if location.contains('?') { '&' } else { '?' };
    format!("{location}{separator}digest={}", escaped(&digest.to_string()))
}

/// A value of a query.
fn escaped(value: &str) -> String {
    value.replace(':', "%3A").replace('/', "%2F").replace('+', "%2B")
}

/// The manifest there, with what clients take from headers alone.
#[track_caller]
fn assert_is(response: &Response, manifest: &Manifest) {
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!(response.required("Content-Type"), manifest.media_type.as_str());
    assert_eq!(response.required("Content-Length"), manifest.bytes.len().to_string());
    assert_eq!(response.required("Docker-Content-Digest"), manifest.digest.to_string());
}

/// The blob there, byte for byte, and as long as it was said to be.
#[track_caller]
fn assert_holds(response: &Response, blob: &Blob) {
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!(response.required("Content-Length"), blob.bytes.len().to_string());
    assert!(response.body == blob.bytes, "{} came back changed", blob.digest);
}

/// Part of the blob there: from `first` to the end, and said to be so.
#[track_caller]
fn assert_rest(response: &Response, blob: &Blob, first: usize) {
    let size = blob.bytes.len();
    assert_eq!(response.status, 206, "{response:?}");
    assert_eq!(response.required("Content-Range"), format!("bytes {first}-{}/{size}", size - 1));
    assert!(response.body == blob.bytes.slice(first..), "the rest of {} came back changed", blob.digest);
}
