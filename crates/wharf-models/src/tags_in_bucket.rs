//! Rule 3: a manifest is deleted from a bucket while it, or another one, is pushed to its tag.
//!
//! The store has manifest A under tag `t`. There are no locks: each request to the bucket is atomic, and a removal of a tag
//! carries a condition. A tag whose revision link is missing counts as absent, and so does an empty tag link.
//!
//! | Actor | In the code |
//! |---|---|
//! | [`Role::PushSame`] | `LayoutMetadata::put_manifest` of A with tag `t` |
//! | [`Role::PushOther`] | `LayoutMetadata::put_manifest` of B with tag `t` |
//! | [`Role::PushByDigest`] | `LayoutMetadata::put_manifest` of A without a tag |
//! | [`Role::Delete`] | `LayoutMetadata::delete_manifest` of A; its tag steps are `remove_tags_of` and `Objects::remove_if` |

#[cfg(test)]
mod tests;

use crate::protocol::{Actor, Outcome, Protocol, State};

/// Names of the steps.
pub mod step {
    /// A's revision link is written.
    pub const PUT_REVISION: &str = "put revision link";
    /// The tag's link is written.
    pub const PUT_TAG: &str = "put tag link";
    /// Whether the revision link is still there.
    pub const GET_REVISION: &str = "get revision link";
    /// What the tag means.
    pub const GET_TAG: &str = "get tag link";
    /// The tag is removed if it still means A.
    pub const REMOVE_TAG: &str = "remove_if tag link";
    /// The revision link is removed.
    pub const REMOVE_REVISION: &str = "remove revision link";
    /// The request is answered with success.
    pub const ACKNOWLEDGE: &str = "acknowledge";
}

/// What the tag link holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tag {
    /// The manifest that is deleted.
    A,
    /// Another manifest.
    B,
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
    /// The tag was last written while the revision link was missing, and neither was written since.
    tag_without_manifest: bool,
    /// A push of A to the tag was acknowledged.
    same_pushed: bool,
    /// A push of B to the tag was acknowledged.
    other_pushed: bool,
    /// A push of A under its digest was acknowledged.
    pushed_by_digest: bool,
    /// A delete of A was acknowledged.
    deleted: bool,
}

/// What each actor does, and how far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Pushes A to the tag.
    PushSame(PushSame),
    /// Pushes B to the tag; its revision link is not modelled, as no actor deletes it.
    PushOther(PushOther),
    /// Pushes A under its digest alone.
    PushByDigest,
    /// Deletes A, by the given way to remove a tag.
    Delete(TagRemoval, Delete),
}

/// Pushes A to the tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is the step of the same name")]
pub enum PushSame {
    PutRevision,
    PutTag,
    GetRevision,
    Acknowledge,
}

/// Pushes B to the tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is the step of the same name")]
pub enum PushOther {
    PutTag,
    Acknowledge,
}

/// Deletes A.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is the step of the same name")]
pub enum Delete {
    GetTag(Pass),
    RemoveTag(Pass),
    RemoveRevision,
    Acknowledge,
}

/// Which pass over the tags. The rule has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pass {
    /// Before the revision link is removed, if the order is right.
    First,
    /// After that. No correct delete has it.
    Second,
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
        Self { delete_order: DeleteOrder::RevisionLast, second_pass: false, push_checks_revision: true }
    }
}

// === impl TagsInBucket ===

impl TagsInBucket {
    /// The rule with `parts`, between `actors`.
    pub fn new(actors: Vec<Actor<Role>>, parts: Parts) -> Self {
        Self { actors, parts }
    }

    fn step(&self, bucket: &mut Bucket, role: Role) -> Option<Role> {
        match role {
            Role::PushSame(at) => at.step(bucket, &self.parts).map(Role::PushSame),
            Role::PushOther(PushOther::PutTag) => {
                bucket.put_tag(Tag::B);
                Some(Role::PushOther(PushOther::Acknowledge))
            }
            Role::PushOther(PushOther::Acknowledge) => {
                bucket.other_pushed = true;
                None
            }
            Role::PushByDigest => {
                bucket.put_revision();
                bucket.pushed_by_digest = true;
                None
            }
            Role::Delete(removal, at) => {
                at.step(bucket, removal, &self.parts).map(|next| Role::Delete(removal, next))
            }
        }
    }
}

impl Protocol for TagsInBucket {
    type Shared = Bucket;
    type Step = Role;

    fn start(&self) -> Bucket {
        Bucket {
            revision: true,
            tag: Tag::A,
            tag_without_manifest: false,
            same_pushed: false,
            other_pushed: false,
            pushed_by_digest: false,
            deleted: false,
        }
    }

    fn actors(&self) -> &[Actor<Role>] {
        &self.actors
    }

