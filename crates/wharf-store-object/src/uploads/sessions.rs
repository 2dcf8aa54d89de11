//! What one process knows of the uploads it works on: who writes, and what was read a moment ago.

use std::collections::{HashMap, HashSet};
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use wharf_oci::Digest;
use wharf_store::{Error, Result, UploadKey};

use super::record::Record;

/// How long what was read of an upload stands in for reading it again. One request asks for the state and goes on with it
/// at once; longer, and another replica's writes would be overlooked more often.
const FRESH: Duration = Duration::from_secs(2);

/// When this many records are remembered, those that are no longer fresh are dropped, and all if none is.
const MAX_REMEMBERED: usize = 256;

/// How long this process answers from memory that an upload is finished. Afterwards its record is asked.
const FINISHED_FRESH: Duration = Duration::from_mins(10);

/// When this many finished uploads are remembered, those of which that was long ago are forgotten, and all if none is; what
/// is left of them in the bucket is the purger's.
const MAX_FINISHED: usize = 4096;

/// The uploads of this process. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sessions(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    writers: HashSet<UploadKey>,
    seen: HashMap<UploadKey, Seen>,
    finished: HashMap<UploadKey, Finished>,
    readings: u64,
}

/// An upload that was published by this process and is not closed.
#[derive(Debug, Clone)]
pub(super) struct Finished {
    pub(super) digest: Digest,
    pub(super) size: u64,
    /// When the upload was begun.
    pub(super) begun: SystemTime,
    /// When it was published.
    pub(super) at: SystemTime,
    /// The keys of its objects beside the record.
    pub(super) objects: Vec<String>,
}

/// A record as it was found in the bucket.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) record: Record,
    /// The tag of its object.
    pub(super) etag: String,
}

#[derive(Debug)]
struct Seen {
    at: SystemTime,
    what: What,
}

#[derive(Debug)]
enum What {
    /// It is being read. A writer that comes meanwhile takes this away, and then what was read is not kept.
    Reading(u64),
    Read(Box<Found>),
}

/// The reading of a record.
#[derive(Debug)]
pub(super) struct Reading {
    sessions: Sessions,
    key: UploadKey,
    number: u64,
}

/// The right to write one upload; given back when dropped.
#[derive(Debug)]
pub(super) struct Writer {
    sessions: Sessions,
    key: UploadKey,
    leave: Option<Seen>,
}

// === impl Sessions ===

impl Sessions {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that the record is about to be read.
    pub(super) fn reading(&self, key: &UploadKey, now: SystemTime) -> Option<Reading> {
        let mut state = self.state();
        if state.writers.contains(key) {
            return None;
        }
        state.readings += 1;
        let number = state.readings;
        state.remember(key, Seen { at: now, what: What::Reading(number) });
        Some(Reading { sessions: self.clone(), key: key.clone(), number })
    }

    /// What the upload was published as, if that was a short while ago.
    pub(super) fn finished(&self, key: &UploadKey, now: SystemTime) -> Option<Finished> {
        self.state().finished.get(key).filter(|finished| finished.is_fresh(now)).cloned()
    }

    /// Remembers that an upload was published.
    pub(super) fn finish(&self, key: &UploadKey, finished: Finished) {
        let (mut state, now) = (self.state(), finished.at);
        if state.finished.len() >= MAX_FINISHED {
            state.finished.retain(|_, other| other.is_fresh(now));
        }
        if state.finished.len() >= MAX_FINISHED {
            state.finished.clear();
        }
        state.finished.insert(key.clone(), finished);
    }

    /// Forgets that an upload was published.
    pub(super) fn unfinish(&self, key: &UploadKey) -> Option<Finished> {
        self.state().finished.remove(key)
    }

    /// The right to write, and what was read of the upload a moment ago.
    pub(super) fn write(&self, key: &UploadKey, now: SystemTime) -> Result<(Writer, Option<Found>)> {
        let mut state = self.state();
        if !state.writers.insert(key.clone()) {
            return Err(Error::UploadBusy { key: key.clone() });
        }
        let found =
            state.seen.remove(key).filter(|seen| seen.is_fresh(now)).and_then(|seen| match seen.what {
                What::Read(found) => Some(*found),
                What::Reading(_) => None,
            });
        Ok((Writer { sessions: self.clone(), key: key.clone(), leave: None }, found))
    }
}

