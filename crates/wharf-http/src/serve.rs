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
use hyper_util::server::graceful::GracefulConnection;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::accounts::Window;
use crate::connections::{Connections, OpenConnection};
use crate::head_timer::HeadTimer;
use crate::limits::Limits;
use crate::lingering::ReceivedBody;
use crate::listener::{Connection, Listener};
use crate::sending::SendingBody;
use crate::service::{Remote, Service, Tls, Via};
use crate::stall::{Stall, StallTimes};
use crate::streams::StreamExecutor;
use crate::tls::{Secured, TlsSource};

/// How long accepting pauses after a failure, at first and at most: there is nothing to do about having no file
/// descriptors but to wait until somebody closes one.
const ACCEPT_PAUSE: (Duration, Duration) = (Duration::from_millis(5), Duration::from_secs(1));

/// How long accepting waits for a connection to end when there are as many as may be, before it closes idle ones.
const ROOM_INTERVAL: Duration = Duration::from_secs(1);

/// What is read or waits to be sent at once over HTTP/1, if heads need no more.
const H1_BUFFER_BYTES: usize = 128 * 1024;

/// What waits to be sent on a stream: one block of a file.
const H2_SEND_BYTES: usize = 256 * 1024;

/// How long a client may leave a ping unanswered before its HTTP/2 connection, on which nothing need ever be sent, is taken
/// for dead.
const H2_PING_TIMEOUT: Duration = Duration::from_secs(20);

/// How long the tasks of connections that were cut may take to end: each needs to be polled once.
const CUT_TIMEOUT: Duration = Duration::from_secs(1);

/// How serving ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Connections closed in the middle of a request.
    pub connections_cut: usize,
    /// What is left of [`Limits::drain_timeout`](crate::Limits::drain_timeout), for tasks of the registry that go on
    /// without a client.
    pub time_left: Duration,
}

/// Serves until `stop` resolves, then finishes the requests in flight for as long as
/// [`Limits::drain_timeout`](crate::Limits::drain_timeout) says.
///
/// After that the connections that are left are closed, and every task that served one has ended. Dropping the future
/// closes the listener and all connections at once. Tasks of the registry are not waited for: several servers may have
/// one registry, which is drained after all of them ([`Tasks::drain`](wharf_core::Tasks::drain)).
pub async fn serve(
    listener: impl Into<Listener>,
    service: Service,
    stop: impl Future<Output = ()>,
) -> Drained {
    let listener = listener.into();
    let limits = service.limits();
    let permits = Arc::new(Semaphore::new(limits.connections));
    let account = Arc::clone(service.account());
    let open = Connections::new(limits, service.trusted_proxies().clone(), account);
    let place = Place {
        service: &service,
        open: &open,
        connections: TaskTracker::new(),
        streams: TaskTracker::new(),
        stopping: CancellationToken::new(),
        cut: CancellationToken::new(),
    };
    let cut_when_dropped = place.cut.clone().drop_guard();
    tokio::select! {
        () = stop => {}
        () = accept(&listener, &place, &permits) => {}
    }
    // No new connections from here on: a client that tries is refused and goes to another replica.
    drop(listener);
    let began = Instant::now();
    place.stopping.cancel();
    place.connections.close();
    let finished = timeout(limits.drain_timeout, place.connections.wait()).await.is_ok();
    let connections_cut = if finished { 0 } else { place.connections.len() };
    drop(cut_when_dropped);
    place.streams.close();
    let _ =
        timeout(CUT_TIMEOUT, async { tokio::join!(place.connections.wait(), place.streams.wait()) }).await;
    Drained { connections_cut, time_left: limits.drain_timeout.saturating_sub(began.elapsed()) }
}

/// What all connections have in common.
struct Place<'a> {
    service: &'a Service,
    open: &'a Connections,
    connections: TaskTracker,
    /// Tasks of HTTP/2 streams.
    streams: TaskTracker,
    /// No further request is answered; those in flight are.
    stopping: CancellationToken,
    /// Connections end at once, whatever they are doing.
    cut: CancellationToken,
}

