#![doc = include_str!("../README.md")]

mod blobs;
mod commits;
mod compute;
mod error;
mod events;
mod limits;
mod listings;
mod manifests;
mod mounts;
mod purging;
mod referrers;
mod registry;
mod sizes;
mod tasks;
#[cfg(test)]
mod tests;
mod uploads;
mod validation;

pub use blobs::{BlobInfo, OpenBlob};
pub use error::{Error, Result};
pub use events::{Event, EventKind, EventSink};
pub use limits::Limits;
pub use manifests::{ManifestPut, PutManifest, StoredManifest};
pub use purging::Purged;
pub use referrers::ReferrersPage;
pub use registry::{Cause, Options, Registry};
pub use sizes::MemorySizes;
pub use tasks::{MIN_DRAIN_TIMEOUT, Tasks};
pub use uploads::{Placement, UploadState};
pub use validation::{Missing, Platforms, UrlRules, Validation};
/// What operations take and give that belongs to the stores.
pub use wharf_store::{
    Announced, BlobBody, BlobSizes, BoxError, ByteStream, Clock, FileRegion, LogLimit, Page, SystemClock,
};
