//! What we need of a cloud, so that a new one is one implementation of one trait.
//!
//! Keys are whole: the tree's root and the configured prefix are in them, without a slash at the beginning.

use std::fmt;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use wharf_oci::ByteRange;
use wharf_store::{ByteStream, Result};

/// Bytes to be stored, in pieces, so that nobody has to copy them together.
pub type Payload = Vec<Bytes>;

/// Objects in one bucket.
///
/// # Contract
/// - Every method but [`delete_all`](Self::delete_all) is one request when all goes well, and that is what a test counts.
/// - What may go better in a moment (a reset connection, a 500, a 503 that asks to slow down, a timeout) has been tried
///   again, with growing pauses and within a deadline, before it becomes an error; then the error says
///   [`Retry::Later`](wharf_store::Retry::Later).
/// - Absent is `None`, never an error; an error means that nobody could look.
/// - What was written is read by whoever reads next, here and elsewhere, also in listings.
#[async_trait]
pub trait Cloud: fmt::Debug + Send + Sync + 'static {
    /// The object, or a part of it.
    async fn get(&self, key: &str, range: Option<ByteRange>) -> Result<Option<Object>>;

    /// What is known of the object without its bytes.
    async fn head(&self, key: &str) -> Result<Option<Meta>>;

    /// Stores an object whole, on a condition.
    ///
    /// A store that ignores conditions is found out at the first use of one; from then on every condition but
    /// [`Condition::Any`] is an error that says so.
    async fn put(&self, key: &str, bytes: Payload, condition: Condition) -> Result<Stored>;

    /// Which conditions are heeded here. Asked of the store once, by trying them out, and remembered.
    async fn conditions(&self) -> Result<Conditions>;

    /// Removes an object; `Ok` when there is none.
    async fn delete(&self, key: &str) -> Result<()>;

    /// Removes an object if what is stored has this tag. An error unless [`conditions`](Self::conditions) are
    /// [`Conditions::WritesAndDeletes`].
    async fn delete_if(&self, key: &str, etag: &str) -> Result<Deleted>;

    /// Removes objects, as many in a request as the cloud takes.
    async fn delete_all(&self, keys: Vec<String>) -> Result<()>;

    /// One page of the keys that begin with `prefix`, in byte order, from `start` or from the first on.
    ///
    /// With `one_level`, keys with a slash after the prefix are folded into [`Entry::Level`]s. Where to go on is
    /// [`Page::next`], with the same prefix and the same `one_level`; none means that there certainly are no more.
    async fn list(&self, prefix: &str, start: Option<&Start>, one_level: bool, limit: usize) -> Result<Page>;

    /// Copies an object of up to 5 GiB inside the cloud. Copied onto itself, it is young again.
    async fn copy(&self, from: &str, to: &str) -> Result<()>;

    /// Opens an object that will be written in parts.
    async fn create_multipart(&self, key: &str) -> Result<String>;

    /// Stores a part; numbers begin at 1. Returns the part's tag, which completing names.
    async fn put_part(&self, key: &str, id: &str, number: u32, bytes: Payload) -> Result<String>;

    /// Makes a part of another object's bytes, inside the cloud. Returns the part's tag.
    async fn copy_part(
        &self,
        from: &str,
        range: ByteRange,
        key: &str,
        id: &str,
        number: u32,
    ) -> Result<String>;

    /// Publishes the object: exactly these parts, 1 and up. `false` if the cloud does not know the upload or one of them
    /// (any more), in which case nothing was published.
    async fn complete_multipart(&self, key: &str, id: &str, parts: &[String]) -> Result<bool>;

    /// Forgets the parts; `Ok` when the upload is not known.
    async fn abort_multipart(&self, key: &str, id: &str) -> Result<()>;

    /// All unfinished objects in parts whose key begins with `prefix`. `None` from a cloud that cannot tell.
    async fn multiparts(&self, prefix: &str) -> Result<Option<Vec<Multipart>>>;

    /// An address at which anybody can GET the object for `lifetime` from now; `None` from a cloud that signs none.
    async fn signed_url(&self, key: &str, lifetime: Duration) -> Result<Option<String>>;

    /// The credential that signs addresses at this moment. An address is good no longer than it, whatever its lifetime.
    async fn signing_credential(&self) -> Result<SigningCredential>;
}

/// A credential, without its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningCredential {
    /// Another one for every other credential.
    pub fingerprint: u64,
    /// When it ends.
    pub expiry: CredentialExpiry,
}

/// When a credential ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialExpiry {
    /// It does not.
    Never,
    /// At this time.
    At(SystemTime),
    /// It does, at an unknown time.
    Unknown,
}

/// What is known of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// Its size in bytes.
    pub size: u64,
    /// When it was last written, by the cloud's clock.
    pub modified: SystemTime,
    /// The tag of this very content, for conditions.
    pub etag: String,
}

/// An object opened for reading.
pub struct Object {
    /// What is known of the whole object.
    pub meta: Meta,
    /// The bytes asked for. A stream that breaks off in the middle ends with an error.
    pub body: ByteStream,
}

/// The condition of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// None: the last writer wins.
    Any,
    /// Nothing is stored under the key.
    Absent,
    /// What is stored has this tag.
    Is(String),
}

/// Which requests a store refuses when their condition does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conditions {
    /// None: it ignores conditions.
    Ignored,
    /// Writes. A DELETE is carried out whatever its condition says.
    Writes,
    /// Writes and DELETE.
    WritesAndDeletes,
}

/// What became of a removal on a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    /// The object is removed.
    Deleted,
    /// Something else is stored by now, and stays.
    Changed,
    /// Nothing was stored.
    Absent,
}

/// Whether a write happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    /// It did; the new content's tag.
    Written(String),
    /// The condition did not hold.
    Refused,
}

/// A page of a listing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// In byte order of their keys.
    pub entries: Vec<Entry>,
    /// Where the next page begins, if there may be one.
    pub next: Option<Start>,
}

/// Where a page of a listing begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// After this whole key, which need not exist; of one level, after all that is in the folder it lies in.
    After(String),
    /// Where the cloud's page before ended, in its own words.
    Token(String),
}

/// One row of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// An object.
    Object(Found),
    /// A level with objects below it: its key with the slash at the end.
    Level(String),
}

/// An object in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The whole key.
    pub key: String,
    /// Its size in bytes.
    pub size: u64,
    /// When it was last written.
    pub modified: SystemTime,
}

/// An unfinished object in parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Multipart {
    /// The whole key.
    pub key: String,
    /// The upload's id.
    pub id: String,
    /// When it was opened.
    pub begun: SystemTime,
}

// === impl Entry ===

impl Entry {
    /// The whole key; of a level, with the slash at the end.
    pub fn key(&self) -> &str {
        match self {
            Self::Object(found) => &found.key,
            Self::Level(key) => key,
        }
    }

    /// Whether it is an object without bytes: what a conditional removal leaves where DELETE takes no condition.
    pub(crate) fn is_empty_object(&self) -> bool {
        matches!(self, Self::Object(found) if found.size == 0)
    }
}

// === impl Object ===

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Object").field("meta", &self.meta).finish_non_exhaustive()
    }
}
