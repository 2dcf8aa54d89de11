//! The promises of the ports, one test each. A backend's own test file is a list of calls.
//!
//! A suite is a macro over an expression that makes an empty store together with whatever must outlive it:
//! `blob_store_suite!(((), MemoryStore::default()));`

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]
#![expect(missing_docs, reason = "the name of a test is the sentence it proves")]

pub mod blob_store;
pub mod metadata_store;
pub mod objects;
pub mod uploads;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use wharf_oci::RepositoryName;

use crate::blob::{BlobBody, BlobStore, ByteStream, UploadKey};
use crate::error::{BoxError, Error, Result};

/// A stream of one piece.
pub fn once(bytes: impl AsRef<[u8]>) -> ByteStream {
    let bytes = Bytes::copy_from_slice(bytes.as_ref());
    stream::once(async { Ok(bytes) }).boxed()
}

/// A stream of pieces of a given size.
pub fn pieces(bytes: &[u8], size: usize) -> ByteStream {
    let pieces: Vec<Result<Bytes, BoxError>> =
        bytes.chunks(size).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    stream::iter(pieces).boxed()
}

/// Some bytes that are not all alike.
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}

pub fn repository(name: &str) -> RepositoryName {
    name.parse().unwrap()
}

pub fn key(repository_name: &str, id: &str) -> UploadKey {
    UploadKey { repository: repository(repository_name), id: id.parse().unwrap() }
}

/// All bytes of a body that the store serves itself.
pub async fn collect(body: BlobBody) -> Vec<u8> {
    let mut stream: ByteStream = match body {
        BlobBody::Bytes(bytes) => return bytes.to_vec(),
        BlobBody::File(region) => region.boxed(),
        BlobBody::Stream(stream) => stream,
    };
    let mut bytes = Vec::new();
    while let Some(block) = stream.next().await {
        bytes.extend_from_slice(&block.unwrap());
    }
    bytes
}

/// Appends at the end, waiting while a writer that was dropped is still letting go.
pub async fn append_when_free(store: &dyn BlobStore, key: &UploadKey, bytes: &[u8]) -> u64 {
    loop {
        let offset = store.status(key).await.unwrap().offset;
        match store.append(key, offset, once(bytes)).await {
            Ok(end) => return end,
            Err(Error::UploadBusy { .. } | Error::OffsetMismatch { .. }) => tokio::task::yield_now().await,
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// Writes the tests of a suite out. Backends use `blob_store_suite!` and its sisters.
#[macro_export]
#[doc(hidden)]
macro_rules! suite_tests {
    ($make:expr, $module:ident: $($name:ident)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let (_guard, store) = $make;
            $crate::suite::$module::$name(&store).await;
        })*
    };
}

/// Every promise of [`BlobStore`], for the store the expression makes.
#[macro_export]
macro_rules! blob_store_suite {
    ($make:expr) => {
        $crate::suite_tests! { $make, blob_store:
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
        $crate::suite_tests! { $make, uploads:
            an_upload_in_many_pieces_is_one_blob
            mismatched_commit_leaves_nothing
            a_mismatched_upload_can_still_be_committed_rightly
            bytes_offered_elsewhere_than_at_the_end_are_refused
            a_broken_body_keeps_what_came_before
            a_dropped_append_leaves_an_upload_that_tells_the_truth
            two_writers_cannot_mix
            beginning_again_starts_over
            an_upload_that_is_not_open_is_not_found
            a_committed_upload_takes_no_more_bytes
            a_commit_may_be_repeated_until_the_upload_is_closed
            an_upload_that_is_not_finished_is_not_closed
            the_last_bytes_and_the_commit_may_come_together
            what_was_finished_wrongly_is_not_visible
            an_aborted_upload_is_gone
            the_same_id_in_two_repositories_is_two_uploads
            an_announced_algorithm_does_not_bind_the_commit
            old_uploads_are_found_by_the_purger
            the_same_content_through_two_uploads_is_one_blob
        }
    };
}

/// Every promise of [`MetadataStore`](crate::MetadataStore), for the store the expression makes.
#[macro_export]
macro_rules! metadata_store_suite {
    ($make:expr) => {
        $crate::suite_tests! { $make, metadata_store:
            a_manifest_is_found_by_digest_and_by_tag
            a_manifest_is_known_only_to_its_repository
            a_tag_moves_and_says_from_where
            a_tag_can_be_demanded_to_be_new_or_unmoved
            a_put_that_a_tag_refuses_writes_no_other_tag
            a_deleted_tag_leaves_its_manifest
            a_deleted_manifest_takes_its_tags_along
            deleting_what_is_absent_changes_nothing
            a_manifest_put_twice_is_one_manifest
            tags_are_listed_in_byte_order_page_by_page
            a_repository_exists_while_it_holds_a_manifest
            repositories_are_listed_in_byte_order_of_the_whole_name
            repositories_below_a_prefix_are_listed_alone
            referrers_are_listed_in_the_order_of_their_digests
            a_deleted_referrer_is_no_longer_listed
            a_blob_is_linked_once_and_unlinked_once
            a_blob_may_be_the_alias_of_other_content
            a_collector_sees_all_manifests_and_blobs
            what_is_gone_cannot_be_held
            a_fact_is_found_with_its_age
            a_manifest_pushed_while_deleted_is_whole_or_gone
            a_delete_spares_tags_that_moved_meanwhile
            a_deleted_tag_is_reported_with_what_it_meant
            a_tag_of_a_manifest_that_is_gone_may_be_made_anew
        }
    };
}

/// Every promise of [`Objects`](crate::Objects), for the store the expression makes.
#[macro_export]
macro_rules! objects_suite {
    ($make:expr) => {
        $crate::suite_tests! { $make, objects:
            what_was_put_is_got
            of_what_is_too_long_for_its_key_the_beginning_is_read
            the_last_put_wins
            one_of_two_puts_if_absent_is_refused
            a_put_may_demand_what_it_replaces
            a_removed_object_is_absent
            an_object_is_read_with_its_age
            only_what_was_seen_is_removed
            of_two_conditional_removals_one_removes
            an_exclusive_lock_excludes_others
            what_is_renewed_is_there
            children_are_in_byte_order_and_hold_what_they_must
            removing_a_level_leaves_its_neighbours
            a_tag_put_while_another_is_removed_stays
        }
    };
}
