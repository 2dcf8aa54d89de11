//! Rule 2: links and tags of a repository on a disk are written, moved and removed under the repository's lock.
//!
//! The lock is a file that is chosen by the repository and never removed. A push takes it shared; a conditional write, a move
//! or a removal takes it exclusive, and inside it reads again what it is about to change. The kernel releases the lock of a
//! process that is killed.
//!
//! The repository has manifest A, its entry among the referrers of its subject, one tag, and one layer link, which is old.
//!
//! | Actor | In the code |
//! |---|---|
//! | [`Push`] | `LayoutMetadata::put_manifest` |
//! | [`DeleteManifest`] | `LayoutMetadata::delete_manifest` of A; its tag steps are `remove_tags_of` and `Objects::remove_if` |
//! | [`DeleteTag`] | `LayoutMetadata::delete_tag`, by `Objects::remove_if` |
//! | [`LinkRole::Put`] | `LayoutMetadata::link_blob`, by `Objects::put` |
//! | [`LinkRole::Renew`] | `MetadataStore::hold`, by `Objects::renew` |
//! | [`LinkRole::Remove`] | the collector, by `Objects::remove_if` of a link that is old |

mod deletes;
mod links;
mod lock;
mod push;
#[cfg(test)]
mod tests;

pub use deletes::{DeleteManifest, DeleteTag, Pass};
pub use links::{Link, LinkRole, LinkStep};
pub use lock::{Lock, Mode};
pub use push::{Push, TagWrite};

use crate::protocol::{Actor, Outcome, Protocol, State};

/// Names of the steps.
pub mod step {
    /// `Objects::lock(repository, Shared)`.
    pub const LOCK_SHARED: &str = "lock shared";
    /// `Objects::lock(repository, Exclusive)`.
    pub const LOCK_EXCLUSIVE: &str = "lock exclusive";
    /// The lock is released.
    pub const UNLOCK: &str = "unlock";
    /// Whether the manifest's revision link is there.
    pub const GET_REVISION: &str = "get revision link";
    /// The manifest's revision link is written.
    pub const PUT_REVISION: &str = "put revision link";
    /// The manifest's revision link is removed.
    pub const REMOVE_REVISION: &str = "remove revision link";
    /// The manifest's entry among the referrers of its subject is written.
    pub const PUT_REFERRER: &str = "put referrer link";
    /// That entry is removed.
    pub const REMOVE_REFERRER: &str = "remove referrer link";
    /// What the tag means.
    pub const GET_TAG: &str = "get tag link";
    /// Whether the tag is still what was read: the first half of `remove_if`.
    pub const COMPARE_TAG: &str = "compare tag link";
    /// The tag is written.
    pub const PUT_TAG: &str = "put tag link";
    /// The tag is removed: the second half of `remove_if`.
    pub const REMOVE_TAG: &str = "remove tag link";
    /// Whether the layer link is there and how old it is.
    pub const STAT_LINK: &str = "stat layer link";
    /// Whether the layer link is still what was read, with its time: the first half of `remove_if`.
    pub const COMPARE_LINK: &str = "compare layer link";
    /// The layer link is written.
    pub const PUT_LINK: &str = "put layer link";
    /// The time of the layer link is set to now.
    pub const RENEW_LINK: &str = "renew layer link";
    /// The layer link is removed: the second half of `remove_if`.
    pub const REMOVE_LINK: &str = "remove layer link";
    /// The request is answered with success.
    pub const ACKNOWLEDGE: &str = "acknowledge";
    /// The request is refused: what it needs is absent, or its condition does not hold.
    pub const REFUSE: &str = "refuse";
}

/// What a tag can mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Manifest {
    /// The one that is deleted.
    A,
    /// Another one, which is never deleted.
    B,
    /// A third one, which is never deleted.
    C,
}

/// A tag link that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tag {
    /// What it means.
    pub means: Manifest,
    /// Which write it is from: its time, or another mark of exactly this link.
    pub version: u8,
}

