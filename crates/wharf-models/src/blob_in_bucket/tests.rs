//! The rule holds as it is built, and breaks where a part is left out.

use super::*;
use crate::expect;

const LOST: &str = "the blob was acknowledged and is gone";

const W: Actor<Role> = Actor::new("writer", Role::Writer(Writer::FIRST));
const H: Actor<Role> = Actor::new("holder", Role::Holder(Holder::FIRST));
const K: Actor<Role> = Actor::new("second holder", Role::Holder(Holder::FIRST));
const C: Actor<Role> = Actor::new("collector", Role::Collector(Collector::FIRST));

/// Long enough for a sweep beside an operation.
const UNTIL: u8 = 8;
/// Long enough for a dead collector to be taken over, and for its last request to land after that.
const UNTIL_TAKEN_OVER: u8 = 12;

#[track_caller]
fn holds<const N: usize>(actors: [Actor<Role>; N], until: u8) {
    expect::holds(BlobInBucket::new(actors.into(), Parts::default(), until));
}

#[track_caller]
fn breaks<const N: usize>(actors: [Actor<Role>; N], parts: Parts, until: u8) {
    expect::breaks(BlobInBucket::new(actors.into(), parts, until), LOST);
}

#[test]
fn a_writer_beside_a_sweep_loses_nothing() {
    holds([W, C], UNTIL);
}

#[test]
fn a_holder_beside_a_sweep_loses_nothing() {
    holds([H, C], UNTIL);
}

#[test]
fn a_writer_and_a_holder_beside_a_sweep_lose_nothing() {
    holds([W, H, C], UNTIL);
}

#[test]
fn two_holders_beside_a_sweep_lose_nothing() {
    holds([K, H, C], UNTIL);
}

#[test]
fn a_writer_takes_over_the_sweep_of_a_collector_that_is_killed_anywhere() {
    holds([W, C.may_be_killed()], UNTIL_TAKEN_OVER);
}

#[test]
fn a_holder_takes_over_the_sweep_of_a_collector_that_is_killed_anywhere() {
    holds([H, C.may_be_killed()], UNTIL_TAKEN_OVER);
}

#[test]
fn a_writer_and_a_holder_take_over_the_sweep_of_a_collector_that_is_killed_anywhere() {
    holds([W, H, C.may_be_killed()], UNTIL_TAKEN_OVER);
}

#[test]
fn a_writer_killed_anywhere_leaves_nothing_that_a_holder_relies_on_in_vain() {
    holds([W.may_be_killed(), H, C], UNTIL);
}

#[test]
fn a_writer_that_checks_the_sweep_only_loses_a_blob() {
    breaks([W, C], Parts { recheck: RecheckOrder::SweepOnly, ..Parts::default() }, UNTIL);
}

#[test]
fn a_holder_that_checks_the_sweep_only_loses_a_blob() {
    breaks([H, C], Parts { recheck: RecheckOrder::SweepOnly, ..Parts::default() }, UNTIL);
}

#[test]
fn a_holder_that_checks_the_blob_and_then_the_sweep_loses_a_blob() {
    breaks([H, C], Parts { recheck: RecheckOrder::BlobThenSweep, ..Parts::default() }, UNTIL);
}

#[test]
fn a_holder_that_trusts_a_young_blob_loses_a_blob() {
    breaks([H, K, C], Parts { recheck_young: false, ..Parts::default() }, UNTIL);
}

#[test]
fn a_collector_that_announces_nothing_loses_a_blob() {
    breaks([H, C], Parts { announce: false, ..Parts::default() }, UNTIL);
}

#[test]
fn a_writer_that_reads_only_after_its_write_that_no_sweep_is_on_loses_a_blob() {
    breaks([W, C], Parts { shortcut: Shortcut::ReadAfterWrite, ..Parts::default() }, UNTIL);
}

#[test]
fn a_collector_that_does_not_wait_before_its_first_batch_loses_a_blob() {
    breaks([H, C], Parts { collector_waits: false, ..Parts::default() }, UNTIL);
}

#[test]
fn a_paused_collector_without_a_deadline_loses_a_blob() {
    breaks([W, C], Parts { deadline: false, ..Parts::default() }, UNTIL_TAKEN_OVER);
}
