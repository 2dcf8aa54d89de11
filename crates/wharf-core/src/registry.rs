//! The registry and what it is made of.

use std::sync::Arc;

use wharf_oci::RepositoryName;
use wharf_store::{BlobSizes, BlobStore, BlobUrls, Change, Clock, MetadataStore, SystemClock};

use crate::commits::Commits;
use crate::error::{Error, Result};
use crate::events::{Event, EventKind, EventSink};
use crate::limits::Limits;
use crate::manifests::cache::ManifestCache;
use crate::referrers::fallback::FallbackCache;
use crate::tasks::Tasks;
use crate::validation::Validation;

/// A registry over two stores. Cheap to clone.
///
/// Every operation is a method; they are grouped in the files of this crate as the specification groups them: blobs,
/// uploads, mounts, manifests, listings, referrers.
#[derive(Debug, Clone)]
pub struct Registry(Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) blobs: Arc<dyn BlobStore>,
    pub(crate) metadata: Arc<dyn MetadataStore>,
    pub(crate) options: Options,
    pub(crate) tasks: Tasks,
    pub(crate) commits: Commits,
    pub(crate) manifests: ManifestCache,
    pub(crate) fallbacks: FallbackCache,
}

/// How the operator wants it.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whether manifests, tags and blobs may be deleted (`storage.delete.enabled`).
    pub deletes: bool,
    /// What a manifest must fulfil (`validation`).
    pub validation: Validation,
    /// How much one request may make the registry do.
    pub limits: Limits,
    /// From where clients may fetch blobs themselves, if they may.
    pub urls: Option<Arc<dyn BlobUrls>>,
    /// Who remembers how long blobs are, where the store is slow to say.
    pub sizes: Option<Arc<dyn BlobSizes>>,
    /// Who hears of changes.
    pub events: Option<Arc<dyn EventSink>>,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
}

/// Who asked for something, and in which request.
#[derive(Debug, Clone)]
pub struct Cause {
    /// Who; `None` for an anonymous caller.
    pub actor: Option<Arc<str>>,
    /// The request, as it is named in the logs.
    pub request_id: Arc<str>,
}

// === impl Options ===

impl Default for Options {
    fn default() -> Self {
        Self {
            deletes: true,
            validation: Validation::default(),
            limits: Limits::default(),
            urls: None,
            sizes: None,
            events: None,
            clock: Arc::new(SystemClock),
        }
    }
}

// === impl Registry ===

impl Registry {
    /// The registry whose bytes are in `blobs` and whose facts are in `metadata`.
    pub fn new(blobs: Arc<dyn BlobStore>, metadata: Arc<dyn MetadataStore>, options: Options) -> Self {
        Self(Arc::new(Inner {
            blobs,
            metadata,
            options,
            tasks: Tasks::default(),
            commits: Commits::default(),
            manifests: ManifestCache::default(),
            fallbacks: FallbackCache::default(),
        }))
    }

    /// The work that runs to its end, for whoever stops the process.
    pub fn tasks(&self) -> &Tasks {
        &self.0.tasks
    }

    pub(crate) fn commits(&self) -> &Commits {
        &self.0.commits
    }

    pub(crate) fn blobs(&self) -> &dyn BlobStore {
        &*self.0.blobs
    }

    pub(crate) fn metadata(&self) -> &dyn MetadataStore {
        &*self.0.metadata
    }

    pub(crate) fn manifest_cache(&self) -> &ManifestCache {
        &self.0.manifests
    }

    pub(crate) fn fallback_cache(&self) -> &FallbackCache {
        &self.0.fallbacks
    }

    pub(crate) fn validation(&self) -> &Validation {
        &self.0.options.validation
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.0.options.limits
    }

    pub(crate) fn urls(&self) -> Option<&dyn BlobUrls> {
        self.0.options.urls.as_deref()
    }

    pub(crate) fn sizes(&self) -> Option<&dyn BlobSizes> {
        self.0.options.sizes.as_deref()
    }

    pub(crate) fn change<'a>(&self, cause: &'a Cause) -> Change<'a> {
        Change {
            actor: cause.actor.as_deref(),
            request_id: &cause.request_id,
            at: self.0.options.clock.now(),
        }
    }

    /// Tells who wants to know. `kind` is made only if there is somebody.
    pub(crate) fn emit(&self, cause: &Cause, repository: &RepositoryName, kind: impl FnOnce() -> EventKind) {
        let Some(sink) = &self.0.options.events else {
            return;
        };
        sink.emit(Event {
            repository: repository.clone(),
            kind: kind(),
            actor: cause.actor.clone(),
            request_id: Arc::clone(&cause.request_id),
            at: self.0.options.clock.now(),
        });
    }

    pub(crate) fn deletes_allowed(&self) -> Result<()> {
        if self.0.options.deletes { Ok(()) } else { Err(Error::DeletesDisabled) }
    }
}
