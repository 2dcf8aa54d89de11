//! The accept loop and its end.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::task::TaskTracker;

use crate::listener::{Connection, Listener};
use crate::service::{Remote, Service};
use crate::stall::Stall;

/// How long accepting pauses after a failure, at first and at most: there is nothing to do about having no file
/// descriptors but to wait until somebody closes one.
const ACCEPT_PAUSE: (Duration, Duration) = (Duration::from_millis(5), Duration::from_secs(1));

/// What a client may send on a stream, and on a connection, before we have taken any of it: the round trip of a slow
/// link times its bandwidth, which hyper's default falls short of.
const H2_WINDOW_BYTES: u32 = 4 * 1024 * 1024;

/// What waits to be sent on a stream.
const H2_SEND_BYTES: usize = 1024 * 1024;

/// Requests at once on one connection.
const H2_STREAMS: u32 = 256;

/// How serving ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Connections cut off in the middle of a request.
    pub connections_cut: usize,
    /// Operations that had begun to change something and were not done.
    pub tasks_left: usize,
}

impl Drained {
    /// Whether everything came to its end in time.
    pub fn is_clean(&self) -> bool {
        self.connections_cut == 0 && self.tasks_left == 0
    }
}

/// Serves until `stop` resolves, then finishes the requests in flight, for as long as the limits say.
pub async fn serve(
    listener: impl Into<Listener>,
    service: Service,
    stop: impl Future<Output = ()>,
) -> Drained {
    let listener = listener.into();
    let graceful = GracefulShutdown::new();
    let connections = TaskTracker::new();
    let permits = Arc::new(Semaphore::new(service.limits().connections));
    tokio::select! {
        () = stop => {}
        () = accept(&listener, &service, &graceful, &connections, &permits) => {}
    }
    // No new connections from here on; whoever tries is refused and goes to another replica.
    drop(listener);
    let deadline = Instant::now() + service.limits().drain_timeout;
    connections.close();
    let finished = timeout_at(deadline, graceful.shutdown()).await.is_ok();
    let connections_cut = if finished { 0 } else { connections.len() };
    let tasks = service.registry().tasks();
    let tasks_left = match timeout_at(deadline, tasks.drain()).await {
        Ok(()) => 0,
        Err(_) => tasks.running(),
    };
    Drained { connections_cut, tasks_left }
}

async fn accept(
    listener: &Listener,
    service: &Service,
    graceful: &GracefulShutdown,
    connections: &TaskTracker,
    permits: &Arc<Semaphore>,
) {
    let (first, longest) = ACCEPT_PAUSE;
    let mut pause = first;
    loop {
        // Before accepting: a connection that may not be served yet waits in the kernel and costs us nothing.
        let Ok(permit) = Arc::clone(permits).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, remote)) => {
                pause = first;
                connections.spawn(connection(stream, remote, service.clone(), graceful, permit));
            }
            Err(error) if is_clients_fault(&error) => {}
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "could not accept a connection");
                sleep(pause).await;
                pause = (pause * 2).min(longest);
            }
        }
    }
}

/// The client hung up between knocking and our opening.
fn is_clients_fault(error: &std::io::Error) -> bool {
    use std::io::ErrorKind as K;
    matches!(error.kind(), K::ConnectionAborted | K::ConnectionReset | K::Interrupted)
}

/// Serves one connection. It is watched from here on, so that a drain waits for it.
fn connection(
    stream: Connection,
    remote: Option<SocketAddr>,
    service: Service,
    graceful: &GracefulShutdown,
    permit: OwnedSemaphorePermit,
) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    let limits = *service.limits();
    let h2c = service.speaks_h2c();
    let io = TokioIo::new(Stall::new(stream, limits.write_idle_timeout, limits.head_timeout));
    let handler = service_fn(move |mut request: hyper::Request<Incoming>| {
        let service = service.clone();
        if let Some(remote) = remote {
            request.extensions_mut().insert(Remote(remote));
        }
        async move { Ok::<_, Infallible>(service.respond(request).await) }
    });
    if h2c {
        let watched = graceful.watch(both(limits.head_timeout).serve_connection(io, handler).into_owned());
        return Box::pin(watch(watched, remote, permit));
    }
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .title_case_headers(true)
        .serve_connection(io, handler);
    Box::pin(watch(graceful.watch(connection), remote, permit))
}

/// HTTP/1 and, for clients that begin with it, HTTP/2.
fn both(head_timeout: Duration) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // As the registry we succeed writes them, for scripts that compare letters.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(head_timeout).title_case_headers(true);
    let mut http2 = builder.http2();
    http2.timer(TokioTimer::new());
    http2.initial_stream_window_size(H2_WINDOW_BYTES).initial_connection_window_size(H2_WINDOW_BYTES);
    http2.max_send_buf_size(H2_SEND_BYTES).max_concurrent_streams(H2_STREAMS);
    builder
}

/// Follows a connection to its end.
async fn watch<E>(
    connection: impl Future<Output = Result<(), E>>,
    remote: Option<SocketAddr>,
    permit: OwnedSemaphorePermit,
) where
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    if let Err(error) = connection.await {
        let error = error.into();
        tracing::debug!(?remote, error = &*error as &dyn std::error::Error, "connection ended early");
    }
    drop(permit);
}
