//! The rule holds as it is built, and breaks where a part is left out.

use super::Manifest::{A, B, C};
use super::*;
use crate::expect;

const HALF_GONE: &str = "the manifest is there and its acknowledged tag is gone";
const DANGLING: &str = "the tag means a manifest that is gone";
const REMOVED_UNREAD: &str = "a tag was removed that meant something else than was read";
const REPLACED_UNREAD: &str = "a conditional write replaced a tag that it had not read";
const LINK_LOST: &str = "the layer was acknowledged and its link is gone";

const fn push(name: &'static str, manifest: Manifest, write: TagWrite) -> Actor<Role> {
    Actor::new(name, Role::Push(Push::new(manifest, write)))
}

const P: Actor<Role> = push("push", A, TagWrite::Always);
const O: Actor<Role> = push("second push", A, TagWrite::Always);
const N: Actor<Role> = push("push by digest", A, TagWrite::Never);
const Q: Actor<Role> = push("push of another manifest", B, TagWrite::Always);
const D: Actor<Role> = Actor::new("delete", Role::DeleteManifest(DeleteManifest::FIRST));
const E: Actor<Role> = Actor::new("second delete", Role::DeleteManifest(DeleteManifest::FIRST));
const T: Actor<Role> = Actor::new("tag delete", Role::DeleteTag(DeleteTag::FIRST));
const PUT: Actor<Role> = Actor::new("mount", Role::Link(LinkRole::PUT));
const RENEW: Actor<Role> = Actor::new("holder", Role::Link(LinkRole::RENEW));
const REMOVE: Actor<Role> = Actor::new("collector", Role::Link(LinkRole::REMOVE));

#[track_caller]
fn holds<const N: usize>(actors: [Actor<Role>; N]) {
    expect::holds(TagsOnDisk::new(actors.into(), Parts::default(), Some(A)));
}

#[track_caller]
fn breaks<const N: usize>(actors: [Actor<Role>; N], parts: Parts, promise: &str) {
    expect::breaks(TagsOnDisk::new(actors.into(), parts, Some(A)), promise);
}

#[test]
fn a_manifest_pushed_beside_its_delete_is_whole_or_gone() {
    holds([P, D]);
    holds([P, N, D]);
}

#[test]
fn a_manifest_pushed_twice_beside_two_deletes_is_whole_or_gone() {
    holds([P, O, D, E]);
}

#[test]
fn a_tag_that_moves_beside_a_delete_of_what_it_meant_stays() {
    holds([Q, D]);
    holds([Q, D, E]);
}

#[test]
fn a_push_and_a_delete_killed_anywhere_leave_no_tag_without_a_manifest() {
    holds([P.may_be_killed(), D.may_be_killed(), N]);
    holds([P, D.may_be_killed(), E]);
    holds([Q, D.may_be_killed(), E]);
}

#[test]
fn of_two_conditional_writes_of_one_tag_one_is_refused() {
    let (b, c) = (push("writer", B, TagWrite::IfAbsent), push("second writer", C, TagWrite::IfAbsent));
    let (from_a_to_b, from_a_to_c) =
        (push("mover", B, TagWrite::IfIs(A)), push("second mover", C, TagWrite::IfIs(A)));
    for (actors, tag) in [(vec![b, c], None), (vec![from_a_to_b, from_a_to_c], Some(A))] {
        let verdict = crate::explore(TagsOnDisk::new(actors, Parts::default(), tag));
        assert!(verdict.violation.is_none(), "{verdict:#?}");
    }
}

#[test]
fn a_conditional_write_beside_a_push_and_deletes_replaces_only_what_it_has_read() {
    let (b, c) = (push("mover", B, TagWrite::IfIs(A)), push("writer", C, TagWrite::IfAbsent));
    for actors in [vec![b, Q, D], vec![c, P, D], vec![b, c, T]] {
        let verdict = crate::explore(TagsOnDisk::new(actors, Parts::default(), Some(A)));
        assert!(verdict.violation.is_none(), "{verdict:#?}");
    }
}

