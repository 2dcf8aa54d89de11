//! Pushes and deletes that meet, in every order of their store calls.

use std::cell::RefCell;
use std::collections::HashSet;
use std::time::SystemTime;

use futures_util::FutureExt;
use wharf_oci::{Digest, Reference, RepositoryName, Tag};

use super::stepwise::{Atomicity, Operation, World, every_schedule, run, run_reduced, some_schedules};
use crate::metadata::{
    Change, Expect, ManifestDeleted, ManifestFacts, ManifestWritten, MetadataStore, TagChange, TagWrite,
};
use crate::{Error, LayoutMetadata};

const BOTH: [Atomicity; 2] = [Atomicity::Locks, Atomicity::Conditions];

const CHANGE: Change<'static> = Change { actor: None, request_id: "r", at: SystemTime::UNIX_EPOCH };

/// What a tag and its manifest are after a run.
#[derive(Debug, PartialEq, Eq)]
struct Left {
    manifest: bool,
    tag: Option<Digest>,
}

fn name() -> RepositoryName {
    "acme/app".parse().unwrap()
}

fn tag() -> Tag {
    "v1".parse().unwrap()
}

fn old() -> Digest {
    Digest::of(b"old")
}

fn new() -> Digest {
    Digest::of(b"new")
}

async fn push(tree: &LayoutMetadata, digest: Digest, expect: Expect) -> crate::Result<ManifestWritten> {
    let tags = [TagWrite { tag: tag(), expect }];
    let facts = ManifestFacts { digest: &digest, references: &[], subject: None, tags: &tags };
    tree.put_manifest(&CHANGE, &name(), &facts).await
}

async fn delete(tree: &LayoutMetadata) -> Option<ManifestDeleted> {
    tree.delete_manifest(&CHANGE, &name(), &old(), None).await.unwrap()
}

/// A tree where the tag means the old manifest.
fn world(atomicity: Atomicity) -> World {
    let world = World::new(atomicity);
    push(&world.direct, old(), Expect::Any).now_or_never().unwrap().unwrap();
    world
}

fn left(world: &World) -> Left {
    let found = |reference| world.direct.manifest(&name(), &reference).now_or_never().unwrap().unwrap();
    Left { manifest: found(Reference::Digest(old())).is_some(), tag: found(Reference::Tag(tag())) }
}

/// An operation whose answer is put into `slot`.
fn into<'a, T: 'a>(slot: &'a RefCell<Option<T>>, answer: impl Future<Output = T> + 'a) -> Operation<'a> {
    Box::pin(async move {
        let answer = answer.await;
        *slot.borrow_mut() = Some(answer);
    })
}

#[test]
fn a_manifest_pushed_while_deleted_is_there_with_its_tag_or_neither_is() {
    for atomicity in BOTH {
        let runs = every_schedule(|schedule| {
            let world = world(atomicity);
            let (pushed, deleted) = (RefCell::new(None), RefCell::new(None));
            let push = into(&pushed, push(&world.stepwise, old(), Expect::Any));
            let polled = run_reduced(&mut [push, into(&deleted, delete(&world.stepwise))], schedule);
            pushed.take().unwrap().unwrap();
            let left = left(&world);
            assert_eq!(left.manifest, left.tag.is_some(), "{atomicity:?}: {polled:?}");
            polled
        });
        assert!(runs > 100, "{runs} orders");
    }
}

