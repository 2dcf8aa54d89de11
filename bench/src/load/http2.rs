//! HTTP/2, by hyper's client with the windows of the clients people use.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Body as _;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::LocalSet;
use tokio_rustls::TlsConnector;

use super::{Load, Meter, join, nanoseconds};
use crate::proc::Processes;
use crate::wire::Endpoint;

/// What Go's client grants a stream, and nearly every client of registries is Go's.
const STREAM_WINDOW_BYTES: u32 = 4 << 20;
/// What Go's client grants a connection.
const CONNECTION_WINDOW_BYTES: u32 = 1 << 30;
/// What Go's client takes in one frame.
const FRAME_BYTES: u32 = 16 << 10;

/// What is asked for, by path, and the media type that is accepted.
#[derive(Debug, Clone)]
pub(crate) struct Targets {
    pub(crate) paths: Vec<String>,
    pub(crate) accept: &'static str,
}

/// How many requests are under way at a time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Concurrency {
    pub(crate) connections: usize,
    pub(crate) streams: usize,
}

/// Asks for `targets` round and round until `window` has passed; each connection has a thread of its own.
pub(crate) fn run(
    endpoint: &Endpoint,
    server: &Processes,
    targets: &Targets,
    concurrency: Concurrency,
    window: Duration,
) -> Result<Load> {
    let meter = Meter::start(server)?;
    let parts: Vec<Vec<Load>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..concurrency.connections)
            .map(|_| scope.spawn(move || one_connection(endpoint, targets, concurrency.streams, window)))
            .collect();
        threads.into_iter().map(join).collect::<Result<_>>()
    })?;
    let mut all = Load { cost: meter.stop()?, ..Load::default() };
    for part in parts.into_iter().flatten() {
        all.operations += part.operations;
        all.bytes += part.bytes;
        all.latencies.extend(part.latencies);
    }
    Ok(all)
}

fn one_connection(
    endpoint: &Endpoint,
    targets: &Targets,
    streams: usize,
    window: Duration,
) -> Result<Vec<Load>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = LocalSet::new();
    local.block_on(&runtime, async {
        let sender = connect(endpoint).await?;
        let deadline = Instant::now() + window;
        let tasks: Vec<_> = (0..streams)
            .map(|index| {
                let (sender, targets) = (sender.clone(), targets.clone());
                let origin = format!("{}://{}", endpoint.scheme(), endpoint.address);
                tokio::task::spawn_local(one_stream(sender, origin, targets, index, deadline))
            })
            .collect();
        let mut parts = Vec::new();
        for task in tasks {
            parts.push(task.await.context("a stream of the client panicked")??);
        }
        Ok(parts)
    })
}

async fn connect(endpoint: &Endpoint) -> Result<SendRequest<Empty<Bytes>>> {
    let address = endpoint.address;
    let stream = TcpStream::connect(address).await.with_context(|| format!("cannot connect to {address}"))?;
    stream.set_nodelay(true)?;
    let Some(config) = &endpoint.tls else { return handshake(stream).await };
    let connector = TlsConnector::from(config.clone());
    let stream = connector
        .connect(endpoint.server_name(), stream)
        .await
        .with_context(|| format!("no TLS with {address}"))?;
    ensure!(stream.get_ref().1.alpn_protocol() == Some(b"h2"), "no HTTP/2 was agreed upon");
    handshake(stream).await
}

async fn handshake<S>(stream: S) -> Result<SendRequest<Empty<Bytes>>>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES)
        .handshake(TokioIo::new(stream))
        .await
        .context("no HTTP/2 here")?;
    // It ends with the last sender; an error is told to whoever waits for an answer.
    tokio::task::spawn_local(connection);
    Ok(sender)
}

async fn one_stream(
    mut sender: SendRequest<Empty<Bytes>>,
    origin: String,
    targets: Targets,
    first: usize,
    deadline: Instant,
) -> Result<Load> {
    let mut load = Load::default();
    for path in targets.paths.iter().cycle().skip(first % targets.paths.len()) {
        let begun = Instant::now();
        let request = http::Request::get(format!("{origin}{path}"))
            .header(http::header::ACCEPT, targets.accept)
            .body(Empty::new())?;
        sender.ready().await?;
        let answer = sender.send_request(request).await.context("a request over HTTP/2")?;
        ensure!(answer.status() == 200, "answered {} over HTTP/2, not 200", answer.status());
        let mut body = answer.into_body();
        while let Some(frame) = body.frame().await {
            load.bytes += frame?.data_ref().map_or(0, |data| data.len() as u64);
            // Cut off, so that a window ends when it ends; it has bytes and no latency.
            if Instant::now() >= deadline && !body.is_end_stream() {
                return Ok(load);
            }
        }
        let ended = Instant::now();
        load.operations += 1;
        load.latencies.push(nanoseconds(ended - begun));
        if ended >= deadline {
            break;
        }
    }
    Ok(load)
}
