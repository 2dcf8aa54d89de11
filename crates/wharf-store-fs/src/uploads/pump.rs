//! From the network to the disk: receiving goes on while what was received is hashed and written.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use wharf_store::{BoxError, ByteStream, Error, Result};

use super::session::Session;
use crate::{blocking, joined};

/// A batch goes to the blocking pool when it is this long, unless the pool is still busy with the one before.
const BATCH_BYTES: usize = 256 * 1024;

/// Receiving stops when this much waits: with the batch being written, twice this is what an upload holds in memory.
const WAITING_BYTES: usize = 1024 * 1024;

/// As the two above, counted in chunks: a client that sends byte by byte costs more for the counting than for the bytes.
const BATCH_CHUNKS: usize = 256;
const WAITING_CHUNKS: usize = 1024;

/// What was received and not yet written.
#[derive(Default)]
struct Batch {
    chunks: Vec<Bytes>,
    bytes: usize,
}

/// The batch that the receiver fills and the writer takes. A writer that finds the next one due when it is done with the
/// one before goes on with it: waking it up again would take as long as writing does.
#[derive(Default)]
struct Waiting {
    batch: Mutex<Batch>,
    /// Told when the writer has taken what was there.
    taken: Notify,
}

/// How the stream ended.
enum End {
    Whole,
    Broken(BoxError),
}

/// Writes the stream to the upload; returns where it ends then.
pub(super) async fn run(session: Session, mut stream: ByteStream) -> Result<u64> {
    let waiting = Arc::new(Waiting::default());
    let mut end: Option<End> = None;
    let mut idle: Option<Session> = Some(session);
    let mut writing: Option<JoinHandle<Result<Session>>> = None;
    loop {
        if let Some(session) = idle.take() {
            match &end {
                Some(_) => return finish(session, waiting.take(), end).await,
                None if waiting.is_due() => writing = Some(write(session, Arc::clone(&waiting))),
                None => idle = Some(session),
            }
        }
        let full = waiting.is_full();
        tokio::select! {
            written = async { writing.as_mut().expect("polled only when there is one").await }, if writing.is_some() => {
                writing = None;
                idle = Some(joined(written)?);
            }
            () = waiting.taken.notified(), if full => {}
            next = stream.next(), if end.is_none() && !full => match next {
                Some(Ok(chunk)) => waiting.push(chunk),
                Some(Err(error)) => end = Some(End::Broken(error)),
                None => end = Some(End::Whole),
            },
        }
    }
}

/// Writes the last batch and the record, so that a short body costs one trip to the blocking pool.
async fn finish(mut session: Session, batch: Batch, end: Option<End>) -> Result<u64> {
    let stored = blocking(move || {
        session.write(&batch.chunks)?;
        session.pause()
    })
    .await?;
    match end {
        Some(End::Broken(source)) => Err(Error::Body { stored, source }),
        Some(End::Whole) | None => Ok(stored),
    }
}

/// Writes what waits, until there is too little of it.
fn write(mut session: Session, waiting: Arc<Waiting>) -> JoinHandle<Result<Session>> {
    tokio::task::spawn_blocking(move || {
        while let Some(batch) = waiting.take_due() {
            session.write(&batch.chunks)?;
        }
        Ok(session)
    })
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