/// The repository's files, its lock, and what was acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Repository {
    /// The lock.
    pub lock: Lock,
    /// Whether A's revision link is there.
    pub revision: bool,
    /// Whether A's entry among the referrers is there.
    pub referrer: bool,
    /// The tag.
    pub tag: Option<Tag>,
    /// How often the tag was written.
    tag_writes: u8,
    /// The layer link.
    pub link: Option<Link>,
    acknowledged: Acknowledged,
    /// A promise that a single step has broken.
    broken: Option<&'static str>,
}

/// Requests that were answered with success.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Acknowledged {
    /// A push of A with the tag.
    pushed: bool,
    /// A push of A without a tag.
    pushed_by_digest: bool,
    /// A push of another manifest.
    pushed_other: bool,
    /// A delete of A, or of the tag.
    deleted: bool,
    /// A push or mount that relies on the layer link.
    linked: bool,
}

/// What each actor does, and how far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Pushes a manifest.
    Push(Push),
    /// Deletes A.
    DeleteManifest(DeleteManifest),
    /// Deletes the tag.
    DeleteTag(DeleteTag),
    /// Writes, renews or removes the layer link.
    Link(LinkRole),
}

/// When a delete goes over the tags for the second time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecondPass {
    /// Before it removes the revision link, under the same lock.
    UnderLock,
    /// After it removed the revision link and released the lock. Not the rule.
    AfterUnlock,
    /// Never. Not the rule.
    Never,
}

/// The parts of the rule. A test leaves out one at a time.
#[derive(Debug, Clone, Copy)]
pub struct Parts {
    /// A push takes the lock.
    pub push_locks: bool,
    /// What a conditional write takes the lock for.
    pub conditional_write: Mode,
    /// A push reads the revision link again after it wrote the tag. Buckets need it; a disk does not.
    pub push_checks_revision: bool,
    /// The removal of one tag takes the lock.
    pub tag_removal_locks: bool,
    /// The removal of one tag compares it inside the lock with what was read.
    pub tag_removal_compares: bool,
    /// A delete removes tags before it takes the lock for the rest, so as to hold that shortly.
    pub first_pass: bool,
    /// When a delete goes over the tags once more.
    pub second_pass: SecondPass,
    /// A delete takes the lock from the second pass to the removal of the revision link.
    pub delete_locks: bool,
    /// The renewal of a link takes the lock.
    pub renewal_locks: bool,
    /// The removal of a link compares its time inside the lock, and not only its value.
    pub link_removal_compares_time: bool,
}

/// The rule, with the actors that take part.
#[derive(Debug)]
pub struct TagsOnDisk {
    actors: Vec<Actor<Role>>,
    parts: Parts,
    tag: Option<Manifest>,
}

// === impl Parts ===

impl Default for Parts {
    /// The rule as it is built.
    fn default() -> Self {
        Self {
            push_locks: true,
            conditional_write: Mode::Exclusive,
            push_checks_revision: true,
            tag_removal_locks: true,
            tag_removal_compares: true,
            first_pass: true,
            second_pass: SecondPass::UnderLock,
            delete_locks: true,
            renewal_locks: true,
            link_removal_compares_time: true,
        }
    }
}

// === impl TagsOnDisk ===

impl TagsOnDisk {
    /// The rule with `parts`, between at most eight `actors`; the tag means `tag` at first.
    pub fn new(actors: Vec<Actor<Role>>, parts: Parts, tag: Option<Manifest>) -> Self {
        assert!(actors.len() <= 8, "the lock has a bit for eight");
        Self { actors, parts, tag }
    }

    /// Whether the manifest is there and an acknowledged push of its tag has been undone.
    fn is_half_gone(&self, repository: &Repository) -> bool {
        let Repository { revision, tag, acknowledged, .. } = repository;
        let deletes_tag = self.actors.iter().any(|actor| matches!(actor.first, Role::DeleteTag(_)));
        // Gone as a whole is right: the delete came after the push. A push by digest brings it back without the tag.
        acknowledged.pushed && *revision && tag.is_none() && !deletes_tag && !acknowledged.pushed_by_digest
    }
}

