//! The registry in this process: one thread, a Unix socket, a tree in a scratch folder.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use tokio::net::UnixListener;
use tokio::sync::oneshot;
use wharf_auth::AllowAll;
use wharf_core::Registry;
use wharf_http::Service;
use wharf_store::{Clock, LayoutMetadata, SystemClock};
use wharf_store_fs::{FsOptions, FsStore};

use crate::cases::Case;
use crate::client::Client;
use crate::tree::Tree;

/// Writes a scratch tree below `folder`, which is empty, serves it, and hands `act` a connection and what can be asked for.
pub fn run<T>(folder: &Path, act: impl AsyncFnOnce(&mut Client, &mut [Case]) -> Result<T>) -> Result<T> {
    let root = folder.join("tree");
    let tree = Tree::write(&root)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let socket = folder.join("socket");
        let listener = UnixListener::bind(&socket).context("cannot listen")?;
        let service = service(&root)?;
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = wharf_http::serve(listener, service, async { drop(stopped.await) });
        let asking = async {
            // Whatever happens, the server is told to stop when this is over.
            let _stop = stop;
            let mut client = Client::connect(&socket).await?;
            act(&mut client, &mut Case::all(&tree)).await
        };
        let (_, outcome) = tokio::join!(serving, asking);
        outcome
    })
}

fn service(root: &Path) -> Result<Service> {
    let options = FsOptions { clock: Arc::new(Later), ..FsOptions::new(root) };
    let store = FsStore::open(options)?;
    let metadata = LayoutMetadata::new(Arc::new(store.clone()));
    let registry = Registry::new(Arc::new(store), Arc::new(metadata), wharf_core::Options::default());
    Ok(Service::new(registry, Arc::new(AllowAll), wharf_http::Options::default()))
}

/// A clock that is ahead, so that the tree has been left alone for long enough to be believed.
#[derive(Debug)]
struct Later;

impl Clock for Later {
    fn now(&self) -> SystemTime {
        SystemClock.now() + Duration::from_secs(60)
    }
}
