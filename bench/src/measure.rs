//! From a row's work to the load that does it: what to ask a server for, and how.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use wharf_oci::{Algorithm, Hasher};
use wharf_store::layout::Key;

use crate::bucket;
use crate::load::http2::Targets;
use crate::load::push::Images;
use crate::load::{Load, Meter, catalog, crowd, download, http2, probe, push, requests};
use crate::peer::Peer;
use crate::rows::{Cache, Target, Work};
use crate::scale::Scale;
use crate::seed::{self, REPOSITORY, Seed};
use crate::server::{Place, Server};
use crate::setup::Setup;
use crate::wire::{Connection, Request};

/// What a common client says it takes when it asks for a manifest.
const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";
/// How many different pages a row asks for.
const PAGES: usize = 16;
/// How long a server is left alone before its idle memory is looked at.
const SETTLE: Duration = Duration::from_millis(200);

/// Of a server that takes tens of milliseconds of processor time for a request.
const HASHING_WINDOW: Duration = Duration::from_millis(400);

/// How often, and after how long each, a folder is removed that somebody writes to.
const REMOVALS: usize = 20;
const REMOVAL_INTERVAL: Duration = Duration::from_millis(50);

/// One measurement: of which server, over which data, how much.
#[derive(Debug)]
pub(crate) struct Measurement<'a> {
    pub(crate) server: &'a Server,
    pub(crate) seed: &'a Seed,
    pub(crate) scale: &'a Scale,
    /// Counted from 1; 0 is the warming up, whose numbers count for nothing.
    pub(crate) round: usize,
}

// === impl Measurement ===

