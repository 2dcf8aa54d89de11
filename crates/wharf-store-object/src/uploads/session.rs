//! An upload in the hands of its one writer.

use futures_util::TryStreamExt;
use wharf_oci::{ByteRange, Digest, Hasher};
use wharf_store::layout::Key;
use wharf_store::{ByteStream, Error, Result, UploadKey};

use super::ledger::{self, Ledger};
use super::parts::Parts;
use super::publish::copy_ranges;
use super::pump::{End, Journal, Pump};
use super::record::{Body, Record, Tail};
use super::sessions::Found;
use super::tail::{self, started_at, unexpected};
use super::{lost, name};
use crate::BucketStore;
use crate::cloud::Payload;

/// An upload of no more bytes is kept in its record.
const SHORT_BYTES: u64 = 32 * 1024;

/// An upload with its record as it stands in the bucket.
pub(super) struct Session {
    pub(super) store: BucketStore,
    pub(super) key: UploadKey,
    pub(super) ledger: Ledger,
}

/// An upload with bytes that the record does not know.
pub(super) struct Received {
    pub(super) session: Session,
    /// The record to be: the parts are in it, the rest is not.
    pub(super) record: Record,
    pub(super) rest: Payload,
    /// It has seen all bytes.
    pub(super) hasher: Hasher,
    pub(super) end: End,
}

// === impl Session ===

impl Session {
    pub(super) fn new(store: &BucketStore, key: &UploadKey, ledger: Ledger) -> Self {
        Self { store: store.clone(), key: key.clone(), ledger }
    }

    /// [`Error::OffsetMismatch`] unless the upload ends there.
    pub(super) fn expect(&self, given: u64) -> Result<()> {
        let stored = self.ledger.record().offset();
        if stored == given { Ok(()) } else { Err(Error::OffsetMismatch { given, stored }) }
    }

    /// The hasher that has seen all that is stored.
    pub(super) fn hasher(&self) -> Result<Hasher> {
        self.ledger.record().hasher().ok_or_else(|| lost(&self.key))
    }

    /// Receives the next bytes. Parts are stored; what is not a part at the end, is not.
    pub(super) async fn receive(mut self, stream: ByteStream) -> Result<Received> {
        self.unpack().await?;
        let (record, hasher) = (self.ledger.record().clone(), self.hasher()?);
        let (name, id, tags) = match &record.body {
            Body::Parts { name, id, tags } => (name.clone(), Some(id.clone()), tags.clone()),
            Body::Nothing | Body::Whole { .. } => (name(record.offset()), None, Vec::new()),
        };
        let place = self.store.key(&Key::UploadParts(&self.key, &name));
        let parts = Parts::new(self.store.cloud(), place, record.part_bytes, id, tags);
        let tail = &record.tail;
        let mut pump = Pump::new(&self.store, parts, hasher, stream).after(tail.size(), record.part_bytes);
        pump.first.0 = (tail.size() > 0).then(|| tail::read(&self.store, &self.key, tail));
        pump.first.1 = record.is_alone().then(|| started_at(&self.store, &self.key, &record));
        pump.journal = Some(Journal::new(name.clone(), self.ledger));
        let pumped = pump.run().await?;
        let ledger = pumped.ledger.ok_or_else(|| lost(&self.key))?;
        let mut record = ledger.record().clone();
        if let (true, Some(id)) = (pumped.launched, pumped.parts.id()) {
            record.body = Body::Parts { name, id: id.clone(), tags: pumped.parts.tags().to_vec() };
            record.tail = Tail::default();
        }
        let session = Self { store: self.store, key: self.key, ledger };
        Ok(Received { session, record, rest: pumped.rest, hasher: pumped.hasher, end: pumped.end })
    }

    /// Makes parts again of an object that was finished to be read once more.
    async fn unpack(&mut self) -> Result<()> {
        let Body::Whole { name: from, size } = &self.ledger.record().body else { return Ok(()) };
        let mut record = self.ledger.record().clone();
        let (from, size) = (self.store.key(&Key::UploadParts(&self.key, from)), *size);
        let parts = size / record.part_bytes;
        let name = name(size);
        let to = self.store.key(&Key::UploadParts(&self.key, &name));
        let id = self.store.cloud().create_multipart(&to).await?;
        let copied = async {
            let whole = parts * record.part_bytes;
            let tags = copy_ranges(&self.store, &from, &to, &id, whole, record.part_bytes).await?;
            record.body = Body::Parts { name, id: id.clone(), tags };
            let rest = self.read_end(&from, whole, size - whole).await?;
            tail::extend(&self.store, &self.key, &mut record, rest, 0).await
        };
        if let Err(error) = copied.await {
            ledger::abandon(&self.store, &to, &id).await;
            return Err(error);
        }
        self.ledger.replace(record).await
    }

    async fn read_end(&self, from: &str, start: u64, length: u64) -> Result<Payload> {
        if length == 0 {
            return Ok(Vec::new());
        }
        let object = self.store.cloud().get(from, Some(ByteRange { start, length })).await?;
        let object = object.ok_or_else(|| lost(&self.key))?;
        let bytes: Payload = object.body.try_collect().await.map_err(ledger::broken)?;
        if bytes.iter().map(|chunk| chunk.len() as u64).sum::<u64>() == length {
            Ok(bytes)
        } else {
            Err(unexpected("read the end of an upload", "fewer bytes came than were asked for"))
        }
    }
}

// === impl Received ===

impl Received {
    /// Writes down what the record does not know. Returns how the bucket has it now; if the body was broken, an error that
    /// says where the upload ends.
    pub(super) async fn keep(mut self) -> Result<Found> {
        let stored = self.hasher.bytes_hashed();
        if stored != self.session.ledger.record().offset() {
            self.record.state = self.hasher.save();
            let Session { store, key, ledger } = &mut self.session;
            tail::extend(store, key, &mut self.record, self.rest, SHORT_BYTES).await?;
            ledger.replace(self.record).await?;
        }
        match self.end {
            End::Whole => Ok(self.session.ledger.found),
            End::Broken(source) => Err(Error::Body { stored, source }),
        }
    }

    /// Whether the bytes are what they were said to be.
    pub(super) fn verify(&self, expected: &Digest) -> Result<()> {
        verify(self.hasher.clone(), expected)
    }
}

/// Whether the bytes are what they were said to be; both by the same algorithm.
pub(super) fn verify(hasher: Hasher, expected: &Digest) -> Result<()> {
    let actual = hasher.finish();
    if actual == *expected { Ok(()) } else { Err(Error::DigestMismatch { expected: *expected, actual }) }
}
