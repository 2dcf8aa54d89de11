//! The S3 server of the rows on buckets: one for all peers, with what is seeded there, near or far away.
//!
//! It runs on threads of this process, so what it costs is not on a registry's bill.

use std::str::FromStr as _;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use wharf_oci::{Digest, RepositoryName, Tag};
use wharf_store::layout::Key;
use wharf_testkit::images::Image;
use wharf_testkit::s3::S3Server;

use crate::seed::{self, REPOSITORY, Seed, Shape};

/// Everybody reads from one bucket.
const SEEDED: &str = "seeded";
/// The most repositories of a catalog that the registry we succeed reads through for each page in acceptable time.
const REPOSITORIES: usize = 1_000;

/// The images of each of them, as a repository that is built every day has after two weeks.
const IMAGES: usize = 10;
/// The most tags of a repository in the bucket.
const TAGS: usize = 10_000;

/// What is in a bucket at the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contents {
    /// Nothing, and each peer has its own.
    Empty,
    /// Large blobs, many tags and some repositories, which nobody writes to.
    Seeded,
}

/// The server, which is started when the first row asks for it.
#[derive(Debug, Default)]
pub(crate) struct Buckets {
    server: OnceLock<S3Server>,
    seeded: OnceLock<()>,
}

// === impl Buckets ===

impl Buckets {
    /// The lines of a registry's configuration for a bucket; an empty one is called `name`.
    pub(crate) fn storage(&self, contents: Contents, name: &str, seed: &Seed) -> Result<String> {
        let server = self.server();
        let bucket = match contents {
            Contents::Empty => name,
            Contents::Seeded => SEEDED,
        };
        server.create_bucket(bucket);
        if contents == Contents::Seeded && self.seeded.get().is_none() {
            fill(server, seed)?;
            let _ = self.seeded.set(());
        }
        Ok(server.storage(bucket, ""))
    }

    /// How far away it is from now on.
    pub(crate) fn set_latency(&self, latency: Duration) {
        self.server().set_latency(latency);
    }

    /// Gives back the memory of what was pushed, and of what is known of the requests.
    pub(crate) fn forget(&self, name: &str) {
        self.server().empty_bucket(name);
        self.server().forget();
    }

    fn server(&self) -> &S3Server {
        self.server.get_or_init(S3Server::start)
    }
}

/// How many repositories its catalog has beside those of the tags.
pub(crate) fn repositories(shape: &Shape) -> usize {
    shape.repositories.min(REPOSITORIES)
}

/// The tags of the larger repository that has many.
pub(crate) fn tags(shape: &Shape) -> usize {
    shape.tags[1].min(TAGS)
}

fn fill(server: &S3Server, seed: &Seed) -> Result<()> {
    let put = |key: Key<'_>, bytes: Bytes| server.put(SEEDED, &key.path(), bytes);
    let name = RepositoryName::from_str(REPOSITORY)?;
    let large = &seed.contents.large_blobs;
    for (file, digest) in seed.files(large)?.iter().zip(large) {
        let digest = Digest::from_str(digest)?;
        put(Key::BlobData(&digest), std::fs::read(file)?.into());
        link(server, Key::LayerLink(&name, &digest), &digest);
    }
    let manifest = Image::random(1).manifest;
    let digest = manifest.digest;
    put(Key::BlobData(&digest), manifest.bytes);
    let shape = &seed.contents.shape;
    for tags in [shape.tags[0], tags(shape)] {
        let tagged = RepositoryName::from_str(&seed::repository_of_tags(tags))?;
        link(server, Key::RevisionLink(&tagged, &digest), &digest);
        (0..tags).try_for_each(|index| fill_tag(server, &tagged, index, &digest))?;
    }
    (0..repositories(shape)).try_for_each(|index| fill_repository(server, index))
}

/// The links of some images of one layer each; nobody reads their bytes.
fn fill_repository(server: &S3Server, index: usize) -> Result<()> {
    let name = RepositoryName::from_str(&seed::repository_name(index))?;
    for image in 0..IMAGES {
        let digest = |part: &str| Digest::of(format!("{part} {image} of {name}").as_bytes());
        for blob in [digest("config"), digest("layer")] {
            link(server, Key::LayerLink(&name, &blob), &blob);
        }
        let manifest = digest("manifest");
        link(server, Key::RevisionLink(&name, &manifest), &manifest);
        fill_tag(server, &name, image, &manifest)?;
    }
    Ok(())
}

fn fill_tag(server: &S3Server, name: &RepositoryName, index: usize, digest: &Digest) -> Result<()> {
    let tag = Tag::from_str(&seed::tag_name(index))?;
    link(server, Key::TagIndexLink(name, &tag, digest), digest);
    link(server, Key::TagLink(name, &tag), digest);
    Ok(())
}

fn link(server: &S3Server, key: Key<'_>, digest: &Digest) {
    server.put(SEEDED, &key.path(), digest.to_string());
}
