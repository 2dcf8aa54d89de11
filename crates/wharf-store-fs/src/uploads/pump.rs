//! From the network to the disk: receiving goes on while what was received is hashed and written.

use bytes::Bytes;
use futures_util::StreamExt;
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

/// What was received and not yet handed on.
#[derive(Default)]
struct Batch {
    chunks: Vec<Bytes>,
    bytes: usize,
}

/// How the stream ended.
enum End {
    Whole,
    Broken(BoxError),
}

/// Writes the stream to the upload; returns where it ends then.
pub(super) async fn run(session: Session, mut stream: ByteStream) -> Result<u64> {
    let mut batch = Batch::default();
    let mut end: Option<End> = None;
    let mut idle: Option<Session> = Some(session);
    let mut writing: Option<JoinHandle<Result<Session>>> = None;
    loop {
        if let Some(session) = idle.take() {
            match &end {
                Some(_) => return finish(session, batch, end).await,
                None if batch.is_due() => writing = Some(write(session, std::mem::take(&mut batch))),
                None => idle = Some(session),
            }
        }
        tokio::select! {
            written = async { writing.as_mut().expect("polled only when there is one").await }, if writing.is_some() => {
                writing = None;
                idle = Some(joined(written)?);
            }
            next = stream.next(), if end.is_none() && !batch.is_full() => match next {
                Some(Ok(chunk)) => batch.push(chunk),
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

fn write(mut session: Session, batch: Batch) -> JoinHandle<Result<Session>> {
    tokio::task::spawn_blocking(move || {
        session.write(&batch.chunks)?;
        Ok(session)
    })
}

impl Batch {
    fn push(&mut self, chunk: Bytes) {
        if !chunk.is_empty() {
            self.bytes += chunk.len();
            self.chunks.push(chunk);
        }
    }

    fn is_due(&self) -> bool {
        self.bytes >= BATCH_BYTES || self.chunks.len() >= BATCH_CHUNKS
    }

    fn is_full(&self) -> bool {
        self.bytes >= WAITING_BYTES || self.chunks.len() >= WAITING_CHUNKS
    }
}
