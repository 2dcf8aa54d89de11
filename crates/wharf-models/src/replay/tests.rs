//! Good traces are accepted; each kind of bad one is rejected with the step that is wrong.

use super::*;
use crate::blob_on_disk::{self, BlobOnDisk, Holder, Remover};
use crate::tags_on_disk::{self, DeleteManifest, Manifest, Push, TagWrite, TagsOnDisk};
use crate::{Actor, blob_in_bucket, tags_in_bucket};

const HOLDER: Actor<blob_on_disk::Role> = Actor::new("holder", blob_on_disk::Role::Holder(Holder::FIRST));
const REMOVER: Actor<blob_on_disk::Role> = Actor::new("remover", blob_on_disk::Role::Remover(Remover::FIRST));

fn disk(actors: Vec<Actor<blob_on_disk::Role>>) -> BlobOnDisk {
    BlobOnDisk::new(actors, blob_on_disk::Parts::default())
}

fn trace(text: &str) -> Trace {
    text.parse().unwrap()
}

#[track_caller]
fn rejects<P: Protocol>(replay: &Replay<'_, P>, text: &str, message: &str) {
    assert_eq!(replay.accepts(&trace(text)), Err(message.to_owned()));
}

#[test]
fn what_a_model_finds_is_a_trace_that_it_accepts() {
    let parts = blob_on_disk::Parts { verify_name: false, ..blob_on_disk::Parts::default() };
    let violation = crate::explore(BlobOnDisk::new(vec![HOLDER, REMOVER], parts)).violation.unwrap();
    let steps = trace(&violation.steps.join("\n"));

    assert_eq!(accepts(&BlobOnDisk::new(vec![HOLDER, REMOVER], parts), &steps), Ok(()));
    let correct = accepts(&disk(vec![HOLDER, REMOVER]), &steps).unwrap_err();
    assert!(correct.contains(": the model permits `holder: verify name`"), "{correct}");
}

#[test]
fn a_removal_of_an_old_blob_is_accepted() {
    let text = "
        remover: stat data
        remover: rename aside
        remover: reopen aside
        remover: stat aside
        remover: unlink aside
        remover: ended";
    assert_eq!(accepts(&disk(vec![REMOVER]), &trace(text)), Ok(()));
}

#[test]
fn a_removal_beside_a_holder_is_accepted_in_the_order_that_was_recorded() {
    let text = "
        holder: begin
        holder: open data
        holder: stat data
        remover: stat data
        holder: utimes
        remover: rename aside
        remover: reopen aside
        holder: verify name
        holder: readdir
        remover: stat aside
        holder: link back
        remover: put back
        holder: open data
        holder: stat data
        remover: unlink aside
        holder: verify name
        holder: acknowledge
        holder: ended
        remover: ended";
    assert_eq!(accepts(&disk(vec![HOLDER, REMOVER]), &trace(text)), Ok(()));
}

#[test]
fn a_step_that_is_left_out_is_found() {
    let protocol = disk(vec![REMOVER]);
    rejects(
        &Replay::of(&protocol),
        "remover: stat data\n remover: rename aside\n remover: unlink aside",
        "line 3, `remover: unlink aside`: the model permits `remover: reopen aside`",
    );
}

#[test]
fn an_operation_that_returns_too_early_is_found() {
    let protocol = disk(vec![REMOVER]);
    let text = "
        remover: stat data
        remover: rename aside";
    assert_eq!(accepts(&protocol, &trace(text)), Ok(()));
    rejects(
        &Replay::of(&protocol),
        &format!("{text}\n remover: ended"),
        "line 3, `remover: ended`: the model permits `remover: reopen aside`",
    );
}

#[test]
fn a_wrong_branch_is_found() {
    let protocol = disk(vec![REMOVER]);
    let text = "
        remover: stat data
        remover: rename aside
        remover: reopen aside
        remover: stat aside
        remover: put back";
    rejects(
        &Replay::of(&protocol),
        text,
        "line 5, `remover: put back`: the model permits `remover: unlink aside`",
    );
    // The same is right where a holder, which is not recorded, has renewed the blob meanwhile.
    assert_eq!(accepts(&disk(vec![REMOVER, HOLDER]), &trace(text)), Ok(()));
}

#[test]
fn steps_of_threads_that_ran_freely_are_accepted_in_any_order_that_fits() {
    let protocol = disk(vec![HOLDER, REMOVER]);
    // The holder acted before the remover read the time, and its steps were recorded late.
    let text = "
        remover: stat data
        remover: ended
        holder: begin
        holder: open data
        holder: stat data
        holder: utimes
        holder: verify name
        holder: acknowledge";
    let in_any_order = Replay::of(&protocol).in_order(Order::PerActor);
    assert_eq!(in_any_order.accepts(&trace(text)), Ok(()));
    rejects(
        &Replay::of(&protocol),
        text,
        "line 2, `remover: ended`: the model permits `remover: rename aside`",
    );
}

