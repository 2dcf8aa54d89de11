//! The files people start from.

use super::*;

/// In the checkout, beside `crates`.
pub(super) const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");

#[test]
fn every_example_is_accepted_and_ours_without_a_warning() {
    let mut read = 0;
    for entry in std::fs::read_dir(EXAMPLES).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yml") {
            continue;
        }
        let config = Config::load(Some(&path), [], UnknownKeys::Refuse);
        let config = config.unwrap_or_else(|errors| panic!("{}: {errors:#?}", path.display()));
        // Those of the old images ask for what we have not; the table of `drop_in` holds what they are told.
        let is_ours = !path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"registry-"));
        assert!(!is_ours || config.warnings.is_empty(), "{}: {:?}", path.display(), config.warnings);
        read += 1;
    }
    assert!(read > 0, "no example in {EXAMPLES}");
}
