//! The rows of the table, as data: what is done, on which data, in which unit, and what must come out.
//!
//! A new row is a new entry here; a new kind of work is a variant and its arm in `measure`.

use std::time::Duration;

use crate::bucket::Contents;
use crate::load::http2::Concurrency;
use crate::load::push::{Content, Images};
use crate::metric::Unit::{Gigabyte, Image, Probe, Request, Wait};
use crate::metric::{Bound, Budget, Metric, Unit};
use crate::peer::Peer;
use crate::setup::Setup;

use Bound::{AtMost, TimesAtLeast, TimesAtMost};
use Metric::{AddedCpu, Disturbance, IdleMemory, P50, P99, PeakMemory, Rate, ServerCpu};

/// One row of the table.
#[derive(Debug)]
pub(crate) struct Row {
    /// What `--rows` selects by: the row is run if its name holds the filter.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) setup: Setup,
    pub(crate) data: Data,
    pub(crate) work: Work,
    pub(crate) unit: Unit,
    pub(crate) budget: &'static [Budget],
    /// What the machine itself can do, measured in the same rounds.
    pub(crate) ceilings: &'static [Ceiling],
}

/// What a server is started over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Data {
    /// The small seeded tree, which nobody writes to.
    Small,
    /// A copy of it that may be written to.
    OwnSmall,
    /// The large seeded tree.
    Large,
    /// Nothing, on the disk.
    EmptyDisk,
    /// Nothing, in memory.
    EmptyMemory,
    /// A bucket, whose answers take so much longer.
    Bucket(Contents, Duration),
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    ManifestByTag,
    ManifestByDigest,
    BlobHead,
    SmallBlob,
    MediumBlob,
    LargeBlob,
    /// A page of a repository with some tags.
    FewTags,
    /// A page of a repository with many.
    ManyTags,
    /// A page of a repository with many, as far as a bucket has them.
    BucketTags,
    /// A page of the catalog.
    Catalog,
    /// A page of the catalog of some repositories.
    FewRepositories,
}

/// Whether the page cache holds what is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cache {
    Warm,
    /// Dropped with `posix_fadvise` before every reading.
    Cold,
}

/// What is done to the server.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Work {
    Requests(Target, usize),
    Download(Target, usize, Cache),
    Http2(Target, Concurrency),
    PushBlobs,
    /// Images whose number the scale sets.
    PushImages(Images),
    BesideCrowd,
    BesidePush,
    BesidePull,
    /// A new process each round: until it answers, and what it holds then.
    Start,
    /// A new process each round: its first page of the catalog.
    CatalogAfterStart,
    CatalogAfterChange,
}

/// What the machine can do without a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ceiling {
    /// The files of an image written and synced by a loop: layers of so many bytes, by so many threads.
    Files { layer_bytes: usize, threads: usize },
    /// SHA-256 of the bytes that are pushed, on one processor.
    Hash,
    /// The bytes that are pushed through a socket, hashed and written to memory, one after the other.
    ReceiveHashWrite,
}

// === impl Row ===

impl Row {
    /// Whether `peer` can take part.
    pub(crate) fn suits(&self, peer: Peer) -> bool {
        self.setup.suits(peer) && self.data.suits(peer) && self.work.suits(peer)
    }

    /// The same row with TLS, or passwords, or tokens.
    const fn with(mut self, setup: Setup) -> Self {
        self.setup = setup;
        self
    }

    const fn with_budget(mut self, budget: &'static [Budget]) -> Self {
        self.budget = budget;
        self
    }
}

// === impl Data ===

impl Data {
    /// Whether `peer` can be started over it. Debian's registry is left out of buckets: the newer one is its successor.
    fn suits(self, peer: Peer) -> bool {
        match self {
            Self::Bucket(..) => matches!(peer, Peer::Wharf | Peer::Distribution),
            Self::Small | Self::OwnSmall | Self::Large | Self::EmptyDisk | Self::EmptyMemory => true,
        }
    }

