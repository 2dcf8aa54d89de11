//! The store keeps the promises of the ports.

use std::sync::Arc;

use wharf_store::LayoutMetadata;

use crate::harness::scratch;

mod blobs {
    use super::scratch;

    wharf_store::suite_tests! { scratch().await, blob_store:
        committed_bytes_are_read_back_whole
        an_empty_blob_is_a_blob
        a_blob_put_twice_is_one_blob
        mismatched_put_leaves_nothing
        what_is_absent_is_said_to_be_absent
        a_range_is_exactly_its_bytes
        a_removed_blob_is_gone_and_removing_it_again_is_fine
        a_collector_removes_only_what_is_old
        sha512_is_a_digest_like_any_other
        blobs_are_listed_in_the_order_of_their_digests
    }
}

mod objects {
    use super::scratch;

    wharf_store::objects_suite!(scratch().await);
}

mod metadata {
    use super::*;

    wharf_store::metadata_store_suite!({
        let (server, store) = scratch().await;
        (server, LayoutMetadata::new(Arc::new(store)))
    });
}
