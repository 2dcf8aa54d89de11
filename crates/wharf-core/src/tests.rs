//! Promises of the registry, over the memory store.

mod blobs;
mod broken;
mod events;
mod failing;
mod large_manifests;
mod listings;
mod manifests;
mod mounts;
mod order;
mod references;
mod referrers;
mod sizes;
mod tasks;
mod uploads;

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use wharf_oci::{Digest, MediaType, Reference, RepositoryName, Tag, UploadId};
use wharf_store::{Announced, BlobBody, BoxError, ByteStream, Clock, LayoutMetadata, MemoryStore};

use crate::{
    Cause, Error, Event, EventKind, EventSink, Limits, ManifestPut, Options, PutManifest, Registry, Result,
};

/// A registry over an empty memory store, with all that a test wants to look at.
struct Fixture {
    registry: Registry,
    store: MemoryStore,
    events: Arc<Seen>,
    clock: Arc<ManualClock>,
}

/// What was told to whoever wants to know.
#[derive(Debug, Default)]
struct Seen(Mutex<Vec<Event>>);

/// A clock that stands still unless it is moved.
#[derive(Debug)]
struct ManualClock(Mutex<SystemTime>);

impl EventSink for Seen {
    fn emit(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> SystemTime {
        *self.0.lock().unwrap()
    }
}

impl ManualClock {
    fn advance(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }
}

fn fixture() -> Fixture {
    fixture_with(Options::default())
}

fn fixture_with(options: Options) -> Fixture {
    let clock = Arc::new(ManualClock(Mutex::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000))));
    let store = MemoryStore::with_clock(clock.clone());
    let events = Arc::new(Seen::default());
    let options = Options { events: Some(events.clone()), clock: clock.clone(), ..options };
    let metadata = LayoutMetadata::new(Arc::new(store.clone()));
    let registry = Registry::new(Arc::new(store.clone()), Arc::new(metadata), options);
    Fixture { registry, store, events, clock }
}

impl Fixture {
    /// What happened since the last call.
    fn happened(&self) -> Vec<EventKind> {
        let events = std::mem::take(&mut *self.events.0.lock().unwrap());
        events.into_iter().map(|event| event.kind).collect()
    }
}

fn cause() -> Cause {
    Cause { actor: Some("tester".into()), request_id: "r1".into() }
}

fn repo(name: &str) -> RepositoryName {
    name.parse().unwrap()
}

fn tag(name: &str) -> Tag {
    name.parse().unwrap()
}

fn body(bytes: &[u8]) -> ByteStream {
    let bytes = Bytes::copy_from_slice(bytes);
    stream::once(async { Ok(bytes) }).boxed()
}

/// A body that breaks off after `bytes`.
fn hung_up(bytes: &[u8]) -> ByteStream {
    let error: BoxError = "hung up".into();
    let bytes = Bytes::copy_from_slice(bytes);
    stream::iter([Ok(bytes), Err(error)]).boxed()
}

async fn begin(registry: &Registry, repository: &RepositoryName) -> UploadId {
    registry.begin_upload(repository, Announced::Nothing).await.unwrap().id
}

async fn push_blob(registry: &Registry, repository: &RepositoryName, bytes: &[u8]) -> Digest {
    let digest = Digest::of(bytes);
    registry.put_blob(&cause(), repository, &digest, body(bytes)).await.unwrap();
    digest
}

async fn read_blob(registry: &Registry, repository: &RepositoryName, digest: &Digest) -> Result<Bytes> {
    match registry.open_blob(repository, digest).await?.body {
        BlobBody::Bytes(bytes) => Ok(bytes),
        other => panic!("the memory store answers with bytes, not {other:?}"),
    }
}

/// The descriptor of `content`.
fn described(media_type: &MediaType, content: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": Digest::of(content), "size": content.len()})
}

fn layer(content: &[u8]) -> Value {
    described(&MediaType::new("application/vnd.oci.image.layer.v1.tar"), content)
}

/// An OCI image of the given layers, whose config is `{}`.
fn image(layers: &[Value]) -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": MediaType::OCI_MANIFEST,
        "config": described(&MediaType::OCI_CONFIG, b"{}"),
        "layers": layers,
    })
}

fn index(children: &[Value]) -> Value {
    json!({"schemaVersion": 2, "mediaType": MediaType::OCI_INDEX, "manifests": children})
}

/// `manifest` with another field.
fn with(mut manifest: Value, field: &str, value: Value) -> Value {
    manifest[field] = value;
    manifest
}

/// A manifest that refers to `subject`, told from others by `name`.
fn referring(subject: &Digest, name: &str, artifact_type: &str) -> Value {
    let subject = json!({"mediaType": MediaType::OCI_MANIFEST, "digest": subject, "size": 1});
    let annotated = with(image(&[]), "annotations", json!({"name": name}));
    with(with(annotated, "subject", subject), "artifactType", json!(artifact_type))
}

fn bytes_of(manifest: &Value) -> Bytes {
    Bytes::from(serde_json::to_vec(manifest).unwrap())
}

fn to_put(reference: impl Into<Reference>, manifest: &Value) -> PutManifest {
    let content_type = manifest["mediaType"].as_str().map(|text| text.parse().unwrap());
    PutManifest {
        immutable: Vec::new(),
        reference: reference.into(),
        digest: None,
        tags: Vec::new(),
        content_type,
        bytes: bytes_of(manifest),
    }
}

async fn try_put(registry: &Registry, repository: &RepositoryName, put: PutManifest) -> Result<ManifestPut> {
    registry.put_manifest(&cause(), repository, put).await
}

/// Puts `manifest` under a tag, the config it needs first.
async fn push_manifest(
    registry: &Registry,
    repository: &RepositoryName,
    name: &str,
    manifest: &Value,
) -> Digest {
    push_blob(registry, repository, b"{}").await;
    try_put(registry, repository, to_put(tag(name), manifest)).await.unwrap().digest
}

/// What a tag means.
async fn meaning(registry: &Registry, repository: &RepositoryName, name: &str) -> Option<Digest> {
    match registry.manifest(repository, &tag(name).into()).await {
        Ok(manifest) => Some(manifest.digest),
        Err(Error::ManifestUnknown { .. }) => None,
        Err(error) => panic!("{error:?}"),
    }
}

#[test]
fn a_registry_can_be_shared_between_threads() {
    fn shared<T: Clone + Send + Sync + 'static>() {}
    shared::<Registry>();
}
