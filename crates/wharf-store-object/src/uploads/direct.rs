//! A blob whose digest is known before its bytes come: they go straight to its key, and appear there when they are
//! verified.

use wharf_oci::{Digest, Hasher};
use wharf_store::layout::Key;
use wharf_store::{ByteStream, Error, Result};

use super::ledger;
use super::parts::Parts;
use super::publish::complete_blob;
use super::pump::{End, Pump, Pumped};
use super::session::{Session, verify};
use super::sessions::Finished;
use crate::BucketStore;
use crate::cloud::Condition;

impl Session {
    /// Publishes a stream that holds the whole blob. After a failure the upload is as empty as before.
    pub(super) async fn publish_whole(self, stream: ByteStream, digest: &Digest) -> Result<Finished> {
        let place = self.store.key(&Key::BlobData(digest));
        let part_bytes = self.store.options().part_bytes;
        let parts = Parts::new(self.store.cloud(), place, part_bytes, None, Vec::new());
        let pumped = Pump::new(&self.store, parts, Hasher::new(digest.algorithm()), stream).run().await?;
        let size = publish(&self.store, pumped, digest).await?;
        Ok(self.ledger.finished(self.ledger.record(), digest, size))
    }
}

async fn publish(store: &BucketStore, mut pumped: Pumped, digest: &Digest) -> Result<u64> {
    let size = pumped.hasher.bytes_hashed();
    let state = pumped.hasher.save();
    let verified = match pumped.end {
        End::Whole => verify(pumped.hasher, digest),
        End::Broken(source) => Err(Error::Body { stored: 0, source }),
    };
    if !pumped.launched {
        verified?;
        let place = pumped.parts.place();
        return store.cloud().put(place, pumped.rest, Condition::Any).await.map(|_| size);
    }
    let published = async {
        verified?;
        if !pumped.rest.is_empty() {
            pumped.parts.launch(None, pumped.rest, None, state)?;
            pumped.parts.land().await?;
        }
        let id = pumped.parts.id().cloned().unwrap_or_default();
        complete_blob(store, digest, &id, pumped.parts.tags(), size).await
    };
    if let Err(error) = published.await {
        if let Some(id) = pumped.parts.id() {
            ledger::abandon(store, pumped.parts.place(), id).await;
        }
        return Err(error);
    }
    Ok(size)
}
