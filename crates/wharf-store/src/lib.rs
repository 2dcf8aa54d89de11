#![doc = include_str!("../README.md")]

pub mod blob;
mod clock;
mod error;
mod grace;
pub mod layout;
mod log_limit;
mod memory;
mod metadata;
mod objects;
mod record;
mod region;
mod sizes;
mod span;
#[cfg(feature = "conformance")]
pub mod suite;
mod urls;

pub use blob::{
    Announced, BlobBody, BlobRead, BlobStat, BlobStore, ByteStream, ListedBlob, UploadKey, UploadStatus,
};
pub use clock::{Clock, SystemClock};
pub use error::{BoxError, Error, Result, Retry};
pub use grace::Grace;
pub use layout::LayoutMetadata;
pub use log_limit::LogLimit;
pub use memory::MemoryStore;
pub use metadata::{
    Change, Expect, FoundLink, Held, HeldLink, Hold, LinkKind, ManifestDeleted, ManifestFacts,
    ManifestWritten, MetadataStore, Page, TagChange, TagWrite,
};
pub use objects::{
    AgedObject, LockMode, Objects, Put, PutIf, PutOutcome, RemoveOutcome, RepositoryLock, put_in_turn,
};
pub use record::UploadRecord;
pub use region::{FileRegion, is_in_memory};
pub use sizes::BlobSizes;
pub use span::in_current_span;
pub use urls::BlobUrls;
