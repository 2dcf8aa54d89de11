//! Registries that live as long as a test: in this process, on a port of their own.

use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use wharf_auth::{AllowAll, Authorizer};
use wharf_core::Registry;
use wharf_http::{Drained, Listener, Service, TlsSource};
use wharf_store::{BlobStore, LayoutMetadata, MemoryStore, Objects};
use wharf_store_fs::{FsOptions, FsStore, Fsync};

use crate::deadline::within;
use crate::flaky::{Faults, FlakyBlobs, FlakyObjects};
use crate::wire::Server;

/// A registry that is being served. It is used as the [`Server`] it is.
///
/// Dropping it tells it to stop and does not wait; [`stop`](Self::stop) waits.
#[derive(Debug)]
pub struct ScratchRegistry {
    server: Server,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<Drained>,
    drained: Option<Drained>,
    registry: Registry,
    /// Kept for as long as somebody may look into it.
    _directory: Option<TempDir>,
}

/// How a scratch registry ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped {
    /// Connections closed in the middle of a request.
    pub connections_cut: usize,
    /// Operations that had begun to change something and were not done.
    pub tasks_left: usize,
}

/// What a scratch registry shall be like.
#[derive(Debug, Clone)]
pub struct Setup {
    /// What the operator wants of the registry.
    pub registry: wharf_core::Options,
    /// What the operator wants of the edge.
    pub edge: wharf_http::Options,
    /// Who may do what.
    pub authorizer: Arc<dyn Authorizer>,
    /// How much is synced on the filesystem. Nothing: a test that cuts no power has nothing to lose.
    pub fsync: Fsync,
    /// What goes wrong in the stores.
    pub faults: Option<Faults>,
    /// What TLS is spoken with, if it is.
    pub tls: Option<Arc<dyn TlsSource>>,
}

// === impl Setup ===

impl Default for Setup {
    fn default() -> Self {
        Self {
            registry: wharf_core::Options::default(),
            edge: wharf_http::Options::default(),
            authorizer: Arc::new(AllowAll),
            fsync: Fsync::None,
            faults: None,
            tls: None,
        }
    }
}

// === impl ScratchRegistry ===

impl ScratchRegistry {
    /// An empty registry on the filesystem.
    pub async fn start() -> Self {
        Self::start_with(Setup::default()).await
    }

    /// An empty registry on the filesystem, set up in some way.
    pub async fn start_with(setup: Setup) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut started = Self::over(directory.path(), setup).await;
        started._directory = Some(directory);
        started
    }

    /// A registry over a tree that is there already, perhaps served by others at the same time.
    pub async fn over(root: &Path, setup: Setup) -> Self {
        let options = FsOptions { fsync: setup.fsync, ..FsOptions::new(root) };
        let store = FsStore::open(options).unwrap();
        Self::serve(Arc::new(store.clone()), Arc::new(store), setup).await
    }

    /// An empty registry in memory.
    pub async fn memory() -> Self {
        Self::memory_with(Setup::default()).await
    }

    /// An empty registry in memory, set up in some way.
    pub async fn memory_with(setup: Setup) -> Self {
        let store = MemoryStore::with_clock(Arc::clone(&setup.registry.clock));
        Self::serve(Arc::new(store.clone()), Arc::new(store), setup).await
    }

    /// An empty registry in memory, and a test's hand on its stores.
    pub async fn flaky() -> (Self, Faults) {
        let faults = Faults::default();
        let setup = Setup { faults: Some(faults.clone()), ..Setup::default() };
        (Self::memory_with(setup).await, faults)
    }

    /// Tells the registry to stop, as a signal would, and does not wait.
    pub fn ask_to_stop(&mut self) {
        // It can have stopped by itself only if it panicked, which waiting for it will show.
        let _ = self.stop.take().map(|stop| stop.send(()));
    }

    /// Tells the server to stop and waits until it has; the registry's tasks may go on.
    pub async fn stop_serving(&mut self) -> Drained {
        self.ask_to_stop();
        if let Some(drained) = self.drained {
            return drained;
        }
        let drained = within("the registry to stop", &mut self.serving).await.unwrap();
        *self.drained.insert(drained)
    }

    /// Tells the registry to stop, waits until it has, and gives what was left undone.
    pub async fn stop(mut self) -> Stopped {
        let Drained { connections_cut, time_left } = self.stop_serving().await;
        let tasks_left = self.registry.tasks().drain_within(time_left).await;
        Stopped { connections_cut, tasks_left }
    }

    /// Drops the server in the middle of what it does.
    pub async fn abort(mut self) {
        self.serving.abort();
        let ended = within("the server to be dropped", &mut self.serving).await;
        assert!(ended.unwrap_err().is_cancelled());
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the task is awaited in `stop` or dies with the test's runtime"
    )]
    async fn serve(mut blobs: Arc<dyn BlobStore>, mut objects: Arc<dyn Objects>, setup: Setup) -> Self {
        if let Some(faults) = &setup.faults {
            blobs = Arc::new(FlakyBlobs::new(blobs, faults.clone()));
            objects = Arc::new(FlakyObjects::new(objects, faults.clone()));
        }
        let registry = Registry::new(blobs, Arc::new(LayoutMetadata::new(objects)), setup.registry);
        let service = Service::new(registry.clone(), setup.authorizer, setup.edge);

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Server::at(listener.local_addr().unwrap());
        let listener = match setup.tls {
            Some(source) => Listener::from(listener).with_tls(source),
            None => listener.into(),
        };
        let (stop, stopped) = oneshot::channel();
        let until_stopped = async {
            // Dropped without a word is told to stop, too.
            let _ = stopped.await;
        };
        Self {
            server,
            stop: Some(stop),
            serving: tokio::spawn(wharf_http::serve(listener, service, until_stopped)),
            drained: None,
            registry,
            _directory: None,
        }
    }
}

// === impl Stopped ===

impl Stopped {
    /// Whether everything came to its end in time.
    pub fn is_clean(&self) -> bool {
        self.connections_cut == 0 && self.tasks_left == 0
    }
}

impl Deref for ScratchRegistry {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}
