//! Rule 3: a manifest is deleted from a bucket while it, or another one, is pushed to its tag.
//!
//! The store has manifest A, its entry among the referrers of its subject, and one tag. There are no locks: each request to the
//! bucket is atomic, and a conditional one compares contents, as an ETag does. A tag whose revision link is missing counts as
//! absent, and so does an empty tag link.
//!
//! | Actor | In the code |
//! |---|---|
//! | [`Push`] | `LayoutMetadata::put_manifest`; a conditional write of its tag is `write_tag` |
//! | [`Delete`] | `LayoutMetadata::delete_manifest` of A; its tag steps are `remove_tags_of` and `Objects::remove_if` |

mod delete;
mod push;
#[cfg(test)]
mod tests;

pub use delete::{Delete, DeleteStep, Pass};
pub use push::{Manifest, Push, TagWrite};

use crate::protocol::{Actor, Outcome, Protocol, State};

/// Names of the steps.
pub mod step {
    /// The manifest's revision link is written.
    pub const PUT_REVISION: &str = "put revision link";
    /// The manifest's entry among the referrers of its subject is written.
    pub const PUT_REFERRER: &str = "put referrer link";
    /// The tag's link is written, on its condition if it has one.
    pub const PUT_TAG: &str = "put tag link";
    /// Whether a manifest's revision link is there.
    pub const GET_REVISION: &str = "get revision link";
    /// What the tag means.
    pub const GET_TAG: &str = "get tag link";
    /// The tag is removed if it still has the value that was read.
    pub const REMOVE_TAG: &str = "remove_if tag link";
    /// The manifest's entry among the referrers is removed.
    pub const REMOVE_REFERRER: &str = "remove referrer link";
    /// The revision link is removed.
    pub const REMOVE_REVISION: &str = "remove revision link";
    /// The request is answered with success.
    pub const ACKNOWLEDGE: &str = "acknowledge";
    /// The request is refused: the condition of its tag does not hold.
    pub const REFUSE: &str = "refuse";
}

/// What the tag link holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tag {
    /// The digest of a manifest.
    Means(Manifest),
    /// No bytes: counts as absent.
    Empty,
    /// There is no tag link.
    Absent,
}

/// The keys of the repository, and which requests were answered with success.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Bucket {
    /// Whether A's revision link is there.
    pub revision: bool,
    /// The tag link.
    pub tag: Tag,
    /// The tag was last written while its revision link was missing, and neither was written since.
    tag_without_manifest: bool,
    /// A push of A to the tag was acknowledged.
    pushed: bool,
    /// A push of another manifest to the tag was acknowledged.
    pushed_other: bool,
    /// A push of A under its digest was acknowledged.
    pushed_by_digest: bool,
    /// A delete of A was acknowledged.
    deleted: bool,
    /// A promise that a single step has broken.
    broken: Option<&'static str>,
}

/// What each actor does, and how far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Pushes a manifest.
    Push(Push),
    /// Deletes A.
    Delete(Delete),
}

/// How a delete removes a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TagRemoval {
    /// DELETE on the condition that the tag still holds what was read, where the server obeys it.
    ConditionalDelete,
    /// PUT of an empty link on that condition, where the server ignores conditions of DELETE.
    ConditionalEmptyPut,
    /// DELETE without a condition. Not the rule.
    PlainDelete,
}

/// What goes last in a delete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeleteOrder {
    /// Tags, then the revision link.
    RevisionLast,
    /// The revision link, then tags. Not the rule.
    RevisionFirst,
}

/// The parts of the rule, beside [`TagRemoval`]. A test changes one at a time.
#[derive(Debug, Clone, Copy)]
pub struct Parts {
    /// The order of a delete.
    pub delete_order: DeleteOrder,
    /// A delete goes over the tags once more after it removed the revision link. The rule forbids it.
    pub second_pass: bool,
    /// A push reads the revision link again after it wrote the tag, and begins anew where it has gone.
    pub push_checks_revision: bool,
    /// A write on the condition that the tag is absent replaces a tag whose revision link is missing. The rule forbids it: a
    /// push that is under way may be about to write both again, with the same contents.
    pub replace_dangling: bool,
}

