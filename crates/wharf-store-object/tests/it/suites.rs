//! The store keeps the promises of the ports.

use std::sync::Arc;

use wharf_store::LayoutMetadata;

use crate::harness::scratch;

mod blobs {
    use super::scratch;

    wharf_store::blob_store_suite!(scratch().await);
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

/// On a server that ignores the condition of DELETE.
mod without_conditional_deletes {
    use super::*;

    async fn scratch() -> (crate::harness::Server, wharf_store_object::BucketStore) {
        let (server, store) = crate::harness::scratch().await;
        server.s3.ignore_conditions_of_deletes();
        (server, store)
    }

    mod objects {
        wharf_store::objects_suite!(super::scratch().await);
    }

    mod metadata {
        use super::*;

        wharf_store::metadata_store_suite!({
            let (server, store) = scratch().await;
            (server, LayoutMetadata::new(Arc::new(store)))
        });
    }
}

/// On a server that ignores all conditions: what needs none is as ever.
mod without_conditions {
    use super::*;

    async fn scratch() -> (crate::harness::Server, wharf_store_object::BucketStore) {
        let (server, store) = crate::harness::scratch().await;
        server.s3.ignore_conditions();
        (server, store)
    }

    mod blobs {
        wharf_store::blob_store_suite!(super::scratch().await);
    }

    mod objects {
        wharf_store::suite_tests! { super::scratch().await, objects:
            what_was_put_is_got
            the_last_put_wins
            a_removed_object_is_absent
            an_object_is_read_with_its_age
            what_is_renewed_is_there
            children_are_in_byte_order_and_hold_what_they_must
            removing_a_level_leaves_its_neighbours
        }
    }

    mod metadata {
        use super::*;

        wharf_store::suite_tests! {{
            let (server, store) = scratch().await;
            (server, LayoutMetadata::new(Arc::new(store)))
        }, metadata_store:
            a_manifest_is_found_by_digest_and_by_tag
            a_tag_moves_and_says_from_where
            a_manifest_put_twice_is_one_manifest
            tags_are_listed_in_byte_order_page_by_page
            referrers_are_listed_in_the_order_of_their_digests
            a_blob_is_linked_once_and_unlinked_once
            what_is_gone_cannot_be_held
            a_fact_is_found_with_its_age
        }
    }
}