    /// What is in the bucket, if it is one.
    pub(crate) fn bucket(self) -> Option<Contents> {
        match self {
            Self::Bucket(contents, _) => Some(contents),
            _ => None,
        }
    }
}

// === impl Target ===

impl Target {
    /// Whether a static file server has it.
    fn is_a_file(self) -> bool {
        match self {
            Self::ManifestByDigest
            | Self::BlobHead
            | Self::SmallBlob
            | Self::MediumBlob
            | Self::LargeBlob => true,
            Self::ManifestByTag
            | Self::FewTags
            | Self::ManyTags
            | Self::BucketTags
            | Self::Catalog
            | Self::FewRepositories => false,
        }
    }
}

// === impl Work ===

impl Work {
    /// Whether `peer` can do it at all.
    fn suits(&self, peer: Peer) -> bool {
        match self {
            Self::Requests(target, _) | Self::Download(target, ..) => {
                peer.is_registry() || target.is_a_file()
            }
            Self::Http2(target, _) => peer.speaks_http2() && (peer.is_registry() || target.is_a_file()),
            _ => peer.is_registry(),
        }
    }

    /// Whether each round has a new process.
    pub(crate) fn needs_a_fresh_process(&self) -> bool {
        matches!(self, Self::Start | Self::CatalogAfterStart)
    }

    /// Whether what one server left to be written would slow down the next.
    pub(crate) fn leaves_dirty_pages(&self) -> bool {
        matches!(self, Self::PushImages(_) | Self::BesidePush | Self::BesideCrowd)
    }
}

/// Connections of rows with small requests: enough to keep two processors busy.
const CONNECTIONS: usize = 8;
/// Connections of rows with pages.
const PAGERS: usize = 4;
/// Connections of a row that is to be about the server where every request waits: four of them keep nobody busy.
const CROWD: usize = 64;
/// Clients that push images at the same time.
const PUSHERS: usize = 10;

const fn budget(metric: Metric, bound: Bound) -> Budget {
    Budget::new(metric, bound)
}

/// Budget of every warm download over HTTP/1.1.
const DOWNLOAD: &[Budget] = &[budget(ServerCpu, TimesAtMost(0.9)), budget(Rate, TimesAtLeast(1.1))];
/// Budget of downloads and requests of which it is only asked that they are no worse.
const NO_WORSE: &[Budget] = &[budget(ServerCpu, TimesAtMost(1.0)), budget(Rate, TimesAtLeast(1.0))];
/// Bound by the disk, so only the processor time has a budget.
const COLD: &[Budget] = &[budget(ServerCpu, TimesAtMost(1.0))];
/// What asking who somebody is may cost, once it is known.
const KNOWN: &[Budget] = &[budget(AddedCpu, AtMost(3.0))];
const BESIDE: &[Budget] = &[budget(P99, AtMost(10.0)), budget(P99, TimesAtMost(1.0))];

const fn requests(name: &'static str, title: &'static str, target: Target, budget: &'static [Budget]) -> Row {
    let work = Work::Requests(target, CONNECTIONS);
    Row { name, title, setup: Setup::Open, data: Data::Small, work, unit: Request, budget, ceilings: &[] }
}

const fn download(name: &'static str, title: &'static str, target: Target, connections: usize) -> Row {
    let work = Work::Download(target, connections, Cache::Warm);
    Row {
        name,
        title,
        setup: Setup::Open,
        data: Data::Small,
        work,
        unit: Gigabyte,
        budget: DOWNLOAD,
        ceilings: &[],
    }
}

const fn cold(name: &'static str, title: &'static str, target: Target, connections: usize) -> Row {
    let work = Work::Download(target, connections, Cache::Cold);
    Row {
        name,
        title,
        setup: Setup::Open,
        data: Data::Small,
        work,
        unit: Gigabyte,
        budget: COLD,
        ceilings: &[],
    }
}

const fn http2(
    name: &'static str,
    title: &'static str,
    target: Target,
    connections: usize,
    streams: usize,
    unit: Unit,
) -> Row {
    let work = Work::Http2(target, Concurrency { connections, streams });
    Row { name, title, setup: Setup::Open, data: Data::Small, work, unit, budget: NO_WORSE, ceilings: &[] }
}