/// The rule, with the actors that take part.
#[derive(Debug)]
pub struct TagsInBucket {
    actors: Vec<Actor<Role>>,
    parts: Parts,
}

// === impl Parts ===

impl Default for Parts {
    /// The rule as it is built.
    fn default() -> Self {
        Self {
            delete_order: DeleteOrder::RevisionLast,
            second_pass: false,
            push_checks_revision: true,
            replace_dangling: false,
        }
    }
}

// === impl TagsInBucket ===

impl TagsInBucket {
    /// The rule with `parts`, between `actors`; the tag means A at first.
    pub fn new(actors: Vec<Actor<Role>>, parts: Parts) -> Self {
        Self { actors, parts }
    }

    /// Whether all pushes to the tag are of another manifest than A, without a condition.
    fn only_others_push(&self) -> bool {
        self.actors.iter().all(|actor| match actor.first {
            Role::Push(push) => push.manifest != Manifest::A && push.write == TagWrite::Always,
            Role::Delete(_) => true,
        })
    }
}

impl Protocol for TagsInBucket {
    type Shared = Bucket;
    type Step = Role;

    fn start(&self) -> Bucket {
        Bucket {
            revision: true,
            tag: Tag::Means(Manifest::A),
            tag_without_manifest: false,
            pushed: false,
            pushed_other: false,
            pushed_by_digest: false,
            deleted: false,
            broken: None,
        }
    }

    fn actors(&self) -> &[Actor<Role>] {
        &self.actors
    }

    fn name(&self, step: &Role) -> &'static str {
        match step {
            Role::Push(push) => push.name(),
            Role::Delete(delete) => delete.name(),
        }
    }

    fn outcomes(&self, bucket: &Bucket, _me: usize, step: &Role) -> Vec<Outcome<Self>> {
        let parts = &self.parts;
        Outcome::only(bucket, |bucket| match *step {
            Role::Push(push) => push.step(bucket, parts).map(Role::Push),
            Role::Delete(delete) => delete.step(bucket, parts).map(Role::Delete),
        })
    }

    fn violation(&self, state: &State<Self>) -> Option<&'static str> {
        let bucket = &state.shared;
        if bucket.broken.is_some() || !state.all_ended() {
            return bucket.broken;
        }
        let moved = matches!(bucket.tag, Tag::Means(manifest) if manifest != Manifest::A);
        if bucket.pushed_other && !moved && self.only_others_push() {
            return Some("an acknowledged push of another manifest has lost its tag");
        }
        if bucket.pushed && bucket.tag_without_manifest {
            return Some("an acknowledged tag was written without its manifest");
        }
        // Gone as a whole is right: the delete came after the push. A push by digest brings it back without the tag.
        let tag_gone = matches!(bucket.tag, Tag::Absent | Tag::Empty);
        let half_gone = bucket.pushed && bucket.revision && tag_gone && !bucket.pushed_by_digest;
        (half_gone && !state.any_killed()).then_some("the manifest is there and its acknowledged tag is gone")
    }

    fn goal(&self, state: &State<Self>) -> bool {
        let bucket = &state.shared;
        let pushed = bucket.pushed || bucket.pushed_other;
        bucket.deleted && pushed && !bucket.revision && state.all_ended()
    }
}

// === impl Bucket ===

impl Bucket {
    fn put_revision(&mut self, manifest: Manifest) {
        if manifest == Manifest::A {
            self.revision = true;
            self.tag_without_manifest = false;
        }
    }

    fn put_tag(&mut self, tag: Tag) {
        self.tag = tag;
        self.tag_without_manifest = !self.has_revision(tag);
    }

    /// Whether the manifest that `tag` means is there. Others than A are never deleted.
    fn has_revision(&self, tag: Tag) -> bool {
        tag != Tag::Means(Manifest::A) || self.revision
    }
}

// === impl TagRemoval ===

impl TagRemoval {
    fn leaves(self) -> Tag {
        match self {
            Self::ConditionalEmptyPut => Tag::Empty,
            Self::ConditionalDelete | Self::PlainDelete => Tag::Absent,
        }
    }
}
