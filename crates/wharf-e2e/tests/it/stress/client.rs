//! A client that pushes, mounts and deletes the same few contents as all others, and knows what it may rely on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::json;
use tokio::sync::watch;
use wharf_core::{Error, Placement};
use wharf_oci::{Digest, MediaType, RepositoryName};
use wharf_store::Announced;
use wharf_testkit::images::{Blob, Image, Manifest};

use super::collector::{GRACE, Roots};
use super::{Random, World, body, cause, name, tag};

/// Contents there are: few, so that clients meet.
const CONTENTS: usize = 60;

/// Steps of each client.
const STEPS: usize = 150;

/// Steps of all clients together between two passings of time.
const STEPS_A_MOMENT: usize = 12;

/// So many steps that nobody waits for more.
pub(super) const OVER: usize = usize::MAX;

/// What all clients have in common.
pub(super) struct Shared {
    contents: Vec<Blob>,
    /// Steps done by all of them; the last of all is [`OVER`].
    pub(super) steps: watch::Sender<usize>,
}

pub(super) struct Client {
    world: Arc<World>,
    shared: Arc<Shared>,
    roots: Roots,
    number: u64,
    repository: RepositoryName,
    random: Random,
    /// Blobs this repository holds by its own doing.
    linked: BTreeSet<usize>,
    /// Manifests it holds, with the contents they need.
    images: BTreeMap<Digest, (Image, Vec<usize>)>,
    made: u64,
}

// === impl Shared ===

impl Shared {
    pub(super) fn new(seed: u64) -> Self {
        let contents = (0..CONTENTS as u64).map(|number| Blob::random(seed * 1000 + number, 3000)).collect();
        Self { contents, steps: watch::Sender::new(0) }
    }
}

// === impl Client ===

impl Client {
    /// A client whose repository holds one image of its own, since one without a manifest is nobody's to list.
    pub(super) async fn new(
        world: Arc<World>,
        shared: Arc<Shared>,
        roots: Roots,
        seed: u64,
        number: u64,
    ) -> Self {
        let repository = repository(number);
        let pinned = Image::random(seed * 1_000_000 + number);
        world.push_image(&repository, tag("pinned"), &pinned).await;
        let images = [(pinned.manifest.digest, (pinned, Vec::new()))].into();
        let (random, linked) = (Random::new(seed, number), BTreeSet::new());
        Self { world, shared, roots, number, repository, random, linked, images, made: 0 }
    }

    pub(super) async fn run(mut self) -> Self {
        for _ in 0..STEPS {
            let world = Arc::clone(&self.world);
            {
                let _moment = world.moment.read().await;
                self.step().await;
            }
            self.shared.steps.send_modify(|steps| *steps += 1);
            if self.shared.steps.borrow().is_multiple_of(STEPS_A_MOMENT) {
                let _moment = world.moment.write().await;
                world.time.pass(GRACE * 2 / 5);
            }
        }
        self
    }

    async fn step(&mut self) {
        let content = self.random.below(CONTENTS);
        match self.random.below(12) {
            0 => self.push(content).await,
            1 => self.push_in_chunks(content).await,
            2..=5 => self.mount(content).await,
            6 => self.push_image(content).await,
            7 | 8 => self.delete_image().await,
            9 | 10 => self.delete_blobs().await,
            _ => self.verify_one().await,
        }
    }

    async fn push(&mut self, content: usize) {
        self.world.push_blob(&self.repository, &self.shared.contents[content]).await;
        self.linked.insert(content);
    }

    async fn push_in_chunks(&mut self, content: usize) {
        let (registry, blob) = (&self.world.registry, &self.shared.contents[content]);
        let id = registry.begin_upload(&self.repository, Announced::Nothing).await.unwrap().id;
        let first = body(blob.bytes.slice(..1000));
        registry.append(&self.repository, &id, Placement::At(0), first).await.unwrap();
        let last = (Placement::At(1000), body(blob.bytes.slice(1000..)));
        registry.finish(&cause(), &self.repository, &id, &blob.digest, Some(last)).await.unwrap();
        self.linked.insert(content);
    }