const fn pages(name: &'static str, title: &'static str, target: Target, budget: &'static [Budget]) -> Row {
    let work = Work::Requests(target, PAGERS);
    Row { name, title, setup: Setup::Open, data: Data::Large, work, unit: Request, budget, ceilings: &[] }
}

const fn waits(
    name: &'static str,
    title: &'static str,
    data: Data,
    work: Work,
    budget: &'static [Budget],
) -> Row {
    Row { name, title, setup: Setup::Open, data, work, unit: Wait, budget, ceilings: &[] }
}

const fn push_blobs(
    name: &'static str,
    title: &'static str,
    budget: &'static [Budget],
    ceilings: &'static [Ceiling],
) -> Row {
    let (setup, data, work) = (Setup::Open, Data::EmptyMemory, Work::PushBlobs);
    Row { name, title, setup, data, work, unit: Gigabyte, budget, ceilings }
}

const fn push_images(
    name: &'static str,
    title: &'static str,
    layer_bytes: usize,
    content: Content,
    budget: &'static [Budget],
    ceilings: &'static [Ceiling],
) -> Row {
    let images = Images { clients: PUSHERS, count: 0, layer_bytes, content };
    let work = Work::PushImages(images);
    Row { name, title, setup: Setup::Open, data: Data::EmptyDisk, work, unit: Image, budget, ceilings }
}

const fn beside(name: &'static str, title: &'static str, work: Work, budget: &'static [Budget]) -> Row {
    Row { name, title, setup: Setup::Open, data: Data::OwnSmall, work, unit: Probe, budget, ceilings: &[] }
}

/// A row on a bucket: near by, or as far away as one in the same country.
const fn in_bucket(
    name: &'static str,
    title: &'static str,
    data: Data,
    work: Work,
    unit: Unit,
    budget: &'static [Budget],
) -> Row {
    Row { name, title, setup: Setup::Open, data, work, unit, budget, ceilings: &[] }
}

/// Of a bucket, what many requests to it make slow.
const FEWER_TRIPS: &[Budget] = &[budget(Rate, TimesAtLeast(3.0))];
/// Of a bucket, what its bytes make slow.
const AS_FAST: &[Budget] = &[budget(Rate, TimesAtLeast(1.0))];
/// Of a page of tags from a bucket 20 ms away: one trip and little else. The registry we succeed makes two, so thrice its
/// rate is more than there is.
const ONE_TRIP: &[Budget] = &[budget(P50, AtMost(30.0)), budget(Rate, TimesAtLeast(1.0))];
const NEAR: Duration = Duration::ZERO;
const FAR: Duration = Duration::from_millis(20);
const SMALL_PUSHES: Images =
    Images { clients: PUSHERS, count: 0, layer_bytes: 16 << 10, content: Content::Distinct };

