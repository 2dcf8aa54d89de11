//! The accept loop and its end.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulConnection, GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::accounts::Window;
use crate::connections::{Connections, OpenConnection};
use crate::limits::Limits;
use crate::listener::{Connection, Listener};
use crate::sending::SendingBody;
use crate::service::{Remote, Service, Tls, Via};
use crate::stall::Stall;
use crate::streams::StreamExecutor;
use crate::tls::{Secured, TlsSource};

/// How long accepting pauses after a failure, at first and at most: there is nothing to do about having no file
/// descriptors but to wait until somebody closes one.
const ACCEPT_PAUSE: (Duration, Duration) = (Duration::from_millis(5), Duration::from_secs(1));

/// How long accepting waits for a connection to end when there are as many as may be, before it closes idle ones.
const ROOM_INTERVAL: Duration = Duration::from_secs(1);

/// The longest head of a request, and what is read or waits to be sent at once over HTTP/1: twice the longest token that
/// clients send.
const H1_BUFFER_BYTES: usize = 128 * 1024;

/// What waits to be sent on a stream: one block of a file.
const H2_SEND_BYTES: usize = 256 * 1024;

/// How long a client may leave a ping unanswered before its HTTP/2 connection, on which nothing need ever be sent, is taken
/// for dead.
const H2_PING_TIMEOUT: Duration = Duration::from_secs(20);

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
    let stopping = CancellationToken::new();
    let account = Arc::clone(service.account());
    let open = Connections::new(service.limits(), service.trusted_proxies().clone(), account);
    let place = Place { service: &service, open: &open, graceful: &graceful, stopping: &stopping };
    tokio::select! {
        () = stop => {}
        () = accept(&listener, place, &connections, &permits) => {}
    }
    // No new connections from here on; whoever tries is refused and goes to another replica.
    drop(listener);
    // Whoever has not finished its handshake has asked for nothing yet.
    stopping.cancel();
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

/// What all connections have in common.
#[derive(Clone, Copy)]
struct Place<'a> {
    service: &'a Service,
    open: &'a Connections,
    graceful: &'a GracefulShutdown,
    stopping: &'a CancellationToken,
}