impl Protocol for TagsOnDisk {
    type Shared = Repository;
    type Step = Role;

    fn start(&self) -> Repository {
        Repository {
            lock: Lock::default(),
            revision: true,
            referrer: true,
            tag: self.tag.map(|means| Tag { means, version: 0 }),
            tag_writes: 0,
            link: Some(Link::Old),
            acknowledged: Acknowledged::default(),
            broken: None,
        }
    }

    fn actors(&self) -> &[Actor<Role>] {
        &self.actors
    }

    fn name(&self, step: &Role) -> &'static str {
        match step {
            Role::Push(at) => at.name(&self.parts),
            Role::DeleteManifest(at) => at.name(),
            Role::DeleteTag(at) => at.name(),
            Role::Link(at) => at.name(),
        }
    }

    fn outcomes(&self, repository: &Repository, me: usize, step: &Role) -> Vec<Outcome<Self>> {
        let parts = &self.parts;
        let wanted = match step {
            Role::Push(at) => at.wants(parts),
            Role::DeleteManifest(at) => at.wants(parts),
            Role::DeleteTag(at) => at.wants(parts),
            Role::Link(at) => at.wants(parts),
        };
        if wanted.is_some_and(|mode| !repository.lock.is_free(mode)) {
            return Vec::new();
        }
        Outcome::only(repository, |repository: &mut Repository| {
            if let Some(mode) = wanted {
                repository.lock.acquire(mode, me);
            }
            match *step {
                Role::Push(at) => at.step(repository, me, parts).map(Role::Push),
                Role::DeleteManifest(at) => at.step(repository, me, parts).map(Role::DeleteManifest),
                Role::DeleteTag(at) => at.step(repository, me).map(Role::DeleteTag),
                Role::Link(at) => at.step(repository, me, parts).map(Role::Link),
            }
        })
    }

    fn on_kill(&self, repository: &mut Repository, me: usize) {
        repository.lock.release(me);
    }

    fn has_locks(&self) -> bool {
        true
    }

    fn violation(&self, state: &State<Self>) -> Option<&'static str> {
        let Repository { revision, referrer, tag, link, acknowledged, broken, .. } = &state.shared;
        if broken.is_some() || !state.all_ended() {
            return *broken;
        }
        if tag.is_some_and(|tag| tag.means == Manifest::A) && !revision {
            return Some("the tag means a manifest that is gone");
        }
        if referrer > revision {
            return Some("a manifest that is gone is among the referrers");
        }
        if acknowledged.linked && link.is_none() {
            return Some("the layer was acknowledged and its link is gone");
        }
        // A killed delete may leave a manifest with fewer tags.
        let half_gone = !state.any_killed() && self.is_half_gone(&state.shared);
        half_gone.then_some("the manifest is there and its acknowledged tag is gone")
    }

    fn goal(&self, state: &State<Self>) -> bool {
        let acknowledged = &state.shared.acknowledged;
        let changes = |actor: &Actor<Role>| match actor.first {
            Role::DeleteManifest(_) | Role::DeleteTag(_) => acknowledged.deleted,
            Role::Push(push) => *push.record(&mut acknowledged.clone()),
            Role::Link(LinkRole::Remove(_)) => state.shared.link.is_none() || acknowledged.linked,
            Role::Link(_) => acknowledged.linked,
        };
        state.all_ended() && self.actors.iter().all(changes)
    }
}

// === impl Repository ===

impl Repository {
    /// Whether `manifest` is there. Others than A are never deleted.
    fn has_revision(&self, manifest: Manifest) -> bool {
        manifest != Manifest::A || self.revision
    }

    /// What the tag means.
    fn meaning(&self) -> Option<Manifest> {
        self.tag.map(|tag| tag.means)
    }

    fn put_tag(&mut self, means: Manifest) {
        self.tag_writes += 1;
        self.tag = Some(Tag { means, version: self.tag_writes });
    }
}
