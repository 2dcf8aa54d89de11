//! A cloud in maps: counts what it is asked for, and fails or stalls as a test wants.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;
use tokio::sync::Semaphore;
use wharf_oci::{ByteRange, Digest};
use wharf_store::{Clock, Error, Result, Retry};

use crate::cloud::{
    Cloud, Condition, Conditions, CredentialExpiry, Deleted, Entry, Found, Meta, Multipart, Object, Page,
    Payload, SigningCredential, Start, Stored,
};

/// A clock that a test moves.
#[derive(Debug, Clone)]
pub(crate) struct TestClock(Arc<Mutex<SystemTime>>);

impl TestClock {
    pub(crate) fn advance(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }
}

impl Default for TestClock {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600))))
    }
}

impl Clock for TestClock {
    fn now(&self) -> SystemTime {
        *self.0.lock().unwrap()
    }
}

/// What happens at a certain call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing is done.
    Refused,
    /// It is done, and the answer is lost.
    Unanswered,
}

/// What a cloud was asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Traffic {
    /// The calls, in order.
    pub(crate) calls: Vec<&'static str>,
    /// Content sent to it, without records and dates.
    pub(crate) bytes_in: u64,
    /// Content read from it, without records.
    pub(crate) bytes_out: u64,
    /// The sizes of the parts of each object that was completed.
    pub(crate) completed: Vec<(String, Vec<usize>)>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct MemoryCloud {
    state: Arc<Mutex<State>>,
    pub(crate) clock: TestClock,
    /// Set: conditions are ignored.
    pub(crate) careless: Arc<AtomicBool>,
    /// Set: conditions of DELETE are ignored.
    pub(crate) careless_of_deletes: Arc<AtomicBool>,
    /// Set: it cannot list unfinished objects.
    pub(crate) forgetful: Arc<AtomicBool>,
    /// When there is one, each part waits for a permit.
    gate: Arc<Mutex<Option<Arc<Semaphore>>>>,
}

#[derive(Debug, Default)]
struct State {
    objects: BTreeMap<String, (Bytes, SystemTime)>,
    unfinished: BTreeMap<String, Unfinished>,
    ids: u64,
    traffic: Traffic,
    fault: Option<(usize, Fault)>,
}

#[derive(Debug)]
struct Unfinished {
    key: String,
    begun: SystemTime,
    parts: BTreeMap<u32, Bytes>,
}

impl MemoryCloud {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// What it was asked for since this was last asked.
    pub(crate) fn take_traffic(&self) -> Traffic {
        std::mem::take(&mut self.state().traffic)
    }

    /// The call after so many from now goes wrong.
    pub(crate) fn fail_after(&self, calls: usize, fault: Fault) {
        let mut state = self.state();
        state.traffic = Traffic::default();
        state.fault = Some((calls, fault));
    }

    /// Whether a fault is still due; none is after this.
    pub(crate) fn take_fault(&self) -> bool {
        self.state().fault.take().is_some()
    }

    pub(crate) fn stall_parts(&self) -> Arc<Semaphore> {
        let gate = Arc::new(Semaphore::new(0));
        *self.gate.lock().unwrap() = Some(Arc::clone(&gate));
        gate
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.state().objects.keys().cloned().collect()
    }

    pub(crate) fn object(&self, key: &str) -> Option<Bytes> {
        self.state().objects.get(key).map(|(bytes, _)| bytes.clone())
    }

    pub(crate) fn damage(&self, key: &str) {
        self.state().objects.get_mut(key).unwrap().0 = Bytes::from_static(b"damaged");
    }

    pub(crate) fn unfinished(&self) -> Vec<String> {
        self.state().unfinished.values().map(|unfinished| unfinished.key.clone()).collect()
    }

    /// Begins a call; the fault that comes after its work, if one does.
    fn call(&self, name: &'static str) -> Result<Option<Error>> {
        let mut state = self.state();
        let number = state.traffic.calls.len();
        state.traffic.calls.push(name);
        match state.fault {
            Some((at, fault)) if at == number => {
                state.fault = None;
                let error = failure(name);
                if fault == Fault::Refused { Err(error) } else { Ok(Some(error)) }
            }
            _ => Ok(None),
        }
    }

    fn store(&self, key: &str, bytes: Bytes) -> String {
        let (etag, now) = (etag(&bytes), self.clock.now());
        self.state().objects.insert(key.to_owned(), (bytes, now));
        etag
    }

    fn count_in(&self, key: &str, length: usize) {
        if !key.ends_with("/wharf-upload") && !key.ends_with("/startedat") {
            self.state().traffic.bytes_in += length as u64;
        }
    }
}

fn failure(name: &'static str) -> Error {
    let (operation, source) = (name.to_owned(), "as the test wants it".into());
    Error::Backend { backend: "memory cloud", operation, retry: Retry::Later, source }
}

