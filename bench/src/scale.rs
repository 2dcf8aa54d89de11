//! How much of everything a run does: for a table to keep, for a look, or to see that the benchmark still works.

use std::time::Duration;

use crate::seed::Shape;

/// How thorough a run is.
#[derive(Debug, Clone)]
pub(crate) struct Scale {
    pub(crate) name: &'static str,
    /// How often each row is measured on each peer, in turn.
    pub(crate) rounds: usize,
    /// How long a measurement goes on, where it is not a count of things to push.
    pub(crate) window: Duration,
    pub(crate) shape: Shape,
    /// Whether what others left to be written is written before it is on somebody's bill. On a busy disk that takes long.
    pub(crate) settles: bool,
    /// How many large blobs are pushed in a measurement, and of what length.
    pub(crate) pushed_blobs: (usize, usize),
    /// How many images all clients together push in a measurement.
    pub(crate) pushed_images: usize,
    /// Connections that stay idle, and of slow readers and of slow writers each.
    pub(crate) crowd: Crowd,
}

/// Those who are there beside the small requests that are measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Crowd {
    pub(crate) idle: usize,
    pub(crate) readers: usize,
    pub(crate) writers: usize,
}

const MIB: usize = 1 << 20;

// === impl Scale ===

impl Scale {
    pub(crate) fn full() -> Self {
        Self {
            name: "full",
            rounds: 5,
            window: Duration::from_secs(3),
            shape: Shape {
                manifests: 64,
                small_blobs: 256,
                medium_blobs: (16, 10 * MIB),
                large_blobs: (4, 256 * MIB),
                tags: [2_000, 100_000],
                repositories: 100_000,
            },
            settles: true,
            pushed_blobs: (2, 256 * MIB),
            pushed_images: 300,
            crowd: Crowd { idle: 1_000, readers: 20, writers: 20 },
        }
    }

    /// The same sizes, fewer of them.
    pub(crate) fn quick() -> Self {
        let full = Self::full();
        Self {
            name: "quick",
            rounds: 3,
            window: Duration::from_millis(400),
            shape: Shape {
                small_blobs: 64,
                medium_blobs: (8, 10 * MIB),
                large_blobs: (1, 256 * MIB),
                tags: [2_000, 20_000],
                repositories: 20_000,
                ..full.shape
            },
            pushed_blobs: (1, 256 * MIB),
            pushed_images: 40,
            ..full
        }
    }

    /// Has everything written that is waiting to be.
    pub(crate) fn settle(&self) {
        if self.settles {
            rustix::fs::sync();
        }
    }

    /// What each contender does before it is measured: the same, and less of it.
    pub(crate) fn warming_up(&self) -> Self {
        let (count, length) = self.pushed_blobs;
        Self {
            window: self.window / 5,
            pushed_blobs: (count.min(1), length / 8),
            pushed_images: self.pushed_images.div_ceil(10),
            ..self.clone()
        }
    }

    /// As little as shows that everything works.
    pub(crate) fn smoke() -> Self {
        Self {
            name: "smoke",
            rounds: 1,
            window: Duration::from_millis(50),
            shape: Shape {
                manifests: 4,
                small_blobs: 4,
                medium_blobs: (2, 64 << 10),
                large_blobs: (2, MIB),
                tags: [120, 150],
                repositories: 150,
            },
            settles: false,
            pushed_blobs: (1, MIB),
            pushed_images: 4,
            crowd: Crowd { idle: 20, readers: 2, writers: 2 },
        }
    }
}
