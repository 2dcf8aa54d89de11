//! What a request is called in the logs.

use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use uuid::{Builder, NoContext, Timestamp, Uuid};

/// Odd, so that a step never comes back to where it was before all 2^64 have been taken.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// Random once in the life of the process: the kernel's random numbers cost more than looking up a tag.
static PROCESS: LazyLock<Uuid> = LazyLock::new(Uuid::now_v7);
static TAKEN: AtomicU64 = AtomicU64::new(0);

/// A name that no other request has, here or in another replica: a UUID of version 7.
pub(crate) fn next() -> Arc<str> {
    let (process, random) = PROCESS.as_u64_pair();
    let number = random.wrapping_add(TAKEN.fetch_add(1, Ordering::Relaxed).wrapping_mul(STEP));
    let mut tail = [0; 10];
    tail[..2].copy_from_slice(&process.to_le_bytes()[..2]);
    tail[2..].copy_from_slice(&number.to_le_bytes());
    let (seconds, nanoseconds) = Timestamp::now(NoContext).to_unix();
    let milliseconds = seconds * 1000 + u64::from(nanoseconds / 1_000_000);
    let id = Builder::from_unix_timestamp_millis(milliseconds, &tail).into_uuid();
    let mut text = Uuid::encode_buffer();
    Arc::from(&*id.hyphenated().encode_lower(&mut text))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_requests_have_one_name() {
        let names: HashSet<Arc<str>> = (0..100_000).map(|_| next()).collect();
        assert_eq!(names.len(), 100_000);
        let one = Uuid::parse_str(names.iter().next().unwrap()).unwrap();
        assert_eq!(one.get_version_num(), 7);
    }
}
