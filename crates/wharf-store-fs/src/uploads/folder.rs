//! The folder of an upload: how it is made, what can be told from it, how it goes.
//!
//! It is made in the order `data`, `startedat`, and taken away in the order `startedat`, `data`, the rest, so that one
//! that is half made or half gone is never mistaken for an upload of nothing: that is what `startedat` alone is.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::SystemTime;

use rustix::fs::FlockOperation;
use wharf_oci::{Algorithm, Hasher};
use wharf_store::layout::{Dir, Key};
use wharf_store::{Announced, Error, Result, UploadKey, UploadRecord, UploadStatus};

use super::note::Note;
use super::session::Context;
use crate::disk::{Disk, Level, absent_as_none, failed};

/// How often opening starts again when the upload is closed under our hands. Each time somebody else made progress.
const ATTEMPTS: usize = 8;

/// What has been hashed is noted for uploads longer than this. Hashing these bytes again takes less time than making and
/// removing a file.
pub(super) const WORTH_NOTING_BYTES: u64 = 64 * 1024;

/// Opens a new upload, or starts an old one over.
///
/// Nothing is synced: an upload promises only that a later status tells the truth, and a power cut that takes it away
/// makes that status a 404.
pub(super) fn begin(context: &Context, announced: Announced, now: SystemTime) -> Result<()> {
    let (disk, key, algorithm) = (&context.disk, &context.writer.key, announced.algorithm());
    let folder = disk.path(&Dir::Upload(key).path());
    // Nobody knows of a folder that was not there, so it need not be locked, and there is nothing in it to be emptied.
    if make_new(&folder).map_err(|source| failed("make", &folder, source))? {
        let path = disk.path(&Key::UploadData(key).path());
        File::create(&path).map_err(|source| failed("create", &path, source))?;
        write_start(disk, key, now)?;
        return if algorithm == Algorithm::Sha256 {
            Ok(())
        } else {
            write_record(context, &Hasher::new(algorithm))
        };
    }
    start_over(context, announced, now)
}

fn start_over(context: &Context, announced: Announced, now: SystemTime) -> Result<()> {
    let (disk, key) = (&context.disk, &context.writer.key);
    let path = disk.path(&Key::UploadData(key).path());
    let folder = disk.path(&Dir::Upload(key).path());
    let data = attempts(key, || {
        let made = std::fs::create_dir_all(&folder).and_then(|()| create_locked(disk, key));
        settled(disk, key, made)
    })?;
    let before = match announced {
        Announced::Nothing => disk.read(&Key::UploadRecord(key))?.as_deref().and_then(UploadRecord::decode),
        Announced::Algorithm(_) | Announced::Digest(_) => None,
    };
    let algorithm = before.map_or(announced.algorithm(), |record| record.algorithm);
    write_start(disk, key, now)?;
    // The record first: that of the bytes that are going would be believed again once as many others had come.
    if algorithm == Algorithm::Sha256 {
        remove(disk, &Key::UploadRecord(key))?;
    } else {
        write_record(context, &Hasher::new(algorithm))?;
    }
    data.set_len(0).map_err(|source| failed("empty", &path, source))
}

