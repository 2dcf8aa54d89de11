//! A bucket that fails at every step of a push and of a pull, in every way, once or from then on.
//!
//! Whatever happens there, a client gets what it asked for or a 5xx: never a 404, never other bytes, never fewer bytes
//! that look like all. What was acknowledged is there when the bucket is well again, and memory stays what it was.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use wharf_testkit::images::{Image, ImageOptions};
use wharf_testkit::push;
use wharf_testkit::s3::{BUCKET, Fault, Rule, S3Server};
use wharf_testkit::wire::{Request, Server};

use crate::memory::peak_of;
use crate::programs::{Program, Registry, Settings};
use crate::served::assert_image;

/// How long an answer may take from a bucket that fails: longer than a registry tries.
const PATIENCE: Duration = Duration::from_secs(120);
/// More requests than a push or a pull takes of any registry.
const STEPS: usize = 200;
/// What a registry may hold while a bucket fails, the parts of one upload in it.
const MEMORY_BYTES: u64 = 128 << 20;
/// Longer than a pull needs, shorter than a registry's own patience.
const PAUSE: Duration = Duration::from_millis(300);

/// A key of ours: how long a registry tries before it gives up.
const IMPATIENT: &str = "chunksize: 5242880\nretrydeadline: 2s";

const FAULTS: [Fault; 7] = [
    Fault::ResetBefore,
    Fault::ResetAfter,
    Fault::Internal,
    Fault::SlowDown,
    Fault::Truncated,
    Fault::SlowFirstByte(PAUSE),
    Fault::Stalled(PAUSE),
];

/// An answer, or what there was of it.
struct Answer {
    status: u16,
    location: Option<String>,
    body: Vec<u8>,
    /// Whether all came that was promised.
    whole: bool,
}

// === impl Answer ===

impl Answer {
    /// Sends a request and reads until the connection ends.
    async fn to(server: &Server, request: Request) -> Self {
        let asking = Self::read(server.address(), request.header("Connection", "close"));
        tokio::time::timeout(PATIENCE, asking).await.expect("an answer, in time")
    }

    async fn read(address: SocketAddr, request: Request) -> Self {
        let mut stream = TcpStream::connect(address).await.expect("the registry listens");
        let (bytes, _) = request.parts();
        // It may answer before it has read all, and stop reading.
        let _ = stream.write_all(&bytes).await;
        let mut answer = Vec::new();
        // What came before a reset counts.
        let _ = stream.read_to_end(&mut answer).await;
        Self::parse(&answer)
    }

    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("there is an answer");
        let head = String::from_utf8_lossy(&bytes[..end]);
        let header = |name: &str| {
            let lines = head.lines().filter_map(|line| line.split_once(": "));
            lines
                .clone()
                .find(|(found, _)| found.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.to_owned())
        };
        let status = head.split(' ').nth(1).and_then(|text| text.parse().ok()).expect("a status line");
        let body = bytes[end + 4..].to_vec();
        let promised = header("Content-Length").and_then(|text| text.parse().ok());
        let chunked = header("Transfer-Encoding").is_some();
        let whole = if chunked { body.ends_with(b"0\r\n\r\n") } else { promised.unwrap_or(0) == body.len() };
        Self { status, location: header("Location"), body, whole }
    }

    /// Finds that it is a success, or the store's failure; the first is `true`.
    #[track_caller]
    fn succeeded(&self, success: u16, what: &str) -> bool {
        let body = String::from_utf8_lossy(&self.body);
        assert!(self.status == success || self.status >= 500, "{what}: {} {body}", self.status);
        self.status == success
    }
}

/// A push that stops at the first failure; whether it was acknowledged.
async fn push_once(server: &Server, repository: &str, image: &Image, what: &str) -> bool {
    for blob in image.blobs() {
        let begin = server.post(format!("/v2/{repository}/blobs/uploads/")).body("");
        let begun = Answer::to(server, begin).await;
        if !begun.succeeded(202, what) {
            return false;
        }
        let location = begun.location.expect("a 202 has a Location");
        let put = server.put(push::finish(&location, &blob.digest)).body(blob.bytes.clone());
        if !Answer::to(server, put).await.succeeded(201, what) {
            return false;
        }
    }
    let put = server
        .put(format!("/v2/{repository}/manifests/1"))
        .header("Content-Type", image.manifest.media_type.as_str())
        .body(image.manifest.bytes.clone());
    Answer::to(server, put).await.succeeded(201, what)
}

