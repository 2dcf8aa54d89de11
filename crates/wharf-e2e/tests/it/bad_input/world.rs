//! A registry with something in it that must not change, and what a row may ask for by name.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tempfile::TempDir;
use wharf_core::Registry;
use wharf_http::Limits;
use wharf_oci::{Digest, ManifestKind};
use wharf_store::{LayoutMetadata, Retry};
use wharf_store_fs::{FsOptions, FsStore};
use wharf_testkit::flaky::Faults;
use wharf_testkit::images::{Image, Manifest};
use wharf_testkit::push;
use wharf_testkit::registry::{ScratchRegistry, Setup};

use crate::NOBODYS;
use crate::guard::ByName;

/// How the registry that is asked is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Usual,
    /// Nothing may be changed.
    ReadOnly,
    /// Nothing may be deleted.
    WithoutDeletes,
    /// Whoever asks is refused, each in his way.
    Guarded,
    /// The store fails, and may soon be well again.
    Later,
    /// The store fails for good.
    Broken,
    /// A body may be silent for a moment only.
    Impatient,
}

/// The registry that is asked, and another over the same tree that does as it should.
#[derive(Debug)]
pub(super) struct World {
    pub(super) asked: ScratchRegistry,
    pub(super) whole: ScratchRegistry,
    image: Manifest,
    blob: Digest,
    directory: TempDir,
}

/// Every file and its size.
pub(super) type Listing = BTreeMap<String, u64>;

// === impl World ===

impl World {
    pub(super) async fn start(place: Place) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let whole = ScratchRegistry::over(directory.path(), Setup::default()).await;
        let (image, docker) = (Image::random(1), Image::docker(2));
        push::image(&whole, "a", "latest", &image).await;
        push::image(&whole, "a", "docker", &docker).await;
        let list = Manifest::index(ManifestKind::DockerList, &[(&docker.manifest, "linux/arm64")]);
        push::manifest(&whole, "a", "list", &list).await;

        let (setup, faults) = place.setup();
        let asked = ScratchRegistry::over(directory.path(), setup).await;
        match place {
            Place::Later => faults.fail_everything(Retry::Later),
            Place::Broken => faults.fail_everything(Retry::Never),
            _ => {}
        }
        let blob = image.layers[0].digest;
        Self { asked, whole, image: image.manifest, blob, directory }
    }

    /// A text with the names in it replaced by what they stand for.
    pub(super) fn fill(&self, text: &str, upload: &str) -> String {
        fill(text, &self.blob.to_string(), &self.image.digest.to_string(), upload)
    }

    pub(super) fn listing(&self) -> Listing {
        let mut listing = Listing::new();
        list(self.directory.path(), &mut listing);
        // The files that locks are on are made when they are first used, and stay. Nothing is stored in them.
        listing.retain(|path, size| !(path.contains("/wharf/locks/") && *size == 0));
        listing
    }

    /// What `latest` has to be.
    pub(super) fn image(&self) -> &Bytes {
        &self.image.bytes
    }

    /// Opens an upload with five bytes in it and gives its path, without the offset.
    pub(super) async fn upload(&self) -> String {
        let location = push::begin(&self.whole, "a").await;
        let response = self.whole.patch(location).body("12345").send().await.expect(202);
        response.location().split_once('?').expect("an offset").0.to_owned()
    }

    /// Removes every open upload, as the purger does.
    pub(super) async fn purge(&self) {
        let store = Arc::new(FsStore::open(FsOptions::new(self.directory.path())).expect("a store"));
        let metadata = Arc::new(LayoutMetadata::new(Arc::clone(&store) as _));
        let registry = Registry::new(store, metadata, wharf_core::Options::default());
        let end_of_time = SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 40);
        let purged = registry.purge_uploads(end_of_time, false).await.expect("a purge");
        assert!(purged.removed > 0, "{purged:?}");
    }
}

/// The same without a registry: for looking at a row's request line.
pub(super) fn fill_for_show(text: &str) -> String {
    fill(text, NOBODYS, NOBODYS, "01890a5d-ac96-774b-bcce-b302099a8057")
}

fn fill(text: &str, blob: &str, image: &str, upload: &str) -> String {
    text.replace("{blob}", blob)
        .replace("{image}", image)
        .replace("{none}", NOBODYS)
        .replace("{open}", upload)
}

fn list(directory: &Path, listing: &mut Listing) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let entry = entry.expect("an entry");
        let metadata = entry.metadata().expect("an entry's size");
        if metadata.is_dir() {
            list(&entry.path(), listing);
        } else {
            listing.insert(entry.path().display().to_string(), metadata.len());
        }
    }
}

// === impl Place ===

impl Place {
    fn setup(self) -> (Setup, Faults) {
        let (mut setup, faults) = (Setup::default(), Faults::default());
        match self {
            Self::Usual => {}
            Self::ReadOnly => setup.edge.read_only = true,
            Self::WithoutDeletes => setup.registry.deletes = false,
            Self::Guarded => setup.authorizer = Arc::new(ByName),
            Self::Later | Self::Broken => setup.faults = Some(faults.clone()),
            Self::Impatient => {
                setup.edge.limits =
                    Limits { body_idle_timeout: Duration::from_millis(50), ..Limits::default() };
            }
        }
        (setup, faults)
    }
}
