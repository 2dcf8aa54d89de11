//! Ranges: what is to be sent lies within the blob, and several ranges are never more than the blob.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_oci::{Digest, RangeSet, Resolved, etag_matches, if_range_matches};

fuzz_target!(|input: (&str, u64)| {
    let (header, size) = input;
    let digest = Digest::of(b"");
    let _ = (etag_matches([header], &digest), if_range_matches(header, &digest));
    let Ok(Some(ranges)) = RangeSet::parse(header) else { return };
    let resolved = match ranges.resolve(size) {
        Ok(Resolved::Whole) => return,
        Ok(Resolved::One(range)) => vec![range],
        Ok(Resolved::Many(ranges)) => ranges,
        Err(unsatisfiable) => return drop(unsatisfiable.content_range()),
    };
    for range in &resolved {
        assert!(
            range.length > 0 && range.start < size && range.length <= size - range.start,
            "{range:?} of {size}"
        );
        drop((range.last(), range.content_range(size)));
    }
    let sum = resolved.iter().try_fold(0_u64, |sum, range| sum.checked_add(range.length));
    assert!(resolved.len() == 1 || sum.is_some_and(|sum| sum <= size));
});
