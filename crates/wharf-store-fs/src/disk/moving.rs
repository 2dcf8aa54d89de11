//! Files that move to another place of the tree, which may be on another file system.
//!
//! A rename across file systems is refused by the kernel (`EXDEV`), also between two mounts or two quotas of one. Then the
//! bytes are copied to a temporary file beside their place, verified and synced there, and that file is renamed.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use wharf_oci::{Digest, Hasher};
use wharf_store::PutIf;

use super::Disk;
use super::write::Temporary;

/// Bytes copied at once.
const BLOCK_BYTES: usize = 256 * 1024;

/// A file that has its name.
pub(super) struct Moved {
    /// The file that is there now.
    pub(super) file: Arc<File>,
    /// Whether the old name is still there, with the old file.
    pub(super) is_copy: bool,
}

impl Disk {
    /// Moves the synced file `data` from the path `from` to the path `to`, over what is there, whose folder exists. `digest` is
    /// that of its bytes; where they are copied it is verified.
    pub(super) fn move_file(
        &self,
        from: &Path,
        data: &Arc<File>,
        to: &Path,
        digest: &Digest,
    ) -> io::Result<Moved> {
        match std::fs::rename(from, to) {
            Ok(()) => Ok(Moved { file: Arc::clone(data), is_copy: false }),
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                let file = self.copy_file(data, to, digest)?;
                Ok(Moved { file, is_copy: true })
            }
            Err(error) => Err(error),
        }
    }

    fn copy_file(&self, data: &File, to: &Path, digest: &Digest) -> io::Result<Arc<File>> {
        let temporary = Temporary::create(to)?;
        let copied = copy(data, &temporary.file, Hasher::new(digest.algorithm()))?;
        if copied != *digest {
            let problem = format!("the bytes that were read for the copy hash to {copied}, not {digest}");
            return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
        }
        // A blob's age is the time at which its upload was committed, by the store's clock.
        temporary.file.set_modified(data.metadata()?.modified()?)?;
        self.sync_file(&temporary.file, &temporary.path)?;
        let file = Arc::clone(&temporary.file);
        temporary.publish(to, &PutIf::Any)?;
        Ok(file)
    }
}

/// Copies all bytes of `from`, whatever its own position is; returns the digest of what was written.
fn copy(from: &File, mut to: &File, mut hasher: Hasher) -> io::Result<Digest> {
    let mut block = vec![0; BLOCK_BYTES];
    loop {
        match from.read_at(&mut block, hasher.bytes_hashed()) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(length) => {
                let bytes = &block[..length];
                to.write_all(bytes)?;
                hasher.update(bytes);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
