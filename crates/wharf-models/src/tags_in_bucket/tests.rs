//! The rule holds as it is built, and breaks where a part is left out.

use super::*;
use crate::expect;

const MOVED_TAG_LOST: &str = "an acknowledged push of another manifest has lost its tag";
const HALF: &str = "the manifest is there and its acknowledged tag is gone";
const NEVER_WHOLE: &str = "an acknowledged tag was written without its manifest";

const REPLACED: &str = "an acknowledged tag was replaced by a write that requires it to be absent";

const fn push(name: &'static str, manifest: Manifest, write: TagWrite) -> Actor<Role> {
    Actor::new(name, Role::Push(Push::new(manifest, write)))
}

const P: Actor<Role> = push("push", Manifest::A, TagWrite::Always);
const O: Actor<Role> = push("second push", Manifest::A, TagWrite::Always);
const Q: Actor<Role> = push("push of another manifest", Manifest::B, TagWrite::Always);
const N: Actor<Role> = push("push by digest", Manifest::A, TagWrite::Never);
const I: Actor<Role> = push("push of an immutable tag", Manifest::A, TagWrite::IfAbsent);
const J: Actor<Role> = push("push of another immutable tag", Manifest::B, TagWrite::IfAbsent);
const K: Actor<Role> = push("third push of an immutable tag", Manifest::C, TagWrite::IfAbsent);

const fn delete(name: &'static str, removal: TagRemoval) -> Actor<Role> {
    Actor::new(name, Role::Delete(Delete::new(removal)))
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
    breaks([P, D], Parts { delete_order: DeleteOrder::RevisionFirst, ..Parts::default() }, HALF);
}

#[test]
fn a_push_that_does_not_read_the_revision_again_acknowledges_a_tag_without_a_manifest() {
    breaks([P, D], Parts { push_checks_revision: false, ..Parts::default() }, NEVER_WHOLE);
}

#[test]
fn an_immutable_tag_is_made_once_beside_deletes_of_what_it_means() {
    holds([J, K, D]);
    holds([I, J, D, E]);
    holds([P, J, D.may_be_killed(), E]);
}

/// The push of A is under way: its tag is written, a delete has taken its revision link, and it begins anew. A write that saw
/// the tag without its manifest in between is let through by its condition, as the tag has the same contents again.
#[test]
fn an_immutable_write_that_replaces_a_tag_without_its_manifest_replaces_an_acknowledged_tag() {
    breaks([I, J, D], Parts { replace_dangling: true, ..Parts::default() }, REPLACED);
}
