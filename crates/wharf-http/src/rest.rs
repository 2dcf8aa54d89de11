//! The rest of a request's body that no handler has read: it is read and dropped while the response is on its way.
//!
//! What is short is read to its end, so that the connection can be used again. Over HTTP/1 a longer one ends with its
//! connection (`lingering.rs`); over HTTP/2 its stream is reset without an error when the client has had time to read the
//! response.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONNECTION, HeaderValue};
use http::{Response, StatusCode, Version};
use http_body::Body as HttpBody;
use http_body_util::BodyExt;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::body::Body;
use crate::request_body::Inner;

/// How much of a body is read and dropped.
const REST_BYTES: u64 = 1024 * 1024;

/// How long that may take.
const REST_TIMEOUT: Duration = Duration::from_secs(1);

/// How many bodies are read and dropped at once; of others nothing is.
const RESTS: usize = 1024;

/// The rests of all requests of the process.
#[derive(Debug)]
pub(crate) struct Rests {
    permits: Arc<Semaphore>,
    tasks: TaskTracker,
}

// === impl Rests ===

impl Default for Rests {
    fn default() -> Self {
        Self { permits: Arc::new(Semaphore::new(RESTS)), tasks: TaskTracker::new() }
    }
}

impl Rests {
    /// Reads and drops the rest of a request's body beside its response, within the limits.
    pub(crate) fn drop_after(&self, version: Version, response: &mut Response<Body>, rest: Inner) {
        let is_http1 = version < Version::HTTP_2;
        let is_too_long = is_http1 && rest.size_hint().lower() > REST_BYTES;
        // The client has stopped in the middle of a body: what it sends next may be meant as another request.
        let is_given_up = response.status() == StatusCode::REQUEST_TIMEOUT;
        let permit = Arc::clone(&self.permits).try_acquire_owned().ok();
        match permit.filter(|_| !is_too_long && !is_given_up) {
            Some(permit) => drop(self.tasks.spawn(async move {
                let _ = timeout(REST_TIMEOUT, drop_frames(rest, is_http1)).await;
                drop(permit);
            })),
            None if is_http1 => {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            None => {}
        }
    }
}

async fn drop_frames(mut rest: Inner, is_http1: bool) {
    let mut left = REST_BYTES;
    while let Some(Ok(frame)) = rest.frame().await {
        let length = frame.data_ref().map_or(0, |data| data.len() as u64);
        match left.checked_sub(length) {
            Some(less) => left = less,
            None if is_http1 => return,
            // A client that meets the reset together with the response loses it (curl); without more room to send it reads
            // the response first, and most reset the stream themselves.
            None => pending().await,
        }
    }
}