fn etag(bytes: &[u8]) -> String {
    format!("\"{}\"", &Digest::of(bytes).hex()[..32])
}

fn answer<T>(value: T, lost: Option<Error>) -> Result<T> {
    lost.map_or(Ok(value), Err)
}

fn slice(bytes: &Bytes, range: ByteRange) -> Bytes {
    bytes.slice(range.start as usize..(range.start + range.length) as usize)
}

#[async_trait]
impl Cloud for MemoryCloud {
    async fn get(&self, key: &str, range: Option<ByteRange>) -> Result<Option<Object>> {
        let lost = self.call("get")?;
        let Some((bytes, modified)) = self.state().objects.get(key).cloned() else {
            return answer(None, lost);
        };
        let meta = Meta { size: bytes.len() as u64, modified, etag: etag(&bytes) };
        let bytes = range.map_or(bytes.clone(), |range| slice(&bytes, range));
        if !key.ends_with("/wharf-upload") {
            self.state().traffic.bytes_out += bytes.len() as u64;
        }
        let blocks: Vec<_> = bytes.chunks(65_536).map(|block| Ok(bytes.slice_ref(block))).collect();
        answer(Some(Object { meta, body: stream::iter(blocks).boxed() }), lost)
    }

    async fn head(&self, key: &str) -> Result<Option<Meta>> {
        let lost = self.call("head")?;
        let found = self.state().objects.get(key).cloned();
        let meta =
            found.map(|(bytes, modified)| Meta { size: bytes.len() as u64, modified, etag: etag(&bytes) });
        answer(meta, lost)
    }

    async fn put(&self, key: &str, bytes: Payload, condition: Condition) -> Result<Stored> {
        let lost = self.call("put")?;
        let bytes: Bytes = bytes.concat().into();
        self.count_in(key, bytes.len());
        let careless = self.careless.load(Ordering::Relaxed);
        if careless && condition != Condition::Any {
            return Err(failure("use a condition"));
        }
        let current = self.state().objects.get(key).map(|(bytes, _)| etag(bytes));
        let holds = match condition {
            Condition::Any => true,
            Condition::Absent => current.is_none(),
            Condition::Is(etag) => current == Some(etag),
        };
        if !holds {
            return answer(Stored::Refused, lost);
        }
        answer(Stored::Written(self.store(key, bytes)), lost)
    }

    async fn delete(&self, key: &str) -> Result<()> {
        let lost = self.call("delete")?;
        self.state().objects.remove(key);
        answer((), lost)
    }

    async fn delete_if(&self, key: &str, expected: &str) -> Result<Deleted> {
        let lost = self.call("delete_if")?;
        if self.conditions().await? != Conditions::WritesAndDeletes {
            return Err(failure("use a condition"));
        }
        let mut state = self.state();
        let current = state.objects.get(key).map(|(bytes, _)| etag(bytes));
        let deleted = match current {
            None => Deleted::Absent,
            Some(current) if current == expected => {
                state.objects.remove(key);
                Deleted::Deleted
            }
            Some(_) => Deleted::Changed,
        };
        drop(state);
        answer(deleted, lost)
    }

    async fn delete_all(&self, keys: Vec<String>) -> Result<()> {
        let lost = self.call("delete_all")?;
        for key in keys {
            self.state().objects.remove(&key);
        }
        answer((), lost)
    }

    async fn list(&self, prefix: &str, start: Option<&Start>, one_level: bool, limit: usize) -> Result<Page> {
        let lost = self.call("list")?;
        let after = start.map(|(Start::After(key) | Start::Token(key))| {
            let behind = key.strip_prefix(prefix).and_then(|rest| rest.find('/')).filter(|_| one_level);
            behind.map_or_else(|| key.clone(), |at| format!("{}0", &key[..prefix.len() + at]))
        });
        let mut page = Page::default();
        for (key, (bytes, modified)) in &self.state().objects {
            let Some(rest) = key.strip_prefix(prefix) else { continue };
            let level = rest.find('/').filter(|_| one_level).map(|at| key[..=prefix.len() + at].to_owned());
            let known = matches!((&level, page.entries.last()), (Some(level), Some(Entry::Level(last))) if level == last);
            if known || after.as_ref().is_some_and(|after| key <= after) {
                continue;
            }
            if page.entries.len() == limit {
                page.next = page.entries.last().map(|last| Start::Token(last.key().to_owned()));
                break;
            }
            let found = || Found { key: key.clone(), size: bytes.len() as u64, modified: *modified };
            page.entries.push(level.map_or_else(|| Entry::Object(found()), Entry::Level));
        }
        answer(page, lost)
    }