async fn accept(listener: &Listener, place: &Place<'_>, permits: &Arc<Semaphore>) {
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
                    None => place.connections.spawn(clear(stream, seat)),
                    Some(source) => place.connections.spawn(secure(stream, Arc::clone(source), seat)),
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

/// What one connection has while it lasts.
struct Seat {
    service: Service,
    remote: Option<SocketAddr>,
    open: OpenConnection,
    /// How long its handshake and the heads of its requests may take.
    head_timeout: Duration,
    streams: TaskTracker,
    stopping: CancellationToken,
    cut: CancellationToken,
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

/// What ends a connection.
struct Life<'a> {
    remote: Option<SocketAddr>,
    open: &'a OpenConnection,
    idle_timeout: Duration,
    stopping: CancellationToken,
    cut: CancellationToken,
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
        place: &Place<'_>,
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
            streams: place.streams.clone(),
            stopping: place.stopping.clone(),
            cut: place.cut.clone(),
            permit,
        }
    }

    /// Answers requests until the client or the server closes the connection.
    async fn serve<T>(self, stream: T, protocol: Protocol, tls: Option<Tls>)
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Self { service, remote, open, head_timeout, streams, stopping, cut, permit } = self;
        let limits = *service.limits();
        let times = StallTimes { first: head_timeout, write: limits.write_idle_timeout };
        let io = TokioIo::new(Stall::new(stream, times, open.traffic(), service.lingering().clone()));
        let head_timer = HeadTimer::new(open.traffic(), head_timeout);
        let open = Arc::new(open);
        let of_requests = Arc::clone(&open);
        let traffic = open.traffic();
        let handler = service_fn(move |mut request: hyper::Request<Incoming>| {
            let (service, busy, share) = (service.clone(), of_requests.busy(), of_requests.sending());
            traffic.begin_request(request.version());
            if let Some(remote) = remote {
                request.extensions_mut().insert(Remote(remote));
            }
            if let Some(tls) = &tls {
                request.extensions_mut().insert(tls.clone());
            }
            let request = request.map(|body| ReceivedBody::new(body, Arc::clone(&traffic)));
            async move {
                let via = Via { share: &share, busy: &busy };
                let (response, permit) = service.respond_via(Some(via), request).await;
                Ok::<_, Infallible>(response.map(|body| SendingBody::new(body, permit, busy, share)))
            }
        });
        // A connection that ends takes its streams with it.
        let closed = cut.child_token();
        let _close = closed.clone().drop_guard();
        let executor = StreamExecutor { idle_timeout: limits.write_idle_timeout, streams, closed };
        let life = Life { remote, open: &open, idle_timeout: limits.idle_timeout, stopping, cut };
        match protocol {
            Protocol::Http1 => {
                let mut http1 = http1::Builder::new();
                http1.timer(head_timer).header_read_timeout(head_timeout);
                http1.title_case_headers(true).max_buf_size(head_ceiling(&limits).max(H1_BUFFER_BYTES));
                life.run(http1.serve_connection(io, handler)).await;
            }
            Protocol::Http2 => {
                let window = open.sending().account().open_window();
                let builder = both(head_timeout, &limits, &window, head_timer, executor).http2_only();
                life.run(builder.serve_connection(io, handler).into_owned()).await;
            }
            Protocol::Either => {
                let window = open.sending().account().open_window();
                let builder = both(head_timeout, &limits, &window, head_timer, executor);
                life.run(builder.serve_connection(io, handler).into_owned()).await;
            }
        }
        drop(permit);
    }
}

// === impl Life ===

impl Life<'_> {
    /// Follows a connection to its end.
    fn run<C>(self, connection: C) -> impl Future<Output = ()> + Send
    where
        C: GracefulConnection
            + Future<Output = Result<(), <C as GracefulConnection>::Error>>
            + Send
            + 'static,
        <C as GracefulConnection>::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send,
    {
        // Boxed, so that a task is as large as what it does and not as the largest thing any of them could do.
        let mut connection = Box::pin(connection);
        async move {
            let mut is_closing = false;
            loop {
                tokio::select! {
                    // First, so that a request that has come is answered and not cut off.
                    biased;
                    ended = &mut connection => return self.ended(ended),
                    () = self.stopping.cancelled(), if !is_closing => {}
                    () = self.open.idle_for(self.idle_timeout), if !is_closing => {}
                    () = self.open.closed_for_room() => {
                        return tracing::debug!(remote = ?self.remote, "connection closed to make room for others");
                    }
                    () = self.cut.cancelled() => return,
                }
                connection.as_mut().graceful_shutdown();
                is_closing = true;
            }
        }
    }

    fn ended<E: Into<Box<dyn std::error::Error + Send + Sync>>>(&self, ended: Result<(), E>) {
        if let Err(error) = ended {
            let (remote, error) = (self.remote, error.into());
            tracing::debug!(?remote, error = &*error as &dyn std::error::Error, "connection ended early");
        }
    }
}

/// The longest head that hyper reads. A head between the limit and this one is refused with a body that says why.
fn head_ceiling(limits: &Limits) -> usize {
    limits.head_bytes.saturating_mul(2)
}

/// HTTP/1 and, for clients that begin with it, HTTP/2.
fn both(
    head_timeout: Duration,
    limits: &Limits,
    window: &Window,
    head_timer: HeadTimer,
    executor: StreamExecutor,
) -> auto::Builder<StreamExecutor> {
    let mut builder = auto::Builder::new(executor);
    // As the registry we succeed writes them, for scripts that compare letters.
    let mut http1 = builder.http1();
    http1.timer(head_timer).header_read_timeout(head_timeout);
    http1.title_case_headers(true).max_buf_size(head_ceiling(limits).max(H1_BUFFER_BYTES));
    let mut http2 = builder.http2();
    http2.timer(TokioTimer::new());
    http2.max_header_list_size(u32::try_from(head_ceiling(limits)).unwrap_or(u32::MAX));
    http2.keep_alive_interval(head_timeout).keep_alive_timeout(H2_PING_TIMEOUT);
    http2.initial_stream_window_size(window.bytes).initial_connection_window_size(window.bytes);
    http2.max_send_buf_size(H2_SEND_BYTES).max_concurrent_streams(limits.streams);
    builder
}
