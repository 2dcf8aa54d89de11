//! What pushes and deletes do, in every order of their store calls, is a path of the models of the removal protocols.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::SystemTime;

use futures_util::FutureExt;
use wharf_models::replay::{ActorRecorder, ENDED, Recorder, Replay};
use wharf_models::tags_on_disk::step::{ACKNOWLEDGE, REFUSE};
use wharf_models::{Actor, Protocol, tags_in_bucket, tags_on_disk};
use wharf_oci::{Descriptor, Digest, MediaType, RepositoryName, Tag};

use super::recording::Recording;
use super::stepwise::{Atomicity, Operation, World, every_schedule, run};
use crate::metadata::{Change, Expect, ManifestFacts, MetadataStore, TagWrite};
use crate::{Error, LayoutMetadata};

const CHANGE: Change<'static> = Change { actor: None, request_id: "r", at: SystemTime::UNIX_EPOCH };

/// An operation, as the layout and as the models have it. `A` is what the tag means at first and what is deleted.
#[derive(Debug, Clone, Copy)]
enum Does {
    Push(Manifest, Write),
    Delete,
    DeleteTag,
}

#[derive(Debug, Clone, Copy)]
enum Manifest {
    A,
    B,
    C,
}

#[derive(Debug, Clone, Copy)]
enum Write {
    Always,
    IfAbsent,
    /// If the tag means A.
    IfIsA,
}

// === impl Manifest ===

impl Manifest {
    fn digest(self) -> Digest {
        Digest::of(format!("{self:?}").as_bytes())
    }

    fn on_disk(self) -> tags_on_disk::Manifest {
        match self {
            Self::A => tags_on_disk::Manifest::A,
            Self::B => tags_on_disk::Manifest::B,
            Self::C => tags_on_disk::Manifest::C,
        }
    }

    fn in_bucket(self) -> tags_in_bucket::Manifest {
        match self {
            Self::A => tags_in_bucket::Manifest::A,
            Self::B => tags_in_bucket::Manifest::B,
            Self::C => tags_in_bucket::Manifest::C,
        }
    }
}

// === impl Does ===

impl Does {
    fn on_disk(self) -> tags_on_disk::Role {
        use tags_on_disk::{DeleteManifest, DeleteTag, Push, Role, TagWrite};
        match self {
            Self::Push(manifest, write) => {
                let write = match write {
                    Write::Always => TagWrite::Always,
                    Write::IfAbsent => TagWrite::IfAbsent,
                    Write::IfIsA => TagWrite::IfIs(tags_on_disk::Manifest::A),
                };
                Role::Push(Push::new(manifest.on_disk(), write))
            }
            Self::Delete => Role::DeleteManifest(DeleteManifest::FIRST),
            Self::DeleteTag => Role::DeleteTag(DeleteTag::FIRST),
        }
    }

    fn in_bucket(self) -> tags_in_bucket::Role {
        use tags_in_bucket::{Delete, Push, Role, TagRemoval, TagWrite};
        match self {
            Self::Push(manifest, Write::Always) => {
                Role::Push(Push::new(manifest.in_bucket(), TagWrite::Always))
            }
            Self::Push(manifest, Write::IfAbsent) => {
                Role::Push(Push::new(manifest.in_bucket(), TagWrite::IfAbsent))
            }
            Self::Delete => Role::Delete(Delete::new(TagRemoval::ConditionalDelete)),
            Self::Push(_, Write::IfIsA) | Self::DeleteTag => panic!("{self:?} is not in this model"),
        }
    }

    async fn perform(self, tree: &LayoutMetadata) -> Option<&'static str> {
        let (name, tag, deleted, subject) = (name(), tag(), Manifest::A.digest(), Digest::of(b"subject"));
        match self {
            Self::Push(manifest, write) => push(tree, manifest, write).await,
            Self::Delete => {
                let answer = tree.delete_manifest(&CHANGE, &name, &deleted, Some(&subject)).await;
                answer.unwrap().map(|_| ACKNOWLEDGE)
            }
            Self::DeleteTag => {
                let answer = tree.delete_tag(&CHANGE, &name, &tag).await;
                Some(if answer.unwrap().is_some() { ACKNOWLEDGE } else { REFUSE })
            }
        }
    }
}

fn name() -> RepositoryName {
    "acme/app".parse().unwrap()
}

fn tag() -> Tag {
    "v1".parse().unwrap()
}