    fn name(&self, step: &Role) -> &'static str {
        match step {
            Role::PushSame(PushSame::PutRevision) | Role::PushByDigest => step::PUT_REVISION,
            Role::PushSame(PushSame::PutTag) | Role::PushOther(PushOther::PutTag) => step::PUT_TAG,
            Role::PushSame(PushSame::GetRevision) => step::GET_REVISION,
            Role::Delete(_, Delete::GetTag(_)) => step::GET_TAG,
            Role::Delete(_, Delete::RemoveTag(_)) => step::REMOVE_TAG,
            Role::Delete(_, Delete::RemoveRevision) => step::REMOVE_REVISION,
            Role::PushSame(PushSame::Acknowledge)
            | Role::PushOther(PushOther::Acknowledge)
            | Role::Delete(_, Delete::Acknowledge) => step::ACKNOWLEDGE,
        }
    }

    fn outcomes(&self, bucket: &Bucket, _me: usize, step: &Role) -> Vec<Outcome<Self>> {
        Outcome::only(bucket, |bucket| self.step(bucket, *step))
    }

    fn violation(&self, state: &State<Self>) -> Option<&'static str> {
        let bucket = &state.shared;
        if !state.all_ended() {
            return None;
        }
        let moved_by_others = self.actors.iter().any(|actor| matches!(actor.first, Role::PushSame(_)));
        if bucket.other_pushed && bucket.tag != Tag::B && !moved_by_others {
            return Some("an acknowledged push of another manifest has lost its tag");
        }
        if bucket.same_pushed && bucket.tag_without_manifest {
            return Some("an acknowledged tag was written without its manifest");
        }
        // Gone as a whole is right: the delete came after the push. A push by digest brings it back without the tag.
        let tag_gone = matches!(bucket.tag, Tag::Absent | Tag::Empty);
        let half = bucket.same_pushed && bucket.revision && tag_gone && !bucket.pushed_by_digest;
        half.then_some("the manifest is there and its acknowledged tag is gone")
    }

    fn goal(&self, state: &State<Self>) -> bool {
        let bucket = &state.shared;
        let pushed = bucket.same_pushed || bucket.other_pushed;
        bucket.deleted && pushed && !bucket.revision && state.all_ended()
    }
}

// === impl Bucket ===

impl Bucket {
    fn put_revision(&mut self) {
        self.revision = true;
        self.tag_without_manifest = false;
    }

    fn put_tag(&mut self, tag: Tag) {
        self.tag = tag;
        self.tag_without_manifest = tag == Tag::A && !self.revision;
    }
}

// === impl PushSame ===

impl PushSame {
    fn step(self, bucket: &mut Bucket, parts: &Parts) -> Option<Self> {
        match self {
            Self::PutRevision => {
                bucket.put_revision();
                Some(Self::PutTag)
            }
            Self::PutTag => {
                bucket.put_tag(Tag::A);
                Some(if parts.push_checks_revision { Self::GetRevision } else { Self::Acknowledge })
            }
            Self::GetRevision if bucket.revision => Some(Self::Acknowledge),
            Self::GetRevision => Some(Self::PutRevision),
            Self::Acknowledge => {
                bucket.same_pushed = true;
                None
            }
        }
    }
}

// === impl Delete ===

impl Delete {
    /// The first step of a delete in `order`.
    pub const fn first(order: DeleteOrder) -> Self {
        match order {
            DeleteOrder::RevisionLast => Self::GetTag(Pass::First),
            DeleteOrder::RevisionFirst => Self::RemoveRevision,
        }
    }

    fn step(self, bucket: &mut Bucket, removal: TagRemoval, parts: &Parts) -> Option<Self> {
        match self {
            Self::GetTag(pass) if bucket.tag == Tag::A => Some(Self::RemoveTag(pass)),
            Self::GetTag(pass) => Some(Self::after_tags(pass, parts)),
            Self::RemoveTag(pass) => {
                if bucket.tag == Tag::A || removal == TagRemoval::PlainDelete {
                    bucket.put_tag(removal.leaves());
                }
                Some(Self::after_tags(pass, parts))
            }
            Self::RemoveRevision => {
                bucket.revision = false;
                Some(match parts.delete_order {
                    DeleteOrder::RevisionFirst => Self::GetTag(Pass::First),
                    DeleteOrder::RevisionLast if parts.second_pass => Self::GetTag(Pass::Second),
                    DeleteOrder::RevisionLast => Self::Acknowledge,
                })
            }
            Self::Acknowledge => {
                bucket.deleted = true;
                None
            }
        }
    }

    fn after_tags(pass: Pass, parts: &Parts) -> Self {
        match (pass, parts.delete_order) {
            (Pass::First, DeleteOrder::RevisionLast) => Self::RemoveRevision,
            (Pass::First, DeleteOrder::RevisionFirst) | (Pass::Second, _) => Self::Acknowledge,
        }
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
