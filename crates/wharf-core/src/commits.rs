//! Uploads that requests of this process are writing or committing, so that a repeated request waits for the same result.
//!
//! It does not know what a commit does. Across processes a repeated request finds the upload busy and is told to come
//! back.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::{Stream, StreamExt};
use tokio::sync::watch;
use wharf_oci::Digest;
use wharf_store::{ByteStream, UploadKey};

/// The running commits and appends. As many entries as there are requests that write.
#[derive(Debug, Clone, Default)]
pub(crate) struct Commits {
    running: Arc<Mutex<HashMap<UploadKey, Running>>>,
    /// How many requests append to an upload; at most one of them has it.
    appending: Arc<Mutex<HashMap<UploadKey, usize>>>,
}

/// An append of this request, until dropped.
#[derive(Debug)]
pub(crate) struct Append {
    commits: Commits,
    key: UploadKey,
}

/// Whether the body of the running request is complete, and how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Bytes may still come; no request waits for another client.
    Receiving,
    /// All bytes are there: the rest is ours to do.
    Committing,
    /// It succeeded.
    Done,
}

#[derive(Debug, Clone)]
struct Running {
    digest: Digest,
    phase: watch::Receiver<Phase>,
}

/// A commit of this request, until dropped.
#[derive(Debug)]
pub(crate) struct Commit {
    commits: Commits,
    key: UploadKey,
    phase: Arc<watch::Sender<Phase>>,
}

/// What another request is doing with the same upload.
#[derive(Debug)]
pub(crate) enum Claim {
    /// Nothing: this request commits.
    Ours(Commit),
    /// It is receiving its body.
    Receiving,
    /// It commits; the value says which digest, and can be waited for.
    Committing(Digest, Outcome),
}

/// The end of another request's commit.
#[derive(Debug)]
pub(crate) struct Outcome(watch::Receiver<Phase>);

// === impl Commits ===

impl Commits {
    /// Registers this request as the one that commits the upload, unless another does.
    pub(crate) fn claim(&self, key: &UploadKey, digest: &Digest) -> Claim {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        match running.entry(key.clone()) {
            Entry::Occupied(entry) => {
                let Running { digest, phase } = entry.get().clone();
                match *phase.clone().borrow() {
                    Phase::Receiving => Claim::Receiving,
                    Phase::Committing | Phase::Done => Claim::Committing(digest, Outcome(phase)),
                }
            }
            Entry::Vacant(entry) => {
                let (sender, phase) = watch::channel(Phase::Receiving);
                entry.insert(Running { digest: *digest, phase });
                Claim::Ours(Commit { commits: self.clone(), key: key.clone(), phase: Arc::new(sender) })
            }
        }
    }

    /// Registers this request as one that appends to the upload.
    pub(crate) fn append(&self, key: &UploadKey) -> Append {
        *self.appending().entry(key.clone()).or_default() += 1;
        Append { commits: self.clone(), key: key.clone() }
    }

    /// Whether a request of this process appends to the upload.
    pub(crate) fn is_appended_to(&self, key: &UploadKey) -> bool {
        self.appending().contains_key(key)
    }

    fn appending(&self) -> MutexGuard<'_, HashMap<UploadKey, usize>> {
        self.appending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Commit ===

impl Commit {
    /// No more bytes come.
    pub(crate) fn received(&self) {
        self.phase.send_replace(Phase::Committing);
    }

    /// `body`, whose end is noticed.
    pub(crate) fn watch(&self, body: ByteStream) -> ByteStream {
        let phase = Arc::clone(&self.phase);
        body.chain(ended(move || _ = phase.send_replace(Phase::Committing))).boxed()
    }

    /// The upload is a blob of its repository.
    pub(crate) fn succeeded(self) {
        self.phase.send_replace(Phase::Done);
    }
}

impl Drop for Commit {
    fn drop(&mut self) {
        self.commits.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

impl Drop for Append {
    fn drop(&mut self) {
        let mut appending = self.commits.appending();
        if let Some(requests) = appending.get_mut(&self.key) {
            *requests -= 1;
            if *requests == 0 {
                appending.remove(&self.key);
            }
        }
    }
}

// === impl Outcome ===

impl Outcome {
    /// Waits for the end; whether it succeeded.
    pub(crate) async fn succeeded(mut self) -> bool {
        // An error means that the sender is gone; the last value says how it ended.
        while *self.0.borrow_and_update() != Phase::Done {
            if self.0.changed().await.is_err() {
                return *self.0.borrow() == Phase::Done;
            }
        }
        true
    }
}

/// An empty stream that runs `then` when it is asked for an item.
fn ended<T: Send + 'static>(then: impl FnOnce() + Send + 'static) -> impl Stream<Item = T> + Send {
    futures_util::stream::once(async move {
        then();
        None
    })
    .filter_map(std::future::ready)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(commits: &Commits) -> Claim {
        let key = UploadKey { repository: "a".parse().unwrap(), id: "u1".parse().unwrap() };
        commits.claim(&key, &Digest::of(b"x"))
    }

    #[tokio::test]
    async fn a_repeated_commit_waits_for_the_first_one() {
        let commits = Commits::default();
        let Claim::Ours(first) = claim(&commits) else { panic!("nothing else runs") };
        assert!(matches!(claim(&commits), Claim::Receiving));
        let mut body = first.watch(futures_util::stream::empty().boxed());
        assert!(body.next().await.is_none());
        let Claim::Committing(digest, outcome) = claim(&commits) else { panic!("its body has ended") };
        assert_eq!(digest, Digest::of(b"x"));
        first.succeeded();
        assert!(outcome.succeeded().await);
        assert!(matches!(claim(&commits), Claim::Ours(_)), "the first one is over");
    }

    #[tokio::test]
    async fn a_commit_that_ends_without_success_is_reported_as_that() {
        let commits = Commits::default();
        let Claim::Ours(first) = claim(&commits) else { panic!("nothing else runs") };
        first.received();
        let Claim::Committing(_, outcome) = claim(&commits) else { panic!("its body has ended") };
        drop(first);
        assert!(!outcome.succeeded().await);
    }
}
