//! What many large uploads at once take of the registry's memory.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use wharf_testkit::process::let_run;
use wharf_testkit::s3::{BUCKET, S3Server};

use crate::procfs::Process;
use crate::programs::{Program, Settings};
use crate::uploads::Bulk;

const UPLOADS: u64 = 20;
/// `chunksize`.
const PART_BYTES: u64 = 10 << 20;
/// Parts that are on their way at the same time, and one that is being filled.
const PARTS: u64 = 3 + 1;
/// Everything that is no part: the process, and what connections have received that is not in a part yet.
const REST_BYTES: u64 = 60 << 20;
/// How often memory is looked at.
const INTERVAL: Duration = Duration::from_millis(20);

/// The most memory a process has had while `work` went on.
pub(crate) async fn peak_of<T>(process: &Process, work: impl Future<Output = T>) -> (T, u64) {
    let (peak, over) = (AtomicU64::new(0), AtomicBool::new(false));
    let watch = async {
        while !over.load(Ordering::Relaxed) {
            peak.fetch_max(process.anonymous_bytes(), Ordering::Relaxed);
            let_run(INTERVAL).await;
        }
    };
    let work = async {
        let output = work.await;
        over.store(true, Ordering::Relaxed);
        output
    };
    let (output, ()) = tokio::join!(work, watch);
    (output, peak.into_inner())
}

/// Uploads of so many MiB at once into a bucket that takes so many bytes of each part in a second.
#[expect(clippy::print_stdout, reason = "how near the bound it came is what a test's output is read for")]
async fn assert_bounded(upload_mib: usize, part_rate: u64) {
    let server = S3Server::start();
    server.sink(part_rate);
    let driver = format!("chunksize: {PART_BYTES}");
    let settings = Settings { driver: &driver, ..Settings::default() };
    let registry = Program::tested().start_with(&server, settings);
    let bulk = Bulk::of_mib(upload_mib);

    let uploads = (0..UPLOADS).map(|number| {
        let (bulk, registry) = (&bulk, &registry);
        async move { bulk.push(registry, &format!("acme/app{number}"), number, number % 2 == 0).await }
    });
    let (_, peak) = peak_of(&registry.process(), join_all(uploads)).await;

    let bound = UPLOADS * PART_BYTES * PARTS + REST_BYTES;
    println!("RssAnon at most {} MiB of {} MiB", peak >> 20, bound >> 20);
    assert!(peak <= bound, "RssAnon was {} MiB, which is more than {} MiB", peak >> 20, bound >> 20);
    assert_eq!(server.unfinished(BUCKET), [""; 0]);
    registry.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_large_uploads_take_the_memory_of_their_parts() {
    assert_bounded(256, 20_000_000).await;
}

/// Whoever waits for the bucket has all its parts full.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_that_wait_for_the_bucket_take_the_memory_of_their_parts() {
    assert_bounded(80, 3_000_000).await;
}