#[test]
fn steps_that_a_backend_does_not_see_need_not_be_recorded() {
    let protocol = disk(vec![HOLDER]);
    let text = "
        holder: open data
        holder: stat data
        holder: utimes
        holder: verify name
        holder: ended";
    let replay =
        Replay::of(&protocol).without(blob_on_disk::step::BEGIN).without(blob_on_disk::step::ACKNOWLEDGE);
    assert_eq!(replay.accepts(&trace(text)), Ok(()));
    let without_the_check = text.replace("holder: verify name", "");
    rejects(&replay, &without_the_check, "line 4, `holder: ended`: the model permits `holder: verify name`");
}

#[test]
fn an_actor_that_may_be_killed_ends_anywhere_and_no_other_does() {
    let text = "
        remover: stat data
        remover: killed";
    assert_eq!(accepts(&disk(vec![REMOVER.may_be_killed()]), &trace(text)), Ok(()));
    let protocol = disk(vec![REMOVER]);
    rejects(
        &Replay::of(&protocol),
        text,
        "line 2, `remover: killed`: the model permits `remover: rename aside`",
    );
}

#[test]
fn an_actor_that_acts_while_the_model_blocks_it_is_found() {
    let push = tags_on_disk::Role::Push(Push::new(Manifest::A, TagWrite::Always));
    let delete = tags_on_disk::Role::DeleteManifest(DeleteManifest::FIRST);
    let actors = vec![Actor::new("push", push), Actor::new("delete", delete)];
    let protocol = TagsOnDisk::new(actors, tags_on_disk::Parts::default(), Some(Manifest::A));
    rejects(
        &Replay::of(&protocol),
        "push: lock shared\n delete: get revision link\n delete: get tag link\n delete: lock exclusive",
        "line 4, `delete: lock exclusive`: the model permits `delete: is blocked`",
    );
}

#[test]
fn a_delete_in_a_bucket_that_removes_the_revision_first_is_found() {
    use tags_in_bucket::{Delete, Parts, Role, TagRemoval, TagsInBucket};
    let delete = Actor::new("delete", Role::Delete(Delete::new(TagRemoval::ConditionalDelete)));
    let protocol = TagsInBucket::new(vec![delete], Parts::default());
    let good = "
        delete: get revision link
        delete: get tag link
        delete: remove_if tag link
        delete: remove referrer link
        delete: remove revision link
        delete: acknowledge
        delete: ended";
    assert_eq!(accepts(&protocol, &trace(good)), Ok(()));
    rejects(
        &Replay::of(&protocol),
        "delete: get revision link\n delete: remove revision link",
        "line 2, `delete: remove revision link`: the model permits `delete: get tag link`",
    );
}

#[test]
fn time_passes_in_a_bucket_without_being_recorded() {
    use blob_in_bucket::{BlobInBucket, Collector, Parts, Role};
    let collector = Actor::new("collector", Role::Collector(Collector::FIRST));
    let text = "
        collector: create sweep
        collector: wait
        collector: announce batch
        collector: stat batch
        collector: send delete
        collector: delete
        collector: announce next batch
        collector: remove sweep
        collector: ended";
    let protocol = BlobInBucket::new(vec![collector], Parts::default(), 8);
    assert_eq!(accepts(&protocol, &trace(text)), Ok(()));
    // Where it stops before the minute is over, the collector goes on waiting.
    let short = BlobInBucket::new(vec![collector], Parts::default(), 3);
    rejects(
        &Replay::of(&short),
        text,
        "line 2, `collector: wait`: the model permits `collector: is blocked`",
    );
}

#[test]
fn an_unknown_actor_and_a_line_without_an_actor_are_rejected() {
    let protocol = disk(vec![REMOVER]);
    rejects(
        &Replay::of(&protocol),
        "reader: open data",
        "line 1, `reader: open data`: the model's actors are remover",
    );
    assert!("open data".parse::<Trace>().is_err());
}

#[test]
fn recorders_of_several_actors_write_one_trace() {
    let recorder = Recorder::default();
    let (holder, remover) = (recorder.actor("holder"), recorder.actor("remover"));
    holder.record(blob_on_disk::step::BEGIN);
    remover.record(blob_on_disk::step::RENAME_ASIDE);
    holder.record(ENDED);

    let recorded = recorder.trace();
    assert_eq!(recorded.to_string(), "holder: begin\nremover: rename aside\nholder: ended\n");
    assert_eq!(trace(&recorded.to_string()), recorded);
}