    async fn copy(&self, from: &str, to: &str) -> Result<()> {
        let lost = self.call("copy")?;
        let bytes = self.object(from).ok_or_else(|| failure("copy what is absent"))?;
        self.store(to, bytes);
        answer((), lost)
    }

    async fn create_multipart(&self, key: &str) -> Result<String> {
        let lost = self.call("create_multipart")?;
        let begun = self.clock.now();
        let mut state = self.state();
        state.ids += 1;
        let id = format!("id{}", state.ids);
        state
            .unfinished
            .insert(id.clone(), Unfinished { key: key.to_owned(), begun, parts: BTreeMap::new() });
        drop(state);
        answer(id, lost)
    }

    async fn put_part(&self, key: &str, id: &str, number: u32, bytes: Payload) -> Result<String> {
        let lost = self.call("put_part")?;
        let gate = self.gate.lock().unwrap().clone();
        if let Some(gate) = gate {
            gate.acquire().await.unwrap().forget();
        }
        let bytes: Bytes = bytes.concat().into();
        self.count_in(key, bytes.len());
        let tag = etag(&bytes);
        match self.state().unfinished.get_mut(id).filter(|unfinished| unfinished.key == key) {
            Some(unfinished) => unfinished.parts.insert(number, bytes),
            None => return Err(failure("put a part of an unknown upload")),
        };
        answer(tag, lost)
    }

    async fn copy_part(
        &self,
        from: &str,
        range: ByteRange,
        key: &str,
        id: &str,
        number: u32,
    ) -> Result<String> {
        let lost = self.call("copy_part")?;
        let bytes = slice(&self.object(from).ok_or_else(|| failure("copy what is absent"))?, range);
        let tag = etag(&bytes);
        match self.state().unfinished.get_mut(id).filter(|unfinished| unfinished.key == key) {
            Some(unfinished) => unfinished.parts.insert(number, bytes),
            None => return Err(failure("copy a part of an unknown upload")),
        };
        answer(tag, lost)
    }

    async fn complete_multipart(&self, key: &str, id: &str, tags: &[String]) -> Result<bool> {
        let lost = self.call("complete_multipart")?;
        let parts: Option<Vec<Bytes>> = {
            let state = self.state();
            let unfinished = state.unfinished.get(id).filter(|unfinished| unfinished.key == key);
            unfinished.and_then(|unfinished| {
                let part = |(index, tag): (usize, &String)| {
                    let part = unfinished.parts.get(&(u32::try_from(index).unwrap() + 1))?;
                    (etag(part) == *tag).then(|| part.clone())
                };
                tags.iter().enumerate().map(part).collect()
            })
        };
        let Some(parts) = parts else { return answer(false, lost) };
        let sizes: Vec<usize> = parts.iter().map(Bytes::len).collect();
        let equal = sizes.iter().rev().skip(1).all(|size| *size == sizes[0]) && sizes.last() <= sizes.first();
        assert!(equal && !sizes.is_empty(), "R2 and others take equal parts only: {sizes:?}");
        self.store(key, parts.concat().into());
        let mut state = self.state();
        state.unfinished.remove(id);
        state.traffic.completed.push((key.to_owned(), sizes));
        drop(state);
        answer(true, lost)
    }

    async fn abort_multipart(&self, key: &str, id: &str) -> Result<()> {
        let lost = self.call("abort_multipart")?;
        let mut state = self.state();
        if state.unfinished.get(id).is_some_and(|unfinished| unfinished.key == key) {
            state.unfinished.remove(id);
        }
        drop(state);
        answer((), lost)
    }

    async fn multiparts(&self, prefix: &str) -> Result<Option<Vec<Multipart>>> {
        let lost = self.call("multiparts")?;
        if self.forgetful.load(Ordering::Relaxed) {
            return answer(None, lost);
        }
        let state = self.state();
        let all = state.unfinished.iter().filter(|(_, unfinished)| unfinished.key.starts_with(prefix));
        let all = all.map(|(id, unfinished)| Multipart {
            key: unfinished.key.clone(),
            id: id.clone(),
            begun: unfinished.begun,
        });
        answer(Some(all.collect()), lost)
    }

    async fn conditions(&self) -> Result<Conditions> {
        if self.careless.load(Ordering::Relaxed) {
            return Ok(Conditions::Ignored);
        }
        let deletes = !self.careless_of_deletes.load(Ordering::Relaxed);
        Ok(if deletes { Conditions::WritesAndDeletes } else { Conditions::Writes })
    }

    async fn signed_url(&self, _key: &str, _lifetime: Duration) -> Result<Option<String>> {
        Ok(None)
    }

    async fn signing_credential(&self) -> Result<SigningCredential> {
        Ok(SigningCredential { fingerprint: 0, expiry: CredentialExpiry::Never })
    }
}
