//! From the network to the disk: receiving goes on while what was received is hashed and written.

use std::future::pending;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use wharf_oci::Hasher;
use wharf_store::{BoxError, ByteStream, Error, Result, in_current_span};

use super::session::{Growing, Session};
use crate::{blocking, joined};

/// A batch goes to the blocking pool when it is this long, unless the pool is still busy with the one before.
const BATCH_BYTES: usize = 256 * 1024;

/// Receiving stops when this much waits: with the batch being written, twice this is what an upload holds in memory.
const WAITING_BYTES: usize = 1024 * 1024;

/// As the two above, counted in chunks: a client that sends byte by byte costs more for the counting than for the bytes.
const BATCH_CHUNKS: usize = 256;
const WAITING_CHUNKS: usize = 1024;

/// What was received and not yet taken in.
#[derive(Default)]
struct Batch {
    chunks: Vec<Bytes>,
    bytes: usize,
}

/// The batch that the receiver fills and a worker takes. A worker that finds the next one due when it is done with the
/// one before goes on with it: waking it up again would take as long as the work.
#[derive(Default)]
struct Waiting {
    batch: Mutex<Batch>,
    /// Told when the worker has taken what was there.
    taken: Notify,
}

/// How the stream ended.
enum End {
    Whole,
    Broken(BoxError),
}

/// One of the two things that are done with what was received. They are done side by side: the same chunks are in both
/// lanes, and neither waits for the other.
struct Lane<W> {
    waiting: Arc<Waiting>,
    /// The worker, when it is not at work.
    idle: Option<W>,
    running: Option<JoinHandle<Result<W>>>,
}

/// What takes in the chunks of a lane.
trait Worker: Send + 'static {
    fn take_in(&mut self, chunks: &[Bytes]) -> Result<()>;
}

/// Writes the stream to the upload; returns where it ends then.
pub(super) async fn run(session: Session, mut stream: ByteStream) -> Result<u64> {
    let (mut writing, mut hashing) = (Lane::new(session.data), Lane::new(session.hasher));
    let (to_write, to_hash) = (Arc::clone(&writing.waiting), Arc::clone(&hashing.waiting));
    let mut end: Option<End> = None;
    loop {
        if end.is_some() && writing.is_idle() && hashing.is_idle() {
            return finish(writing, hashing, end).await;
        }
        writing.start_if_due();
        hashing.start_if_due();
        let (write_full, hash_full) = (to_write.is_full(), to_hash.is_full());
        tokio::select! {
            done = writing.done() => done?,
            done = hashing.done() => done?,
            () = to_write.taken.notified(), if write_full => {}
            () = to_hash.taken.notified(), if hash_full => {}
            next = stream.next(), if end.is_none() && !write_full && !hash_full => match next {
                Some(Ok(chunk)) => {
                    to_write.push(chunk.clone());
                    to_hash.push(chunk);
                }
                Some(Err(error)) => end = Some(End::Broken(error)),
                None => end = Some(End::Whole),
            },
        }
    }
}

/// Takes in the last batch and writes the record, so that a short body costs one trip to the blocking pool.
async fn finish(writing: Lane<Growing>, hashing: Lane<Hasher>, end: Option<End>) -> Result<u64> {
    let (Some((mut data, to_write)), Some((mut hasher, to_hash))) =
        (writing.into_rest(), hashing.into_rest())
    else {
        unreachable!("both lanes are idle")
    };
    let stored = blocking(move || {
        data.take_in(&to_write.chunks)?;
        hasher.take_in(&to_hash.chunks)?;
        Session { data, hasher }.pause()
    })
    .await?;
    match end {
        Some(End::Broken(source)) => Err(Error::Body { stored, source }),
        Some(End::Whole) | None => Ok(stored),
    }
}

// === impl Lane ===

impl<W: Worker> Lane<W> {
    fn new(worker: W) -> Self {
        Self { waiting: Arc::default(), idle: Some(worker), running: None }
    }

    fn is_idle(&self) -> bool {
        self.idle.is_some()
    }

    fn start_if_due(&mut self) {
        if !self.waiting.is_due() {
            return;
        }
        if let Some(mut worker) = self.idle.take() {
            let waiting = Arc::clone(&self.waiting);
            self.running = Some(tokio::task::spawn_blocking(in_current_span(move || {
                while let Some(batch) = waiting.take_due() {
                    worker.take_in(&batch.chunks)?;
                }
                Ok(worker)
            })));
        }
    }

    /// Waits until the worker finds too little to do; for ever if it is not at work.
    async fn done(&mut self) -> Result<()> {
        let Some(running) = &mut self.running else { return pending().await };
        let worker = joined(running.await);
        self.running = None;
        self.idle = Some(worker?);
        Ok(())
    }

    /// The worker, if it is idle, and what it has not taken in.
    fn into_rest(self) -> Option<(W, Batch)> {
        let batch = self.waiting.take();
        self.idle.map(|worker| (worker, batch))
    }
}

impl Worker for Growing {
    fn take_in(&mut self, chunks: &[Bytes]) -> Result<()> {
        self.write(chunks)
    }
}

impl Worker for Hasher {
    fn take_in(&mut self, chunks: &[Bytes]) -> Result<()> {
        chunks.iter().for_each(|chunk| self.update(chunk));
        Ok(())
    }
}

// === impl Batch ===

impl Batch {
    fn is_due(&self) -> bool {
        self.bytes >= BATCH_BYTES || self.chunks.len() >= BATCH_CHUNKS
    }

    fn is_full(&self) -> bool {
        self.bytes >= WAITING_BYTES || self.chunks.len() >= WAITING_CHUNKS
    }
}

// === impl Waiting ===

impl Waiting {
    fn with<T>(&self, act: impl FnOnce(&mut Batch) -> T) -> T {
        act(&mut self.batch.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn push(&self, chunk: Bytes) {
        if !chunk.is_empty() {
            self.with(|batch| {
                batch.bytes += chunk.len();
                batch.chunks.push(chunk);
            });
        }
    }

    fn is_due(&self) -> bool {
        self.with(|batch| batch.is_due())
    }

    fn is_full(&self) -> bool {
        self.with(|batch| batch.is_full())
    }

    fn take(&self) -> Batch {
        self.with(std::mem::take)
    }

    fn take_due(&self) -> Option<Batch> {
        let batch = self.with(|batch| batch.is_due().then(|| std::mem::take(batch)))?;
        self.taken.notify_one();
        Some(batch)
    }
}
