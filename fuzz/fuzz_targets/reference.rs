//! Names, tags, references and upload ids: what is taken is written as it was read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_oci::{Reference, RepositoryName, Tag, UploadId};

fuzz_target!(|text: &str| {
    if let Ok(name) = text.parse::<RepositoryName>() {
        assert_eq!(name.as_str(), text);
        assert!(name.components().all(|component| !component.is_empty() && component != ".."));
    }
    if let Ok(tag) = text.parse::<Tag>() {
        assert!(tag.as_str() == text && !text.contains(['/', ':']));
    }
    if let Ok(reference) = text.parse::<Reference>() {
        assert_eq!(reference.to_string(), text);
    }
    if let Ok(id) = text.parse::<UploadId>() {
        assert!(id.as_str() == text && !text.contains(['/', '.']));
    }
});
