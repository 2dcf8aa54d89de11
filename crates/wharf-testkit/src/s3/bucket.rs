//! What is stored: buckets of objects in byte order, and objects in parts that are not finished.
//!
//! It knows neither requests nor signatures.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use s3s::dto::{ETag, ETagCondition};
use s3s::{S3Result, s3_error};

use super::rope::Rope;

/// What S3 takes for a part that is not the last.
const SMALLEST_PART: u64 = 5 << 20;

/// Everything.
#[derive(Debug, Default)]
pub(super) struct Buckets {
    all: Mutex<BTreeMap<String, Bucket>>,
    ignores_conditions: AtomicBool,
    ignores_conditions_of_deletes: AtomicBool,
    allows_small_parts: AtomicBool,
    ends_listings_early: AtomicBool,
    /// 0: there is none.
    sink_rate: AtomicU64,
}

/// One of them.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    pub(super) objects: BTreeMap<String, Object>,
    /// By key and id, as they are listed.
    pub(super) unfinished: BTreeMap<(String, String), Unfinished>,
}

#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) bytes: Rope,
    pub(super) tag: String,
    pub(super) modified: SystemTime,
    pub(super) content_type: Option<String>,
}

/// An object in parts.
#[derive(Debug)]
pub(super) struct Unfinished {
    pub(super) begun: SystemTime,
    pub(super) content_type: Option<String>,
    pub(super) parts: BTreeMap<i32, Object>,
}

/// One row of a listing: an object, or what a delimiter folds many into.
pub(super) enum Row<'a> {
    Object(&'a str, &'a Object),
    Level(String),
}

// === impl Buckets ===

impl Buckets {
    pub(super) fn create(&self, name: &str) {
        self.lock().entry(name.to_owned()).or_default();
    }

    pub(super) fn clear(&self, name: &str) {
        self.lock().insert(name.to_owned(), Bucket::default());
    }

    pub(super) fn seed(&self, bucket: &str, key: &str, bytes: Bytes) {
        let object = Object::new(Rope::from(bytes), None);
        self.lock().entry(bucket.to_owned()).or_default().objects.insert(key.to_owned(), object);
    }

    pub(super) fn contents(&self, bucket: &str, key: &str) -> Option<Vec<u8>> {
        let rope = self.lock().get(bucket)?.objects.get(key)?.bytes.clone();
        Some(rope.to_vec())
    }

    pub(super) fn forget(&self, bucket: &str, key: &str) {
        if let Some(bucket) = self.lock().get_mut(bucket) {
            bucket.objects.remove(key);
        }
    }

    pub(super) fn keys(&self, bucket: &str, prefix: &str) -> Vec<String> {
        let all = self.lock();
        let objects = all.get(bucket).map(|bucket| &bucket.objects);
        let keys = objects.into_iter().flat_map(|objects| objects.keys());
        keys.filter(|key| key.starts_with(prefix)).cloned().collect()
    }

    pub(super) fn unfinished(&self, bucket: &str) -> Vec<String> {
        let all = self.lock();
        let unfinished = all.get(bucket).map(|bucket| &bucket.unfinished);
        unfinished.into_iter().flat_map(|each| each.keys()).map(|(key, _)| key.clone()).collect()
    }

    pub(super) fn age(&self, by: Duration) {
        for bucket in self.lock().values_mut() {
            for object in bucket.objects.values_mut() {
                object.modified -= by;
            }
            for unfinished in bucket.unfinished.values_mut() {
                unfinished.begun -= by;
            }
        }
    }

    pub(super) fn ignore_conditions(&self) {
        self.ignores_conditions.store(true, Ordering::Relaxed);
    }

    pub(super) fn ignore_conditions_of_deletes(&self) {
        self.ignores_conditions_of_deletes.store(true, Ordering::Relaxed);
    }

    pub(super) fn allow_small_parts(&self) {
        self.allows_small_parts.store(true, Ordering::Relaxed);
    }

    pub(super) fn end_listings_early(&self) {
        self.ends_listings_early.store(true, Ordering::Relaxed);
    }

    pub(super) fn ends_listings_early(&self) -> bool {
        self.ends_listings_early.load(Ordering::Relaxed)
    }

    pub(super) fn smallest_part(&self) -> u64 {
        if self.allows_small_parts.load(Ordering::Relaxed) { 0 } else { SMALLEST_PART }
    }

    pub(super) fn sink(&self, bytes_per_second: u64) {
        self.sink_rate.store(bytes_per_second, Ordering::Relaxed);
    }

    pub(super) fn sink_rate(&self) -> Option<u64> {
        Some(self.sink_rate.load(Ordering::Relaxed)).filter(|rate| *rate > 0)
    }

    /// Does something to a bucket that is there.
    pub(super) fn with<T>(&self, name: &str, act: impl FnOnce(&mut Bucket) -> S3Result<T>) -> S3Result<T> {
        act(self.lock().get_mut(name).ok_or_else(|| s3_error!(NoSuchBucket))?)
    }

