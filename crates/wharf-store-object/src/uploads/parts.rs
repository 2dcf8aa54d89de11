//! Parts of one object on their way to the cloud, several at once and in no order.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::{self, BoxFuture};
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::OnceCell;
use wharf_store::{Error, Result, Retry};

use super::BACKEND;
use crate::cloud::{Cloud, Payload};

/// What S3 and those who speak like it take as the last part's number.
pub(super) const MAX_PARTS: u32 = 10_000;

/// The bytes that a part begins with, while they are being read back.
pub(super) type Before = BoxFuture<'static, Result<Payload>>;

/// Something that must be stored when the first part is.
pub(super) type Beside = BoxFuture<'static, Result<()>>;

/// One object in parts.
pub(super) struct Parts {
    cloud: Arc<dyn Cloud>,
    place: String,
    part_bytes: u64,
    /// The upload's id. The first part asks for it, so that receiving need not wait.
    id: Arc<OnceCell<String>>,
    flying: FuturesUnordered<BoxFuture<'static, Result<Landed>>>,
    next: u32,
    /// Those that came before one that has not come yet.
    landed: BTreeMap<u32, Landed>,
    /// The tags from part 1, without a gap.
    tags: Vec<String>,
    /// The hasher's state after them.
    state: Option<Vec<u8>>,
}

struct Landed {
    number: u32,
    tag: String,
    state: Vec<u8>,
}

impl Parts {
    /// The object at `place`, from the beginning or after the parts it has.
    pub(super) fn new(
        cloud: &Arc<dyn Cloud>,
        place: String,
        part_bytes: u64,
        id: Option<String>,
        tags: Vec<String>,
    ) -> Self {
        let next = u32::try_from(tags.len()).unwrap_or(u32::MAX).saturating_add(1);
        Self {
            cloud: Arc::clone(cloud),
            place,
            part_bytes,
            id: Arc::new(OnceCell::new_with(id)),
            flying: FuturesUnordered::new(),
            next,
            landed: BTreeMap::new(),
            tags,
            state: None,
        }
    }

    /// Sends the next part; `state` is the hasher's after it.
    pub(super) fn launch(
        &mut self,
        before: Option<Before>,
        mut bytes: Payload,
        beside: Option<Beside>,
        state: Vec<u8>,
    ) -> Result<()> {
        let number = self.next;
        if number > MAX_PARTS {
            return Err(too_long(self.part_bytes));
        }
        self.next += 1;
        let (cloud, place, id) = (Arc::clone(&self.cloud), self.place.clone(), Arc::clone(&self.id));
        let part = async move {
            if let Some(before) = before {
                let mut whole = before.await?;
                whole.append(&mut bytes);
                bytes = whole;
            }
            let id = id.get_or_try_init(|| cloud.create_multipart(&place)).await?;
            let tag = cloud.put_part(&place, id, number, bytes).await?;
            Ok(Landed { number, tag, state })
        };
        let beside = beside.unwrap_or_else(|| Box::pin(future::ready(Ok(()))));
        self.flying.push(Box::pin(async move { Ok(future::try_join(part, beside).await?.0) }));
        Ok(())
    }

    pub(super) fn flying(&self) -> usize {
        self.flying.len()
    }

    /// Waits for the next part to land.
    pub(super) async fn land(&mut self) -> Result<()> {
        let Some(landed) = self.flying.next().await else { return Ok(()) };
        let landed = landed?;
        self.landed.insert(landed.number, landed);
        while let Some(entry) = self.landed.first_entry()
            && usize::try_from(*entry.key()).is_ok_and(|number| number == self.tags.len() + 1)
        {
            let landed = entry.remove();
            self.tags.push(landed.tag);
            self.state = Some(landed.state);
        }
        Ok(())
    }

    /// The object's key.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// The upload's id, if the cloud was asked for one.
    pub(super) fn id(&self) -> Option<&String> {
        self.id.get()
    }

    /// The tags from part 1 without a gap.
    pub(super) fn tags(&self) -> &[String] {
        &self.tags
    }

    /// The hasher's state after them, if one of them was sent from here.
    pub(super) fn state(&self) -> Option<&Vec<u8>> {
        self.state.as_ref()
    }

    /// Stops sending, and has the cloud forget what it has.
    pub(super) async fn abandon(self, store: &crate::BucketStore) {
        drop(self.flying);
        if let Some(id) = self.id.get() {
            super::ledger::abandon(store, &self.place, id).await;
        }
    }
}

/// The error of an upload with more parts than there can be.
fn too_long(part_bytes: u64) -> Error {
    let longest = part_bytes.saturating_mul(MAX_PARTS.into());
    Error::Backend {
        backend: BACKEND,
        operation: format!(
            "store more than {longest} bytes in one upload: raise `chunksize` ({part_bytes} now) and push again"
        ),
        retry: Retry::Never,
        source: format!("an object has at most {MAX_PARTS} parts").into(),
    }
}
