//! The memory that one account has for responses, and the connections that wait for some of it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};

use super::SMALL_FRAME_BYTES;
use super::share::SendingShare;

/// A count of bytes with a limit, and the queue for them.
///
/// The limit is checked and the bytes are added in two steps, so every worker thread may exceed it by one frame.
#[derive(Debug)]
pub(crate) struct SendingRoom {
    held: AtomicUsize,
    limit: usize,
    /// How long the queue is, for a look without the lock. Written before a connection tries a last time, and read after
    /// bytes were given back: one of the two always sees the other.
    waiting: AtomicUsize,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    shares: VecDeque<Weak<SendingShare>>,
    /// At this length those that were closed meanwhile are taken out.
    prune_at: usize,
}

/// A queue that is shorter than this is not searched for closed connections.
const PRUNED_LENGTH: usize = 256;

// === impl SendingRoom ===

impl SendingRoom {
    pub(crate) fn new(limit: usize) -> Self {
        Self { held: AtomicUsize::new(0), limit, waiting: AtomicUsize::new(0), queue: Mutex::default() }
    }

    pub(super) fn fits(&self, bytes: usize) -> bool {
        self.held.load(Ordering::SeqCst).saturating_add(bytes) <= self.limit
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held.load(Ordering::SeqCst) == 0
    }

    pub(super) fn add(&self, bytes: usize) {
        self.held.fetch_add(bytes, Ordering::SeqCst);
    }

    pub(super) fn subtract(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Ordering::SeqCst);
    }

    /// Puts a connection at the end of the queue.
    pub(super) fn enqueue(&self, share: Weak<SendingShare>) {
        let mut queue = self.queue();
        if queue.shares.len() >= queue.prune_at.max(PRUNED_LENGTH) {
            queue.shares.retain(|share| share.strong_count() > 0);
            queue.prune_at = queue.shares.len() * 2;
        }
        queue.shares.push_back(share);
        self.waiting.store(queue.shares.len(), Ordering::SeqCst);
    }

    /// Gives room that has become free to those that wait, one frame for each connection in turn.
    pub(super) fn serve(&self) {
        while self.waiting.load(Ordering::SeqCst) > 0 && self.fits(SMALL_FRAME_BYTES) {
            let Some(share) = self.dequeue() else { return };
            if let Some(share) = share.upgrade() {
                share.serve_one(self);
            }
        }
    }

    fn dequeue(&self) -> Option<Weak<SendingShare>> {
        let mut queue = self.queue();
        let share = queue.shares.pop_front();
        self.waiting.store(queue.shares.len(), Ordering::SeqCst);
        share
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.held.load(Ordering::SeqCst)
    }
}
