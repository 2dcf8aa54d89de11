//! Small requests as fast as they are answered, on a few connections, each of which has one request under way.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::{Load, Meter, join, nanoseconds};
use crate::proc::Processes;
use crate::wire::{Connection, Endpoint, Request};

/// Sends `requests` round and round until `window` has passed; each connection sends at least one.
pub(crate) fn run(
    endpoint: &Endpoint,
    server: &Processes,
    requests: &[Request],
    connections: usize,
    window: Duration,
) -> Result<Load> {
    let mut opened: Vec<_> = (0..connections).map(|_| Connection::open(endpoint)).collect::<Result<_>>()?;
    let meter = Meter::start(server)?;
    let deadline = Instant::now() + window;
    let parts: Vec<Load> = std::thread::scope(|scope| {
        let threads: Vec<_> = opened
            .iter_mut()
            .enumerate()
            .map(|(index, connection)| {
                // No two connections ask for the same things at the same time.
                let first = index * requests.len() / connections;
                scope.spawn(move || one_connection(connection, requests, first, deadline))
            })
            .collect();
        threads.into_iter().map(join).collect::<Result<_>>()
    })?;
    let mut all = Load { cost: meter.stop()?, ..Load::default() };
    for part in parts {
        all.operations += part.operations;
        all.bytes += part.bytes;
        all.latencies.extend(part.latencies);
    }
    Ok(all)
}

fn one_connection(
    connection: &mut Connection,
    requests: &[Request],
    first: usize,
    deadline: Instant,
) -> Result<Load> {
    let mut load = Load::default();
    let mut begun = Instant::now();
    for request in requests.iter().cycle().skip(first) {
        let answer = connection.exchange(request)?.expect(200).context("a small request")?;
        let ended = Instant::now();
        load.operations += 1;
        load.bytes += answer.body_bytes;
        load.latencies.push(nanoseconds(ended - begun));
        if ended >= deadline {
            break;
        }
        begun = ended;
    }
    Ok(load)
}
