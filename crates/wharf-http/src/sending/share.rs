//! What the responses of one connection have in memory, and which of them wait for room.
//!
//! A response takes room before it reads. Where there is none, every connection may have one small frame beyond all
//! limits, so that it always makes progress; its other responses wait in turn. Room that becomes free is handed to the
//! response that waits longest, not raced for: none is forgotten, and one that is dropped hands it on.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::SMALL_FRAME_BYTES;
use super::room::SendingRoom;
use crate::accounts::Account;

/// A response in memory that is no longer than this is counted and never refused: what a stream of HTTP/2 costs by itself
/// is more.
const TINY_BYTES: usize = 1024;

/// What the responses of one connection have read and not yet sent: a part of its account's.
#[derive(Debug)]
pub(crate) struct SendingShare {
    account: Arc<Account>,
    held: AtomicUsize,
    limit: usize,
    /// Whether the frame is out that a connection may have beyond all limits.
    extra_frame: AtomicBool,
    /// The same for a short response that is in memory as a whole.
    extra_response: AtomicBool,
    /// How many responses wait, for a look without the lock.
    waiting: AtomicUsize,
    waiters: Mutex<Waiters>,
}

#[derive(Debug, Default)]
struct Waiters {
    responses: VecDeque<Arc<Waiter>>,
    /// Whether the connection is in the queue of an account that is full.
    is_queued: bool,
}

/// A response that waits for room for a small frame.
#[derive(Debug)]
struct Waiter {
    bytes: usize,
    state: Mutex<WaiterState>,
}

#[derive(Debug, Default)]
struct WaiterState {
    waker: Option<Waker>,
    permit: Option<Permit>,
}

/// A response's place in the queue of its connection; given up when it is dropped.
#[derive(Debug)]
pub(super) struct Waiting {
    share: Arc<SendingShare>,
    waiter: Arc<Waiter>,
}

/// Room for bytes, until it is dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    share: Arc<SendingShare>,
    counted: usize,
    extra: Extra,
}

/// Whether a permit is what a connection may have beyond all limits. Such a one has [`SMALL_FRAME_BYTES`] uncounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extra {
    None,
    Frame,
    Response,
}

/// What has no room left.
enum Full<'a> {
    Connection,
    Account(&'a SendingRoom),
}

// === impl SendingShare ===

impl SendingShare {
    /// The share of a new connection, which may hold `limit` bytes.
    pub(crate) fn new(account: Arc<Account>, limit: usize) -> Self {
        Self {
            account,
            held: AtomicUsize::new(0),
            limit,
            extra_frame: AtomicBool::new(false),
            extra_response: AtomicBool::new(false),
            waiting: AtomicUsize::new(0),
            waiters: Mutex::default(),
        }
    }

    /// Of whose account it is a part.
    pub(crate) fn account(&self) -> &Arc<Account> {
        &self.account
    }

    /// Room for a response that is in memory already, if there is any; alone it may be of any length.
    ///
    /// The limit of the connection does not count here: it would refuse what its client is about to read.
    pub(crate) fn try_keep(self: &Arc<Self>, bytes: usize) -> Option<Permit> {
        if bytes <= TINY_BYTES || self.rooms().all(|room| room.fits(bytes) || room.is_empty()) {
            return Some(self.take(bytes));
        }
        let is_extra = bytes <= SMALL_FRAME_BYTES && !self.extra_response.swap(true, Ordering::SeqCst);
        is_extra.then(|| Permit { share: Arc::clone(self), counted: 0, extra: Extra::Response })
    }

    /// Room for a frame of up to `bytes`, or of a small part of it; `None` if the response has to [wait](Self::wait).
    pub(super) fn try_take_frame(self: &Arc<Self>, bytes: usize) -> Option<Permit> {
        // Those that wait already come first.
        if self.waiting.load(Ordering::SeqCst) > 0 {
            return None;
        }
        self.try_take(bytes).or_else(|_| self.try_take_small(bytes.min(SMALL_FRAME_BYTES))).ok()
    }

    /// Waits for room for a small frame.
    pub(super) fn wait(self: &Arc<Self>, bytes: usize) -> Waiting {
        let waiter = Arc::new(Waiter { bytes: bytes.min(SMALL_FRAME_BYTES), state: Mutex::default() });
        let mut waiters = self.waiters();
        waiters.responses.push_back(Arc::clone(&waiter));
        self.waiting.store(waiters.responses.len(), Ordering::SeqCst);
        // Room may have become free since the last try.
        self.serve(&mut waiters, usize::MAX);
        drop(waiters);
        Waiting { share: Arc::clone(self), waiter }
    }

