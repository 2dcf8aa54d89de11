//! An S3 server in the process of the test, with a hand on what goes wrong in it.
//!
//! It keeps everything in memory, checks signatures (access key and secret key are both `test`), lists in true byte
//! order, honours conditions and refuses what S3 refuses: parts out of order, parts too small, uploads it does not know.
//! Every request is in its [log](S3Server::log). It knows nothing of registries.
//!
//! It runs on a thread and a runtime of its own, so a test needs none and may stop its own clock.

mod body;
mod bucket;
mod connection;
mod faults;
mod front;
mod gates;
mod log;
mod multipart;
mod objects;
mod operation;
mod rope;
mod sink;
#[cfg(test)]
mod tests;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use self::bucket::Buckets;
use self::front::Front;

pub use self::faults::{Fault, Rule};
pub use self::log::Record;
pub use self::operation::Operation;

/// The access key, and the secret key too.
pub const KEY: &str = "test";
/// The bucket that is there from the beginning.
pub const BUCKET: &str = "wharf";
/// The region that every signature is for.
pub const REGION: &str = "us-east-1";

/// An S3 server on the loopback. Dropping it ends it.
#[derive(Debug)]
pub struct S3Server {
    address: SocketAddr,
    front: Arc<Front>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

// === impl S3Server ===

impl S3Server {
    /// A server with one empty bucket.
    pub fn start() -> Self {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let front = Arc::new(Front::new(Buckets::default()));
        front.buckets().create(BUCKET);
        let (stop, stopped) = oneshot::channel();
        let served = Arc::clone(&front);
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).unwrap();
                tokio::select! {
                    () = front::serve(listener, served) => {}
                    _ = stopped => {}
                }
            });
            runtime.shutdown_background();
        });
        Self { address, front, stop: Some(stop), thread: Some(thread) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:<port>`, as configurations have it.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The lines below `storage:` of a registry's configuration: this server, and this bucket of it.
    ///
    /// `more` are further parameters, each on a line of its own, without indentation.
    pub fn storage(&self, bucket: &str, more: &str) -> String {
        storage(&self.endpoint(), bucket, more)
    }

    // --- what it holds ---

    /// Makes a bucket; one that is there stays as it is.
    pub fn create_bucket(&self, name: &str) {
        self.front.buckets().create(name);
    }

    /// Forgets all that is in a bucket.
    pub fn empty_bucket(&self, name: &str) {
        self.front.buckets().clear(name);
    }

    /// Stores an object without a request.
    pub fn put(&self, bucket: &str, key: &str, bytes: impl Into<Bytes>) {
        self.front.buckets().seed(bucket, key, bytes.into());
    }

    /// What is stored under a key.
    pub fn object(&self, bucket: &str, key: &str) -> Option<Vec<u8>> {
        self.front.buckets().contents(bucket, key)
    }

    /// Takes an object away without a request.
    pub fn remove(&self, bucket: &str, key: &str) {
        self.front.buckets().forget(bucket, key);
    }

    /// All keys that begin so, in byte order.
    pub fn keys(&self, bucket: &str, prefix: &str) -> Vec<String> {
        self.front.buckets().keys(bucket, prefix)
    }

    /// The keys of the objects in parts that nobody has finished or given up, in byte order.
    pub fn unfinished(&self, bucket: &str) -> Vec<String> {
        self.front.buckets().unfinished(bucket)
    }

    /// Everything there, finished or not, becomes so much older.
    pub fn age(&self, by: Duration) {
        self.front.buckets().age(by);
    }

    // --- what it saw ---

    /// Every request since the start or the last [`forget`](Self::forget), in the order of their coming.
    pub fn log(&self) -> Vec<Record> {
        self.front.log().records()
    }

    /// How many requests of this kind there are in the log.
    pub fn count(&self, operation: Operation) -> usize {
        self.log().iter().filter(|record| record.operation == operation).count()
    }

    /// Empties the log.
    pub fn forget(&self) {
        self.front.log().forget();
    }

    // --- how it behaves ---

    /// What goes wrong from now on, after what was said before. The first rule that fits a request is the one it gets.
    pub fn fail(&self, rule: Rule) {
        self.front.faults().add(rule);
    }

    /// Nothing goes wrong any more.
    pub fn heal(&self) {
        self.front.faults().clear();
    }

    /// How many requests have met a fault since the start.
    pub fn failed(&self) -> usize {
        self.front.faults().met()
    }

    /// From now on so many requests of the client that calls itself so (`User-Agent`) pass, and the next ones wait before
    /// anything is done.
    pub fn hold_after(&self, agent: &str, requests: usize) {
        self.front.gates().hold_after(agent, requests);
    }

    /// Waits until a request of the client waits, and those that passed before it are answered.
    pub async fn held(&self, agent: &str) {
        self.front.gates().held(agent).await;
    }

    /// Lets all of the client's requests pass.
    pub fn release(&self, agent: &str) {
        self.front.gates().release(agent);
    }

    /// Every request waits so long before it is looked at.
    pub fn set_latency(&self, latency: Duration) {
        self.front.set_latency(latency);
    }

    /// From now on `If-None-Match` and `If-Match` of writes are ignored, as some stores ignore them.
    pub fn ignore_conditions(&self) {
        self.front.buckets().ignore_conditions();
    }

    /// From now on listings end early, as MinIO's do: where `start-after` has a slash after the prefix, the walk begins at
    /// the first name after the prefix, what is passed over is counted, and the end of the walk is called the end of the
    /// keys. What continuation tokens give is right.
    pub fn end_listings_early(&self) {
        self.front.buckets().end_listings_early();
    }

    /// From now on `If-Match` of DELETE is ignored, as MinIO ignores it: the object is removed.
    pub fn ignore_conditions_of_deletes(&self) {
        self.front.buckets().ignore_conditions_of_deletes();
    }

    /// Parts may be as small as one likes. S3 refuses any but the last of less than 5 MiB.
    pub fn allow_small_parts(&self) {
        self.front.buckets().allow_small_parts();
    }

    /// From now on the bytes of parts and of objects above 1 MiB are taken at this rate, each request by itself, and
    /// dropped: what is read later has the right length and is zeros.
    pub fn sink(&self, bytes_per_second: u64) {
        self.front.buckets().sink(bytes_per_second);
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        // It is gone already only if it panicked.
        let _ = self.stop.take().map(|stop| stop.send(()));
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// The lines below `storage:` of a registry's configuration: a bucket of the server at `endpoint`.
pub fn storage(endpoint: &str, bucket: &str, more: &str) -> String {
    let mut lines = format!(
        "  s3:\n    accesskey: {KEY}\n    secretkey: {KEY}\n    region: {REGION}\n    \
         regionendpoint: {endpoint}\n    forcepathstyle: true\n    secure: false\n    bucket: {bucket}\n"
    );
    for line in more.lines() {
        lines.push_str("    ");
        lines.push_str(line);
        lines.push('\n');
    }
    lines
}
