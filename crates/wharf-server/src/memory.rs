//! What the allocator does with memory that is free for a moment.
//!
//! Knows nothing of who allocates.

use std::hint::black_box;

/// As much as the bodies under way on two processors hold: two mebibytes an upload, and a few blocks of downloads.
const KEPT_BYTES: usize = 4 * 1024 * 1024;

/// Lets the allocator keep some free memory for the next body.
///
/// What a body is received into is allocated and freed a thousand times in a gibibyte. The GNU allocator gives memory back
/// to the kernel as soon as a few hundred kilobytes are free, and gets it back in pages that have to be cleared: a tenth
/// of what a large push costs. How much it keeps is twice the longest block that was ever freed (`mallopt(3)`,
/// `M_MMAP_THRESHOLD`), and this frees one. Other allocators do not mind.
pub(crate) fn keep_for_bodies() {
    drop(black_box(Vec::<u8>::with_capacity(KEPT_BYTES / 2)));
}
