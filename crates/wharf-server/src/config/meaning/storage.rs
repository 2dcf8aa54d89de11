//! `storage`: where bytes live and what may be done to them.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::keys::STORAGE_SETTINGS;
use crate::config::reader::Reader;
use crate::config::tree::Value;
use crate::config::{Fsync, ProcessLocks, StorageConfig, StorageDriver, UploadPurging, duration};

use super::{bucket, middleware};

const DEFAULT_ROOT: &str = "/var/lib/registry";
/// Both are those of the registry we replace.
const DEFAULT_PURGING_AGE: Duration = Duration::from_hours(168);
const DEFAULT_PURGING_INTERVAL: Duration = Duration::from_hours(24);

pub(super) fn read(reader: &mut Reader<'_>) -> StorageConfig {
    drivers(reader);
    let driver = driver(reader);
    let redirects = !reader.flag("storage.redirect.disable").unwrap_or(false);
    let middleware = middleware::read(reader, &driver, redirects);
    StorageConfig {
        driver,
        redirects,
        middleware,
        delete_enabled: reader.flag("storage.delete.enabled").unwrap_or(false),
        tag_concurrency: tag_concurrency(reader),
        read_only: reader.flag("storage.maintenance.readonly.enabled").unwrap_or(false),
        upload_purging: upload_purging(reader),
    }
}

fn driver(reader: &mut Reader<'_>) -> StorageDriver {
    // Both names mean the same, as they always have.
    if let Some(name) = ["s3", "s3aws"].into_iter().find(|name| reader.is_named(&format!("storage.{name}"))) {
        return StorageDriver::S3(Box::new(bucket::read(reader, name)));
    }
    if reader.is_named("storage.inmemory") {
        return StorageDriver::InMemory;
    }
    let root = reader.text("storage.filesystem.rootdirectory").filter(|root| !root.is_empty());
    let fsync = [("full", Fsync::Full), ("data", Fsync::Data), ("none", Fsync::None)];
    StorageDriver::Filesystem {
        root: PathBuf::from(root.unwrap_or_else(|| DEFAULT_ROOT.to_owned())),
        fsync: reader.word("storage.filesystem.fsync", "full, data or none", &fsync).unwrap_or_default(),
        locks: reader
            .word("storage.filesystem.locks", "none", &[("none", ProcessLocks::None)])
            .unwrap_or_default(),
    }
}

/// Whether exactly one driver is named. Which one is judged with all other keys.
fn drivers(reader: &mut Reader<'_>) {
    let drivers: Vec<&str> = match reader.node("storage").map(|node| &node.value) {
        Some(Value::Mapping(mapping)) => mapping
            .iter()
            .map(|entry| entry.key.as_str())
            .filter(|key| !STORAGE_SETTINGS.contains(key))
            .collect(),
        Some(Value::Null | Value::Scalar(_) | Value::Sequence(_)) | None => Vec::new(),
    };
    match drivers.as_slice() {
        [_] => {}
        [] => reader.reject("storage", "expected a storage driver such as filesystem, got none"),
        several => {
            let several = several.join(", ");
            reader.reject("storage", format!("expected exactly one storage driver, got {several}"));
        }
    }
}

fn tag_concurrency(reader: &mut Reader<'_>) -> Option<usize> {
    let expected = "a whole number, not negative";
    reader
        .parsed("storage.tag.concurrencylimit", expected, |text| text.parse().ok())
        .filter(|limit: &usize| *limit > 0)
}

fn upload_purging(reader: &mut Reader<'_>) -> Option<UploadPurging> {
    // All are read even where unused, so that a mistake is found before it counts.
    let purging = UploadPurging {
        age: period(reader, "storage.maintenance.uploadpurging.age").unwrap_or(DEFAULT_PURGING_AGE),
        interval: period(reader, "storage.maintenance.uploadpurging.interval")
            .unwrap_or(DEFAULT_PURGING_INTERVAL),
        dry_run: reader.flag("storage.maintenance.uploadpurging.dryrun").unwrap_or(false),
    };
    let enabled = reader.flag("storage.maintenance.uploadpurging.enabled").unwrap_or(true);
    enabled.then_some(purging)
}

/// A duration with a unit, and not none: `age: 168`, as nanoseconds, would remove uploads that are being sent.
fn period(reader: &mut Reader<'_>, key: &'static str) -> Option<Duration> {
    reader.parsed(key, "a duration with a unit such as 168h", |text| {
        let has_unit = text.ends_with(|c: char| !c.is_ascii_digit());
        duration::parse(text).filter(|period| has_unit && !period.is_zero())
    })
}
