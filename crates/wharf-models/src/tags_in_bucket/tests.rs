//! The rule holds as it is built, and breaks where a part is left out.

use super::*;
use crate::expect;

const MOVED_TAG_LOST: &str = "an acknowledged push of another manifest has lost its tag";
const HALF: &str = "the manifest is there and its acknowledged tag is gone";
const NEVER_WHOLE: &str = "an acknowledged tag was written without its manifest";

const P: Actor<Role> = Actor::new("push", Role::PushSame(PushSame::PutRevision));
const O: Actor<Role> = Actor::new("second push", Role::PushSame(PushSame::PutRevision));
const Q: Actor<Role> = Actor::new("push of another manifest", Role::PushOther(PushOther::PutTag));
const N: Actor<Role> = Actor::new("push by digest", Role::PushByDigest);

const fn delete(name: &'static str, removal: TagRemoval) -> Actor<Role> {
    Actor::new(name, Role::Delete(removal, Delete::first(DeleteOrder::RevisionLast)))
}

const D: Actor<Role> = delete("delete", TagRemoval::ConditionalDelete);
const E: Actor<Role> = delete("delete by an empty link", TagRemoval::ConditionalEmptyPut);
const F: Actor<Role> = delete("second delete by an empty link", TagRemoval::ConditionalEmptyPut);

#[track_caller]
fn holds<const N: usize>(actors: [Actor<Role>; N]) {
    expect::holds(TagsInBucket::new(actors.into(), Parts::default()));
}

#[track_caller]
fn breaks<const N: usize>(actors: [Actor<Role>; N], parts: Parts, promise: &str) {
    expect::breaks(TagsInBucket::new(actors.into(), parts), promise);
}

#[test]
fn a_tag_that_moves_beside_a_conditional_delete_stays() {
    holds([Q, D]);
}

#[test]
fn a_tag_that_moves_beside_a_conditional_put_of_an_empty_link_stays() {
    holds([Q, E]);
}

#[test]
fn a_tag_that_moves_beside_two_deletes_of_which_one_is_killed_anywhere_stays() {
    holds([Q, E.may_be_killed(), F]);
}

#[test]
fn a_manifest_pushed_beside_its_delete_is_whole_or_gone() {
    holds([P, D]);
    holds([P, E]);
}

#[test]
fn a_manifest_pushed_twice_beside_two_deletes_is_whole_or_gone() {
    holds([P, O, D, E]);
}

#[test]
fn a_manifest_pushed_by_tag_and_by_digest_beside_its_delete_is_whole_or_gone() {
    holds([P, N, D]);
}

#[test]
fn a_delete_without_a_condition_removes_a_tag_that_has_moved() {
    breaks([Q, delete("plain delete", TagRemoval::PlainDelete)], Parts::default(), MOVED_TAG_LOST);
}

#[test]
fn a_delete_with_a_second_pass_removes_an_acknowledged_tag() {
    breaks([P, D], Parts { second_pass: true, ..Parts::default() }, HALF);
}

#[test]
fn a_delete_that_removes_the_revision_first_removes_an_acknowledged_tag() {
    let order = DeleteOrder::RevisionFirst;
    let delete = Role::Delete(TagRemoval::ConditionalDelete, Delete::first(order));
    let parts = Parts { delete_order: order, ..Parts::default() };
    breaks([P, Actor::new("delete", delete)], parts, HALF);
}

#[test]
fn a_push_that_does_not_read_the_revision_again_acknowledges_a_tag_without_a_manifest() {
    breaks([P, D], Parts { push_checks_revision: false, ..Parts::default() }, NEVER_WHOLE);
}