/// Makes `folder` and what is missing above it; returns whether it was not there.
fn make_new(folder: &Path) -> io::Result<bool> {
    let made = match std::fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            std::fs::create_dir_all(folder.parent().unwrap_or(folder))?;
            std::fs::create_dir(folder)
        }
        made => made,
    };
    match made {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

fn write_start(disk: &Disk, key: &UploadKey, now: SystemTime) -> Result<()> {
    let path = disk.path(&Key::UploadStartedAt(key).path());
    let text = humantime::format_rfc3339_seconds(now).to_string();
    std::fs::write(&path, text).map_err(|source| failed("write", &path, source))
}

/// Opens the bytes of an upload for writing, locked against other processes for as long as the file is open.
pub(super) fn open(disk: &Disk, key: &UploadKey) -> Result<File> {
    // Nearly always the bytes are there, and then nothing else need be looked at.
    if let Some(data) = settled(disk, key, open_locked(disk, key, OpenOptions::new()))? {
        return Ok(data);
    }
    attempts(key, || match look(disk, key)? {
        None => Err(Error::UploadNotFound { key: key.clone() }),
        Some(Found { length: None, .. }) => settled(disk, key, create_locked(disk, key)),
        Some(_) => settled(disk, key, open_locked(disk, key, OpenOptions::new())),
    })
}

/// How far an upload is; `None` if it is not open.
pub(super) fn status(disk: &Disk, key: &UploadKey) -> Result<Option<UploadStatus>> {
    if let Some(found) = look(disk, key)? {
        return Ok(Some(UploadStatus { offset: found.length.unwrap_or(0), begun: found.begun }));
    }
    let Some(note) = finished(disk, key)? else { return Ok(None) };
    let begun = last_change(disk, key)?.unwrap_or(SystemTime::UNIX_EPOCH);
    Ok(Some(UploadStatus { offset: note.size, begun }))
}

/// What a finished upload was published as; `None` if it is not finished.
pub(super) fn finished(disk: &Disk, key: &UploadKey) -> Result<Option<Note>> {
    let note = disk.read(&Key::UploadRecord(key))?.as_deref().and_then(Note::decode);
    let Some(note) = note else { return Ok(None) };
    let path = disk.path(&Key::UploadData(key).path());
    let there = path.try_exists().map_err(|source| failed("look at", &path, source))?;
    Ok((!there).then_some(note))
}

/// Takes away what is left of a finished upload.
pub(super) fn clear_finished(disk: &Disk, key: &UploadKey) {
    let folder = disk.path(&Dir::Upload(key).path());
    // Nearly always there is nothing but the note.
    let _ = std::fs::remove_file(disk.path(&Key::UploadRecord(key).path()));
    if std::fs::remove_dir(&folder).is_err() && folder.exists() {
        clear(disk, key);
    }
}

/// Takes away the record, or the note, of an upload whose `data` stays.
pub(super) fn forget_record(disk: &Disk, key: &UploadKey) -> Result<()> {
    remove(disk, &Key::UploadRecord(key))
}

/// When the folder of an upload last changed, whether or not the upload is open; `None` if there is no folder.
pub(super) fn last_change(disk: &Disk, key: &UploadKey) -> Result<Option<SystemTime>> {
    let folder = disk.path(&Dir::Upload(key).path());
    absent_as_none(std::fs::metadata(&folder).and_then(|meta| meta.modified()))
        .map_err(|source| failed("look at", &folder, source))
}

/// Takes away the time an upload was begun, before its `data` goes.
pub(super) fn unstart(disk: &Disk, key: &UploadKey) -> Result<()> {
    remove(disk, &Key::UploadStartedAt(key))
}

/// Takes away what is left of an upload whose `data` is gone. A failure costs a few bytes until the purger comes by.
pub(super) fn clear(disk: &Disk, key: &UploadKey) {
    let folder = disk.path(&Dir::Upload(key).path());
    // Nothing is left of a short one.
    if std::fs::remove_dir(&folder).is_ok() {
        return;
    }
    let cleared = unstart(disk, key).and_then(|()| disk.remove_all(&Level::from(&Dir::Upload(key))));
    if let Err(error) = cleared {
        tracing::warn!(upload.id = %key.id, error = &error as &dyn std::error::Error, "a closed upload left its folder");
    }
}

fn remove(disk: &Disk, key: &Key<'_>) -> Result<()> {
    let path = disk.path(&key.path());
    absent_as_none(std::fs::remove_file(&path)).map(drop).map_err(|source| failed("remove", &path, source))
}

/// Written in place and not synced: a torn record does not match its checksum and is not believed.
pub(super) fn write_record(context: &Context, hasher: &Hasher) -> Result<()> {
    let path = context.disk.path(&Key::UploadRecord(&context.writer.key).path());
    let record = UploadRecord::of(hasher, context.boot.as_str()).encode();
    let write = || -> io::Result<()> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path)?;
        file.write_all_at(&record, 0)?;
        // Nearly always as long as the one before; cutting a file off costs more than writing it.
        if file.metadata()?.len() == record.len() as u64 { Ok(()) } else { file.set_len(record.len() as u64) }
    };
    write().map_err(|source| failed("write", &path, source))
}

/// Notes that the upload is being published, in place of its record.
///
/// Written in place and not synced, like a record; one that is torn is no note. What becomes the note's file is that of
/// the upload's start, which goes at this moment anyway: it costs less than a new one.
pub(crate) fn write_note(disk: &Disk, key: &UploadKey, note: &Note) -> Result<()> {
    let path = disk.path(&Key::UploadRecord(key).path());
    let write = || -> io::Result<()> {
        absent_as_none(std::fs::rename(disk.path(&Key::UploadStartedAt(key).path()), &path))?;
        std::fs::write(&path, note.encode())
    };
    write().map_err(|source| failed("write", &path, source))
}

/// An open upload.
struct Found {
    /// The length of `data`; `None` where it comes with the first byte.
    length: Option<u64>,
    begun: SystemTime,
}

fn look(disk: &Disk, key: &UploadKey) -> Result<Option<Found>> {
    let path = disk.path(&Key::UploadData(key).path());
    let data = absent_as_none(std::fs::metadata(&path)).map_err(|source| failed("look at", &path, source))?;
    // An older registry makes `data` with the first byte. We make it at once, so where our record stands without it the
    // upload was closed.
    if data.is_none() && disk.read(&Key::UploadRecord(key))?.is_some() {
        return Ok(None);
    }
    let started = disk.read(&Key::UploadStartedAt(key))?;
    let begun =
        started.and_then(|text| humantime::parse_rfc3339_weak(std::str::from_utf8(&text).ok()?.trim()).ok());
    let written = data.as_ref().and_then(|data| data.modified().ok());
    let length = data.map(|data| data.len());
    Ok(match (length, begun.or(written)) {
        (None, None) => None,
        (length, begun) => Some(Found { length, begun: begun.unwrap_or(SystemTime::UNIX_EPOCH) }),
    })
}

fn create_locked(disk: &Disk, key: &UploadKey) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false);
    open_locked(disk, key, options)
}

fn open_locked(disk: &Disk, key: &UploadKey, mut options: OpenOptions) -> io::Result<File> {
    let path = disk.path(&Key::UploadData(key).path());
    let data = options.read(true).write(true).open(&path)?;
    disk.locking.lock(&data, &path, FlockOperation::NonBlockingLockExclusive)?;
    Ok(data)
}

/// The file; `None` if the upload was closed between two looks at it.
fn settled(disk: &Disk, key: &UploadKey, opened: io::Result<File>) -> Result<Option<File>> {
    match absent_as_none(opened) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(Error::UploadBusy { key: key.clone() })
        }
        opened => opened.map_err(|source| failed("open", &disk.path(&Key::UploadData(key).path()), source)),
    }
}

fn attempts(key: &UploadKey, attempt: impl Fn() -> Result<Option<File>>) -> Result<File> {
    for _ in 0..ATTEMPTS {
        if let Some(data) = attempt()? {
            return Ok(data);
        }
    }
    Err(Error::UploadBusy { key: key.clone() })
}