impl Measurement<'_> {
    /// Does the work and says what it came to.
    pub(crate) fn take(&self, work: &Work) -> Result<Load> {
        let (address, processes) = (self.server.http1.address, self.server.processes());
        let window = self.scale.window;
        match *work {
            Work::Requests(target, connections) => {
                self.prepare(target, Cache::Warm)?;
                let requests = self.requests(target)?;
                requests::run(&self.server.http1, processes, &requests, connections, self.window())
            }
            Work::Download(target, connections, cache) => {
                self.prepare(target, cache)?;
                self.download(target, connections, cache)
            }
            Work::Http2(target, concurrency) => {
                self.prepare(target, Cache::Warm)?;
                let targets = Targets { paths: self.paths(target), accept: ACCEPT };
                http2::run(&self.server.http2, processes, &targets, concurrency, window)
            }
            Work::PushBlobs => self.push_blobs(),
            Work::PushImages(images) => {
                let images = Images { count: self.scale.pushed_images, ..images };
                push::images(address, processes, &self.fresh_repository(), &images)
            }
            Work::BesideCrowd | Work::BesidePush | Work::BesidePull => self.beside(work),
            Work::Start => self.start(),
            Work::CatalogAfterStart => catalog::first_page(&mut Connection::open(address)?, processes),
            Work::CatalogAfterChange => {
                let load = catalog::after_a_change(address, processes, self.round, window);
                self.remove_repository(catalog::CHANGED)?;
                load
            }
        }
    }

    fn download(&self, target: Target, connections: usize, cache: Cache) -> Result<Load> {
        let (endpoint, processes) = (&self.server.http1, self.server.processes());
        let requests = self.requests(target)?;
        match cache {
            Cache::Warm => download::warm(endpoint, processes, &requests, connections, self.scale.window),
            Cache::Cold => {
                let files = self.seed.files(self.digests(target))?;
                let blobs: Vec<_> =
                    requests.into_iter().zip(files.iter().map(|file| file.as_path())).collect();
                download::cold(endpoint.address, processes, &blobs, connections, self.scale.window)
            }
        }
    }

    fn push_blobs(&self) -> Result<Load> {
        let (endpoint, processes) = (&self.server.http1, self.server.processes());
        let blobs = push::make_blobs(self.scale.pushed_blobs);
        let load = push::blobs(endpoint, processes, &self.fresh_repository(), &blobs)?;
        let Place::Tree(root) = &self.server.place else { return Ok(load) };
        for blob in &blobs {
            // On a file system in memory, where that costs no creation later. A virtual machine gets memory it has not
            // used before at a price, which would be on the bill of whoever writes to it first.
            fs::remove_file(root.join(Key::BlobData(&blob.digest).path()))?;
        }
        Ok(load)
    }

    /// Small requests alone, then beside others.
    fn beside(&self, work: &Work) -> Result<Load> {
        let (address, window) = (self.server.http1.address, self.scale.window);
        let repository = self.fresh_repository();
        let requests = self.requests(Target::ManifestByTag)?;
        let large = self.requests(Target::LargeBlob)?;
        let undisturbed = probe::run(address, &requests, window)?;
        let probed = || -> Result<Load> {
            // The first moments belong to the coming of the crowd.
            probe::run(address, &requests, window / 10)?;
            let meter = Meter::start(self.server.processes())?;
            let latencies = probe::run(address, &requests, window)?;
            let operations = latencies.len() as u64;
            Ok(Load { operations, latencies, cost: meter.stop()?, ..Load::default() })
        };
        let load = match work {
            Work::BesideCrowd => {
                crowd::beside_a_crowd(address, self.scale.crowd, &large[0], &repository, probed)
            }
            Work::BesidePush => crowd::beside_a_push(address, &repository, probed),
            _ => {
                let endless = download::Endless::default();
                std::thread::scope(|scope| {
                    let running = endless.start(scope, &self.server.http1, &large, 0)?;
                    let load = probed();
                    running.stop()?;
                    load
                })
            }
        };
        self.remove_repository(&repository)?;
        Ok(Load { undisturbed, ..load? })
    }

    /// A server that has just been started.
    fn start(&self) -> Result<Load> {
        let mut load = Load { operations: 1, ..Load::default() };
        load.latencies.push(crate::load::nanoseconds(self.server.first_answer));
        load.cost.seconds = self.server.first_answer.as_secs_f64();
        load.cost.server_cpu = self.server.processes().cpu_seconds()?;
        std::thread::sleep(SETTLE);
        Ok(load)
    }

    /// One that nobody has pushed to.
    fn fresh_repository(&self) -> String {
        format!("pushed/round-{}", self.round)
    }

    /// Takes what a round has pushed out of a tree, behind the server's back. A bucket is emptied as a whole.
    fn remove_repository(&self, name: &str) -> Result<()> {
        match &self.server.place {
            Place::Tree(root) => remove(&root.join("docker/registry/v2/repositories").join(name)),
            Place::Bucket(_) => Ok(()),
        }
    }

    /// As long as the scale has it, but for who hashes the password in every request: that can be seen soon.
    fn window(&self) -> Duration {
        match self.server.setup {
            Setup::Password if self.server.peer != Peer::Wharf => self.scale.window.min(HASHING_WINDOW),
            _ => self.scale.window,
        }
    }

    fn requests(&self, target: Target) -> Result<Vec<Request>> {
        let authorization = self.server.setup.authorization(&self.server.http1, REPOSITORY)?;
        let mut headers = vec![("Accept", ACCEPT)];
        headers.extend(authorization.iter().map(|value| ("Authorization", value.as_str())));
        let paths = self.paths(target);
        let request = |path: &String| match target {
            Target::BlobHead => Request::head(path),
            _ => Request::get(path, &headers),
        };
        Ok(paths.iter().map(request).collect())
    }

    fn digests(&self, target: Target) -> &[String] {
        let contents = &self.seed.contents;
        match target {
            Target::ManifestByTag | Target::ManifestByDigest => &contents.manifests,
            Target::SmallBlob | Target::BlobHead => &contents.small_blobs,
            Target::MediumBlob => &contents.medium_blobs,
            Target::LargeBlob => &contents.large_blobs,
            Target::FewTags
            | Target::ManyTags
            | Target::BucketTags
            | Target::Catalog
            | Target::FewRepositories => &[],
        }
    }

    fn paths(&self, target: Target) -> Vec<String> {
        let shape = &self.seed.contents.shape;
        let digests = self.digests(target);
        match target {
            _ if self.server.peer == Peer::Nginx => {
                digests.iter().map(|digest| static_path(digest)).collect()
            }
            Target::ManifestByTag => {
                (0..digests.len()).map(|index| format!("/v2/{REPOSITORY}/manifests/v{index}")).collect()
            }
            Target::ManifestByDigest => {
                digests.iter().map(|digest| format!("/v2/{REPOSITORY}/manifests/{digest}")).collect()
            }
            Target::SmallBlob | Target::BlobHead | Target::MediumBlob | Target::LargeBlob => {
                digests.iter().map(|digest| format!("/v2/{REPOSITORY}/blobs/{digest}")).collect()
            }
            Target::FewTags => tag_pages(shape.tags[0]),
            Target::ManyTags => tag_pages(shape.tags[1]),
            Target::BucketTags => tag_pages(bucket::tags(shape)),
            Target::Catalog => catalog_pages(shape.repositories),
            Target::FewRepositories => catalog_pages(bucket::repositories(shape)),
        }
    }

    /// While warming up: what is asked for is read once, and what the server gives for it is held against its digest.
    fn prepare(&self, target: Target, cache: Cache) -> Result<()> {
        if self.round > 0 {
            return Ok(());
        }
        let digests = self.digests(target);
        if cache == Cache::Warm {
            // A row before this one may have dropped it.
            for path in self.seed.files(digests)? {
                std::io::copy(&mut fs::File::open(path)?, &mut std::io::sink())?;
            }
        }
        match target {
            Target::BlobHead => Ok(()),
            Target::MediumBlob | Target::LargeBlob => self.check_content(target, &digests[..1]),
            _ if self.server.setup.guards() => {
                self.check_guard(target)?;
                self.check_content(target, &digests[..1])
            }
            _ => self.check_content(target, digests),
        }
    }

    /// What is given to anybody says nothing about passwords.
    fn check_guard(&self, target: Target) -> Result<()> {
        let request = Request::get(&self.paths(target)[0], &[]);
        Connection::open(&self.server.http1)?
            .exchange(&request)?
            .expect(401)
            .context("without a password")?;
        Ok(())
    }

    /// A fast wrong answer is none.
    fn check_content(&self, target: Target, digests: &[String]) -> Result<()> {
        let mut connection = Connection::open(&self.server.http1)?;
        for (request, digest) in self.requests(target)?.iter().zip(digests) {
            let mut hasher = Hasher::new(Algorithm::Sha256);
            connection.exchange_into(request, &mut |part| hasher.update(part))?.expect(200)?;
            let actual = hasher.finish().to_string();
            ensure!(actual == *digest, "{} gave {actual} for {digest}", self.server.peer.name());
        }
        Ok(())
    }
}