/// What the shorter search is worth.
#[test]
fn orders_that_are_left_out_end_as_those_that_are_run() {
    type Run = fn(&mut [Operation<'_>], &[usize]) -> Vec<(usize, usize)>;
    for atomicity in [Atomicity::Locks, Atomicity::Conditions, Atomicity::Neither] {
        let ends = |search: Run| {
            let mut ends = HashSet::new();
            let runs = every_schedule(|schedule| {
                let world = world(atomicity);
                let (pushed, deleted) = (RefCell::new(None), RefCell::new(None));
                let push = into(&pushed, push(&world.stepwise, new(), Expect::Any));
                let polled = search(&mut [push, into(&deleted, delete(&world.stepwise))], schedule);
                let answers = (pushed.take().unwrap(), deleted.take().unwrap());
                ends.insert(format!("{answers:?} {:?}", left(&world)));
                polled
            });
            (ends, runs)
        };
        let ((all, every_run), (some, fewer_runs)) = (ends(run), ends(run_reduced));
        assert_eq!(all, some, "{atomicity:?}");
        assert!(all.len() > 1 && fewer_runs * 2 < every_run, "{fewer_runs} of {every_run}");
    }
}

#[test]
fn a_tag_that_moved_while_its_manifest_was_deleted_stays_where_it_moved() {
    for atomicity in BOTH {
        every_schedule(|schedule| {
            let world = world(atomicity);
            let (pushed, deleted) = (RefCell::new(None), RefCell::new(None));
            let push = into(&pushed, push(&world.stepwise, new(), Expect::Any));
            let polled = run_reduced(&mut [push, into(&deleted, delete(&world.stepwise))], schedule);
            let from = pushed.take().unwrap().unwrap().tags[0].from;
            let removed = deleted.take().unwrap().unwrap().tags;
            assert_eq!(left(&world), Left { manifest: false, tag: Some(new()) }, "{atomicity:?}: {polled:?}");
            let expected = [TagChange { tag: tag(), from: Some(old()), to: None }];
            assert!(removed.is_empty() || removed == expected, "{removed:?}");
            // Either the push found the tag, or the delete removed it; in a bucket the push may have read it before.
            assert!(!removed.is_empty() || from == Some(old()), "{polled:?}");
            polled
        });
    }
}

/// What the test above is worth: without a condition there are orders that lose the tag, and they are found.
#[test]
fn without_conditions_an_acknowledged_tag_is_lost() {
    let mut lost = 0;
    every_schedule(|schedule| {
        let world = world(Atomicity::Neither);
        let (pushed, deleted) = (RefCell::new(None), RefCell::new(None));
        let push = into(&pushed, push(&world.stepwise, new(), Expect::Any));
        let polled = run_reduced(&mut [push, into(&deleted, delete(&world.stepwise))], schedule);
        lost += usize::from(left(&world).tag.is_none());
        polled
    });
    assert!(lost > 0);
}

#[test]
fn of_two_deletes_of_one_manifest_at_least_one_reports_the_tag() {
    for atomicity in BOTH {
        every_schedule(|schedule| {
            let world = world(atomicity);
            let (first, second) = (RefCell::new(None), RefCell::new(None));
            let deletes = [&first, &second].map(|slot| into(slot, delete(&world.stepwise)));
            let polled = run_reduced(&mut { deletes }, schedule);
            let answers = [first.take().unwrap(), second.take().unwrap()];
            let tags = answers.iter().flatten().flat_map(|deleted| &deleted.tags).count();
            assert_eq!(tags, 1, "the tag was removed once: {polled:?}");
            assert_eq!(left(&world), Left { manifest: false, tag: None });
            polled
        });
    }
}

#[test]
fn a_tag_deleted_while_it_moves_is_reported_as_what_it_was() {
    for atomicity in BOTH {
        every_schedule(|schedule| {
            let world = world(atomicity);
            let (pushed, deleted) = (RefCell::new(None), RefCell::new(None));
            let name = name();
            let tag = tag();
            let delete = world.stepwise.delete_tag(&CHANGE, &name, &tag);
            let push = into(&pushed, push(&world.stepwise, new(), Expect::Any));
            let polled = run_reduced(&mut [push, into(&deleted, delete)], schedule);
            pushed.take().unwrap().unwrap();
            let removed = deleted.take().unwrap().unwrap().unwrap().from;
            match left(&world).tag {
                None => assert_eq!(removed, Some(new()), "{polled:?}"),
                left => assert_eq!((left, removed), (Some(new()), Some(old())), "{polled:?}"),
            }
            polled
        });
    }
}

#[test]
fn of_two_that_make_a_tag_that_must_be_new_one_does() {
    for atomicity in BOTH {
        every_schedule(|schedule| {
            let world = World::new(atomicity);
            let slots = [RefCell::new(None), RefCell::new(None)];
            let push =
                |index: usize, digest| into(&slots[index], push(&world.stepwise, digest, Expect::Absent));
            let polled = run_reduced(&mut [push(0, old()), push(1, new())], schedule);
            let [first, second] = slots.each_ref().map(|slot| slot.take().unwrap());
            let winner = match (first, second) {
                (Ok(_), Err(Error::TagConflict { .. })) => old(),
                (Err(Error::TagConflict { .. }), Ok(_)) => new(),
                both => panic!("{both:?}: {polled:?}"),
            };
            assert_eq!(left(&world).tag, Some(winner));
            polled
        });
    }
}

#[test]
fn a_push_that_loses_a_tag_that_must_be_new_moves_no_other_tag() {
    let other: Tag = "other".parse().unwrap();
    for atomicity in BOTH {
        let mut refused = 0;
        every_schedule(|schedule| {
            let world = World::new(atomicity);
            let (several, one) = (RefCell::new(None), RefCell::new(None));
            let digest = old();
            let tags = [(other.clone(), Expect::Any), (tag(), Expect::Absent)]
                .map(|(tag, expect)| TagWrite { tag, expect });
            let facts = ManifestFacts { digest: &digest, references: &[], subject: None, tags: &tags };
            let name = name();
            let mut operations = [
                into(&several, world.stepwise.put_manifest(&CHANGE, &name, &facts)),
                into(&one, push(&world.stepwise, new(), Expect::Absent)),
            ];
            let polled = run_reduced(&mut operations, schedule);
            drop(operations);
            let reference = Reference::Tag(other.clone());
            let moved = world.direct.manifest(&name, &reference).now_or_never().unwrap().unwrap();
            let lost = several.take().unwrap().is_err();
            refused += usize::from(lost);
            assert_eq!(moved.is_none(), lost, "{atomicity:?}: {polled:?}");
            assert_eq!(left(&world).tag, Some(if lost { new() } else { old() }), "{polled:?}");
            polled
        });
        assert!(refused > 0);
    }
}

#[test]
fn a_delete_beside_two_pushes_takes_nothing_that_was_acknowledged_after_it() {
    for atomicity in BOTH {
        some_schedules(500, |schedule| {
            let world = world(atomicity);
            let (same, other, deleted) = (RefCell::new(None), RefCell::new(None), RefCell::new(None));
            let mut operations = [
                into(&same, push(&world.stepwise, old(), Expect::Any)),
                into(&other, push(&world.stepwise, new(), Expect::Any)),
                into(&deleted, delete(&world.stepwise)),
            ];
            let live: Vec<usize> = schedule.iter().map(|choice| choice % operations.len()).collect();
            run_of_three(&mut operations, &live);
            drop(operations);
            same.take().unwrap().unwrap();
            other.take().unwrap().unwrap();
            let left = left(&world);
            // Whichever was last: a push of either manifest, or the delete, which leaves neither tag nor manifest.
            let whole = left.manifest || left.tag != Some(old());
            let deleted = left.tag.is_some() || !left.manifest;
            assert!(whole && deleted, "{atomicity:?}: {left:?} after {schedule:?}");
        });
    }
}

/// [`run`] with a schedule that names operations by their number: a choice of one that has ended goes to the next.
fn run_of_three(operations: &mut [Operation<'_>; 3], schedule: &[usize]) {
    let mut ended = [false; 3];
    let mut turns = schedule.iter().copied().chain((0..).map(|turn| turn % 3));
    while !ended.iter().all(|ended| *ended) {
        let turn = turns.next().unwrap();
        if !ended[turn] {
            let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
            ended[turn] = operations[turn].as_mut().poll(&mut cx).is_ready();
        }
    }
}

#[test]
fn an_immutable_tag_made_anew_beside_another_is_made_once() {
    for atomicity in BOTH {
        every_schedule(|schedule| {
            let world = world(atomicity);
            // The tag is left over, its manifest is gone.
            let key = crate::layout::Key::RevisionLink(&name(), &old());
            crate::Objects::remove(world.direct.objects(), &key).now_or_never().unwrap().unwrap();
            let (same, other) = (RefCell::new(None), RefCell::new(None));
            let mut operations = [
                into(&same, push(&world.stepwise, old(), Expect::Absent)),
                into(&other, push(&world.stepwise, new(), Expect::Absent)),
            ];
            let polled = run_reduced(&mut operations, schedule);
            drop(operations);
            let acknowledged: Vec<Digest> = [(same.take().unwrap(), old()), (other.take().unwrap(), new())]
                .into_iter()
                .filter_map(|(answer, digest)| answer.ok().map(|_| digest))
                .collect();
            assert_eq!(acknowledged.len(), 1, "{polled:?}");
            assert_eq!(left(&world).tag, Some(acknowledged[0]), "{polled:?}");
            polled
        });
    }
}

#[test]
fn a_tag_that_moves_before_its_manifest_is_deleted_is_never_absent() {
    for atomicity in BOTH {
        every_schedule(|schedule| {
            let world = world(atomicity);
            let (moved, read) = (RefCell::new(None), RefCell::new(None));
            let (name, reference) = (name(), Reference::Tag(tag()));
            // The reader's calls are steps; all of the move and the delete may come between any two of them.
            let change = async {
                std::future::ready(()).await;
                push(&world.direct, new(), Expect::Any).await.unwrap();
                delete(&world.direct).await.unwrap()
            };
            let mut operations =
                [into(&read, world.stepwise.manifest(&name, &reference)), into(&moved, change)];
            let polled = run_reduced(&mut operations, schedule);
            drop(operations);
            let found = read.take().unwrap().unwrap();
            assert!(found == Some(old()) || found == Some(new()), "{found:?}: {polled:?}");
            polled
        });
    }
}
