//! One writer for each upload, within this process.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use wharf_store::{Error, Result, UploadKey};

/// The uploads that are being written at this moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Writers(Arc<Mutex<HashSet<UploadKey>>>);

/// The right to write one upload. It travels with the work, to whichever thread that goes, and is given back when the
/// work is over, whether or not anybody still waits for it.
#[derive(Debug)]
pub(crate) struct Writer {
    writers: Writers,
    pub(crate) key: UploadKey,
}

impl Writers {
    pub(crate) fn take(&self, key: &UploadKey) -> Result<Writer> {
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone());
        if taken {
            Ok(Writer { writers: self.clone(), key: key.clone() })
        } else {
            Err(Error::UploadBusy { key: key.clone() })
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.writers.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}
