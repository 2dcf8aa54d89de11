//! What is done to a server while its costs are measured. Each way of doing it is a module below.
//!
//! A load says what it did and what that cost; what is made of the numbers is `metric`'s business.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::proc::Processes;

pub(crate) mod catalog;
pub(crate) mod crowd;
pub(crate) mod download;
pub(crate) mod http2;
pub(crate) mod probe;
pub(crate) mod push;
pub(crate) mod requests;

/// What was done, and what it cost.
#[derive(Debug, Default)]
pub(crate) struct Load {
    pub(crate) operations: u64,
    pub(crate) bytes: u64,
    /// Of every operation, in nanoseconds and in no order.
    pub(crate) latencies: Vec<u64>,
    /// The same of small requests with nothing beside them, where that is what the row compares with.
    pub(crate) undisturbed: Vec<u64>,
    pub(crate) cost: Cost,
}

/// Seconds that passed, and processor seconds that were used meanwhile.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) seconds: f64,
    pub(crate) server_cpu: f64,
    pub(crate) client_cpu: f64,
}

/// A clock on the wall and on both sides' processor time.
#[derive(Debug)]
pub(crate) struct Meter<'a> {
    server: &'a Processes,
    begun: Instant,
    server_cpu: f64,
    client_cpu: f64,
}

// === impl Meter ===

impl<'a> Meter<'a> {
    pub(crate) fn start(server: &'a Processes) -> Result<Self> {
        let (server_cpu, client_cpu) = (server.cpu_seconds()?, Processes::own().cpu_seconds()?);
        Ok(Self { server, begun: Instant::now(), server_cpu, client_cpu })
    }

    pub(crate) fn stop(&self) -> Result<Cost> {
        Ok(Cost {
            seconds: self.begun.elapsed().as_secs_f64(),
            server_cpu: self.server.cpu_seconds()? - self.server_cpu,
            client_cpu: Processes::own().cpu_seconds()? - self.client_cpu,
        })
    }
}

// === impl Cost ===

impl Cost {
    /// Both, one after the other.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            seconds: self.seconds + other.seconds,
            server_cpu: self.server_cpu + other.server_cpu,
            client_cpu: self.client_cpu + other.client_cpu,
        }
    }
}

/// Whole nanoseconds: more than five hundred years of them fit.
pub(crate) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// What a thread of a load came to; one that panicked is an error.
pub(crate) fn join<T>(thread: std::thread::ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    thread.join().map_err(|_| anyhow::anyhow!("a thread of the client panicked"))?
}
