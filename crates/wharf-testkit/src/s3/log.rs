//! What was asked, in the order of its coming, with what was moved for it.

use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::operation::{Asked, Operation};

/// A request that was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Which operation it was.
    pub operation: Operation,
    /// What its client calls itself (`User-Agent`).
    pub agent: String,
    /// The bucket it was for.
    pub bucket: String,
    /// The whole key it was for; of listings, nothing.
    pub key: String,
    /// The query as it was sent.
    pub query: String,
    /// The answer's status; 0 when there was none, or is none yet.
    pub status: u16,
    /// Bytes of the request's body that were read.
    pub bytes_in: u64,
    /// Bytes of the answer's body that were sent.
    pub bytes_out: u64,
}

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) asked: Asked,
    pub(super) agent: String,
    pub(super) query: String,
    pub(super) status: AtomicU16,
    pub(super) bytes_in: AtomicU64,
    pub(super) bytes_out: AtomicU64,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Log(Mutex<Vec<Arc<Seen>>>);

// === impl Log ===

impl Log {
    pub(super) fn add(&self, asked: Asked, agent: String, query: &str) -> Arc<Seen> {
        let seen = Arc::new(Seen {
            asked,
            agent,
            query: query.to_owned(),
            status: AtomicU16::new(0),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
        });
        self.0.lock().unwrap().push(Arc::clone(&seen));
        seen
    }

    pub(super) fn records(&self) -> Vec<Record> {
        self.0.lock().unwrap().iter().map(|seen| seen.record()).collect()
    }

    pub(super) fn forget(&self) {
        self.0.lock().unwrap().clear();
    }
}

// === impl Seen ===

impl Seen {
    fn record(&self) -> Record {
        Record {
            operation: self.asked.operation,
            agent: self.agent.clone(),
            bucket: self.asked.bucket.clone(),
            key: self.asked.key.clone(),
            query: self.query.clone(),
            status: self.status.load(Ordering::Relaxed),
            bytes_in: self.bytes_in.load(Ordering::Relaxed),
            bytes_out: self.bytes_out.load(Ordering::Relaxed),
        }
    }
}