// === impl State ===

impl State {
    fn remember(&mut self, key: &UploadKey, seen: Seen) {
        if self.seen.len() >= MAX_REMEMBERED {
            self.seen.retain(|_, other| other.is_fresh(seen.at));
        }
        if self.seen.len() >= MAX_REMEMBERED {
            self.seen.clear();
        }
        self.seen.insert(key.clone(), seen);
    }
}

// === impl Finished ===

impl Finished {
    fn is_fresh(&self, now: SystemTime) -> bool {
        now.duration_since(self.at).is_ok_and(|age| age < FINISHED_FRESH)
    }
}

// === impl Seen ===

impl Seen {
    fn is_fresh(&self, now: SystemTime) -> bool {
        now.duration_since(self.at).is_ok_and(|age| age < FRESH)
    }
}

// === impl Reading ===

impl Reading {
    /// Keeps what was read for the writer that comes next.
    pub(super) fn keep(self, found: Found) {
        let mut state = self.sessions.state();
        if let Some(seen) = state.seen.get_mut(&self.key)
            && matches!(seen.what, What::Reading(number) if number == self.number)
        {
            seen.what = What::Read(Box::new(found));
        }
    }
}

// === impl Writer ===

impl Writer {
    /// Leaves what was written for the writer that comes next.
    pub(super) fn leave(&mut self, found: Found, now: SystemTime) {
        self.leave = Some(Seen { at: now, what: What::Read(Box::new(found)) });
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let mut state = self.sessions.state();
        state.writers.remove(&self.key);
        state.seen.remove(&self.key);
        if let Some(seen) = mem::take(&mut self.leave) {
            state.remember(&self.key, seen);
        }
    }
}

#[cfg(test)]
mod tests {
    use wharf_oci::Algorithm;
    use wharf_store::suite::key;

    use super::*;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    fn found() -> Found {
        Found { record: Record::new(NOW, Algorithm::Sha256, 10), etag: "tag".to_owned() }
    }

    fn is_remembered(sessions: &Sessions, now: SystemTime) -> bool {
        sessions.write(&key("a", "u"), now).unwrap().1.is_some()
    }

    #[test]
    fn what_was_read_is_taken_once_and_soon() {
        let sessions = Sessions::default();
        sessions.reading(&key("a", "u"), NOW).unwrap().keep(found());
        assert!(is_remembered(&sessions, NOW + Duration::from_secs(1)));
        assert!(!is_remembered(&sessions, NOW));
        sessions.reading(&key("a", "u"), NOW).unwrap().keep(found());
        assert!(!is_remembered(&sessions, NOW + FRESH));
    }

    #[test]
    fn what_was_read_while_somebody_wrote_is_not_kept() {
        let sessions = Sessions::default();
        let before = sessions.reading(&key("a", "u"), NOW).unwrap();
        let writer = sessions.write(&key("a", "u"), NOW).unwrap();
        assert!(sessions.reading(&key("a", "u"), NOW).is_none());
        drop(writer);
        before.keep(found());
        assert!(!is_remembered(&sessions, NOW));
    }

    #[test]
    fn a_bounded_number_of_finished_uploads_is_remembered_for_a_while() {
        let sessions = Sessions::default();
        let finished =
            Finished { digest: Digest::of(b"x"), size: 1, begun: NOW, at: NOW, objects: Vec::new() };
        for number in 0..2 * MAX_FINISHED + 1 {
            sessions.finish(&key("a", &format!("u{number}")), finished.clone());
            assert!(sessions.state().finished.len() <= MAX_FINISHED);
        }
        let last = key("a", &format!("u{}", 2 * MAX_FINISHED));
        assert!(sessions.finished(&last, NOW).is_some());
        assert!(sessions.finished(&last, NOW + FINISHED_FRESH).is_none());
    }

    #[test]
    fn a_bounded_number_is_remembered() {
        let sessions = Sessions::default();
        for number in 0..3 * MAX_REMEMBERED {
            sessions.reading(&key("a", &format!("u{number}")), NOW).unwrap().keep(found());
            assert!(sessions.state().seen.len() <= MAX_REMEMBERED);
        }
    }
}
