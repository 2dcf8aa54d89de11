//! A file for a registry that was told to have one and has none.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use crate::secret::Secret;

/// Who the file is for; the older registry's choice.
const USER: &str = "docker";

const PASSWORD_BYTES: usize = 32;

/// bcrypt's own default, and the older registry's.
const COST: u32 = 10;

/// Why no file was made.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// There is one already; it is left as it is.
    #[error("{} exists already", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The system has no randomness to give.
    #[error("cannot make a password: the system gives no random bytes")]
    Random,
    /// The file, or the folder it is to be in, cannot be made.
    #[error("cannot make {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

pub(super) async fn create(path: PathBuf) -> Result<Secret, CreateError> {
    match tokio::task::spawn_blocking(move || create_now(&path)).await {
        Ok(created) => created,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

fn create_now(path: &Path) -> Result<Secret, CreateError> {
    let password = password()?;
    let hash = bcrypt::hash(password.expose(), COST).map_err(|_| CreateError::Random)?;
    write_new(path, &format!("{USER}:{hash}\n")).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => CreateError::Exists { path: path.to_owned() },
        _ => CreateError::Io { path: path.to_owned(), source },
    })?;
    Ok(password)
}

fn password() -> Result<Secret, CreateError> {
    let mut bytes = zeroize::Zeroizing::new([0; PASSWORD_BYTES]);
    rand::fill(bytes.as_mut_slice()).map_err(|_| CreateError::Random)?;
    Ok(Secret::new(BASE64_URL_SAFE_NO_PAD.encode(bytes.as_slice())))
}

/// Makes the file appear whole or not at all, and never in the place of another: two registries may start at once.
fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut scratch = path.as_os_str().to_owned();
    // A name that no other user of the folder can know, so that no link can wait there.
    scratch.push(format!(".{}.tmp", uuid::Uuid::now_v7().simple()));
    write_by_way_of(Path::new(&scratch), path, text)?;
    sync_folder(folder)
}

/// Writes a new file at `scratch`, makes it appear at `path`, and removes it again where it was.
fn write_by_way_of(scratch: &Path, path: &Path, text: &str) -> io::Result<()> {
    // Follows no link, and leaves alone what is there.
    let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(scratch)?;
    let written = write_and_link(file, scratch, path, text);
    let removed = fs::remove_file(scratch);
    written.and(removed)
}

fn write_and_link(mut file: fs::File, scratch: &Path, path: &Path, text: &str) -> io::Result<()> {
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    // Unlike a rename, a link does not replace what is there.
    fs::hard_link(scratch, path)
}

#[expect(clippy::disallowed_methods, reason = "a file of the operator's is no part of a store")]
fn sync_folder(folder: &Path) -> io::Result<()> {
    fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::scratch::read;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[tokio::test]
    async fn a_missing_file_is_made_for_its_owner_alone_with_a_password_nobody_knows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("auth/of/registry/htpasswd");

        let password = create(path.clone()).await.unwrap();

        let made = read(&path);
        let hash = made.strip_prefix("docker:").unwrap().strip_suffix('\n').unwrap();
        assert!(bcrypt::verify(password.expose(), hash).unwrap());
        assert_eq!(password.expose().len(), 43, "32 bytes in base64url");
        assert_eq!((mode(path.parent().unwrap()), mode(&path)), (0o700, 0o600));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[tokio::test]
    async fn a_link_in_the_place_of_the_scratch_file_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("htpasswd");
        let victim = folder.path().join("victim");
        crate::scratch::write(&victim, "precious");
        for name in [format!("htpasswd.{}.tmp", std::process::id()), "htpasswd.tmp".to_owned()] {
            std::os::unix::fs::symlink(&victim, folder.path().join(name)).unwrap();
        }

        create(path.clone()).await.unwrap();

        assert_eq!(read(&victim), "precious");
        assert!(read(&path).starts_with("docker:"));
    }

    #[test]
    fn a_scratch_file_that_is_there_is_neither_written_nor_removed() {
        let folder = tempfile::tempdir().unwrap();
        let (scratch, path) = (folder.path().join("scratch"), folder.path().join("htpasswd"));
        crate::scratch::write(&scratch, "precious");
        let error = write_by_way_of(&scratch, &path, "text").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(read(&scratch), "precious");
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_file_that_is_there_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("htpasswd");
        let first = create(path.clone()).await.unwrap();

        let error = create(path.clone()).await.unwrap_err();

        assert!(matches!(error, CreateError::Exists { .. }), "{error:?}");
        let made = read(&path);
        assert!(bcrypt::verify(first.expose(), made.trim().strip_prefix("docker:").unwrap()).unwrap());
    }
}
