//! Digests, and hash states from a file: what is taken is written as it was read, and a state hashes on without a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_oci::{Algorithm, Digest, Hasher, referrers_tag};

fuzz_target!(|input: (&str, &[u8], u64)| {
    let (text, state, hashed) = input;
    if let Ok(digest) = text.parse::<Digest>() {
        assert_eq!(digest.to_string(), text);
        drop(referrers_tag(&digest));
    }
    for algorithm in Algorithm::ALL {
        if let Some(mut hasher) = Hasher::restore(algorithm, state, hashed) {
            hasher.update(b"more");
            let _ = hasher.finish();
        }
    }
});
