//! Many clients at once, on real threads, over the filesystem and over memory: nothing acknowledged is lost, nobody sees
//! a half of anything.
//!
//! Each test runs for some seconds. `WHARF_STRESS=100` runs a hundred times as long, `WHARF_SEED` begins at another seed;
//! a failing test says with which one it failed.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod client;
mod collector;
mod time;
mod together;

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tempfile::TempDir;
use time::Time;
use tokio::sync::RwLock;
use wharf_core::{Cause, Error, Options, PutManifest, Registry};
use wharf_oci::{Digest, Reference, RepositoryName};
use wharf_store::{BlobBody, BlobStore, ByteStream, LayoutMetadata, MemoryStore, MetadataStore, Objects};
use wharf_store_fs::{FsOptions, FsStore, Fsync};
use wharf_testkit::clock::ManualClock;
use wharf_testkit::images::{Blob, Image, Manifest};

/// Where a world keeps its bytes.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Memory,
    Files,
}

const KINDS: [Kind; 2] = [Kind::Memory, Kind::Files];

/// A registry, the ports below it, and the time they go by.
struct World {
    registry: Registry,
    blobs: Arc<dyn BlobStore>,
    metadata: Arc<dyn MetadataStore>,
    time: Arc<Time>,
    /// Time passes only when nobody holds it for reading, so that no operation takes long by this world's clock, however
    /// slow the machine is.
    moment: Arc<RwLock<()>>,
    directory: Option<Arc<TempDir>>,
}

// === impl World ===

impl World {
    fn new(kind: Kind) -> Arc<Self> {
        match kind {
            Kind::Memory => {
                let clock = ManualClock::default();
                let store = MemoryStore::with_clock(Arc::new(clock.clone()));
                Arc::new(Self::over(store, Arc::new(Time::Moved(clock)), Arc::default(), None))
            }
            Kind::Files => {
                let directory = Arc::new(tempfile::tempdir().unwrap());
                let time = Arc::new(Time::files_under(directory.path()));
                Arc::new(Self::over(store_on(&directory), time, Arc::default(), Some(directory)))
            }
        }
    }

    /// Another registry on the same directory, with a store of its own as another process has it; over memory, which no
    /// other process has, this one.
    fn beside(self: &Arc<Self>) -> Arc<Self> {
        let Some(directory) = &self.directory else { return Arc::clone(self) };
        let (time, moment) = (Arc::clone(&self.time), Arc::clone(&self.moment));
        Arc::new(Self::over(store_on(directory), time, moment, Some(Arc::clone(directory))))
    }

    fn over<S: BlobStore + Objects + Clone>(
        store: S,
        time: Arc<Time>,
        moment: Arc<RwLock<()>>,
        directory: Option<Arc<TempDir>>,
    ) -> Self {
        let blobs: Arc<dyn BlobStore> = Arc::new(store.clone());
        let grace = wharf_store::Grace::new(collector::GRACE);
        let metadata: Arc<dyn MetadataStore> =
            Arc::new(LayoutMetadata::new(Arc::new(store)).with_grace(grace));
        let registry = Registry::new(Arc::clone(&blobs), Arc::clone(&metadata), Options::default());
        Self { registry, blobs, metadata, time, moment, directory }
    }

    fn root(&self) -> Option<&Path> {
        self.directory.as_ref().map(|directory| directory.path())
    }

    async fn push_blob(&self, repository: &RepositoryName, blob: &Blob) {
        let body = body(blob.bytes.clone());
        self.registry.put_blob(&cause(), repository, &blob.digest, body).await.unwrap();
    }

    async fn put_manifest(
        &self,
        repository: &RepositoryName,
        reference: Reference,
        manifest: &Manifest,
    ) -> Result<(), Error> {
        let put = PutManifest {
            reference,
            digest: None,
            tags: Vec::new(),
            immutable: Vec::new(),
            content_type: Some(manifest.media_type.clone()),
            bytes: manifest.bytes.clone(),
        };
        self.registry.put_manifest(&cause(), repository, put).await.map(drop)
    }

    async fn push_image(&self, repository: &RepositoryName, reference: Reference, image: &Image) {
        for blob in image.blobs() {
            self.push_blob(repository, blob).await;
        }
        self.put_manifest(repository, reference, &image.manifest).await.unwrap();
    }

    async fn read_blob(&self, repository: &RepositoryName, digest: &Digest) -> Result<Bytes, Error> {
        Ok(gather(self.registry.open_blob(repository, digest).await?.body).await)
    }

    /// The manifest is as it was pushed, and so is all that it needs.
    async fn assert_whole(&self, repository: &RepositoryName, image: &Image) {
        let found = self.registry.manifest(repository, &image.manifest.digest.into()).await.unwrap();
        assert_eq!(found.bytes, image.manifest.bytes);
        for blob in image.blobs() {
            let bytes = self.read_blob(repository, &blob.digest).await.unwrap();
            assert!(bytes == blob.bytes, "{} in {repository}", blob.digest);
        }
    }
}

fn store_on(directory: &TempDir) -> FsStore {
    FsStore::open(FsOptions { fsync: Fsync::None, ..FsOptions::new(directory.path()) }).unwrap()
}

/// Xorshift: the same seed asks for the same things.
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn new(seed: u64, number: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number.wrapping_mul(0xd134_2543_de82_ef95) | 1)
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap()
    }
}

/// The seeds to run with, and how it is said which one failed: what a test prints is shown when it fails.
fn seeds(usually: u64) -> impl Iterator<Item = u64> {
    let (first, times) = (number("WHARF_SEED").unwrap_or(1), number("WHARF_STRESS").unwrap_or(1));
    (first..first + usually * times).inspect(|seed| eprintln!("WHARF_SEED={seed}"))
}

fn number(variable: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "how long a loop runs is for whoever runs it to say")]
    let text = std::env::var(variable).ok()?;
    Some(text.parse().expect("a number"))
}

fn cause() -> Cause {
    Cause { actor: None, request_id: "stress".into() }
}

fn name(text: impl AsRef<str>) -> RepositoryName {
    text.as_ref().parse().unwrap()
}

fn tag(text: &str) -> Reference {
    Reference::Tag(text.parse().unwrap())
}

fn body(bytes: Bytes) -> ByteStream {
    stream::once(async { Ok(bytes) }).boxed()
}

async fn gather(body: BlobBody) -> Bytes {
    let mut stream: ByteStream = match body {
        BlobBody::Bytes(bytes) => return bytes,
        BlobBody::File(region) => region.boxed(),
        BlobBody::Stream(stream) => stream,
    };
    let mut bytes = Vec::new();
    while let Some(block) = stream.next().await {
        bytes.extend_from_slice(&block.unwrap());
    }
    bytes.into()
}
