//! Those who are beside the small requests: idle connections, slow readers and writers, one that pushes all it can.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use wharf_testkit::images::noise;

use super::{join, push};
use crate::scale::Crowd;
use crate::wire::{Connection, Request};

/// A slow one moves so much at a time: a megabyte in a second.
const SLOW_BYTES: usize = 50_000;
const SLOW_INTERVAL: Duration = Duration::from_millis(50);
/// How long the uploads are that are never finished.
const ENDLESS_BYTES: u64 = 10 << 30;
/// What a fast writer writes at once.
const FAST_BYTES: usize = 1 << 20;

/// Does `work` beside a crowd: all are there when it begins, and leave when it ends.
pub(crate) fn beside_a_crowd<T>(
    address: SocketAddr,
    crowd: Crowd,
    large: &Request,
    repository: &str,
    work: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let mut idle = Vec::new();
    for _ in 0..crowd.idle {
        idle.push(idle_connection(address)?);
    }
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let over = &over;
        let mut threads = Vec::new();
        for _ in 0..crowd.readers {
            let stream = Connection::open(address)?.send_only(large)?;
            threads.push(scope.spawn(move || read_slowly(stream, over)));
        }
        for _ in 0..crowd.writers {
            let stream = open_upload(address, repository)?;
            threads.push(scope.spawn(move || write_slowly(stream, over)));
        }
        let outcome = work();
        over.store(true, Ordering::Relaxed);
        threads.into_iter().try_for_each(join)?;
        outcome
    })
}

/// Does `work` beside one upload that goes on as fast as the server takes it.
pub(crate) fn beside_a_push<T>(
    address: SocketAddr,
    repository: &str,
    work: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let mut stream = open_upload(address, repository)?;
    let other_hand = stream.try_clone()?;
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let over = &over;
        let thread = scope.spawn(move || {
            let block = noise(1, FAST_BYTES);
            while !over.load(Ordering::Relaxed) {
                if let Err(error) = stream.write_all(&block) {
                    // Cut off by us, or by a server that takes no more.
                    let expected = over.load(Ordering::Relaxed);
                    return if expected { Ok(()) } else { Err(error).context("the push beside") };
                }
            }
            Ok(())
        });
        let outcome = work();
        over.store(true, Ordering::Relaxed);
        // It fails when the connection is gone already.
        let _ = other_hand.shutdown(Shutdown::Both);
        join(thread)?;
        outcome
    })
}

/// One that was used and is kept.
fn idle_connection(address: SocketAddr) -> Result<TcpStream> {
    let mut connection = Connection::open_with_buffer(address, 4 << 10)?;
    connection.exchange(&Request::get("/v2/", &[]))?.expect(200)?;
    connection.another_hand()
}

/// An upload whose bytes are still to come.
fn open_upload(address: SocketAddr, repository: &str) -> Result<TcpStream> {
    let mut connection = Connection::open(address)?;
    let location = push::begin(&mut connection, repository)?;
    connection.send_head("PATCH", &location, ENDLESS_BYTES)
}

fn read_slowly(mut stream: TcpStream, over: &AtomicBool) -> Result<()> {
    let mut buffer = vec![0; SLOW_BYTES];
    stream.set_read_timeout(Some(SLOW_INTERVAL))?;
    while !over.load(Ordering::Relaxed) {
        match stream.read(&mut buffer) {
            Ok(_) => {}
            // A small blob is over before the measurement is.
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error).context("a slow reader"),
        }
        thread::sleep(SLOW_INTERVAL);
    }
    Ok(())
}

fn write_slowly(mut stream: TcpStream, over: &AtomicBool) -> Result<()> {
    let block = noise(2, SLOW_BYTES);
    while !over.load(Ordering::Relaxed) {
        stream.write_all(&block).context("a slow writer")?;
        thread::sleep(SLOW_INTERVAL);
    }
    Ok(())
}