    async fn mount(&mut self, content: usize) {
        let other = repository((self.number + 1 + self.random.below(4) as u64) % 6);
        let from = (self.random.below(3) == 0).then_some(&other);
        let digest = &self.shared.contents[content].digest;
        let mounted = self.world.registry.mount(&cause(), &self.repository, digest, from).await.unwrap();
        if mounted.is_some() {
            self.linked.insert(content);
            self.verify_blob(content).await;
        }
    }

    /// Of a blob just pushed and others that were there; with these the registry may find that they were collected.
    async fn push_image(&mut self, content: usize) {
        self.push(content).await;
        let mut needed: Vec<usize> = self.linked.iter().copied().filter(|other| *other != content).collect();
        needed.truncate(self.random.below(3));
        needed.push(content);
        self.made += 1;
        let image = self.image(&needed);
        self.world.push_blob(&self.repository, &image.config).await;
        let put = self.world.put_manifest(&self.repository, tag("latest"), &image.manifest).await;
        match put {
            Ok(()) => {
                self.world.assert_whole(&self.repository, &image).await;
                self.images.insert(image.manifest.digest, (image, needed));
            }
            Err(Error::ReferencesUnknown { .. }) if self.roots == Roots::Manifests => {}
            Err(error) => panic!("{error:?}"),
        }
    }

    fn image(&self, needed: &[usize]) -> Image {
        let layers: Vec<Blob> = needed.iter().map(|index| self.shared.contents[*index].clone()).collect();
        let config = Blob::new(json!({"by": self.number, "made": self.made}).to_string());
        let layer = MediaType::new("application/vnd.oci.image.layer.v1.tar+gzip");
        let body = json!({
            "schemaVersion": 2,
            "mediaType": MediaType::OCI_MANIFEST,
            "config": config.descriptor(MediaType::OCI_CONFIG),
            "layers": layers.iter().map(|blob| blob.descriptor(layer.clone())).collect::<Vec<_>>(),
        });
        Image { config, layers, manifest: Manifest::new(MediaType::OCI_MANIFEST, &body) }
    }

    async fn delete_image(&mut self) {
        let deletable: Vec<Digest> = self
            .images
            .iter()
            .filter(|(_, (_, needed))| !needed.is_empty())
            .map(|(digest, _)| *digest)
            .collect();
        if deletable.is_empty() {
            return;
        }
        let digest = deletable[self.random.below(deletable.len())];
        let registry = &self.world.registry;
        registry.delete_manifest(&cause(), &self.repository, &digest.into()).await.unwrap();
        self.images.remove(&digest);
    }

    /// Most of those that no image of this repository needs: what nobody holds at all must not be rare.
    async fn delete_blobs(&mut self) {
        let needed = |content: &usize| self.images.values().any(|(_, needed)| needed.contains(content));
        let deletable: Vec<usize> = self.linked.iter().copied().filter(|content| !needed(content)).collect();
        for content in deletable {
            if self.random.below(4) > 0 {
                let digest = &self.shared.contents[content].digest;
                self.world.registry.delete_blob(&cause(), &self.repository, digest).await.unwrap();
                self.linked.remove(&content);
            }
        }
    }

    async fn verify_one(&mut self) {
        let chosen = self.random.below(self.images.len());
        let (image, _) = self.images.values().nth(chosen).unwrap();
        self.world.assert_whole(&self.repository, image).await;
    }

    async fn verify_blob(&self, content: usize) {
        let blob = &self.shared.contents[content];
        let bytes = self.world.read_blob(&self.repository, &blob.digest).await.unwrap();
        assert!(bytes == blob.bytes, "{} in {}", blob.digest, self.repository);
    }

    /// Everything that was acknowledged and not taken back is there.
    pub(super) async fn verify_all(&mut self) {
        for (image, _) in self.images.values() {
            self.world.assert_whole(&self.repository, image).await;
        }
        if self.roots == Roots::Links {
            for content in &self.linked {
                self.verify_blob(*content).await;
            }
        }
    }
}

fn repository(number: u64) -> RepositoryName {
    name(format!("client-{number}/app"))
}
