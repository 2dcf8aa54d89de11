//! The place of a chunk, and what types a client takes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_oci::{Accept, ContentRange, MediaType};

fuzz_target!(|text: &str| {
    if let Ok(range) = text.parse::<ContentRange>() {
        assert!(range.start <= range.end);
        assert_eq!(range.to_string().parse::<ContentRange>(), Ok(range));
        let _ = range.length();
    }
    let accept = Accept::parse([text]);
    let _ =
        (accept.allows(&MediaType::OCI_INDEX), accept.lists(&MediaType::OCI_INDEX), accept.has_wildcard());
    drop(MediaType::parse(text));
});