/// The rows, in the order of the table.
pub(crate) const ROWS: &[Row] = &[
    requests(
        "manifest-tag",
        "GET manifest by tag",
        Target::ManifestByTag,
        &[budget(ServerCpu, AtMost(20.0)), budget(Rate, TimesAtLeast(8.0))],
    ),
    requests(
        "manifest-digest",
        "GET manifest by digest",
        Target::ManifestByDigest,
        &[budget(ServerCpu, AtMost(20.0)), budget(Rate, TimesAtLeast(8.0))],
    ),
    requests("blob-head", "HEAD blob", Target::BlobHead, &[budget(ServerCpu, AtMost(15.0))]),
    requests("blob-4k", "GET 4 KiB blob", Target::SmallBlob, &[budget(ServerCpu, AtMost(20.0))]),
    download("get-10m-1", "GET 10 MiB blob, 1 connection", Target::MediumBlob, 1),
    download("get-10m-4", "GET 10 MiB blob, 4 connections", Target::MediumBlob, 4),
    download("get-10m-16", "GET 10 MiB blob, 16 connections", Target::MediumBlob, 16),
    download("get-256m-1", "GET 256 MiB blob, 1 connection", Target::LargeBlob, 1),
    download("get-256m-4", "GET 256 MiB blob, 4 connections", Target::LargeBlob, 4),
    download("get-256m-16", "GET 256 MiB blob, 16 connections", Target::LargeBlob, 16),
    cold("cold-10m-1", "GET 10 MiB blob, cold, 1 connection", Target::MediumBlob, 1),
    cold("cold-10m-4", "GET 10 MiB blob, cold, 4 connections", Target::MediumBlob, 4),
    cold("cold-10m-16", "GET 10 MiB blob, cold, 16 connections", Target::MediumBlob, 16),
    cold("cold-256m-1", "GET 256 MiB blob, cold, 1 connection", Target::LargeBlob, 1),
    cold("cold-256m-4", "GET 256 MiB blob, cold, 4 connections", Target::LargeBlob, 4),
    cold("cold-256m-16", "GET 256 MiB blob, cold, 16 connections", Target::LargeBlob, 16),
    http2("h2-manifest-tag", "GET manifest by tag, h2, 2 × 4 streams", Target::ManifestByTag, 2, 4, Request),
    http2("h2-get-256m-1", "GET 256 MiB blob, h2, 1 stream", Target::LargeBlob, 1, 1, Gigabyte),
    http2("h2-get-256m-4", "GET 256 MiB blob, h2, 4 streams", Target::LargeBlob, 1, 4, Gigabyte),
    requests("tls-manifest-tag", "GET manifest by tag, TLS", Target::ManifestByTag, NO_WORSE)
        .with(Setup::Tls),
    download("tls-get-256m-1", "GET 256 MiB blob, TLS, 1 connection", Target::LargeBlob, 1)
        .with(Setup::Tls)
        .with_budget(NO_WORSE),
    download("tls-get-256m-4", "GET 256 MiB blob, TLS, 4 connections", Target::LargeBlob, 4)
        .with(Setup::Tls)
        .with_budget(NO_WORSE),
    http2("tls-h2-get-256m-1", "GET 256 MiB blob, TLS, h2, 1 stream", Target::LargeBlob, 1, 1, Gigabyte)
        .with(Setup::Tls),
    http2("tls-h2-get-256m-4", "GET 256 MiB blob, TLS, h2, 4 streams", Target::LargeBlob, 1, 4, Gigabyte)
        .with(Setup::Tls),
    requests("auth-password", "GET manifest by tag, password", Target::ManifestByTag, KNOWN)
        .with(Setup::Password),
    requests("auth-token", "GET manifest by tag, token", Target::ManifestByTag, KNOWN).with(Setup::Token),
    pages(
        "tags-few",
        "tags page of 100, a small repository",
        Target::FewTags,
        &[budget(ServerCpu, AtMost(500.0))],
    ),
    pages(
        "tags-many",
        "tags page of 100, a large repository",
        Target::ManyTags,
        &[budget(ServerCpu, AtMost(500.0))],
    ),
    pages("catalog-warm", "catalog page of 100", Target::Catalog, &[budget(ServerCpu, AtMost(1_000.0))]),
    waits(
        "catalog-start",
        "first catalog page after the start",
        Data::Large,
        Work::CatalogAfterStart,
        &[budget(P50, AtMost(150.0))],
    ),
    waits(
        "catalog-change",
        "first catalog page after a change",
        Data::Large,
        Work::CatalogAfterChange,
        &[budget(P50, AtMost(150.0))],
    ),
    push_blobs(
        "push-256m",
        "push 256 MiB blob, tmpfs",
        &[
            budget(Rate, TimesAtLeast(1.6)),
            budget(ServerCpu, TimesAtMost(0.85)),
            budget(PeakMemory, AtMost(60.0)),
        ],
        &[Ceiling::Hash, Ceiling::ReceiveHashWrite],
    ),
    push_blobs("tls-push-256m", "push 256 MiB blob, TLS, tmpfs", NO_WORSE, &[]).with(Setup::Tls),
    push_images(
        "push-1m",
        "push 1 MiB images, 10 clients",
        1 << 20,
        Content::Distinct,
        &[budget(Rate, TimesAtLeast(2.5)), budget(PeakMemory, AtMost(60.0))],
        &[Ceiling::Files { layer_bytes: 1 << 20, threads: PUSHERS }],
    ),
    push_images(
        "push-16k",
        "push 16 KiB images, 10 clients",
        16 << 10,
        Content::Distinct,
        &[budget(Rate, TimesAtLeast(5.0))],
        &[Ceiling::Files { layer_bytes: 16 << 10, threads: PUSHERS }],
    ),
    push_images("push-same", "push one 1 MiB image to many", 1 << 20, Content::Shared, &[], &[]),
    beside(
        "beside-crowd",
        "small requests beside a crowd",
        Work::BesideCrowd,
        &[budget(Disturbance, AtMost(1.25))],
    ),
    beside("beside-push", "small requests beside a push", Work::BesidePush, BESIDE),
    beside("beside-pull", "small requests beside a pull", Work::BesidePull, BESIDE),
    in_bucket(
        "s3-push",
        "push 256 MiB blob, S3",
        Data::Bucket(Contents::Empty, NEAR),
        Work::PushBlobs,
        Gigabyte,
        AS_FAST,
    ),
    in_bucket(
        "s3-push-20ms",
        "push 256 MiB blob, S3 at 20 ms",
        Data::Bucket(Contents::Empty, FAR),
        Work::PushBlobs,
        Gigabyte,
        AS_FAST,
    ),
    in_bucket(
        "s3-pull",
        "GET 256 MiB blob, S3, 1 connection",
        Data::Bucket(Contents::Seeded, NEAR),
        Work::Download(Target::LargeBlob, 1, Cache::Warm),
        Gigabyte,
        AS_FAST,
    ),
    in_bucket(
        "s3-pull-20ms",
        "GET 256 MiB blob, S3 at 20 ms, 1 connection",
        Data::Bucket(Contents::Seeded, FAR),
        Work::Download(Target::LargeBlob, 1, Cache::Warm),
        Gigabyte,
        AS_FAST,
    ),
    in_bucket(
        "s3-small-push",
        "push 16 KiB images, S3, 10 clients",
        Data::Bucket(Contents::Empty, NEAR),
        Work::PushImages(SMALL_PUSHES),
        Image,
        FEWER_TRIPS,
    ),
    in_bucket(
        "s3-small-push-20ms",
        "push 16 KiB images, S3 at 20 ms, 10 clients",
        Data::Bucket(Contents::Empty, FAR),
        Work::PushImages(SMALL_PUSHES),
        Image,
        FEWER_TRIPS,
    ),
    in_bucket(
        "s3-tags",
        "tags page of 100, a small repository, S3",
        Data::Bucket(Contents::Seeded, NEAR),
        Work::Requests(Target::FewTags, PAGERS),
        Request,
        FEWER_TRIPS,
    ),
    in_bucket(
        "s3-tags-20ms",
        "tags page of 100, a small repository, S3 at 20 ms",
        Data::Bucket(Contents::Seeded, FAR),
        Work::Requests(Target::FewTags, PAGERS),
        Request,
        ONE_TRIP,
    ),
    in_bucket(
        "s3-tags-crowd-20ms",
        "tags page of 100, S3 at 20 ms, 64 connections",
        Data::Bucket(Contents::Seeded, FAR),
        Work::Requests(Target::FewTags, CROWD),
        Request,
        FEWER_TRIPS,
    ),
    in_bucket(
        "s3-tags-many",
        "tags page of 100 in 10 000 tags, S3",
        Data::Bucket(Contents::Seeded, NEAR),
        Work::Requests(Target::BucketTags, PAGERS),
        Request,
        FEWER_TRIPS,
    ),
    in_bucket(
        "s3-tags-many-20ms",
        "tags page of 100 in 10 000 tags, S3 at 20 ms",
        Data::Bucket(Contents::Seeded, FAR),
        Work::Requests(Target::BucketTags, PAGERS),
        Request,
        ONE_TRIP,
    ),
    in_bucket(
        "s3-catalog",
        "catalog page of 100 in 1 000 repositories, S3",
        Data::Bucket(Contents::Seeded, NEAR),
        Work::Requests(Target::FewRepositories, PAGERS),
        Request,
        FEWER_TRIPS,
    ),
    in_bucket(
        "s3-catalog-20ms",
        "catalog page of 100 in 1 000 repositories, S3 at 20 ms",
        Data::Bucket(Contents::Seeded, FAR),
        Work::Requests(Target::FewRepositories, PAGERS),
        Request,
        FEWER_TRIPS,
    ),
    waits(
        "start",
        "first answer after the start",
        Data::Large,
        Work::Start,
        &[budget(P50, AtMost(50.0)), budget(IdleMemory, AtMost(15.0))],
    ),
];

