//! Manifests: one that is taken as something is recognised as the same when it is read back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_oci::{Digest, Manifest, ManifestKind};

fuzz_target!(|bytes: &[u8]| {
    drop(Manifest::parse(bytes, None));
    for kind in ManifestKind::ALL {
        if let Ok(manifest) = Manifest::parse(bytes, Some(&kind.media_type())) {
            assert_eq!(manifest.kind, kind);
            assert_eq!(ManifestKind::infer(bytes), Some(kind));
            assert!(Manifest::parse(bytes, None).is_ok());
            let _ = (manifest.references().count(), manifest.children().len());
            drop(manifest.referrer_descriptor(&Digest::of(bytes), bytes.len() as u64));
        }
    }
});
