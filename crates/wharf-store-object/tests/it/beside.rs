//! A manifest is deleted beside a push to its tag: two processes on one bucket, each stopped at each of its requests.
//!
//! Of two operations, the first goes so far, then the other so far, then the first to its end, then the other: every pair of
//! places, in both orders, on each kind of server. What they did is compared with the model, request by request.

use std::pin::pin;
use std::sync::Arc;

use wharf_models::Actor;
use wharf_models::replay::{Recorder, Replay};
use wharf_models::tags_in_bucket::{
    Delete, Manifest, Parts, Push, Role, TagRemoval, TagWrite as ModelWrite, TagsInBucket, step,
};
use wharf_oci::{Digest, Reference, RepositoryName};
use wharf_store::{
    Change, Expect, LayoutMetadata, ManifestDeleted, ManifestFacts, ManifestWritten, MetadataStore, Result,
    TagWrite,
};
use wharf_store_object::Conditions;
use wharf_testkit::s3::{Operation, Record};

use crate::harness::Server;

const CHANGE: Change<'static> =
    Change { actor: None, request_id: "r1", at: std::time::SystemTime::UNIX_EPOCH };

/// More requests than any of the operations has.
const MOST_REQUESTS: usize = 30;

const PUSH: &str = "push";
const DELETE: &str = "delete";

/// Two registries on one bucket, and the manifest that is deleted.
struct World {
    server: Server,
    push: LayoutMetadata,
    delete: LayoutMetadata,
    removal: TagRemoval,
    old: Digest,
    repositories: usize,
}

/// Where the operations are stopped: the first after so many requests, then the other.
#[derive(Debug, Clone, Copy)]
struct Stops {
    first: usize,
    other: usize,
    delete_is_first: bool,
}

/// Whether each operation was stopped before it ended.
struct Stopped {
    first: bool,
    other: bool,
}

// === impl World ===

impl World {
    async fn new(removal: TagRemoval) -> Self {
        let server = Server::start();
        if removal == TagRemoval::ConditionalEmptyPut {
            server.s3.ignore_conditions_of_deletes();
        }
        let (push, delete) = (server.store_as(PUSH), server.store_as(DELETE));
        for store in [&push, &delete] {
            assert_ne!(store.cloud().conditions().await.unwrap(), Conditions::Ignored);
        }
        let [push, delete] = [push, delete].map(|store| LayoutMetadata::new(Arc::new(store)));
        Self { server, push, delete, removal, old: Digest::of(b"old"), repositories: 0 }
    }

    async fn push(&self, repository: &RepositoryName, digest: &Digest) -> Result<ManifestWritten> {
        let tags = [TagWrite { tag: "v1".parse().unwrap(), expect: Expect::Any }];
        let facts = ManifestFacts { digest, references: &[], subject: None, tags: &tags };
        self.push.put_manifest(&CHANGE, repository, &facts).await
    }

    async fn delete(&self, repository: &RepositoryName) -> Result<Option<ManifestDeleted>> {
        self.delete.delete_manifest(&CHANGE, repository, &self.old, None).await
    }

    async fn means(&self, repository: &RepositoryName, reference: Reference) -> Option<Digest> {
        self.push.manifest(repository, &reference).await.unwrap()
    }

    /// Pushes `digest` to the tag of the old manifest beside the delete of that, stopped as said. The repository, and who was
    /// stopped.
    async fn run(&mut self, digest: &Digest, stops: Stops) -> (RepositoryName, Stopped) {
        self.repositories += 1;
        let repository: RepositoryName = format!("acme/app{}", self.repositories).parse().unwrap();
        self.push(&repository, &self.old).await.unwrap();
        self.server.requests();
        let world = &*self;
        let push = async { drop(world.push(&repository, digest).await.unwrap()) };
        let delete = async { drop(world.delete(&repository).await.unwrap().expect("it was there")) };
        let stopped = if stops.delete_is_first {
            world.interleave((DELETE, delete), (PUSH, push), stops).await
        } else {
            world.interleave((PUSH, push), (DELETE, delete), stops).await
        };
        (repository, stopped)
    }