async fn push(tree: &LayoutMetadata, manifest: Manifest, write: Write) -> Option<&'static str> {
    let (digest, subject) = (manifest.digest(), Digest::of(b"subject"));
    let expect = match write {
        Write::Always => Expect::Any,
        Write::IfAbsent => Expect::Absent,
        Write::IfIsA => Expect::Is(Manifest::A.digest()),
    };
    let tags = [TagWrite { tag: tag(), expect }];
    let descriptor = Descriptor::new(MediaType::OCI_MANIFEST, digest, 1);
    let subject = Some((&subject, &descriptor));
    let facts = ManifestFacts { digest: &digest, references: &[], subject, tags: &tags };
    match tree.put_manifest(&CHANGE, &name(), &facts).await {
        Ok(_) => Some(ACKNOWLEDGE),
        Err(Error::TagConflict { .. }) => Some(REFUSE),
        Err(error) => panic!("{error}"),
    }
}

/// Records the store calls of an operation, its answer and its end.
async fn recorded(does: Does, world: &World, atomicity: Atomicity, recorder: ActorRecorder) {
    let (steps, store) = (Arc::clone(&world.steps), world.store.clone());
    let recording = Recording { steps, store, recorder: recorder.clone(), atomicity };
    let tree = LayoutMetadata::new(Arc::new(recording)).with_concurrency(1);
    if let Some(answer) = does.perform(&tree).await {
        recorder.record(answer);
    }
    recorder.record(ENDED);
}

/// Runs the operations in every order, and compares each run with `model`.
fn compare<P: Protocol>(atomicity: Atomicity, operations: &[(&'static str, Does); 2], model: &P) {
    // A delete that finds nothing left to delete has no answer that is recorded.
    let replay = Replay::of(model).without(ACKNOWLEDGE);
    let mut compared = HashSet::new();
    every_schedule(|schedule| {
        let world = World::new(atomicity);
        push(&world.direct, Manifest::A, Write::Always).now_or_never().unwrap();
        let recorder = Recorder::default();
        let mut running = operations.each_ref().map(|(name, does)| -> Operation<'_> {
            Box::pin(recorded(*does, &world, atomicity, recorder.actor(name)))
        });
        let polled = run(&mut running, schedule);
        let trace = recorder.trace();
        // Orders that differ in what no model has are one.
        if compared.insert(trace.to_string())
            && let Err(problem) = replay.accepts(&trace)
        {
            panic!("{problem}\n{trace}");
        }
        polled
    });
    assert!(compared.len() > 1, "{} orders of {operations:?}", compared.len());
}

fn compare_with_locks(operations: [(&'static str, Does); 2]) {
    let actors = operations.map(|(name, does)| Actor::new(name, does.on_disk()));
    let tag = Some(tags_on_disk::Manifest::A);
    let model = tags_on_disk::TagsOnDisk::new(actors.into(), tags_on_disk::Parts::default(), tag);
    compare(Atomicity::Locks, &operations, &model);
}

fn compare_with_conditions(operations: [(&'static str, Does); 2]) {
    let actors = operations.map(|(name, does)| Actor::new(name, does.in_bucket()));
    let model = tags_in_bucket::TagsInBucket::new(actors.into(), tags_in_bucket::Parts::default());
    compare(Atomicity::Conditions, &operations, &model);
}

const SAME: (&str, Does) = ("push", Does::Push(Manifest::A, Write::Always));
const OTHER: (&str, Does) = ("push of another", Does::Push(Manifest::B, Write::Always));
const NEW: (&str, Does) = ("push of a new tag", Does::Push(Manifest::B, Write::IfAbsent));
const ALSO_NEW: (&str, Does) = ("second push of a new tag", Does::Push(Manifest::C, Write::IfAbsent));
const MOVE: (&str, Does) = ("move", Does::Push(Manifest::B, Write::IfIsA));
const DELETE: (&str, Does) = ("delete", Does::Delete);
const SECOND_DELETE: (&str, Does) = ("second delete", Does::Delete);
const DELETE_TAG: (&str, Does) = ("tag delete", Does::DeleteTag);

#[test]
fn every_order_of_two_operations_under_locks_is_a_path_of_the_model() {
    for operations in [
        [SAME, DELETE],
        [NEW, DELETE],
        [MOVE, DELETE],
        [NEW, ALSO_NEW],
        [MOVE, OTHER],
        [DELETE_TAG, DELETE],
        [DELETE_TAG, SAME],
        [DELETE_TAG, MOVE],
    ] {
        compare_with_locks(operations);
    }
}

#[test]
fn every_order_of_two_operations_under_conditions_is_a_path_of_the_model() {
    for operations in
        [[SAME, DELETE], [OTHER, DELETE], [NEW, DELETE], [NEW, ALSO_NEW], [DELETE, SECOND_DELETE]]
    {
        compare_with_conditions(operations);
    }
}
