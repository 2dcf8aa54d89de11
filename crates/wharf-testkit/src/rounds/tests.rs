//! The search finds what an order allows, and nothing else.

use super::Exclusion::{Conditions, Locks};
use super::orders::outcomes;
use super::state::{Answer, Exclusion, Operation, Record, State};

const A: usize = 0;
const B: usize = 1;

fn record(operation: Operation, answer: Answer, begun: u64, ended: u64) -> Record {
    Record { operation, answer, begun, ended }
}

fn put(image: usize, tag: usize, begun: u64, ended: u64) -> Record {
    record(Operation::Put(image, tag), Answer::Done, begun, ended)
}

fn delete(image: usize, begun: u64, ended: u64) -> Record {
    record(Operation::DeleteManifest(image), Answer::Done, begun, ended)
}

/// Both manifests are there; the tags mean these.
fn tagged(tags: &[Option<usize>]) -> State {
    let mut state = State::default();
    state.tags[..tags.len()].copy_from_slice(tags);
    state.manifests[A] = true;
    state.manifests[B] = true;
    state
}

fn without(mut state: State, image: usize) -> State {
    state.manifests[image] = false;
    state
}

#[track_caller]
fn check(exclusion: Exclusion, begin: State, records: &[Record], expected: &[State]) {
    let found: Vec<State> = outcomes(begin, records, exclusion).into_iter().collect();
    let mut expected = expected.to_vec();
    expected.sort();
    assert_eq!(found, expected, "{exclusion:?}");
}

#[test]
fn a_tag_that_moves_away_beside_a_delete_of_what_it_meant_stays() {
    for exclusion in [Locks, Conditions] {
        let records = [delete(A, 0, 3), put(B, 0, 1, 2)];
        let moved = without(tagged(&[Some(B), None]), A);
        check(exclusion, tagged(&[Some(A), Some(A)]), &records, &[moved]);
    }
}

#[test]
fn a_manifest_pushed_beside_its_delete_is_whole_or_gone() {
    let records = [delete(A, 0, 3), put(A, 0, 1, 2)];
    let (whole, gone) = (tagged(&[Some(A)]), without(tagged(&[None]), A));
    check(Locks, tagged(&[Some(A)]), &records, &[whole, gone]);
    // The delete has listed no tag, or has passed the tag already: it is absent, and left behind.
    let left = without(tagged(&[Some(A)]), A);
    check(Conditions, tagged(&[Some(A)]), &records, &[whole, gone, left]);
}

#[test]
fn a_request_takes_its_steps_between_its_sending_and_its_answer() {
    for exclusion in [Locks, Conditions] {
        let (first, second) = (put(A, 0, 0, 1), put(B, 0, 2, 3));
        check(exclusion, tagged(&[]), &[first, second], &[tagged(&[Some(B)])]);
        let (first, second) = (put(A, 0, 0, 2), put(B, 0, 1, 3));
        let either = [tagged(&[Some(A)]), tagged(&[Some(B)])];
        check(exclusion, tagged(&[]), &[first, second], &either);
    }
}

#[test]
fn an_answer_that_no_order_gives_is_not_explained() {
    let tag = Operation::DeleteTag(0);
    for exclusion in [Locks, Conditions] {
        check(exclusion, tagged(&[Some(A)]), &[record(tag, Answer::Absent, 0, 1)], &[]);
        check(exclusion, tagged(&[]), &[record(tag, Answer::Done, 0, 1)], &[]);
        let twice = [record(tag, Answer::Done, 0, 2), record(tag, Answer::Done, 1, 3)];
        check(exclusion, tagged(&[Some(A)]), &twice, &[]);
        let read = record(Operation::Get(0), Answer::Found(B), 0, 1);
        check(exclusion, tagged(&[Some(A)]), &[read], &[]);
        let mounted = record(Operation::Mount(A), Answer::Done, 0, 1);
        check(exclusion, tagged(&[]), &[mounted], &[]);
    }
}

/// A delete beside which its client finds a tag gone already, and pushes the manifest anew under another.
#[test]
fn a_delete_of_a_manifest_removes_its_tags_before_the_manifest() {
    for exclusion in [Locks, Conditions] {
        let gone = record(Operation::DeleteTag(0), Answer::Absent, 1, 2);
        let records = [delete(A, 0, 5), gone, put(A, 1, 3, 4)];
        let found = outcomes(tagged(&[Some(A)]), &records, exclusion);
        assert!(found.contains(&tagged(&[None, Some(A)])), "{exclusion:?}: {found:?}");
        assert!(found.iter().any(|state| state.visible(1).is_none()), "{exclusion:?}: {found:?}");
    }
}

#[test]
fn a_tag_left_without_its_manifest_is_listed_and_absent() {
    let left = without(tagged(&[Some(A)]), A);
    assert_eq!(left.visible(0), None);
    let again = outcomes(left, &[put(A, 1, 0, 1)], Conditions);
    assert_eq!(again.into_iter().collect::<Vec<_>>(), [tagged(&[Some(A), Some(A)])]);
}
