//! The port that remembers how long blobs are, where asking the store costs a round trip.

use std::fmt;

use async_trait::async_trait;
use wharf_oci::Digest;

/// Sizes of blobs by the digest of their content: what the registry we succeed calls a descriptor cache.
///
/// A size and nothing else, on purpose: a digest's size is the same in every repository and for ever, and without an age
/// nobody can take a [`hold`](crate::MetadataStore::hold) on what was only remembered. What it is good for is telling how
/// long a blob is that a repository has just been asked for; that it has it is asked of the store each time.
///
/// # Contract
/// - **Optional.** It may forget anything at any time and never fails: what goes wrong in it is a size it does not know.
/// - **Short.** What was kept is not told for longer than its lifetime ([`Grace::size_lifetime`](crate::Grace::size_lifetime)) after it was last kept.
/// - **Forgetful.** What was forgotten is not told again by this process before it is kept again, whatever went wrong.
/// - **Quick.** It is only worth asking while it answers sooner than the store would, and it stops asking what does not.
#[async_trait]
pub trait BlobSizes: fmt::Debug + Send + Sync + 'static {
    /// The size in bytes of the blob `digest`, if it is remembered.
    async fn get(&self, digest: &Digest) -> Option<u64>;

    /// Remembers what the store has just said.
    async fn keep(&self, digest: &Digest, size: u64);

    /// The blob was found to be gone, or was removed.
    async fn forget(&self, digest: &Digest);
}