    /// Whether a write may happen: 412 if not.
    pub(super) fn check(
        &self,
        present: Option<&Object>,
        if_none_match: Option<&ETagCondition>,
        if_match: Option<&ETagCondition>,
    ) -> S3Result<()> {
        if self.ignores_conditions.load(Ordering::Relaxed) {
            return Ok(());
        }
        if if_none_match.is_some_and(|condition| present.is_some_and(|object| object.is(condition))) {
            return Err(s3_error!(PreconditionFailed));
        }
        match (if_match, present) {
            (None, _) => Ok(()),
            (Some(_), None) => Err(s3_error!(NoSuchKey)),
            (Some(condition), Some(object)) if object.is(condition) => Ok(()),
            (Some(_), Some(_)) => Err(s3_error!(PreconditionFailed)),
        }
    }

    /// Whether a removal may happen: 412 if not, 404 if there is nothing that a condition could be about.
    pub(super) fn check_delete(
        &self,
        present: Option<&Object>,
        if_match: Option<&ETagCondition>,
    ) -> S3Result<()> {
        if self.ignores_conditions_of_deletes.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.check(present, None, if_match)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Bucket>> {
        self.all.lock().unwrap()
    }
}

// === impl Bucket ===

impl Bucket {
    pub(super) fn object(&self, key: &str) -> S3Result<&Object> {
        self.objects.get(key).ok_or_else(|| s3_error!(NoSuchKey))
    }

    /// At most `limit` rows after `after`, in byte order.
    pub(super) fn list(&self, prefix: &str, delimiter: &str, after: &str, limit: usize) -> Vec<Row<'_>> {
        let mut rows = Vec::new();
        let mut from = Bound::Included(prefix.to_owned());
        if after >= prefix {
            from = Bound::Excluded(after.to_owned());
        }
        // What was folded ends with the delimiter: all that begins with it is behind.
        if let Some(level) = level_of(after, prefix, delimiter).filter(|level| level == after) {
            from = Bound::Included(past(&level));
        }
        while rows.len() < limit {
            let next = self.objects.range((from, Bound::Unbounded)).next();
            let Some((key, object)) = next.filter(|(key, _)| key.starts_with(prefix)) else { break };
            match level_of(key, prefix, delimiter) {
                Some(level) => {
                    from = Bound::Included(past(&level));
                    if level.as_str() > after {
                        rows.push(Row::Level(level));
                    }
                }
                None => {
                    from = Bound::Excluded(key.clone());
                    rows.push(Row::Object(key, object));
                }
            }
        }
        rows
    }
}

impl Bucket {
    /// How many keys between the prefix and `after` a walk of MinIO's meets before it comes to `after`: it goes straight to
    /// each folder on the way, but begins in it at the name that leads on, not after what begins like that name.
    pub(super) fn passed_over(&self, prefix: &str, after: &str) -> usize {
        let Some(rest) = after.strip_prefix(prefix) else { return 0 };
        let mut passed = 0;
        for (slash, _) in rest.match_indices('/') {
            let folder = &after[..prefix.len() + slash];
            let inside = format!("{folder}/");
            let beside = self.objects.range(folder.to_owned()..inside).map(|(key, _)| key);
            passed += beside.filter(|key| key.starts_with(folder)).count();
        }
        passed + usize::from(self.objects.contains_key(after))
    }
}

/// The beginning of a key up to the first delimiter after the prefix, with it.
fn level_of(key: &str, prefix: &str, delimiter: &str) -> Option<String> {
    let rest = key.strip_prefix(prefix).filter(|_| !delimiter.is_empty())?;
    let end = rest.find(delimiter)? + delimiter.len();
    Some(key[..prefix.len() + end].to_owned())
}

/// The first key after all that begin with `level`, as far as keys are text.
fn past(level: &str) -> String {
    let mut key = level.to_owned();
    key.push(char::MAX);
    key
}

// === impl Object ===

impl Object {
    #[expect(
        clippy::disallowed_methods,
        reason = "a store has a clock of its own, like any across a network"
    )]
    pub(super) fn new(bytes: Rope, content_type: Option<String>) -> Self {
        let tag = bytes.tag();
        Self { bytes, tag, modified: SystemTime::now(), content_type }
    }

    pub(super) fn is(&self, condition: &ETagCondition) -> bool {
        match condition {
            ETagCondition::Any => true,
            ETagCondition::ETag(tag) => tag.value() == self.tag,
        }
    }

    pub(super) fn e_tag(&self) -> ETag {
        ETag::Strong(self.tag.clone())
    }
}

// === impl Row ===

impl Row<'_> {
    /// What a listing that goes on after it starts after.
    pub(super) fn place(&self) -> String {
        match self {
            Self::Object(key, _) => (*key).to_owned(),
            Self::Level(level) => level.clone(),
        }
    }
}