/// How much of the table is wanted where no row is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    Whole,
    /// Without the rows between two others, and those that take longest.
    Quick,
}

/// What a quick look leaves out, unless it is named.
const LEFT_OUT_OF_QUICK: &[&str] = &[
    "get-10m-4",
    "get-256m-4",
    "cold-10m-4",
    "cold-10m-16",
    "cold-256m-4",
    "cold-256m-16",
    "tls-get-256m-4",
    "tls-h2-get-256m-4",
    "push-same",
    "s3-push",
    "s3-pull",
    "s3-push-20ms",
    "s3-pull-20ms",
    "s3-small-push-20ms",
    "s3-tags-20ms",
    "s3-tags-crowd-20ms",
    "s3-tags-many",
    "s3-tags-many-20ms",
    "s3-catalog-20ms",
];

/// The rows whose names hold one of `filters`; if there is none, all that belong to `extent`.
pub(crate) fn selected(filters: &[String], extent: Extent) -> Vec<&'static Row> {
    let is_named = |row: &Row| filters.iter().any(|filter| row.name.contains(filter.as_str()));
    let belongs = |row: &Row| extent == Extent::Whole || !LEFT_OUT_OF_QUICK.contains(&row.name);
    let wanted = |row: &&Row| if filters.is_empty() { belongs(row) } else { is_named(row) };
    ROWS.iter().filter(wanted).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_a_name_of_its_own() {
        let mut names: Vec<_> = ROWS.iter().map(|row| row.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ROWS.len());
    }

    #[test]
    fn a_filter_selects_by_any_part_of_a_name() {
        let names = |filters: &[&str]| -> Vec<_> {
            let filters: Vec<_> = filters.iter().map(|filter| (*filter).to_owned()).collect();
            selected(&filters, Extent::Quick).iter().map(|row| row.name).collect()
        };
        assert_eq!(names(&["push-1", "head"]), ["blob-head", "push-1m", "push-16k"]);
        assert_eq!(names(&["cold-256m-16"]), ["cold-256m-16"]);
        assert!(names(&["nothing"]).is_empty());
    }

    #[test]
    fn a_quick_look_leaves_out_what_it_says_and_nothing_else() {
        assert_eq!(selected(&[], Extent::Whole).len(), ROWS.len());
        assert_eq!(selected(&[], Extent::Quick).len(), ROWS.len() - LEFT_OUT_OF_QUICK.len());
    }

    #[test]
    fn every_row_can_be_run_by_ours_and_by_the_one_it_is_compared_with() {
        for row in ROWS {
            // It has no token service of its own.
            let alone = row.setup == Setup::Token;
            assert!(row.suits(Peer::Wharf) && (alone || row.suits(Peer::Distribution)), "{}", row.name);
        }
    }

    #[test]
    fn a_static_server_is_asked_for_files_only() {
        let suited: Vec<_> = ROWS.iter().filter(|row| row.suits(Peer::Nginx)).map(|row| row.name).collect();
        assert!(suited.contains(&"blob-head") && suited.contains(&"h2-get-256m-1"));
        assert!(suited.contains(&"tls-get-256m-1") && !suited.contains(&"auth-password"));
        assert!(
            !suited.contains(&"manifest-tag") && !suited.contains(&"push-1m") && !suited.contains(&"start")
        );
    }
}
