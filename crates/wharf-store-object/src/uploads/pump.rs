//! From the network to the cloud: receiving goes on while what was received is hashed, and parts are on their way.
//!
//! A part is sent when all of it is hashed, so the hasher's state is known at the end of each. It holds in memory the part
//! that fills and those on their way, whoever of client and cloud is the slower one.

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use tokio::task::JoinHandle;
use wharf_oci::Hasher;
use wharf_store::{BoxError, ByteStream, Error, Result, Retry, in_current_span};

use super::ledger::Ledger;
use super::parts::{Before, Beside, Parts};
use super::record::{Body, Tail};
use super::{BACKEND, filling::Filling};
use crate::BucketStore;
use crate::cloud::Payload;

/// A batch goes to the hasher when it is this long, unless that is still busy with the one before.
const BATCH_BYTES: u64 = 256 * 1024;

/// Receiving stops when this much waits for the hasher.
const WAITING_BYTES: u64 = 1024 * 1024;

/// What is shorter is hashed where we are: that takes no longer than handing it over.
const SHORT_BYTES: u64 = 32 * 1024;

/// The record of a long body is written whenever this much has become parts, so that the end of this process costs the
/// client no more than that.
pub(super) const CHECKPOINT_BYTES: u64 = 64 * 1024 * 1024;

/// How a body ended.
pub(super) enum End {
    Whole,
    Broken(BoxError),
}

/// A body being received.
pub(super) struct Pump {
    pub(super) store: BucketStore,
    pub(super) parts: Parts,
    /// Where the progress is noted; none if nobody can go on with it.
    pub(super) journal: Option<Journal>,
    /// What the first part begins with, and what is stored beside it.
    pub(super) first: (Option<Before>, Option<Beside>),
    pub(super) part_bytes: u64,
    stream: ByteStream,
    filling: Filling,
    /// What did not fit into the part that is full.
    rest: Option<bytes::Bytes>,
    end: Option<End>,
    /// At rest, or at work.
    hasher: Option<Hasher>,
    hashing: Option<JoinHandle<Hasher>>,
    launched: bool,
}

/// Where the progress is noted.
pub(super) struct Journal {
    /// The name of the object in parts.
    pub(super) name: String,
    /// At rest, or at work.
    ledger: Option<Ledger>,
    saving: Option<BoxFuture<'static, Result<Ledger>>>,
    /// How many parts the record knows.
    saved: usize,
    /// Whether a record that names the object may have been written.
    known: bool,
}

/// What came of a body.
pub(super) struct Pumped {
    pub(super) parts: Parts,
    /// As it was given.
    pub(super) ledger: Option<Ledger>,
    /// It has seen all bytes.
    pub(super) hasher: Hasher,
    /// The last bytes, fewer than a part.
    pub(super) rest: Payload,
    /// Whether a part was sent, which then began with what came before.
    pub(super) launched: bool,
    pub(super) end: End,
}

// === impl Journal ===

impl Journal {
    pub(super) fn new(name: String, ledger: Ledger) -> Self {
        let (saved, known) = match &ledger.record().body {
            Body::Parts { tags, .. } => (tags.len(), true),
            Body::Nothing | Body::Whole { .. } => (0, false),
        };
        Self { name, ledger: Some(ledger), saving: None, saved, known }
    }

    /// Begins to write the record if that is due.
    fn save_if_due(&mut self, parts: &Parts, part_bytes: u64) {
        let new = (parts.tags().len() - self.saved) as u64;
        if new.saturating_mul(part_bytes) < CHECKPOINT_BYTES {
            return;
        }
        let (Some(id), Some(state)) = (parts.id(), parts.state()) else { return };
        let Some(mut ledger) = self.ledger.take() else { return };
        let mut record = ledger.record().clone();
        let (name, id, tags) = (self.name.clone(), id.clone(), parts.tags().to_vec());
        (self.saved, self.known) = (tags.len(), true);
        record.state = state.clone();
        record.body = Body::Parts { name, id, tags };
        record.tail = Tail::default();
        self.saving = Some(Box::pin(async move {
            ledger.replace(record).await?;
            Ok(ledger)
        }));
    }
}

// === impl Pump ===

impl Pump {
    pub(super) fn new(store: &BucketStore, parts: Parts, hasher: Hasher, stream: ByteStream) -> Self {
        let part_bytes = store.options().part_bytes;
        Self {
            store: store.clone(),
            parts,
            journal: None,
            first: (None, None),
            part_bytes,
            stream,
            filling: Filling::first(store.blocks(), part_bytes),
            rest: None,
            end: None,
            hasher: Some(hasher),
            hashing: None,
            launched: false,
        }
    }

    /// With `tail` bytes before the first ones.
    pub(super) fn after(mut self, tail: u64, part_bytes: u64) -> Self {
        self.part_bytes = part_bytes;
        self.filling = Filling::first(self.store.blocks(), part_bytes.saturating_sub(tail));
        self
    }

