//! The bytes of an object, in pieces that objects share: an object made of parts copies none of them.

use std::hash::{DefaultHasher, Hasher as _};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

/// What stands for bytes that were dropped.
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// Bytes in pieces.
#[derive(Debug, Clone, Default)]
pub(super) struct Rope(Arc<Vec<Bytes>>);

// === impl Rope ===

impl Rope {
    /// So many bytes of which nobody knows what they were.
    pub(super) fn of_dropped(length: u64) -> Self {
        let whole = length / ZEROS.len() as u64;
        let rest = usize::try_from(length % ZEROS.len() as u64).unwrap_or_default();
        let mut pieces = vec![Bytes::from_static(&ZEROS); usize::try_from(whole).unwrap_or_default()];
        pieces.push(Bytes::from_static(&ZEROS[..rest]));
        Self(Arc::new(pieces))
    }

    pub(super) fn joined<'a>(ropes: impl IntoIterator<Item = &'a Self>) -> Self {
        Self(Arc::new(ropes.into_iter().flat_map(|rope| rope.0.iter().cloned()).collect()))
    }

    pub(super) fn len(&self) -> u64 {
        self.0.iter().map(|piece| piece.len() as u64).sum()
    }

    /// The pieces of a range that is inside.
    pub(super) fn slice(&self, range: Range<u64>) -> Self {
        let mut begin = 0;
        let mut pieces = Vec::new();
        for piece in self.0.iter() {
            let end = begin + piece.len() as u64;
            let (from, to) = (range.start.max(begin), range.end.min(end));
            if from < to {
                pieces.push(piece.slice(index(from - begin)..index(to - begin)));
            }
            begin = end;
        }
        Self(Arc::new(pieces))
    }

    pub(super) fn pieces(&self) -> Vec<Bytes> {
        self.0.iter().filter(|piece| !piece.is_empty()).cloned().collect()
    }

    pub(super) fn to_vec(&self) -> Vec<u8> {
        self.0.concat()
    }

    /// A tag that equal contents share, as S3's does, and that costs less than its MD5.
    pub(super) fn tag(&self) -> String {
        let (mut one, mut two) = (DefaultHasher::new(), DefaultHasher::new());
        two.write_u64(self.len());
        for piece in self.0.iter() {
            if was_dropped(piece) {
                one.write_usize(piece.len());
            } else {
                one.write(piece);
            }
        }
        two.write_u64(one.finish());
        format!("{:016x}{:016x}", one.finish(), two.finish())
    }
}

impl From<Bytes> for Rope {
    fn from(bytes: Bytes) -> Self {
        Self(Arc::new(vec![bytes]))
    }
}

/// Whether a piece only stands for bytes; there may be gigabytes of them, which need not be looked at.
fn was_dropped(piece: &Bytes) -> bool {
    ZEROS.as_ptr_range().contains(&piece.as_ptr())
}

/// A place inside a piece, which is in memory and so has an index.
fn index(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}
