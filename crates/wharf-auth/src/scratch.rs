//! Files for tests.
#![expect(
    clippy::disallowed_methods,
    reason = "tests play the operator, who has any way there is to change a file"
)]

use std::fs;
use std::path::Path;

pub(crate) fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

/// Changes a file in place.
pub(crate) fn write(path: &Path, text: impl AsRef<[u8]>) {
    fs::write(path, text).unwrap();
}

/// Puts another file in the place of one.
pub(crate) fn replace(path: &Path, text: impl AsRef<[u8]>) {
    let new = path.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::rename(&new, path).unwrap();
}