async fn accept(listener: &Listener, place: Place<'_>, connections: &TaskTracker, permits: &Arc<Semaphore>) {
    let (first, longest) = ACCEPT_PAUSE;
    let mut pause = first;
    loop {
        // Before accepting: a connection that may not be served yet waits in the kernel and costs us nothing.
        let Some(permit) = room(permits, place.open).await else { return };
        match listener.accept().await {
            Ok((stream, remote)) => {
                pause = first;
                let Some(open) = place.open.admit(remote.map(|remote| remote.ip())) else { continue };
                let seat = Seat::new(place, remote, open, permit);
                match listener.tls() {
                    None => connections.spawn(clear(stream, seat)),
                    Some(source) => connections.spawn(secure(stream, Arc::clone(source), seat)),
                };
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

/// Waits until one more connection may be open; `None` if none will ever be.
async fn room(permits: &Arc<Semaphore>, open: &Connections) -> Option<OwnedSemaphorePermit> {
    loop {
        match timeout(ROOM_INTERVAL, Arc::clone(permits).acquire_owned()).await {
            Ok(permit) => return permit.ok(),
            Err(_) => open.make_room(),
        }
    }
}

/// The client hung up between knocking and our opening.
fn is_clients_fault(error: &std::io::Error) -> bool {
    use std::io::ErrorKind as K;
    matches!(error.kind(), K::ConnectionAborted | K::ConnectionReset | K::Interrupted)
}

/// What one connection holds while it lasts. It is watched from here on, so that a drain waits for it.
struct Seat {
    service: Service,
    remote: Option<SocketAddr>,
    open: OpenConnection,
    /// How long its handshake and the heads of its requests may take.
    head_timeout: Duration,
    watcher: Watcher,
    stopping: CancellationToken,
    permit: OwnedSemaphorePermit,
}

/// What is spoken on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
    /// HTTP/1 and, for clients that begin with it, HTTP/2.
    Either,
}

/// Serves a connection without TLS.
async fn clear(stream: Connection, seat: Seat) {
    let protocol = if seat.service.speaks_h2c() { Protocol::Either } else { Protocol::Http1 };
    seat.serve(stream, protocol, None).await;
}

/// Serves a connection with TLS. The handshake is made here, beside all others, and not where connections are accepted.
async fn secure(stream: Connection, source: Arc<dyn TlsSource>, seat: Seat) {
    let limit = seat.service.limits().handshake_timeout.min(seat.head_timeout);
    let secured = tokio::select! {
        () = seat.stopping.cancelled() => return,
        () = seat.open.closed_for_room() => return,
        // Boxed, for it is over when the long part of the task's life begins.
        secured = Box::pin(Secured::accept(stream, source.handshake(), limit)) => secured,
    };
    match secured {
        Ok(Secured { stream, protocol, tls }) => seat.serve(stream, protocol, Some(tls)).await,
        Err(error) => {
            let remote = seat.remote;
            tracing::debug!(?remote, error = &error as &dyn std::error::Error, "no TLS handshake");
        }
    }
}

// === impl Seat ===

impl Seat {
    fn new(
        place: Place<'_>,
        remote: Option<SocketAddr>,
        open: OpenConnection,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        let limits = place.service.limits();
        let is_crowded = place.open.are_crowded();
        Self {
            service: place.service.clone(),
            remote,
            open,
            head_timeout: if is_crowded { limits.crowded_head_timeout } else { limits.head_timeout },
            watcher: place.graceful.watcher(),
            stopping: place.stopping.clone(),
            permit,
        }
    }

    /// Answers requests until one side has enough.
    async fn serve<T>(self, stream: T, protocol: Protocol, tls: Option<Tls>)
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Self { service, remote, open, head_timeout, watcher, permit, .. } = self;
        let limits = *service.limits();
        let io = TokioIo::new(Stall::new(stream, limits.write_idle_timeout, head_timeout));
        let open = Arc::new(open);
        let of_requests = Arc::clone(&open);
        let handler = service_fn(move |mut request: hyper::Request<Incoming>| {
            let (service, busy, share) = (service.clone(), of_requests.busy(), of_requests.sending());
            if let Some(remote) = remote {
                request.extensions_mut().insert(Remote(remote));
            }
            if let Some(tls) = &tls {
                request.extensions_mut().insert(tls.clone());
            }
            async move {
                let via = Via { share: &share, busy: &busy };
                let (response, permit) = service.respond_via(Some(via), request).await;
                Ok::<_, Infallible>(response.map(|body| SendingBody::new(body, permit, busy, share)))
            }
        });
        match protocol {
            Protocol::Http1 => {
                let mut http1 = http1::Builder::new();
                http1.timer(TokioTimer::new()).header_read_timeout(head_timeout);
                http1.title_case_headers(true).max_buf_size(H1_BUFFER_BYTES);
                watch(watcher, http1.serve_connection(io, handler), &open, remote).await;
            }
            Protocol::Http2 => {
                let window = open.sending().account().open_window();
                let builder = both(head_timeout, &limits, &window).http2_only();
                watch(watcher, builder.serve_connection(io, handler).into_owned(), &open, remote).await;
            }
            Protocol::Either => {
                let window = open.sending().account().open_window();
                let builder = both(head_timeout, &limits, &window);
                watch(watcher, builder.serve_connection(io, handler).into_owned(), &open, remote).await;
            }
        }
        drop(permit);
    }
}

/// HTTP/1 and, for clients that begin with it, HTTP/2.
fn both(head_timeout: Duration, limits: &Limits, window: &Window) -> auto::Builder<StreamExecutor> {
    let mut builder = auto::Builder::new(StreamExecutor { idle_timeout: limits.write_idle_timeout });
    // As the registry we succeed writes them, for scripts that compare letters.
    let mut http1 = builder.http1();
    http1.timer(TokioTimer::new()).header_read_timeout(head_timeout);
    http1.title_case_headers(true).max_buf_size(H1_BUFFER_BYTES);
    let mut http2 = builder.http2();
    http2.timer(TokioTimer::new());
    http2.keep_alive_interval(head_timeout).keep_alive_timeout(H2_PING_TIMEOUT);
    http2.initial_stream_window_size(window.bytes).initial_connection_window_size(window.bytes);
    http2.max_send_buf_size(H2_SEND_BYTES).max_concurrent_streams(limits.streams);
    builder
}

/// Follows a connection to its end.
fn watch<C>(
    watcher: Watcher,
    connection: C,
    open: &OpenConnection,
    remote: Option<SocketAddr>,
) -> impl Future<Output = ()> + Send
where
    C: GracefulConnection + Future<Output = Result<(), <C as GracefulConnection>::Error>> + Send + 'static,
    <C as GracefulConnection>::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send,
{
    // Boxed, so that a task is as large as what it does and not as the largest thing any of them could do.
    let watched = Box::pin(watcher.watch(connection));
    async move {
        tokio::select! {
            // First, so that a request that has come is answered and not cut off.
            biased;
            ended = watched => if let Err(error) = ended {
                let error = error.into();
                tracing::debug!(?remote, error = &*error as &dyn std::error::Error, "connection ended early");
            },
            () = open.closed_for_room() => tracing::debug!(?remote, "idle connection closed to make room"),
        }
    }
}
