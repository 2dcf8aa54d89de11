//! Small requests at a steady pace, to see what happens to them beside something else.
//!
//! A closed loop would ask less the slower it is answered, and so hide what it is there to show.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::nanoseconds;
use crate::wire::{Connection, Request};

/// The pace: far from what any of the servers can do, so that what is seen comes from what is beside it.
const INTERVAL: Duration = Duration::from_millis(2);

/// The latencies of `requests`, round and round at a steady pace for as long as `window`.
///
/// One that could not be sent in time because the one before was not answered counts from when it was due. One that we
/// were late with ourselves, since the machine was busy, counts from when it was sent.
pub(crate) fn run(address: SocketAddr, requests: &[Request], window: Duration) -> Result<Vec<u64>> {
    let mut connection = Connection::open(address)?;
    let begun = Instant::now();
    let mut due = begun;
    let mut latencies = Vec::new();
    for request in requests.iter().cycle() {
        let now = Instant::now();
        let counts_from = if now < due {
            thread::sleep(due - now);
            Instant::now()
        } else {
            due
        };
        connection.exchange(request)?.expect(200).context("a small request beside others")?;
        latencies.push(nanoseconds(counts_from.elapsed()));
        due += INTERVAL;
        if begun.elapsed() >= window {
            break;
        }
    }
    Ok(latencies)
}
