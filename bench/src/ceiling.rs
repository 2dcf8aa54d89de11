//! What the machine can do without a registry: files written and synced, bytes hashed, bytes received.
//!
//! Run in the same rounds as the servers, so that a slow moment of the disk is seen in both.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result};
use rustix::time::{ClockId, clock_gettime};
use wharf_oci::{Algorithm, Hasher};
use wharf_testkit::images::noise;

use crate::load::{Cost, Load, join, nanoseconds};
use crate::rows::Ceiling;
use crate::scale::Scale;

/// Small files of an image beside its layer: config, manifest, links of two blobs, of a revision, of a tag, its history.
const SMALL_FILES: usize = 7;
/// About what a config or a manifest has; a link has less and costs the same.
const SMALL_BYTES: usize = 400;
/// What a server would read from its socket and write at once.
const BLOCK_BYTES: usize = 1 << 20;

// === impl Ceiling ===

impl Ceiling {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Files { .. } => "(same files, synced)",
            Self::Hash => "(SHA-256 alone)",
            Self::ReceiveHashWrite => "(receive, hash, write)",
        }
    }

    /// Measures it; `disk` and `memory` are folders for what has to be written.
    pub(crate) fn take(self, scale: &Scale, disk: &Path, memory: &Path, round: usize) -> Result<Load> {
        let (count, length) = scale.pushed_blobs;
        match self {
            Self::Files { layer_bytes, threads } => {
                let folder = disk.join(format!("ceiling-{layer_bytes}-{round}"));
                files(&folder, layer_bytes, threads, scale.pushed_images)
            }
            Self::Hash => hash(count, length),
            Self::ReceiveHashWrite => {
                let file = memory.join("ceiling");
                let load = receive_hash_write(&file, count * length);
                fs::remove_file(&file)?;
                load
            }
        }
    }
}

/// The files of so many images, written and synced one by one by each of the threads.
fn files(folder: &Path, layer_bytes: usize, threads: usize, images: usize) -> Result<Load> {
    let layer = noise(3, layer_bytes);
    fs::create_dir_all(folder)?;
    let begun = (Instant::now(), cpu(ClockId::ProcessCPUTime));
    let parts: Vec<Vec<u64>> = thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|number| {
                let layer = &layer;
                scope.spawn(move || {
                    let own = (number..images).step_by(threads);
                    own.map(|image| one_image(&folder.join(image.to_string()), layer)).collect()
                })
            })
            .collect();
        running.into_iter().map(join).collect::<Result<_>>()
    })?;
    let latencies = parts.concat();
    let bytes = (latencies.len() * layer_bytes) as u64;
    Ok(Load {
        operations: latencies.len() as u64,
        bytes,
        latencies,
        cost: since(begun, ClockId::ProcessCPUTime),
        ..Load::default()
    })
}

fn one_image(folder: &Path, layer: &[u8]) -> Result<u64> {
    let begun = Instant::now();
    fs::create_dir(folder)?;
    write_synced(&folder.join("layer"), layer)?;
    for number in 0..SMALL_FILES {
        write_synced(&folder.join(number.to_string()), &layer[..SMALL_BYTES.min(layer.len())])?;
    }
    Ok(nanoseconds(begun.elapsed()))
}

fn write_synced(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_data().with_context(|| format!("cannot sync {}", path.display()))
}

fn hash(count: usize, length: usize) -> Result<Load> {
    let bytes = noise(4, length);
    let begun = (Instant::now(), cpu(ClockId::ThreadCPUTime));
    for _ in 0..count {
        let mut hasher = Hasher::new(Algorithm::Sha256);
        hasher.update(&bytes);
        std::hint::black_box(hasher.finish());
    }
    Ok(Load {
        operations: count as u64,
        bytes: (count * length) as u64,
        cost: since(begun, ClockId::ThreadCPUTime),
        ..Load::default()
    })
}

/// What a server that does nothing else would do with a pushed blob, in one thread.
fn receive_hash_write(path: &Path, length: usize) -> Result<Load> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    thread::scope(|scope| {
        let sender = scope.spawn(move || {
            let block = noise(5, BLOCK_BYTES);
            let mut stream = TcpStream::connect(address)?;
            for sent in (0..length).step_by(BLOCK_BYTES) {
                stream.write_all(&block[..BLOCK_BYTES.min(length - sent)])?;
            }
            Ok(())
        });
        let (mut stream, _) = listener.accept()?;
        let mut file = File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
        let mut hasher = Hasher::new(Algorithm::Sha256);
        let mut block = vec![0; BLOCK_BYTES];
        let begun = (Instant::now(), cpu(ClockId::ThreadCPUTime));
        let mut bytes = 0;
        loop {
            let read = stream.read(&mut block)?;
            if read == 0 {
                break;
            }
            hasher.update(&block[..read]);
            file.write_all(&block[..read])?;
            bytes += read as u64;
        }
        std::hint::black_box(hasher.finish());
        let cost = since(begun, ClockId::ThreadCPUTime);
        join(sender)?;
        Ok(Load { operations: 1, bytes, cost, ..Load::default() })
    })
}

/// Processor seconds by one of the kernel's clocks.
fn cpu(clock: ClockId) -> f64 {
    let time = clock_gettime(clock);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn since((begun, cpu_then): (Instant, f64), clock: ClockId) -> Cost {
    Cost { seconds: begun.elapsed().as_secs_f64(), server_cpu: cpu(clock) - cpu_then, client_cpu: f64::NAN }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ceiling_counts_what_it_did() {
        let scratch = tempfile::tempdir().unwrap();
        let scale = Scale::smoke();
        let take = |ceiling: Ceiling| ceiling.take(&scale, scratch.path(), scratch.path(), 1).unwrap();

        let files = take(Ceiling::Files { layer_bytes: 100, threads: 3 });
        assert_eq!((files.operations, files.latencies.len()), (4, 4));
        let written = fs::read_dir(scratch.path().join("ceiling-100-1")).unwrap().count();
        assert_eq!(written, 4);
        for ceiling in [Ceiling::Hash, Ceiling::ReceiveHashWrite] {
            assert_eq!(take(ceiling).bytes, 1 << 20);
        }
    }
}
