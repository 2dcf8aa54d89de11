//! The rule holds as it is built, and breaks where a part is left out.

use super::*;
use crate::expect;

const LOST: &str = "the blob was acknowledged and is gone";
const MISSED: &str = "an acknowledged blob was not found";

const P: Actor<Role> = Actor::new("publisher", Role::Publisher(Publisher::FIRST));
const H: Actor<Role> = Actor::new("holder", Role::Holder(Holder::FIRST));
const K: Actor<Role> = Actor::new("second holder", Role::Holder(Holder::FIRST));
const R: Actor<Role> = Actor::new("remover", Role::Remover(Remover::FIRST));
const Q: Actor<Role> = Actor::new("second remover", Role::Remover(Remover::FIRST));
const L: Actor<Role> = Actor::new("reader", Role::Reader(Reader::FIRST));
/// Of the first actor.
const N: Actor<Role> = Actor::new("next sweep", Role::NextSweep(NextSweep::of(0)));

#[track_caller]
fn holds<const N: usize>(actors: [Actor<Role>; N]) {
    expect::holds(BlobOnDisk::new(actors.into(), Parts::default()));
}

#[track_caller]
fn breaks<const N: usize>(actors: [Actor<Role>; N], parts: Parts, promise: &str) {
    expect::breaks(BlobOnDisk::new(actors.into(), parts), promise);
}

#[test]
fn a_publisher_and_two_holders_beside_a_remover_lose_nothing() {
    holds([P, H, K, R]);
}

#[test]
fn two_removers_of_which_one_is_paused_lose_nothing() {
    holds([R, Q, H, P]);
}

#[test]
fn two_removers_hide_nothing_from_a_reader() {
    holds([R, Q, H, P, L]);
}

#[test]
fn a_remover_killed_anywhere_loses_nothing_and_hides_nothing_from_a_reader() {
    holds([R.may_be_killed(), N, H, L]);
}

#[test]
fn a_reader_beside_a_remover_finds_what_was_acknowledged() {
    holds([R, H, P, L]);
}

#[test]
fn a_sweep_that_puts_back_the_file_of_a_paused_remover_loses_nothing() {
    holds([R, N, H, P]);
}

#[test]
fn a_holder_killed_anywhere_loses_nothing() {
    holds([R, H.may_be_killed(), K]);
}

#[test]
fn a_sweep_that_unlinks_what_it_has_not_seen_loses_a_blob() {
    let parts = Parts { see_before_unlink: false, ..Parts::default() };
    breaks([R.may_be_killed(), N, H], parts, LOST);
}

#[test]
fn a_remover_that_does_not_stat_the_file_aside_loses_a_blob() {
    breaks([H, R], Parts { stat_aside: false, ..Parts::default() }, LOST);
}

#[test]
fn a_remover_that_unlinks_the_name_data_loses_a_blob() {
    breaks([P, R], Parts { rename_aside: false, ..Parts::default() }, LOST);
}

#[test]
fn a_holder_that_does_not_verify_the_name_loses_a_blob() {
    breaks([H, R], Parts { verify_name: false, ..Parts::default() }, LOST);
}

#[test]
fn a_holder_that_trusts_a_young_file_loses_a_blob() {
    breaks([H, K, R], Parts { verify_young: false, ..Parts::default() }, LOST);
}

#[test]
fn a_holder_that_trusts_a_file_aside_loses_a_blob() {
    breaks([H, R], Parts { link_back: false, ..Parts::default() }, LOST);
}

#[test]
fn a_reader_with_two_attempts_misses_a_blob() {
    breaks([R, H, L], Parts { reader_attempts: 2, ..Parts::default() }, MISSED);
}

#[test]
fn three_attempts_are_enough_for_a_reader_beside_one_remover() {
    expect::holds(BlobOnDisk::new(vec![R, H, P, L], Parts { reader_attempts: 3, ..Parts::default() }));
}

#[test]
fn a_reader_with_fewer_than_five_attempts_misses_a_blob_beside_two_removers() {
    for reader_attempts in [3, 4] {
        breaks([R, Q, H, L], Parts { reader_attempts, ..Parts::default() }, MISSED);
    }
}

#[test]
fn a_holder_with_three_attempts_refuses_a_blob_that_is_published_and_removed_beside_it() {
    breaks([P, H, K, R], Parts { holder_attempts: 3, ..Parts::default() }, MISSED);
}

#[test]
fn a_holder_with_five_attempts_refuses_a_blob_beside_a_publisher_and_two_removers() {
    breaks([P, H, K, R, Q], Parts { holder_attempts: 5, ..Parts::default() }, MISSED);
    holds([P, H, K, R, Q]);
}

#[test]
fn a_remover_may_put_back_by_a_link_where_it_cannot_by_a_rename() {
    let parts = Parts { put_back: PutBack::Link, ..Parts::default() };
    expect::holds(BlobOnDisk::new(vec![P, H, K, R], parts));
    expect::holds(BlobOnDisk::new(vec![R.may_be_killed(), Q, N, H, L], parts));
}

#[test]
fn two_removers_of_which_one_is_killed_and_the_next_sweep_lose_and_hide_nothing() {
    holds([R.may_be_killed(), Q, N, H, P, L]);
}