    /// Receives everything.
    pub(super) async fn run(mut self) -> Result<Pumped> {
        if let Err(error) = self.drive().await {
            if self.journal.as_ref().is_none_or(|journal| !journal.known) {
                self.parts.abandon(&self.store).await;
            }
            return Err(error);
        }
        Ok(Pumped {
            parts: self.parts,
            ledger: self.journal.and_then(|journal| journal.ledger),
            hasher: self.hasher.ok_or_else(|| stopped("no hasher".into()))?,
            rest: self.filling.into_payload(),
            launched: self.launched,
            end: self.end.unwrap_or(End::Whole),
        })
    }

    async fn drive(&mut self) -> Result<()> {
        loop {
            while self.step()? {}
            let (hashing, flying) = (self.hashing.is_some(), self.parts.flying() > 0);
            let saving = self.journal.as_ref().is_some_and(|journal| journal.saving.is_some());
            if self.end.is_some() && !hashing && !flying && !saving {
                return Ok(());
            }
            let receiving = self.receives();
            tokio::select! {
                hasher = hashed(&mut self.hashing), if hashing => {
                    self.hashing = None;
                    self.hasher = Some(hasher?);
                }
                landed = self.parts.land(), if flying => landed?,
                saved = saved(&mut self.journal), if saving => saved?,
                next = self.stream.next(), if receiving => match next {
                    Some(Ok(chunk)) => self.rest = self.filling.push(chunk),
                    Some(Err(error)) => self.ended(End::Broken(error)),
                    None => self.ended(End::Whole),
                },
            }
        }
    }

    /// Nothing more comes.
    fn ended(&mut self, end: End) {
        self.end = Some(end);
        self.filling.seal();
    }

    /// Whether the next bytes may come.
    fn receives(&self) -> bool {
        let waits = self.hashing.is_some() && self.filling.unhashed() >= WAITING_BYTES;
        self.end.is_none() && self.rest.is_none() && !self.filling.is_full() && !waits
    }

    /// Does something that need not be waited for; `false` if there is nothing.
    fn step(&mut self) -> Result<bool> {
        if let Some(journal) = &mut self.journal {
            journal.save_if_due(&self.parts, self.part_bytes);
        }
        if !self.filling.is_full()
            && let Some(rest) = self.rest.take()
        {
            self.rest = self.filling.push(rest);
            return Ok(true);
        }
        let Some(mut hasher) = self.hasher.take() else { return Ok(false) };
        let unhashed = self.filling.unhashed();
        let due = unhashed >= BATCH_BYTES || self.filling.is_full() || self.end.is_some();
        if unhashed > 0 && due {
            let chunks = self.filling.take_unhashed();
            if unhashed <= SHORT_BYTES {
                chunks.iter().for_each(|chunk| hasher.update(chunk));
                self.hasher = Some(hasher);
                return Ok(true);
            }
            self.hashing = Some(hash(hasher, chunks));
            return Ok(false);
        }
        let state = hasher.save();
        self.hasher = Some(hasher);
        if self.filling.is_full() && self.parts.flying() < self.store.options().upload_parts_in_flight.max(1)
        {
            self.launch(state)?;
            return Ok(true);
        }
        Ok(false)
    }

    /// Sends the part that is full.
    fn launch(&mut self, state: Vec<u8>) -> Result<()> {
        let next = Filling::later(self.store.blocks(), self.part_bytes);
        let full = std::mem::replace(&mut self.filling, next);
        let (before, beside) = std::mem::take(&mut self.first);
        self.launched = true;
        self.parts.launch(before, full.into_payload(), beside, state)
    }
}

/// Hashes where it may take its time.
pub(super) fn hash(mut hasher: Hasher, chunks: Payload) -> JoinHandle<Hasher> {
    tokio::task::spawn_blocking(in_current_span(move || {
        chunks.iter().for_each(|chunk| hasher.update(chunk));
        hasher
    }))
}

/// The hasher, when it is done.
pub(super) async fn hashed(hashing: &mut Option<JoinHandle<Hasher>>) -> Result<Hasher> {
    let Some(hashing) = hashing else { return std::future::pending().await };
    hashing.await.map_err(|error| match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(cancelled) => stopped(cancelled.into()),
    })
}

async fn saved(journal: &mut Option<Journal>) -> Result<()> {
    let Some(journal) = journal else { return std::future::pending().await };
    let Some(saving) = &mut journal.saving else { return std::future::pending().await };
    let ledger = saving.await;
    journal.saving = None;
    journal.ledger = Some(ledger?);
    Ok(())
}

fn stopped(source: BoxError) -> Error {
    let operation = "finish hashing: the process is stopping".to_owned();
    Error::Backend { backend: BACKEND, operation, retry: Retry::Later, source }
}
