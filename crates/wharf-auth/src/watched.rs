//! A file that is read again when it has changed.
//!
//! What is in it is the caller's; here is only when it is read, and that a version that cannot be used never replaces
//! one that can. Nobody is told of a change: whoever wants the value asks each time, and a check costs one `stat` a
//! second at most.

use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime};
use std::{fmt, fs};

use aws_lc_rs::digest::{SHA256, digest};

use crate::clock::Clock;

/// How long a look at the file is good for.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// A file that has changed within this time may change again without its times showing it: the kernel counts them in
/// ticks. It is read again until it is older.
const SETTLED_AFTER: Duration = Duration::from_secs(2);

/// The longest file that is read; a hundred thousand users are 8 MB.
const FILE_LIMIT_BYTES: u64 = 16 << 20;

/// An error of whatever a file is parsed with.
pub type ParseError = Box<dyn std::error::Error + Send + Sync>;

/// What a file says, as of its newest version that could be used.
pub struct Watched<T>(Arc<Inner<T>>);

struct Inner<T> {
    path: PathBuf,
    parse: Parse<T>,
    clock: Arc<dyn Clock>,
    current: RwLock<Arc<T>>,
    /// When the file was last looked at, in milliseconds of uptime.
    checked: AtomicU64,
    seen: Mutex<Seen>,
}

type Parse<T> = Box<dyn Fn(&[u8]) -> Result<T, ParseError> + Send + Sync>;

/// What was found at the last look.
#[derive(Default)]
struct Seen {
    /// `None` if the file has to be read at the next look, whatever its times say.
    stamp: Option<Stamp>,
    /// The hash of what was read.
    content: Vec<u8>,
    /// What has been complained about; the same is not said twice.
    complaint: Option<String>,
}

/// What tells one version of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: (i64, i64),
    /// Changes with every write, even by a tool that sets the time of modification back.
    changed: (i64, i64),
    size: u64,
    inode: (u64, u64),
}

/// Why a file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum WatchedError {
    /// It is not there.
    #[error("{} does not exist", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// It is there and cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It was read and makes no sense.
    #[error("{} cannot be used", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ParseError,
    },
}

// === impl Watched ===

impl<T: Send + Sync + 'static> Watched<T> {
    /// Reads the file for the first time.
    pub async fn open(
        path: impl Into<PathBuf>,
        clock: Arc<dyn Clock>,
        parse: impl Fn(&[u8]) -> Result<T, ParseError> + Send + Sync + 'static,
    ) -> Result<Self, WatchedError> {
        let path = path.into();
        let open = move || Inner::open(path, clock, Box::new(parse)).map(|inner| Self(Arc::new(inner)));
        match tokio::task::spawn_blocking(open).await {
            Ok(opened) => opened,
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }

    /// What the file says. Whoever comes when a look is due waits for it; others get what is known.
    pub async fn get(&self) -> Arc<T> {
        if self.0.check_is_due() {
            let inner = Arc::clone(&self.0);
            // What it finds is kept even if nobody waits for it any more.
            if let Err(error) = tokio::task::spawn_blocking(move || inner.check()).await {
                tracing::error!(path = %self.0.path.display(), %error, "a watched file could not be looked at");
            }
        }
        self.0.current()
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }
}

// === impl Inner ===

impl<T> Inner<T> {
    fn open(path: PathBuf, clock: Arc<dyn Clock>, parse: Parse<T>) -> Result<Self, WatchedError> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => WatchedError::Missing { path: path.clone() },
            _ => WatchedError::Unreadable { path: path.clone(), source },
        };
        let (stamp, bytes) = read(&path).map_err(failed)?;
        let value = parse(&bytes).map_err(|source| WatchedError::Unusable { path: path.clone(), source })?;
        let mut seen = Seen::default();
        seen.remember(stamp, hash(&bytes), clock.now());
        Ok(Self {
            checked: AtomicU64::new(milliseconds(clock.uptime())),
            current: RwLock::new(Arc::new(value)),
            seen: Mutex::new(seen),
            path,
            parse,
            clock,
        })
    }

    fn current(&self) -> Arc<T> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// True for one caller each time a look is due.
    fn check_is_due(&self) -> bool {
        let now = milliseconds(self.clock.uptime());
        let last = self.checked.load(Ordering::Relaxed);
        now.saturating_sub(last) >= milliseconds(CHECK_EVERY)
            && self.checked.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Looks at the file, and takes over what it says if it has changed.
    fn check(&self) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match self.changed(&mut seen) {
            Ok(None) => {}
            Ok(Some(value)) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(value);
                seen.complaint = None;
                tracing::info!(path = %self.path.display(), "a file was read again because it has changed");
            }
            Err(error) => self.complain(&mut seen, &error),
        }
    }

    /// The file's value, if it is another than the one that is known.
    fn changed(&self, seen: &mut Seen) -> Result<Option<T>, ParseError> {
        if seen.stamp.is_some() && seen.stamp == Some(Stamp::of(&fs::metadata(&self.path)?)) {
            return Ok(None);
        }
        let (stamp, bytes) = read(&self.path)?;
        let content = hash(&bytes);
        let same = content == seen.content;
        seen.remember(stamp, content, self.clock.now());
        if same { Ok(None) } else { (self.parse)(&bytes).map(Some) }
    }

    fn complain(&self, seen: &mut Seen, error: &ParseError) {
        let complaint = error.to_string();
        if seen.complaint.as_ref() != Some(&complaint) {
            let path = self.path.display();
            tracing::error!(%path, error = &**error as &dyn std::error::Error, "a file has changed and cannot be used: what it said before stays in force until it is mended");
            seen.complaint = Some(complaint);
        }
    }
}

// === impl Seen ===

impl Seen {
    fn remember(&mut self, stamp: Stamp, content: Vec<u8>, now: SystemTime) {
        self.stamp = stamp.is_settled(now).then_some(stamp);
        self.content = content;
    }
}

// === impl Stamp ===

impl Stamp {
    fn of(metadata: &fs::Metadata) -> Self {
        Self {
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            size: metadata.size(),
            inode: (metadata.dev(), metadata.ino()),
        }
    }

    fn is_settled(&self, now: SystemTime) -> bool {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let newest = u64::try_from(self.modified.0.max(self.changed.0)).unwrap_or_default();
        now.as_secs() > newest + SETTLED_AFTER.as_secs()
    }
}

/// The file's bytes, of one version of it.
#[expect(clippy::disallowed_methods, reason = "a file of the operator's is no part of a store")]
fn read(path: &Path) -> io::Result<(Stamp, Vec<u8>)> {
    // Opening a pipe would wait for somebody to write to it.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let file = fs::File::open(path)?;
    let before = Stamp::of(&file.metadata()?);
    if before.size > FILE_LIMIT_BYTES {
        let message = format!("it is longer than {FILE_LIMIT_BYTES} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    let mut bytes = Vec::new();
    (&file).take(FILE_LIMIT_BYTES).read_to_end(&mut bytes)?;
    if Stamp::of(&file.metadata()?) != before {
        return Err(io::Error::new(io::ErrorKind::ResourceBusy, "it is being written to"));
    }
    Ok((before, bytes))
}

fn hash(bytes: &[u8]) -> Vec<u8> {
    digest(&SHA256, bytes).as_ref().to_vec()
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl<T: fmt::Debug> fmt::Debug for Watched<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("path", &self.0.path).field("value", &self.0.current()).finish()
    }
}

#[cfg(test)]
mod tests;
