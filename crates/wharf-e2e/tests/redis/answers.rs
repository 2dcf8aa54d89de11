//! The same requests with no cache, with one in memory and with one in Redis: the same answers, to the last byte.

use wharf_core::{MemorySizes, SystemClock};
use wharf_store::Grace;
use wharf_testkit::images::{Image, Manifest};
use wharf_testkit::wire::{Request, Response};

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_tells_whether_there_is_a_cache() {
    let redis = Redis::start();
    let in_redis = sizes(&config(redis.port()));
    until_used(&in_redis, &redis).await;
    let caches: [(&str, Option<Arc<dyn BlobSizes>>); 3] = [
        ("none", None),
        ("memory", Some(Arc::new(MemorySizes::new(100, Grace::default(), Arc::new(SystemClock))))),
        ("redis", Some(in_redis)),
    ];
    let mut transcripts = Vec::new();
    for (name, sizes) in caches {
        let tree = tempfile::tempdir().unwrap();
        let options = Options { sizes, ..Options::default() };
        let setup = Setup { registry: options, ..Setup::default() };
        let registry = ScratchRegistry::over(tree.path(), setup).await;
        transcripts.push((name, Script::new(&registry).run().await));
    }
    let (_, plain) = &transcripts[0];
    assert!(plain.len() > 40, "{} answers", plain.len());
    for (name, transcript) in &transcripts[1..] {
        for (expected, answer) in plain.iter().zip(transcript) {
            assert_eq!(answer, expected, "with a cache in {name}");
        }
        assert_eq!(transcript.len(), plain.len());
    }
}

/// Requests one after the other, and what was answered.
struct Script<'a> {
    registry: &'a ScratchRegistry,
    answers: Vec<String>,
}

impl<'a> Script<'a> {
    fn new(registry: &'a ScratchRegistry) -> Self {
        Self { registry, answers: Vec::new() }
    }

    async fn run(mut self) -> Vec<String> {
        let image = Image::random(7);
        let layer = &image.layers[0];
        self.look(layer).await;
        for blob in image.blobs() {
            self.push("a", blob).await;
        }
        self.look(layer).await;
        // What the cache of the older registry mixed up: blobs and manifests, and layers that pass for an index's child.
        self.put("a", "v1", &image.manifest).await;
        for _ in 0..2 {
            self.ask(self.registry.get(manifest("a", &image.manifest.digest.to_string()))).await;
            self.ask(self.registry.head(blob("a", &image.manifest.digest))).await;
            self.ask(self.registry.get(blob("a", &image.manifest.digest))).await;
            self.ask(self.registry.get(manifest("a", &layer.digest.to_string()))).await;
            self.ask(self.registry.head(manifest("a", &layer.digest.to_string()))).await;
        }
        self.put("b", "v1", &image.manifest).await;
        self.mount("b", layer).await;
        self.look(layer).await;
        self.put("b", "v1", &image.manifest).await;
        let absent = Image::random(8);
        self.put("a", "v2", &absent.manifest).await;
        self.ask(self.registry.delete(blob("a", &layer.digest))).await;
        self.look(layer).await;
        self.ask(self.registry.delete(blob("a", &layer.digest))).await;
        self.put("a", "v3", &image.manifest).await;
        self.mount("a", layer).await;
        self.look(layer).await;
        self.put("a", "v3", &image.manifest).await;
        self.answers
    }

    /// Every way to ask for a blob, twice each, in two repositories.
    async fn look(&mut self, layer: &Blob) {
        let registry = self.registry;
        for repository in ["a", "b", "a", "b"] {
            let target = || blob(repository, &layer.digest);
            self.ask(registry.head(target())).await;
            self.ask(registry.get(target()).header("Range", "bytes=1-3")).await;
            self.ask(registry.get(target()).header("Range", "bytes=99999999-")).await;
            self.ask(registry.get(target()).header("If-None-Match", format!("\"{}\"", layer.digest))).await;
            self.ask(registry.get(target())).await;
        }
    }

    async fn push(&mut self, repository: &str, blob: &Blob) {
        let target = format!("/v2/{repository}/blobs/uploads/?digest={}", blob.digest);
        self.ask(self.registry.post(target).body(blob.bytes.clone())).await;
    }

    async fn put(&mut self, repository: &str, tag: &str, body: &Manifest) {
        let request = self.registry.put(manifest(repository, tag));
        let request = request.header("Content-Type", body.media_type.as_str()).body(body.bytes.clone());
        self.ask(request).await;
    }

    async fn mount(&mut self, repository: &str, blob: &Blob) {
        let from = if repository == "a" { "b" } else { "a" };
        let target = format!("/v2/{repository}/blobs/uploads/?mount={}&from={from}", blob.digest);
        self.ask(self.registry.post(target).body("")).await;
    }

    async fn ask(&mut self, request: Request) {
        let parts = request.parts();
        let head = String::from_utf8_lossy(&parts.0[..parts.1.min(parts.0.len())]).into_owned();
        let line = head.lines().next().unwrap_or_default().to_owned();
        let answer = request.send().await;
        self.answers.push(format!("{line}\n{}", shown(&answer)));
    }
}

fn blob(repository: &str, digest: &wharf_oci::Digest) -> String {
    format!("/v2/{repository}/blobs/{digest}")
}

fn manifest(repository: &str, reference: &str) -> String {
    format!("/v2/{repository}/manifests/{reference}")
}

/// An answer but for the time and for ids, which are never the same.
fn shown(answer: &Response) -> String {
    let mut text = format!("{} {}\n", answer.status, answer.reason);
    let mut headers: Vec<_> = answer.headers.iter().filter(|(name, _)| name != "Date").collect();
    headers.sort();
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\n"));
    }
    text.push_str(&format!("{:?}", answer.body));
    match answer.header("Docker-Upload-Uuid") {
        Some(id) => text.replace(id, "<id>"),
        None => text,
    }
}