    async fn interleave(
        &self,
        (name, first): (&str, impl Future<Output = ()>),
        (other_name, other): (&str, impl Future<Output = ()>),
        stops: Stops,
    ) -> Stopped {
        let s3 = &self.server.s3;
        s3.hold_after(name, stops.first);
        s3.hold_after(other_name, stops.other);
        let (mut first, mut other) = (pin!(first), pin!(other));
        let first_stopped = tokio::select! {
            () = &mut first => false,
            () = s3.held(name) => true,
        };
        let other_stopped = tokio::select! {
            () = &mut other => false,
            () = s3.held(other_name) => true,
        };
        s3.release(name);
        if first_stopped {
            first.await;
        }
        s3.release(other_name);
        if other_stopped {
            other.await;
        }
        Stopped { first: first_stopped, other: other_stopped }
    }

    /// What was asked of the bucket is a path of the model.
    #[track_caller]
    fn assert_follows_the_model(&self, pushed: Manifest, stops: Stops) {
        let push = Actor::new(PUSH, Role::Push(Push::new(pushed, ModelWrite::Always)));
        let delete = Actor::new(DELETE, Role::Delete(Delete::new(self.removal)));
        let model = TagsInBucket::new(vec![push, delete], Parts::default());
        let recorder = Recorder::default();
        for record in self.server.requests() {
            if let Some(step) = step_of(&record) {
                recorder.actor(&record.agent).record(step);
            }
        }
        let replay = Replay::of(&model)
            .without(step::PUT_REFERRER)
            .without(step::REMOVE_REFERRER)
            .without(step::ACKNOWLEDGE);
        let trace = recorder.trace();
        replay.accepts(&trace).unwrap_or_else(|problem| panic!("{stops:?}: {problem}\n{trace}"));
    }
}

/// The step of the model that a request is; none for those about a tag's history, and for looks that decide nothing.
fn step_of(record: &Record) -> Option<&'static str> {
    let is_tag = record.key.ends_with("/current/link");
    let is_revision = record.key.contains("/_manifests/revisions/") && record.key.ends_with("/link");
    match record.operation {
        Operation::GetObject if is_tag => Some(step::GET_TAG),
        Operation::DeleteObject if is_tag => Some(step::REMOVE_TAG),
        // An empty link.
        Operation::PutObject if is_tag && record.agent == DELETE => Some(step::REMOVE_TAG),
        Operation::PutObject if is_tag => Some(step::PUT_TAG),
        Operation::GetObject if is_revision => Some(step::GET_REVISION),
        Operation::PutObject if is_revision => Some(step::PUT_REVISION),
        Operation::DeleteObject if is_revision => Some(step::REMOVE_REVISION),
        _ => None,
    }
}

/// Runs `check` for every pair of places at which the two operations can be stopped.
async fn at_all_places(
    digest: Digest,
    pushed: Manifest,
    check: impl AsyncFn(&World, &RepositoryName, Stops),
) {
    for removal in [TagRemoval::ConditionalDelete, TagRemoval::ConditionalEmptyPut] {
        let mut world = World::new(removal).await;
        let mut cases = 0;
        for delete_is_first in [true, false] {
            for first in 0..MOST_REQUESTS {
                let mut is_whole = false;
                for other in 0..MOST_REQUESTS {
                    let stops = Stops { first, other, delete_is_first };
                    let (repository, stopped) = world.run(&digest, stops).await;
                    world.assert_follows_the_model(pushed, stops);
                    check(&world, &repository, stops).await;
                    cases += 1;
                    is_whole = !stopped.first;
                    if !stopped.other {
                        break;
                    }
                }
                if is_whole {
                    break;
                }
            }
        }
        assert!(cases > 60, "{cases} places");
    }
}

#[tokio::test]
async fn a_tag_that_is_moved_beside_a_delete_of_its_manifest_is_moved() {
    let new = Digest::of(b"new");
    at_all_places(new, Manifest::B, async |world, repository, stops| {
        let by_tag = world.means(repository, Reference::Tag("v1".parse().unwrap())).await;
        assert_eq!(by_tag, Some(new), "{stops:?}");
        assert_eq!(world.means(repository, Reference::Digest(world.old)).await, None, "{stops:?}");
    })
    .await;
}

#[tokio::test]
async fn a_manifest_pushed_to_its_tag_beside_its_delete_is_whole_or_gone() {
    let old = Digest::of(b"old");
    at_all_places(old, Manifest::A, async |world, repository, stops| {
        let by_tag = world.means(repository, Reference::Tag("v1".parse().unwrap())).await;
        let by_digest = world.means(repository, Reference::Digest(old)).await;
        assert_eq!(by_tag, by_digest, "{stops:?}");
    })
    .await;
}