/// Where a static server has a blob.
fn static_path(digest: &str) -> String {
    let hex = digest.trim_start_matches("sha256:");
    format!("/sha256/{}/{hex}/data", &hex[..2])
}

fn tag_pages(tags: usize) -> Vec<String> {
    let repository = seed::repository_of_tags(tags);
    let path = |start| format!("/v2/{repository}/tags/list?n=100&last={}", seed::tag_name(start));
    page_starts(tags).map(path).collect()
}

fn catalog_pages(repositories: usize) -> Vec<String> {
    let path = |start| format!("/v2/_catalog?n=100&last={}", seed::repository_name(start));
    page_starts(repositories).map(path).collect()
}

/// Where pages begin: spread over the whole list, each with a hundred after it.
fn page_starts(count: usize) -> impl Iterator<Item = usize> {
    let room = count.saturating_sub(101);
    (0..PAGES).map(move |page| room * page / (PAGES - 1))
}

/// A server may still be writing there, to an upload that was cut off; then we look again.
fn remove(folder: &Path) -> Result<()> {
    for _ in 0..REMOVALS {
        match fs::remove_dir_all(folder) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::NotFound && !folder.exists() => return Ok(()),
            Err(_) => std::thread::sleep(REMOVAL_INTERVAL),
        }
    }
    fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_has_a_hundred_names_after_it() {
        for count in [200, 2_000, 100_000] {
            let starts: Vec<_> = page_starts(count).collect();
            assert_eq!(starts.len(), PAGES);
            assert_eq!(starts[0], 0);
            assert!(starts.iter().all(|start| start + 100 < count));
        }
    }

    #[test]
    fn a_static_server_has_blobs_by_their_paths() {
        assert_eq!(static_path("sha256:abcd"), "/sha256/ab/abcd/data");
    }
}