#[test]
fn a_tag_deleted_beside_pushes_and_a_delete_of_its_manifest_is_removed_with_the_value_that_was_read() {
    holds([T, P]);
    holds([T, Q]);
    expect::holds(TagsOnDisk::new(vec![T, P, Q, D], Parts::default(), Some(A)));
}

#[test]
fn a_link_that_a_collector_removes_beside_those_who_write_and_renew_it_stays() {
    holds([RENEW, REMOVE]);
    holds([PUT, REMOVE]);
    holds([PUT, RENEW, REMOVE]);
    holds([RENEW.may_be_killed(), PUT, REMOVE.may_be_killed()]);
}

/// It only keeps the lock of the second pass short, and that one finds what the first has not removed.
#[test]
fn a_delete_without_the_first_pass_loses_nothing() {
    let parts = Parts { first_pass: false, ..Parts::default() };
    expect::holds(TagsOnDisk::new(vec![P, Q, D, E], parts, Some(A)));
}

/// It is there for buckets: on a disk, no revision link goes while a push has the lock.
#[test]
fn a_push_that_does_not_read_the_revision_again_loses_nothing_on_a_disk() {
    let parts = Parts { push_checks_revision: false, ..Parts::default() };
    expect::holds(TagsOnDisk::new(vec![P, N, D, E], parts, Some(A)));
}

#[test]
fn a_push_without_the_lock_leaves_a_tag_without_a_manifest() {
    breaks([P, D], Parts { push_locks: false, ..Parts::default() }, DANGLING);
}

#[test]
fn a_delete_without_the_lock_leaves_a_tag_without_a_manifest() {
    breaks([P, D], Parts { delete_locks: false, ..Parts::default() }, DANGLING);
}

#[test]
fn a_delete_without_the_second_pass_leaves_a_tag_without_a_manifest() {
    breaks([P, D], Parts { second_pass: SecondPass::Never, ..Parts::default() }, DANGLING);
}

#[test]
fn a_delete_with_the_second_pass_after_the_lock_removes_an_acknowledged_tag() {
    breaks([P, D], Parts { second_pass: SecondPass::AfterUnlock, ..Parts::default() }, HALF_GONE);
}

#[test]
fn a_removal_without_the_lock_removes_a_tag_that_has_moved() {
    breaks([Q, D], Parts { tag_removal_locks: false, ..Parts::default() }, REMOVED_UNREAD);
    breaks([Q, T], Parts { tag_removal_locks: false, ..Parts::default() }, REMOVED_UNREAD);
}

#[test]
fn a_removal_that_does_not_compare_under_the_lock_removes_a_tag_that_has_moved() {
    breaks([Q, D], Parts { tag_removal_compares: false, ..Parts::default() }, REMOVED_UNREAD);
}

#[test]
fn a_conditional_write_under_a_shared_lock_replaces_a_tag_it_has_not_read() {
    let parts = Parts { conditional_write: Mode::Shared, ..Parts::default() };
    let (b, c) = (push("writer", B, TagWrite::IfAbsent), push("second writer", C, TagWrite::IfAbsent));
    expect::breaks(TagsOnDisk::new(vec![b, c], parts, None), REPLACED_UNREAD);
    expect::breaks(TagsOnDisk::new(vec![b, P], parts, None), REPLACED_UNREAD);
}

#[test]
fn a_renewal_without_the_lock_loses_a_link() {
    breaks([RENEW, REMOVE], Parts { renewal_locks: false, ..Parts::default() }, LINK_LOST);
}

#[test]
fn a_removal_that_compares_only_the_value_of_a_link_loses_a_link() {
    let parts = Parts { link_removal_compares_time: false, ..Parts::default() };
    breaks([RENEW, REMOVE], parts, LINK_LOST);
    breaks([PUT, REMOVE], parts, LINK_LOST);
}
