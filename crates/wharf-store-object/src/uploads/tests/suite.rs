//! The port's promises about uploads.

use super::*;

fn careless() -> BucketStore {
    let (cloud, store) = scratch();
    cloud.careless.store(true, Ordering::Relaxed);
    store
}

macro_rules! uploads_suite {
    ($make:expr) => {
        wharf_store::suite_tests! { $make, uploads:
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
        }
    };
}

uploads_suite!(((), scratch().1));

mod without_conditions {
    uploads_suite!(((), super::careless()));
}