    /// Counts `bytes`, if there is room for them.
    fn try_take(self: &Arc<Self>, bytes: usize) -> Result<Permit, Full<'_>> {
        if self.held.load(Ordering::SeqCst).saturating_add(bytes) > self.limit {
            return Err(Full::Connection);
        }
        match self.rooms().find(|room| !room.fits(bytes)) {
            Some(room) => Err(Full::Account(room)),
            None => Ok(self.take(bytes)),
        }
    }

    /// As [`try_take`](Self::try_take); where there is no room, the one frame that the connection may have beyond it.
    fn try_take_small(self: &Arc<Self>, bytes: usize) -> Result<Permit, Full<'_>> {
        self.try_take(bytes).or_else(|full| match self.extra_frame.swap(true, Ordering::SeqCst) {
            false => Ok(Permit { share: Arc::clone(self), counted: 0, extra: Extra::Frame }),
            true => Err(full),
        })
    }

    /// Counts bytes, whether there is room or not.
    pub(super) fn take(self: &Arc<Self>, bytes: usize) -> Permit {
        self.add(bytes);
        Permit { share: Arc::clone(self), counted: bytes, extra: Extra::None }
    }

    fn add(&self, bytes: usize) {
        self.held.fetch_add(bytes, Ordering::SeqCst);
        for room in self.rooms() {
            room.add(bytes);
        }
    }

    /// Gives bytes back, and what has become free to those that wait: to other connections first, for these were served last.
    fn give_back(self: &Arc<Self>, bytes: usize) {
        self.held.fetch_sub(bytes, Ordering::SeqCst);
        for room in self.rooms() {
            room.subtract(bytes);
        }
        for room in self.rooms() {
            room.serve();
        }
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.serve(&mut self.waiters(), usize::MAX);
        }
    }

    /// Gives room to one response, because `room` has some. The connection was taken out of its queue, and goes back to the
    /// end if it has more responses that wait.
    pub(super) fn serve_one(self: &Arc<Self>, room: &SendingRoom) {
        let mut waiters = self.waiters();
        waiters.is_queued = false;
        let has_served = self.serve(&mut waiters, 1);
        if has_served && !waiters.responses.is_empty() && !waiters.is_queued {
            waiters.is_queued = true;
            room.enqueue(Arc::downgrade(self));
        }
    }

    /// Gives room to up to `most` of those that wait, in turn. If an account has none the connection is put into its queue.
    fn serve(self: &Arc<Self>, waiters: &mut Waiters, most: usize) -> bool {
        let mut served = 0;
        while served < most
            && let Some(first) = waiters.responses.front()
        {
            match self.try_take_small(first.bytes) {
                Ok(permit) => {
                    first.grant(permit);
                    waiters.responses.pop_front();
                    self.waiting.store(waiters.responses.len(), Ordering::SeqCst);
                    served += 1;
                }
                Err(Full::Account(room)) if !waiters.is_queued => {
                    waiters.is_queued = true;
                    room.enqueue(Arc::downgrade(self));
                    // And once more: room may have become free before the connection was in the queue.
                }
                Err(Full::Account(_) | Full::Connection) => break,
            }
        }
        served > 0
    }

    fn rooms(&self) -> impl Iterator<Item = &SendingRoom> {
        self.account.chain().map(|account| &account.sending)
    }

    fn waiters(&self) -> MutexGuard<'_, Waiters> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(crate) fn held(&self) -> Vec<usize> {
        let of_connection = self.held.load(Ordering::SeqCst);
        std::iter::once(of_connection).chain(self.rooms().map(SendingRoom::held)).collect()
    }
}

// === impl Waiter ===

impl Waiter {
    fn grant(&self, permit: Permit) {
        let mut state = self.state();
        state.permit = Some(permit);
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }

    fn state(&self) -> MutexGuard<'_, WaiterState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Waiting ===

impl Waiting {
    pub(super) fn poll(&self, cx: &Context<'_>) -> Poll<Permit> {
        let mut state = self.waiter.state();
        match state.permit.take() {
            Some(permit) => Poll::Ready(permit),
            None => {
                state.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut waiters = self.share.waiters();
        let place = waiters.responses.iter().position(|waiter| Arc::ptr_eq(waiter, &self.waiter));
        if let Some(place) = place {
            waiters.responses.remove(place);
            self.share.waiting.store(waiters.responses.len(), Ordering::SeqCst);
            // The next one may want less.
            self.share.serve(&mut waiters, usize::MAX);
            return;
        }
        drop(waiters);
        // What was granted and not taken goes to the next one.
        let granted = self.waiter.state().permit.take();
        drop(granted);
    }
}

// === impl Permit ===

impl Permit {
    /// How many bytes may be read with it.
    pub(super) fn bytes(&self) -> usize {
        self.counted + self.uncounted()
    }

    /// Makes it a permit for so many bytes, which are in memory now.
    pub(super) fn resize(&mut self, bytes: usize) {
        let counted = bytes.saturating_sub(self.uncounted());
        let before = std::mem::replace(&mut self.counted, counted);
        if counted > before {
            self.share.add(counted - before);
        } else if counted < before {
            self.share.give_back(before - counted);
        }
    }

    /// Takes room for up to so many bytes out of it.
    pub(super) fn split_off(&mut self, bytes: usize) -> Self {
        let counted = bytes.min(self.counted);
        self.counted -= counted;
        Self { share: Arc::clone(&self.share), counted, extra: Extra::None }
    }

    fn uncounted(&self) -> usize {
        if self.extra == Extra::None { 0 } else { SMALL_FRAME_BYTES }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        match self.extra {
            Extra::None => {}
            Extra::Frame => self.share.extra_frame.store(false, Ordering::SeqCst),
            Extra::Response => self.share.extra_response.store(false, Ordering::SeqCst),
        }
        self.share.give_back(self.counted);
    }
}
