//! Where a test may stop what runs on a disk, between any two of its steps. They have the names of the model's.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Called before each step, with its name, on the thread that is about to make it.
type Hook = Arc<dyn Fn(&'static str) + Send + Sync>;

/// The hook of a test, if there is one.
#[derive(Default)]
pub(crate) struct Steps(Mutex<Option<Hook>>);

impl Steps {
    pub(crate) fn hook(&self, hook: impl Fn(&'static str) + Send + Sync + 'static) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(hook));
    }

    pub(super) fn at(&self, name: &'static str) {
        let hook = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(hook) = hook {
            hook(name);
        }
    }
}

impl fmt::Debug for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Steps")
    }
}