/// A pull that stops at the first failure.
async fn pull_once(server: &Server, repository: &str, image: &Image, what: &str) {
    let get = server
        .get(format!("/v2/{repository}/manifests/1"))
        .header("Accept", image.manifest.media_type.as_str());
    let mut found = vec![(Answer::to(server, get).await, &image.manifest.bytes)];
    for blob in image.blobs() {
        let target = format!("/v2/{repository}/blobs/{}", blob.digest);
        let head = Answer::to(server, server.head(&target)).await;
        let _ = head.succeeded(200, what);
        found.push((Answer::to(server, server.get(&target)).await, &blob.bytes));
    }
    for (answer, expected) in found {
        if answer.succeeded(200, what) && answer.whole {
            assert!(answer.body == **expected, "{what}: other bytes under the digest");
        }
    }
}

fn image(seed: u64) -> Image {
    let options = ImageOptions { seed, layers: 1, layer_bytes: 6 << 20, ..ImageOptions::default() };
    Image::build(&options)
}

fn start(server: &S3Server) -> Registry {
    Program::tested().start_with(server, Settings { driver: "chunksize: 5242880", ..Settings::default() })
}

/// Every step of a push with one fault, until a push has fewer steps than that.
async fn push_with(fault: Fault) {
    let server = S3Server::start();
    let registry = start(&server);
    let pushes = async {
        for step in 1..=STEPS {
            let (what, repository) = (format!("{fault:?} at {step}"), format!("acme/app{step}"));
            let (image, failed) = (image(step as u64), server.failed());
            server.fail(Rule::nth(step, fault));
            let acknowledged = push_once(&registry, &repository, &image, &what).await;
            server.heal();
            if !acknowledged {
                assert!(
                    push_once(&registry, &repository, &image, &what).await,
                    "{what}: the second try fails"
                );
            }
            assert_image(&registry, &repository, "1", &image).await;
            server.empty_bucket(BUCKET);
            if server.failed() == failed {
                return step - 1;
            }
        }
        STEPS
    };
    let (steps, peak) = peak_of(&registry.process(), pushes).await;
    assert!((10..STEPS).contains(&steps), "{steps} steps of a push");
    assert!(peak <= MEMORY_BYTES, "{fault:?}: RssAnon was {} MiB", peak >> 20);
    registry.stop();
}

async fn pull_with(fault: Fault) {
    let server = S3Server::start();
    let registry = start(&server);
    let pulls = async {
        for step in 1..=STEPS {
            let (what, image, failed) = (format!("{fault:?} at {step}"), image(step as u64), server.failed());
            // Another one each time: this is about the bucket, not about what is remembered.
            let repository = format!("acme/app{step}");
            assert!(push_once(&registry, &repository, &image, &what).await);
            server.fail(Rule::nth(step, fault));
            pull_once(&registry, &repository, &image, &what).await;
            server.heal();
            assert_image(&registry, &repository, "1", &image).await;
            server.empty_bucket(BUCKET);
            if server.failed() == failed {
                return step - 1;
            }
        }
        STEPS
    };
    let (steps, peak) = peak_of(&registry.process(), pulls).await;
    assert!((5..STEPS).contains(&steps), "{steps} steps of a pull");
    assert!(peak <= MEMORY_BYTES, "{fault:?}: RssAnon was {} MiB", peak >> 20);
    registry.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_at_any_step_of_a_push_is_got_over_or_told() {
    join_all(FAULTS.map(push_with)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_at_any_step_of_a_pull_is_got_over_or_told() {
    join_all(FAULTS.map(pull_with)).await;
}

/// A bucket that from some step on fails until somebody repairs it. One registry and one bucket for each step: what
/// takes time is the registries' patience.
async fn out_of_order_from(step: usize, fault: Fault) {
    let server = S3Server::start();
    let settings = Settings { driver: IMPATIENT, ..Settings::default() };
    let registry = Program::tested().start_with(&server, settings);
    let what = format!("{fault:?} from {step} on");
    let (old, new) = (image(1), image(2));
    assert!(push_once(&registry, "acme/old", &old, &what).await);
    server.fail(Rule::nth(step, fault).times(usize::MAX));
    let work = async {
        let acknowledged = push_once(&registry, "acme/new", &new, &what).await;
        pull_once(&registry, "acme/old", &old, &what).await;
        acknowledged
    };
    let (acknowledged, peak) = peak_of(&registry.process(), work).await;
    server.heal();
    if !acknowledged {
        assert!(push_once(&registry, "acme/new", &new, &what).await, "{what}: the second try fails");
    }
    assert_image(&registry, "acme/old", "1", &old).await;
    assert_image(&registry, "acme/new", "1", &new).await;
    assert!(peak <= MEMORY_BYTES, "{what}: RssAnon was {} MiB", peak >> 20);
    registry.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_is_out_of_order_gives_5xx_and_loses_nothing() {
    let steps = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 18, 20];
    let faults = [Fault::SlowDown, Fault::ResetBefore];
    join_all(steps.into_iter().flat_map(|step| faults.map(|fault| out_of_order_from(step, fault)))).await;
}
