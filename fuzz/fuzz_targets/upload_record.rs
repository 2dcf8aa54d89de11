//! The record of an upload, from a disk that may hold anything: what is believed hashes on.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_store::UploadRecord;

fuzz_target!(|bytes: &[u8]| {
    if let Some(record) = UploadRecord::decode(bytes)
        && let Some(hasher) = record.hasher()
    {
        assert_eq!(hasher.bytes_hashed(), record.offset);
        let _ = hasher.finish();
    }
    // The checksum keeps most inputs out, so the rest is also tried behind it.
    let Ok(json) = std::str::from_utf8(bytes) else { return };
    let checked = format!("{json}\n{}\n", wharf_oci::Digest::of(json.as_bytes()).hex());
    if let Some(record) = UploadRecord::decode(checked.as_bytes()) {
        let _ = record.hasher().map(wharf_oci::Hasher::finish);
    }
});
