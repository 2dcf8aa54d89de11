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

fn fill(server: &S3Server, seed: &Seed) -> Result<()> {
    let put = |key: Key<'_>, bytes: Bytes| server.put(SEEDED, &key.path(), bytes);
    let link = |digest: &Digest| Bytes::from(digest.to_string());
    let name = RepositoryName::from_str(REPOSITORY)?;
    let large = &seed.contents.large_blobs;
    for (file, digest) in seed.files(large)?.iter().zip(large) {
        let digest = Digest::from_str(digest)?;
        put(Key::BlobData(&digest), std::fs::read(file)?.into());
        put(Key::LayerLink(&name, &digest), link(&digest));
    }
    let manifest = Image::random(1).manifest;
    let digest = manifest.digest;
    put(Key::BlobData(&digest), manifest.bytes);
    let shape = &seed.contents.shape;
    let tagged = RepositoryName::from_str(&seed::repository_of_tags(shape.tags[0]))?;
    put(Key::RevisionLink(&tagged, &digest), link(&digest));
    for index in 0..shape.tags[0] {
        let tag = Tag::from_str(&seed::tag_name(index))?;
        put(Key::TagIndexLink(&tagged, &tag, &digest), link(&digest));
        put(Key::TagLink(&tagged, &tag), link(&digest));
    }
    for index in 0..repositories(shape) {
        let name = RepositoryName::from_str(&seed::repository_name(index))?;
        put(Key::RevisionLink(&name, &digest), link(&digest));
    }
    Ok(())
}
